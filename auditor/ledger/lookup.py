"""Finds the run or the finding that a person means: an id, the beginning of one, or `last`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from auditor.ledger.json_text import decode
from auditor.ledger.records import Run
from auditor.ledger.tables import FINDINGS, RUNS
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

LAST = "last"
RUN_COLUMNS = [column for column in RUNS.c if column.name != "document"]

_AMBIGUOUS_SHOWN_MAX = 5


def find_run(connection: Connection, reference: str) -> Run:
    """The run of this id, or of this beginning of one, or the last one.

    Raises:
        UsageError: There is no such run, or there are several.
    """
    wanted = select(*RUN_COLUMNS).order_by(RUNS.c.number.desc()).limit(_AMBIGUOUS_SHOWN_MAX)
    if reference == LAST:
        rows = connection.execute(wanted.limit(1)).all()
    else:
        rows = _meant(connection.execute(wanted.where(_begins(RUNS.c.run_id, reference))).all(), reference, "run_id")
    return run_record(_only(rows, [row.run_id for row in rows], "run", reference, "`audit runs` lists them"))


def find_finding(connection: Connection, reference: str) -> Row[Any]:
    """The row of the finding of this id, or of this beginning of one.

    Raises:
        UsageError: There is no such finding, or there are several.
    """
    wanted = select(FINDINGS).where(_begins(FINDINGS.c.finding_id, reference)).limit(_AMBIGUOUS_SHOWN_MAX)
    rows = _meant(connection.execute(wanted).all(), reference, "finding_id")
    names = [row.finding_id for row in rows]
    return _only(rows, names, "finding", reference, "`audit findings` lists them")


def run_record(row: Row[Any]) -> Run:
    """A run from its row, which has `RUN_COLUMNS`."""
    values = dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping
    return Run(**values | {"exit_reasons": tuple(decode(values["exit_reasons"]))})


def require_whole(run: Run) -> None:
    """Refuse to show a run in part, as if it were all.

    Raises:
        UsageError: Findings of it have been pruned.
    """
    if run.pruned_at is not None:
        raise UsageError(
            f"what the run {run.run_id} found was pruned at {run.pruned_at}; only what is still open was kept",
            hint="`audit explain FINDING` has the history of what is open; `audit runs` lists the runs",
        )


def _meant(rows: Sequence[Row[Any]], reference: str, name: str) -> Sequence[Row[Any]]:
    """A whole id is meant by itself, whatever else begins with it."""
    return [row for row in rows if getattr(row, name) == reference] or rows


def _begins(column: Any, prefix: str) -> Any:
    """As LIKE does, but the same in every database: no wildcards, and case matters."""
    return func.substr(column, 1, len(prefix)) == prefix


def _only(found: Sequence[Row[Any]], names: Sequence[str], kind: str, reference: str, hint: str) -> Row[Any]:
    if not found:
        missing = f"there is no {kind} yet" if reference == LAST else f"no {kind} begins with `{reference}`"
        raise UsageError(f"{missing} in the ledger", hint=hint)
    if len(found) > 1:
        shown = ", ".join(names)
        raise UsageError(f"`{reference}` begins several {kind}s: {shown}", hint="write more of it")
    return found[0]
