"""How soon changes arrived may not be known: looks do not see as finely as a change stream."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NAME = sa.String(255)
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
_COUNTS = ("within_1s", "within_10s", "within_1m", "within_5m", "within_1h")


def upgrade() -> None:
    """Make the table anew: SQLite cannot let an existing column hold NULL."""
    columns = ", ".join(("entity", "replica", "hour", "member", "changes", *_COUNTS))
    op.create_table(
        "known_arrivals",
        sa.Column("entity", _NAME, nullable=False),
        sa.Column("replica", _NAME, nullable=False),
        sa.Column("hour", sa.String(40), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer()) for name in _COUNTS),
        sa.PrimaryKeyConstraint("entity", "replica", "hour", "member", name="pk_known_arrivals"),
        **_OPTIONS,
    )
    op.execute(f"INSERT INTO known_arrivals ({columns}) SELECT {columns} FROM arrivals")
    op.drop_table("arrivals")
    op.rename_table("known_arrivals", "arrivals")
