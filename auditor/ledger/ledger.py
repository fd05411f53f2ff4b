"""The ledger: what every run found, and what became of it.

```
with Ledger.open("sqlite:///auditor.db") as ledger:
    seen = ledger.record(document, findings)         # one transaction
    ledger.report(ledger.run("last").run_id)         # the same report again
```

A finding is *open* from the run that first reports it until a run calls it healed, or no longer finds it although it
looked at every key of that entity and replica.  `first_seen` is when it was last opened: drift that was put right in
spring and is back today is a day old, not a season.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from sqlalchemy import Connection, Row, Select, func, select

from auditor.ledger.database import Database
from auditor.ledger.json_text import decode
from auditor.ledger.recording import Recording, wholly_compared
from auditor.ledger.records import (
    Carried,
    Document,
    FindingHistory,
    LedgerStatus,
    Observation,
    Pair,
    Run,
    Seen,
    with_times,
)
from auditor.ledger.schema import found_version, upgrade
from auditor.ledger.tables import FINDINGS, LEDGER_METADATA, OBSERVATIONS, RUNS
from auditor.ledger.version import HASH_KEY, SCHEMA_VERSION
from auditor.reports.document import finding_order
from auditor.secrets import remember
from auditor.store_url import SQLALCHEMY_SCHEMES, parse_store_url
from contracts.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from auditor.reports.document import FindingDocument

_Record = TypeVar("_Record")

LAST = "last"

_CARRIED_VERDICT = "in_flight"
_LATEST = (OBSERVATIONS.c.finding == FINDINGS.c.number) & (OBSERVATIONS.c.run == FINDINGS.c.last_run)
"""A finding with what was last said about it."""
_AMBIGUOUS_SHOWN_MAX = 5
_RUN_COLUMNS = [column for column in RUNS.c if column.name != "document"]


class Ledger:
    """An open ledger.  Close it, or use it in a `with` statement; for one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, *, read_only: bool = False) -> Self:
        """Open a ledger; an empty database becomes one, an older one is upgraded.

        Args:
            url: A SQLAlchemy URL; `sqlite:///x.db` is relative to the working directory.
            read_only: Make, upgrade and write nothing; the ledger must be there.

        Raises:
            LedgerError: There is no ledger there, it cannot be read or written, or a newer auditor made it.
        """
        try:
            parsed = parse_store_url(url, directory=Path.cwd(), schemes=SQLALCHEMY_SCHEMES)
        except ValueError as failure:
            raise LedgerError(f"cannot open the ledger: {failure}", hint="check `ledger.url`") from None
        database = Database(parsed, read_only=read_only)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self._database.place!r})"

    def hash_key(self) -> bytes:
        """The ledger's own key for hashes of sensitive values: 32 random bytes, the same for ever."""
        with self._database.reading("read the hash key of") as connection:
            found = select(LEDGER_METADATA.c.value).where(LEDGER_METADATA.c.name == HASH_KEY)
            key: str = connection.execute(found).scalar_one()
        remember(key)
        return bytes.fromhex(key)

    def record(
        self,
        document: Mapping[str, Any],
        findings: Iterable[Mapping[str, Any]],
        *,
        whole: Collection[Pair] | None = None,
        auditor_version: str = "",
        settings_digest: str = "",
    ) -> dict[str, Seen]:
        """Write down a run with all its findings, in one transaction.

        Args:
            document: The report as JSON; `findings` in it are ignored.
            findings: The findings as JSON, masked, in the report's order, without `first_seen` and `last_seen`.
                Read once, in chunks, while the ledger is locked for other writers.
            whole: Pairs of entity and replica (None: the owner's own rows) of which the run looked at every key; open
                findings there that it does not report are closed.  By default what `wholly_compared` says.
            auditor_version: Who wrote the report.
            settings_digest: Under which settings.

        Returns:
            For each finding's id, since when it has been seen.

        Raises:
            LedgerError: The ledger cannot be written, or knows the run already; nothing is recorded then.
        """
        pairs = wholly_compared(document) if whole is None else whole
        made_by = {"auditor_version": auditor_version, "settings_digest": settings_digest}
        with self._database.writing("record the run in") as connection:
            self._require_new(connection, document["run_id"])
            recording = Recording(connection, document, made_by)
            recording.add(findings)
            return recording.finish(pairs)

    def _require_new(self, connection: Connection, run_id: str) -> None:
        if connection.execute(select(RUNS.c.number).where(RUNS.c.run_id == run_id)).first() is not None:
            raise LedgerError(f"cannot record the run {run_id}: the ledger {self._database.place} has it already")

    def runs(self, limit: int | None = None) -> list[Run]:
        """Recorded runs, the latest first."""
        wanted = select(*_RUN_COLUMNS).order_by(RUNS.c.number.desc()).limit(limit)
        with self._database.reading("read the runs of") as connection:
            return [_run(row) for row in connection.execute(wanted)]

    def run(self, reference: str = LAST) -> Run:
        """The run of this id, or of this beginning of one, or the last one.

        Raises:
            UsageError: There is no such run, or there are several.
        """
        wanted = select(*_RUN_COLUMNS).order_by(RUNS.c.number.desc()).limit(_AMBIGUOUS_SHOWN_MAX)
        if reference != LAST:
            wanted = wanted.where(_begins(RUNS.c.run_id, reference))
        with self._database.reading("read the runs of") as connection:
            found = [_run(row) for row in connection.execute(wanted)]
        exact = [run for run in found if run.run_id == reference] or found
        if reference == LAST:
            exact = exact[:1]
        return _only(exact, [run.run_id for run in exact], "run", reference, "`audit runs` lists them")

    def report(self, reference: str = LAST) -> Document:
        """The report of a run, as it was when the run had finished.

        Raises:
            UsageError: There is no such run.
        """
        run = self.run(reference)
        with self._database.reading("read a report of") as connection:
            text = connection.execute(select(RUNS.c.document).where(RUNS.c.number == run.number)).scalar_one()
            document: Document = decode(text)
            document["findings"] = list(_reported(connection, run))
        return document

    def report_findings(self, reference: str = LAST) -> Iterator[Document]:
        """The findings of a run's report one by one, for reports that need not hold them all.

        Raises:
            UsageError: There is no such run.
        """
        run = self.run(reference)
        with self._database.reading("read a report of") as connection:
            yield from _reported(connection, run)

    def findings(self, *, open_only: bool = False, entity: str | None = None) -> list[Document]:
        """The findings as last reported, ordered as in reports.

        Args:
            open_only: Leave out what has healed or gone.
            entity: Only this entity's.
        """
        wanted = _latest_documents()
        if open_only:
            wanted = wanted.where(FINDINGS.c.is_open)
        if entity is not None:
            wanted = wanted.where(FINDINGS.c.entity == entity)
        with self._database.reading("read the findings of") as connection:
            rows = connection.execute(wanted.execution_options(yield_per=1000))
            found = [with_times(decode(text), first, last) for text, first, last in rows]
        return sorted(found, key=lambda finding: finding_order(cast("FindingDocument", finding)))

    def carried(self, entity: str) -> list[Carried]:
        """What the last run that looked at them left in flight, the first to be judged first.

        Their keys and values are masked, as everything in the ledger: one with a sensitive key is found again by its
        id only.
        """
        left = FINDINGS.c.is_open & (FINDINGS.c.entity == entity) & (FINDINGS.c.verdict == _CARRIED_VERDICT)
        wanted = (
            select(FINDINGS.c.finding_id, FINDINGS.c.first_seen, FINDINGS.c.last_seen)
            .add_columns(OBSERVATIONS.c.judge_after, OBSERVATIONS.c.document)
            .select_from(FINDINGS.join(OBSERVATIONS, _LATEST))
            .where(left & OBSERVATIONS.c.judge_after.is_not(None))
            .order_by(OBSERVATIONS.c.judge_after, FINDINGS.c.number)
        )
        with self._database.reading("read what is in flight from") as connection:
            return [
                Carried(identity, first, last, judge_after, with_times(decode(text), first, last))
                for identity, first, last, judge_after, text in connection.execute(wanted)
            ]

    def finding(self, reference: str) -> FindingHistory:
        """The finding of this id, or of this beginning of one, with its history.

        Raises:
            UsageError: There is no such finding, or there are several.
        """
        wanted = select(FINDINGS).where(_begins(FINDINGS.c.finding_id, reference)).limit(_AMBIGUOUS_SHOWN_MAX)
        with self._database.reading("read a finding of") as connection:
            rows = connection.execute(wanted).all()
            exact = [row for row in rows if row.finding_id == reference] or rows
            names = [row.finding_id for row in exact]
            row = _only(exact, names, "finding", reference, "`audit findings` lists them")
            return _history(connection, row)

    def status(self) -> LedgerStatus:
        """The ledger's schema and size."""
        with self._database.reading("read the status of") as connection:
            version = found_version(connection, self._database.place)
            newest, oldest = RUNS.c.number.desc(), RUNS.c.number.asc()
            return LedgerStatus(
                place=self._database.place,
                schema_version=version or "",
                size_bytes=self._database.size_bytes(),
                runs=_count(connection, RUNS.c.number),
                findings=_count(connection, FINDINGS.c.number),
                open_findings=_count(connection, FINDINGS.c.number, FINDINGS.c.is_open),
                observations=_count(connection, OBSERVATIONS.c.position),
                oldest_run=connection.execute(select(RUNS.c.run_id).order_by(oldest).limit(1)).scalar(),
                newest_run=connection.execute(select(RUNS.c.run_id).order_by(newest).limit(1)).scalar(),
            )


