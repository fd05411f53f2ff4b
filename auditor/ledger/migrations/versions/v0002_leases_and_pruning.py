"""Who is at work on an entity, how an acceptance ended, and which runs were pruned."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.String(255)
_WORD = sa.String(40)
_TIME = sa.String(40)
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def upgrade() -> None:
    """Add the table of leases, and columns that are empty for what is there."""
    op.create_table(
        "leases",
        sa.Column("entity", _NAME, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("process", sa.String(255), nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("entity", name="pk_leases"),
        **_OPTIONS,
    )
    op.add_column("accepted", sa.Column("ended_at", _TIME))
    op.add_column("accepted", sa.Column("ended_why", _WORD))
    op.add_column("accepted", sa.Column("ended_run", sa.String(64)))
    op.add_column("runs", sa.Column("pruned_at", _TIME))
