"""The ledger's tables, as the newest migration leaves them (a test holds the two together).

```
runs 1 ──< observations >── 1 findings 1 ──< accepted          leases: one an entity that is being audited
                                                               arrivals: one an entity, replica and hour
                                                               anchors: one an entity that a run found clean
```

A finding is one divergence with its identity; an observation is what one run said about it.  What a report printed is
kept as JSON text, and beside it the columns that are asked for.  Times are text as in reports,
`2026-01-31T12:00:00.000000Z`: it sorts as the times do, in every database.

What counts only when tables are made is in the migrations, such as the options of MySQL: here it would have every run
import what SQLAlchemy knows of MySQL.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

LONG_TEXT = Text()  # in MySQL, the migrations make it a LONGTEXT
NAME = String(255)
WORD = String(40)
TIME = String(40)

LEDGER_METADATA = Table(
    "ledger_metadata",
    METADATA,
    Column("name", WORD, primary_key=True),
    Column("value", Text, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True),  # in the order recorded
    Column("run_id", String(64), nullable=False, unique=True),
    Column("kind", WORD, nullable=False),
    Column("started_at", TIME, nullable=False),
    Column("finished_at", TIME, nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("exit_reasons", Text, nullable=False),  # JSON list
    Column("auditor_version", WORD, nullable=False),
    Column("settings_digest", String(64), nullable=False),
    Column("findings", Integer, nullable=False),  # how many observations
    Column("document", LONG_TEXT, nullable=False),  # JSON: the report without its findings
    Column("pruned_at", TIME),  # since when observations of it are missing; NULL: it is whole
)

FINDINGS = Table(
    "findings",
    METADATA,
    # What others refer to: it grows with time, as their rows do, so that large runs are written in order of the pages.
    Column("number", Integer, primary_key=True),
    Column("finding_id", String(64), nullable=False, unique=True),  # what people and reports know
    Column("entity", NAME, nullable=False),
    Column("replica", NAME),  # NULL: about the owner alone
    Column("key_json", LONG_TEXT),  # NULL: about the whole replica
    Column("divergence", WORD, nullable=False),
    Column("rule", NAME),
    Column("verdict", WORD, nullable=False),  # the latest
    Column("cause", WORD),
    Column("first_seen", TIME, nullable=False),  # since when it has been open without a break
    Column("last_seen", TIME, nullable=False),
    Column("first_run", ForeignKey("runs.number"), nullable=False),
    Column("last_run", ForeignKey("runs.number"), nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("closed_run", ForeignKey("runs.number")),  # the run that found it gone
    Index("ix_findings_is_open", "is_open", "entity"),
)

OBSERVATIONS = Table(
    "observations",
    METADATA,
    Column("run", ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # in the report, from 0
    Column("finding", ForeignKey("findings.number"), nullable=False),
    Column("verdict", WORD, nullable=False),
    Column("cause", WORD),
    Column("first_seen", TIME, nullable=False),  # as this run's report says
    Column("judge_after", TIME),
    Column("document", LONG_TEXT, nullable=False),  # JSON: the finding as reported, without first_seen and last_seen
    Index("ix_observations_finding", "finding", "run"),
)

ACCEPTED = Table(
    "accepted",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("finding", ForeignKey("findings.number"), nullable=False, index=True),
    Column("accepted_at", TIME, nullable=False),
    Column("until", TIME, nullable=False),
    Column("why", Text, nullable=False),
    Column("values_digest", String(64), nullable=False),  # other values reopen it
    Column("ended_at", TIME),  # NULL: in force until `until`
    Column("ended_why", WORD),  # see `auditor.ledger.acceptance`
    Column("ended_run", String(64)),  # the id of the run that ended it; it may have been pruned since
)

LEASES = Table(
    "leases",
    METADATA,
    Column("entity", NAME, primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("holder", Text, nullable=False),  # for people: which process on which host
    Column("process", String(255), nullable=False),  # for machines: see `auditor.ledger.holder`
    Column("taken_at", TIME, nullable=False),
    Column("until", TIME, nullable=False),  # by the clock of the database's server, as `taken_at`
)

ARRIVALS = Table(
    "arrivals",
    METADATA,
    Column("entity", NAME, primary_key=True),
    Column("replica", NAME, primary_key=True),
    Column("hour", TIME, primary_key=True),  # in which the owner committed
    Column("member", String(64), primary_key=True),  # of a group of monitors, who counted; '' without a group
    Column("changes", Integer, nullable=False),
    Column("within_1s", Integer),  # of these, how many had arrived by then; NULL: not known
    Column("within_10s", Integer),
    Column("within_1m", Integer),
    Column("within_5m", Integer),
    Column("within_1h", Integer),
)

ANCHORS = Table(
    "anchors",
    METADATA,
    Column("entity", NAME, primary_key=True),
    Column("run_id", String(64), nullable=False),  # that found it clean; it may have been pruned since
    Column("noted_at", TIME, nullable=False),
    Column("document", LONG_TEXT, nullable=False),  # JSON: see `auditor.runs.anchor`
)