def _prepare(database: Database) -> None:
    """Have the newest schema there, or say why not; the usual case reads one row."""
    with database.reading("open") as connection:
        version = found_version(connection, database.place)
    if version == SCHEMA_VERSION:
        return
    if database.read_only:
        found = f"has the older schema {version}" if version else "is empty"
        raise LedgerError(
            f"the ledger {database.place} {found}; expected schema {SCHEMA_VERSION}", hint="run `audit ledger upgrade`"
        )
    with database.writing("upgrade") as connection:
        # Another process may have done it while we waited for our turn.
        if found_version(connection, database.place) != SCHEMA_VERSION:
            upgrade(connection)
    database.allow_reading_while_writing()


def _begins(column: Any, prefix: str) -> Any:
    """As LIKE does, but the same in every database: no wildcards, and case matters."""
    return func.substr(column, 1, len(prefix)) == prefix


def _only(found: Sequence[_Record], names: Sequence[str], kind: str, reference: str, hint: str) -> _Record:
    if not found:
        missing = f"there is no {kind} yet" if reference == LAST else f"no {kind} begins with `{reference}`"
        raise UsageError(f"{missing} in the ledger", hint=hint)
    if len(found) > 1:
        shown = ", ".join(names)
        raise UsageError(f"`{reference}` begins several {kind}s: {shown}", hint="write more of it")
    return found[0]


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping
    return Run(**values | {"exit_reasons": tuple(decode(values["exit_reasons"]))})


