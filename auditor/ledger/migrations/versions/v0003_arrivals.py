"""How the owners' changes arrived at their replicas, hour by hour."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME = sa.String(255)
_TIME = sa.String(40)
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def upgrade() -> None:
    """Add the table; what was there stays as it is."""
    op.create_table(
        "arrivals",
        sa.Column("entity", _NAME, nullable=False),
        sa.Column("replica", _NAME, nullable=False),
        sa.Column("hour", _TIME, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("within_1s", sa.Integer(), nullable=False),
        sa.Column("within_10s", sa.Integer(), nullable=False),
        sa.Column("within_1m", sa.Integer(), nullable=False),
        sa.Column("within_5m", sa.Integer(), nullable=False),
        sa.Column("within_1h", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "replica", "hour", name="pk_arrivals"),
        **_OPTIONS,
    )
