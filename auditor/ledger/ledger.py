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

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from sqlalchemy import Connection, Row, Select, exists, func, select

from auditor.ledger import acceptance, anchors, arrivals, leases, truncates
from auditor.ledger.database import Database
from auditor.ledger.json_text import decode
from auditor.ledger.lookup import LAST, RUN_COLUMNS, find_finding, find_run, require_whole, run_record
from auditor.ledger.pruning import Pruning
from auditor.ledger.recording import CHUNK_FINDINGS, Recording, wholly_compared
from auditor.ledger.records import (
    Carried,
    Document,
    FindingHistory,
    LedgerStatus,
    Observation,
    Pair,
    Run,
    with_times,
)
from auditor.ledger.schema import found_version, upgrade
from auditor.ledger.tables import ACCEPTED, FINDINGS, LEASES, LEDGER_METADATA, OBSERVATIONS, RUNS
from auditor.ledger.version import HASH_KEY, SCHEMA_VERSION
from auditor.reports.document import finding_order, instant_text
from auditor.reports.ordering import InOrder
from auditor.secrets import remember
from auditor.store_url import SQLALCHEMY_SCHEMES, parse_store_url
from contracts.errors import LedgerError, OlderLedgerError
from reconcilers.spill import Overflow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy import ColumnElement

    from auditor.ledger.holder import Holder
    from auditor.ledger.recording import Times
    from auditor.ledger.records import AcceptedRun, AcceptedValues, Pruned
    from auditor.reports.document import FindingDocument
    from reconcilers.streams.truncate import Truncate

_SIGNS_OF_USE = (RUNS.c.number, LEASES.c.entity)
_CARRIED_VERDICT = "in_flight"
_ACCEPTED_VERDICT = "accepted"
_DRIFT_VERDICTS = ("persistent", "suspect")
_LATEST = (OBSERVATIONS.c.finding == FINDINGS.c.number) & (OBSERVATIONS.c.run == FINDINGS.c.last_run)
"""A finding with what was last said about it."""


