"""Runs, findings, what each run observed, and what is accepted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision: str | None = None

_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_NAME = sa.String(255)
_WORD = sa.String(40)
_TIME = sa.String(40)
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "ledger_metadata",
        sa.Column("name", _WORD, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_metadata"),
        **_OPTIONS,
    )
    _create_runs()
    _create_findings()
    _create_observations()
    _create_accepted()


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("exit_reasons", sa.Text(), nullable=False),
        sa.Column("auditor_version", _WORD, nullable=False),
        sa.Column("settings_digest", sa.String(64), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("document", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.UniqueConstraint("run_id", name="uq_runs_run_id"),
        **_OPTIONS,
    )


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("finding_id", sa.String(64), nullable=False),
        sa.Column("entity", _NAME, nullable=False),
        sa.Column("replica", _NAME),
        sa.Column("key_json", _LONG_TEXT),
        sa.Column("divergence", _WORD, nullable=False),
        sa.Column("rule", _NAME),
        sa.Column("verdict", _WORD, nullable=False),
        sa.Column("cause", _WORD),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("last_seen", _TIME, nullable=False),
        sa.Column("first_run", sa.Integer(), nullable=False),
        sa.Column("last_run", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("closed_run", sa.Integer()),
        sa.PrimaryKeyConstraint("number", name="pk_findings"),
        sa.UniqueConstraint("finding_id", name="uq_findings_finding_id"),
        sa.ForeignKeyConstraint(["first_run"], ["runs.number"], name="fk_findings_first_run"),
        sa.ForeignKeyConstraint(["last_run"], ["runs.number"], name="fk_findings_last_run"),
        sa.ForeignKeyConstraint(["closed_run"], ["runs.number"], name="fk_findings_closed_run"),
        **_OPTIONS,
    )
    op.create_index("ix_findings_is_open", "findings", ["is_open", "entity"])


def _create_observations() -> None:
    op.create_table(
        "observations",
        sa.Column("run", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("finding", sa.Integer(), nullable=False),
        sa.Column("verdict", _WORD, nullable=False),
        sa.Column("cause", _WORD),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("judge_after", _TIME),
        sa.Column("document", _LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run", "position", name="pk_observations"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_observations_run"),
        sa.ForeignKeyConstraint(["finding"], ["findings.number"], name="fk_observations_finding"),
        **_OPTIONS,
    )
    op.create_index("ix_observations_finding", "observations", ["finding", "run"])


def _create_accepted() -> None:
    op.create_table(
        "accepted",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("finding", sa.Integer(), nullable=False),
        sa.Column("accepted_at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("values_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_accepted"),
        sa.ForeignKeyConstraint(["finding"], ["findings.number"], name="fk_accepted_finding"),
        **_OPTIONS,
    )
    op.create_index("ix_accepted_finding", "accepted", ["finding"])
