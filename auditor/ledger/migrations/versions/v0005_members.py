"""Which member of a group of monitors has counted how changes arrived."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NAME = sa.String(255)
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
_COUNTS = ("changes", "within_1s", "within_10s", "within_1m", "within_5m", "within_1h")


def upgrade() -> None:
    """Make the table anew, with the member in its key: what is there was counted by monitors that were alone."""
    columns = ", ".join(("entity", "replica", "hour", *_COUNTS))
    op.create_table(
        "member_arrivals",
        sa.Column("entity", _NAME, nullable=False),
        sa.Column("replica", _NAME, nullable=False),
        sa.Column("hour", sa.String(40), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("entity", "replica", "hour", "member", name="pk_member_arrivals"),
        **_OPTIONS,
    )
    op.execute(f"INSERT INTO member_arrivals ({columns}, member) SELECT {columns}, '' FROM arrivals")
    op.drop_table("arrivals")
    op.rename_table("member_arrivals", "arrivals")