class Ledger:
    """An open ledger.  Close it, or use it in a `with` statement; for one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leasing: set[str] = set()
        self.is_recording = False
        """A run is being written down: a file lets nobody else write meanwhile, a lease included."""

    @classmethod
    def open(cls, url: str, *, read_only: bool = False, must_exist: bool = False) -> Self:
        """Open a ledger; an empty database becomes one, an older one is upgraded.

        Args:
            url: A SQLAlchemy URL; `sqlite:///x.db` is relative to the working directory.
            read_only: Make, upgrade and write nothing; the ledger must be there.
            must_exist: Make none where there is none.

        Raises:
            LedgerError: There is no ledger there, it cannot be read or written, or a newer auditor made it.
        """
        try:
            parsed = parse_store_url(url, directory=Path.cwd(), schemes=SQLALCHEMY_SCHEMES)
        except ValueError as failure:
            raise LedgerError(f"cannot open the ledger: {failure}", hint="check `ledger.url`") from None
        database = Database(parsed, read_only=read_only, must_exist=must_exist or read_only)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def withdraw_if_unused(self) -> None:
        """Take away a file that was made by this opening and that nobody has put anything into."""
        if not self._database.made_here():
            return
        with self._database.writing("look into") as connection:
            if not any(connection.execute(select(column).limit(1)).first() for column in _SIGNS_OF_USE):
                self._database.remove_file()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self._database.place!r})"

    def now(self) -> datetime:
        """The time by the clock of the database's server; of a file, this machine's."""
        with self._database.reading("read the clock of") as connection:
            return leases.server_now(connection)

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
        clean: Iterable[anchors.Anchor] = (),
    ) -> Times:
        """Write down a run with all its findings, in one transaction.

        Args:
            document: The report as JSON; `findings` in it are ignored.
            findings: The findings as JSON, masked, in the report's order, without `first_seen` and `last_seen`.
                Read once, in chunks, while the ledger is locked for other writers.
            whole: Pairs of entity and replica (None: the owner's own rows) of which the run looked at every key; open
                findings there that it does not report are closed.  By default what `wholly_compared` says.
            auditor_version: Who wrote the report.
            settings_digest: Under which settings.
            clean: Of the entities that it found clean, where it stood.

        Returns:
            Since when each of these findings has been seen, in their order.

        Raises:
            LedgerBusyError: Another run is at work on one of the entities, of which this one took no lease.
            LedgerError: The ledger cannot be written, it knows the run already, or another run has taken over.
                Nothing is recorded in either case.
        """
        pairs = wholly_compared(document) if whole is None else whole
        made_by = {"auditor_version": auditor_version, "settings_digest": settings_digest}
        self.is_recording = True
        try:
            with self._database.writing("record the run in") as connection:
                self._require_new(connection, document["run_id"])
                entities = [entity["entity"] for entity in document["entities"]]
                run_id = document["run_id"]
                leases.require_none_of_others(
                    connection, entities, run_id, self._database.place, had=run_id in self._leasing
                )
                recording = Recording(connection, document, made_by)
                recording.add(findings)
                anchors.put(connection, clean)
                return recording.finish(pairs)
        finally:
            self.is_recording = False

    def anchor(self, entity: str) -> anchors.Anchor | None:
        """Where the last run stood that found the entity clean; None where there is none."""
        with self._database.reading("read the anchor of an entity from") as connection:
            return anchors.of_entity(connection, entity)

    def has_open(self, entity: str) -> bool:
        """Whether any finding of the entity is open, whatever its verdict."""
        with self._database.reading("read the findings of") as connection:
            return anchors.is_open(connection, entity)

    def put_arrivals(self, hours: Iterable[arrivals.ArrivedHour], member: str = "") -> None:
        """Write down how changes arrived, in the place of what was known of these hours.

        Args:
            hours: The hours.
            member: Which of several monitors of a group has counted them.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("record arrivals in") as connection:
            arrivals.put(connection, hours, member)

    def share_truncates(self, feed: str, known: Collection[Truncate]) -> list[Truncate]:
        """What other members of a feed's group have read of truncates; they are told what we have.

        Args:
            feed: Its name.
            known: What we know.

        Raises:
            LedgerError: The ledger cannot be read or written.
        """
        with self._database.reading("read the truncates of a feed from") as connection:
            told = truncates.told(connection, feed)
        if truncates.together(told, known) != told:
            with self._database.writing("tell the truncates of a feed in") as connection:
                truncates.tell(connection, feed, known)
        mine = {one.place for one in known}
        return [one for one in told if one.place not in mine]

    def arrivals(self) -> list[arrivals.ArrivedHour]:
        """How changes arrived, hour by hour."""
        with self._database.reading("read the arrivals of") as connection:
            return arrivals.known(connection)

    def _require_new(self, connection: Connection, run_id: str) -> None:
        if connection.execute(select(RUNS.c.number).where(RUNS.c.run_id == run_id)).first() is not None:
            raise LedgerError(f"cannot record the run {run_id}: the ledger {self._database.place} has it already")

    def runs(self, limit: int | None = None) -> list[Run]:
        """Recorded runs, the latest first."""
        wanted = select(*RUN_COLUMNS).order_by(RUNS.c.number.desc()).limit(limit)
        with self._database.reading("read the runs of") as connection:
            return [run_record(row) for row in connection.execute(wanted)]

    def run(self, reference: str = LAST) -> Run:
        """The run of this id, or of this beginning of one, or the last one.

        Raises:
            UsageError: There is no such run, or there are several.
        """
        with self._database.reading("read the runs of") as connection:
            return find_run(connection, reference)

    def report(self, reference: str = LAST) -> Document:
        """The report of a run, as it was when the run had finished.

        Raises:
            UsageError: There is no such run.
        """
        found = self.run(reference).run_id
        return self.report_head(found) | {"findings": list(self.report_findings(found))}

    def report_head(self, reference: str = LAST) -> Document:
        """The report of a run without its findings.

        Raises:
            UsageError: There is no such run.
        """
        run = self.run(reference)
        require_whole(run)
        with self._database.reading("read a report of") as connection:
            text = connection.execute(select(RUNS.c.document).where(RUNS.c.number == run.number)).scalar_one()
            document: Document = decode(text)
        return document

    def report_findings(self, reference: str = LAST) -> Iterator[Document]:
        """The findings of a run's report one by one, for reports that need not hold them all.

        Raises:
            UsageError: There is no such run.
        """
        run = self.run(reference)
        require_whole(run)
        with self._database.reading("read a report of") as connection:
            yield from _reported(connection, run)

    def findings(self, *, open_only: bool = False, entity: str | None = None) -> list[Document]:
        """The findings as last reported, ordered as in reports.

        Args:
            open_only: Leave out what has healed or gone.
            entity: Only this entity's.
        """
        found = self.listed(Overflow(None), open_only=open_only, entity=entity)
        return [cast("Document", finding) for finding in found]

    def listed(self, overflow: Overflow, *, open_only: bool = False, entity: str | None = None) -> InOrder:
        """The same, to be gone through, for lists that need not be held.

        Args:
            overflow: Where they are kept.
            open_only: Leave out what has healed or gone.
            entity: Only this entity's.
        """
        wanted = _latest_documents(instant_text(datetime.now(UTC)))
        if open_only:
            wanted = wanted.where(FINDINGS.c.is_open)
        if entity is not None:
            wanted = wanted.where(FINDINGS.c.entity == entity)
        with self._database.reading("read the findings of") as connection:
            rows = connection.execute(wanted.execution_options(yield_per=1000))
            found = InOrder(overflow)
            for row in rows:
                finding = cast("FindingDocument", _listed(row))
                found.add(finding_order(finding), finding)
        return found

    def knows(self, entity: str) -> bool:
        """Whether anything was ever found about the entity."""
        with self._database.reading("read the findings of") as connection:
            wanted = select(FINDINGS.c.number).where(FINDINGS.c.entity == entity).limit(1)
            return connection.execute(wanted).first() is not None

    def open_ids(self, entity: str, limit: int) -> set[str]:
        """The ids of findings of an entity that are open, the latest first; at most `limit` of them."""
        wanted = select(FINDINGS.c.finding_id).where(FINDINGS.c.is_open & (FINDINGS.c.entity == entity))
        with self._database.reading("read the findings of") as connection:
            return set(connection.execute(wanted.order_by(FINDINGS.c.number.desc()).limit(limit)).scalars())

    def closed_ids(self, identities: Sequence[str]) -> set[str]:
        """Of some findings the ids of those that are known and not open any more."""
        closed: set[str] = set()
        with self._database.reading("read the findings of") as connection:
            for start in range(0, len(identities), CHUNK_FINDINGS):
                some = FINDINGS.c.finding_id.in_(identities[start : start + CHUNK_FINDINGS])
                wanted = select(FINDINGS.c.finding_id).where(some & ~FINDINGS.c.is_open)
                closed |= set(connection.execute(wanted).scalars())
        return closed

    def open_findings(self, entity: str, limit: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The id of each open finding of an entity, and what was said of it last; the latest first, at most `limit`."""
        wanted = (
            select(FINDINGS.c.finding_id, OBSERVATIONS.c.document)
            .select_from(FINDINGS.join(OBSERVATIONS, _LATEST))
            .where(FINDINGS.c.is_open & (FINDINGS.c.entity == entity))
            .order_by(FINDINGS.c.number.desc())
            .limit(limit)
        )
        with self._database.reading("read the findings of") as connection:
            for identity, text in connection.execute(wanted.execution_options(yield_per=1000)):
                yield identity, decode(text)

    def carried(self, entity: str, limit: int | None = None) -> Iterator[Carried]:
        """What the last run that looked at them left in flight, the first to be judged first; at most `limit` of them.

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
            .limit(limit)
        )
        with self._database.reading("read what is in flight from") as connection:
            for identity, first, last, judge_after, text in connection.execute(
                wanted.execution_options(yield_per=1000)
            ):
                yield Carried(identity, first, last, judge_after, with_times(decode(text), first, last))

    def finding(self, reference: str) -> FindingHistory:
        """The finding of this id, or of this beginning of one, with its history.

        Raises:
            UsageError: There is no such finding, or there are several.
        """
        with self._database.reading("read a finding of") as connection:
            return _history(connection, find_finding(connection, reference))

    def take_leases(self, entities: Collection[str], run_id: str, holder: Holder, term: timedelta) -> None:
        """Take the leases of all these entities; see `auditor.ledger.leases`.

        Raises:
            UsageError: Another run is at work on one of them; nothing is taken then.
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("take a lease in") as connection:
            leases.take(connection, entities, run_id, holder, term)
        if entities:
            self._leasing.add(run_id)

    def renew_leases(self, run_id: str, holder: Holder, term: timedelta) -> int:
        """Prolong the leases that the run still holds; may be called by another thread.

        Returns:
            How many those are.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("renew a lease in") as connection:
            return leases.renew(connection, run_id, holder, term)

    def release_leases(self, run_id: str, holder: Holder) -> None:
        """Give back the leases that the run still holds.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("give back a lease in") as connection:
            leases.release(connection, run_id, holder)

    def accept(self, references: Collection[str], *, now: datetime, until: datetime, why: str) -> list[str]:
        """Accept findings with the values that they have now: all of them, or none.

        Args:
            references: Ids, or the beginnings of ids.
            now: When that happens.
            until: When it ends at the latest.
            why: For those who wonder later.

        Returns:
            The ids of the accepted findings.

        Raises:
            UsageError: One of them is unknown, or is no drift; the message has all of them.
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("accept findings in") as connection:
            return acceptance.accept_findings(connection, references, _terms(now, until, why))

    def accept_run(self, reference: str, *, now: datetime, until: datetime, why: str) -> AcceptedRun:
        """Accept every finding that a run called persistent and that is still open, with the values that it saw.

        Raises:
            UsageError: There is no such run, or what it found was pruned.
            LedgerError: The ledger cannot be written.
        """
        with self._database.writing("accept findings in") as connection:
            return acceptance.accept_run(connection, find_run(connection, reference), _terms(now, until, why))

    def accepted(self, identities: Collection[str], now: datetime) -> dict[str, AcceptedValues]:
        """Which of these findings are accepted at that time, by id, and with which values."""
        with self._database.reading("read what is accepted from") as connection:
            return acceptance.accepted_values(connection, identities, instant_text(now))

    def accepts_anything(self, now: datetime) -> bool:
        """Whether any acceptance is in force; mostly none is."""
        with self._database.reading("read what is accepted from") as connection:
            return acceptance.any_in_force(connection, instant_text(now))

    def told_before(self, identities: Collection[str]) -> set[str]:
        """Those of these findings that an earlier run has called drift since they were opened.

        What was only in flight or undecided until now is news, and so is what was accepted when it was last seen.
        """
        return self._found(identities, _told())

    def told_once(self, identities: Collection[str]) -> set[str]:
        """Those that were drift before, but had gone or were accepted when they were last seen."""
        ever = OBSERVATIONS.c.verdict.in_((*_DRIFT_VERDICTS, _ACCEPTED_VERDICT))
        drift = exists().where((OBSERVATIONS.c.finding == FINDINGS.c.number) & ever)
        return self._found(identities, drift & ~_told())

    def _found(self, identities: Collection[str], condition: ColumnElement[bool]) -> set[str]:
        wanted = select(FINDINGS.c.finding_id).where(FINDINGS.c.finding_id.in_(identities) & condition)
        with self._database.reading("read the findings of") as connection:
            return set(connection.execute(wanted).scalars())

    def prune(self, *, now: datetime, before: datetime, dry_run: bool = False) -> Pruned:
        """Take out what runs that finished before a time have said and nobody needs; see `auditor.ledger.pruning`.

        Args:
            now: Acceptances that are in force then keep their findings.
            before: Later runs lose nothing.
            dry_run: Only count.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        pruning = Pruning(self._database, instant_text(now), instant_text(before))
        return pruning.planned() if dry_run else pruning.run()

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
                accepted=_count(connection, ACCEPTED.c.number, acceptance.in_force(instant_text(datetime.now(UTC)))),
                leases=tuple(leases.in_force(connection)),
            )


def _told() -> ColumnElement[bool]:
    """The condition that a finding is open, and drift that is no news."""
    since = (OBSERVATIONS.c.finding == FINDINGS.c.number) & (OBSERVATIONS.c.run >= FINDINGS.c.first_run)
    drift = exists().where(since & OBSERVATIONS.c.verdict.in_(_DRIFT_VERDICTS))
    return FINDINGS.c.is_open & (FINDINGS.c.verdict != _ACCEPTED_VERDICT) & drift


def _terms(now: datetime, until: datetime, why: str) -> acceptance.Terms:
    return acceptance.Terms(instant_text(now), instant_text(until), why)


def _prepare(database: Database) -> None:
    """Have the newest schema there, or say why not; the usual case reads one row."""
    with database.reading("open") as connection:
        version = found_version(connection, database.place)
    if version == SCHEMA_VERSION:
        return
    if database.read_only or (database.must_exist and version is None):
        found = f"has the older schema {version}" if version else "is empty"
        raise (OlderLedgerError if version else LedgerError)(
            f"the ledger {database.place} {found}; expected schema {SCHEMA_VERSION}", hint="run `audit ledger upgrade`"
        )
    with database.writing("upgrade") as connection:
        # Another process may have done it while we waited for our turn.
        if found_version(connection, database.place) != SCHEMA_VERSION:
            upgrade(connection)
    database.allow_reading_while_writing()


def _reported(connection: Connection, run: Run) -> Iterator[Document]:
    columns = (OBSERVATIONS.c.document, OBSERVATIONS.c.first_seen)
    wanted = select(*columns).where(OBSERVATIONS.c.run == run.number).order_by(OBSERVATIONS.c.position)
    for text, first_seen in connection.execute(wanted.execution_options(yield_per=1000)):
        yield with_times(decode(text), first_seen, run.finished_at)


def _latest_documents(now: str) -> Select[Any]:
    """What was last said about each finding, which run closed it, and which acceptance is in force."""
    columns = (OBSERVATIONS.c.document, FINDINGS.c.first_seen, FINDINGS.c.last_seen, FINDINGS.c.is_open)
    current = (ACCEPTED.c.finding == FINDINGS.c.number) & acceptance.in_force(now)
    closing = RUNS.c.number == FINDINGS.c.closed_run
    return select(*columns, RUNS.c.run_id, ACCEPTED.c.until, ACCEPTED.c.why).select_from(
        FINDINGS.join(OBSERVATIONS, _LATEST).outerjoin(RUNS, closing).outerjoin(ACCEPTED, current)
    )


def _listed(row: Row[Any]) -> Document:
    """A finding as it was last reported, and what has become of it since."""
    text, first, last, is_open, closed_by, until, why = tuple(row)
    finding = with_times(decode(text), first, last)
    if not is_open:
        return finding | {"state": "closed", "closed_by": closed_by}
    if until is not None:
        return finding | {"state": "accepted", "accepted": {"until": until, "why": why}}
    return finding


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
    accepted = acceptance.of_finding(connection, row.number)
    return FindingHistory(row.finding_id, row.is_open, row.first_seen, row.last_seen, closed_by, observations, accepted)


def _count(connection: Connection, column: Any, condition: Any = None) -> int:
    wanted = select(func.count(column))
    return int(connection.execute(wanted if condition is None else wanted.where(condition)).scalar_one())