def _reported(connection: Connection, run: Run) -> Iterator[Document]:
    columns = (OBSERVATIONS.c.document, OBSERVATIONS.c.first_seen)
    wanted = select(*columns).where(OBSERVATIONS.c.run == run.number).order_by(OBSERVATIONS.c.position)
    for text, first_seen in connection.execute(wanted.execution_options(yield_per=1000)):
        yield with_times(decode(text), first_seen, run.finished_at)


def _latest_documents() -> Select[Any]:
    columns = (OBSERVATIONS.c.document, FINDINGS.c.first_seen, FINDINGS.c.last_seen)
    return select(*columns).select_from(FINDINGS.join(OBSERVATIONS, _LATEST))


def _history(connection: Connection, row: Row[Any]) -> FindingHistory:
    columns = (RUNS.c.run_id, RUNS.c.finished_at, OBSERVATIONS.c.verdict, OBSERVATIONS.c.cause)
    wanted = (
        select(*columns, OBSERVATIONS.c.document, OBSERVATIONS.c.first_seen)
        .join_from(OBSERVATIONS, RUNS, OBSERVATIONS.c.run == RUNS.c.number)
        .where(OBSERVATIONS.c.finding == row.number)
        .order_by(OBSERVATIONS.c.run, OBSERVATIONS.c.position)
    )
    observations = tuple(
        Observation(run_id, at, verdict, cause, with_times(decode(text), first_seen, at))
        for run_id, at, verdict, cause, text, first_seen in connection.execute(wanted)
    )
    closed_by = connection.execute(select(RUNS.c.run_id).where(RUNS.c.number == row.closed_run)).scalar()
    return FindingHistory(row.finding_id, row.is_open, row.first_seen, row.last_seen, closed_by, observations)


def _count(connection: Connection, column: Any, condition: Any = None) -> int:
    wanted = select(func.count(column))
    return int(connection.execute(wanted if condition is None else wanted.where(condition)).scalar_one())
