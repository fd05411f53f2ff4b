"""Writes one run into the ledger: the run, its findings, what was observed, and what has gone.

All in one transaction of the caller's, in chunks: however many findings there are, a chunk of them is in memory here.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from sqlalchemy import BindParameter, Column, Connection, Update, bindparam, func, insert, select, update

from auditor.ledger import acceptance
from auditor.ledger.bulk import BulkStatement, Values
from auditor.ledger.json_text import encode
from auditor.ledger.records import Pair, Seen, moment
from auditor.ledger.tables import FINDINGS, OBSERVATIONS, RUNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

CHUNK_FINDINGS = 1000
"""Findings looked up and written at once; some databases take no more than so many parameters."""

_CLOSING_VERDICT = "healed"


class _Since(NamedTuple):
    """A finding's number, and since when and which run it has been open."""

    number: int
    first_seen: str
    first_run: int


class Times(Sequence[Seen]):
    """Since when each finding of a run has been open, in the order in which they were recorded.

    Findings that were opened by the same run share one value, so that each costs four bytes here.
    """

    def __init__(self, now: str) -> None:
        self._now = moment(now)
        self._shared: list[Seen] = []
        self._numbers: dict[str, int] = {}
        self._each = array("I")

    def note(self, first_seen: str) -> None:
        """Remember the next finding."""
        number = self._numbers.get(first_seen)
        if number is None:
            number = self._numbers[first_seen] = len(self._shared)
            self._shared.append(Seen(moment(first_seen), self._now))
        self._each.append(number)

    def __len__(self) -> int:
        return len(self._each)

    def __iter__(self) -> Iterator[Seen]:
        return map(self._shared.__getitem__, self._each)

    @overload
    def __getitem__(self, index: int) -> Seen: ...
    @overload
    def __getitem__(self, index: slice) -> list[Seen]: ...
    def __getitem__(self, index: int | slice) -> Seen | list[Seen]:
        if isinstance(index, slice):
            return [self._shared[number] for number in self._each[index]]
        return self._shared[self._each[index]]


class Recording:
    """One run on its way into the ledger.

    Args:
        connection: In a writing transaction.
        document: The report; its findings are left out.
    """

    def __init__(self, connection: Connection, document: Mapping[str, Any], made_by: Mapping[str, str]) -> None:
        self._connection = connection
        self._now: str = document["finished_at"]
        self._run_id: str = document["run_id"]
        self._number = self._insert_run(document, made_by)
        self._last_finding = self._last(FINDINGS.c.number)
        self._insert_findings = BulkStatement(
            connection, insert(FINDINGS), ("number", "finding_id", *_DESCRIPTION, *_STATE)
        )
        self._change_findings = BulkStatement(connection, _change(), ("known", *(f"new_{name}" for name in _STATE)))
        self._insert_observations = BulkStatement(connection, insert(OBSERVATIONS), _OBSERVATION)
        self._position = 0
        self._times = Times(self._now)

    def _insert_run(self, document: Mapping[str, Any], made_by: Mapping[str, str]) -> int:
        number = self._last(RUNS.c.number) + 1
        row = {name: document[name] for name in ("run_id", "kind", "started_at", "finished_at", "exit_code")} | {
            "number": number,
            "exit_reasons": encode(list(document["exit_reasons"])),
            "findings": 0,
            "document": encode({name: value for name, value in document.items() if name != "findings"}),
            **made_by,
        }
        self._connection.execute(insert(RUNS), row)
        return number

    def _last(self, column: Column[int]) -> int:
        """The highest number given so far; nobody else gives any while we write."""
        return int(self._connection.execute(select(func.max(column))).scalar() or 0)

    def add(self, findings: Iterable[Mapping[str, Any]]) -> None:
        """Write findings and observations, in the order given."""
        for chunk in _chunks(findings):
            self._add_chunk(chunk)

    def finish(self, whole: Collection[Pair]) -> Times:
        """Close what was open in these pairs and is gone, and say since when each finding has been seen."""
        for entity, replica in whole:
            gone = FINDINGS.c.is_open & (FINDINGS.c.entity == entity) & (FINDINGS.c.last_run != self._number)
            same = FINDINGS.c.replica.is_(None) if replica is None else FINDINGS.c.replica == replica
            self._connection.execute(update(FINDINGS).where(gone & same).values(is_open=False, closed_run=self._number))
        acceptance.end_what_changed(self._connection, self._number, self._run_id, self._now)
        self._connection.execute(update(RUNS).where(RUNS.c.number == self._number).values(findings=self._position))
        return self._times

    def _add_chunk(self, chunk: list[Mapping[str, Any]]) -> None:
        known = self._known([finding["id"] for finding in chunk])
        new: dict[str, Values] = {}
        changed: dict[str, Values] = {}
        observed: list[Values] = []
        for finding in chunk:
            identity = finding["id"]
            since = known.get(identity)
            if since is None:
                since = known[identity] = self._new()
                new[identity] = (since.number, identity, *_description(finding), *self._state(finding, since))
            else:
                changed[identity] = (since.number, *self._state(finding, since))
            observed.append(self._observation(finding, since))
            self._times.note(since.first_seen)
        self._insert_findings.run(list(new.values()))
        self._change_findings.run(list(changed.values()))
        self._insert_observations.run(observed)

    def _known(self, identities: list[str]) -> dict[str, _Since]:
        """Since when each known finding has been open; from now on where it was closed."""
        columns = (FINDINGS.c.finding_id, FINDINGS.c.is_open, FINDINGS.c.number, FINDINGS.c.first_seen)
        wanted = select(*columns, FINDINGS.c.first_run).where(FINDINGS.c.finding_id.in_(identities))
        return {
            identity: _Since(number, first_seen, first_run) if is_open else _Since(number, self._now, self._number)
            for identity, is_open, number, first_seen, first_run in self._connection.execute(wanted)
        }

    def _new(self) -> _Since:
        self._last_finding += 1
        return _Since(self._last_finding, self._now, self._number)

    def _state(self, finding: Mapping[str, Any], since: _Since) -> Values:
        """As `_STATE` names it."""
        verdict = finding["verdict"]
        is_open = verdict != _CLOSING_VERDICT
        closed_run = None if is_open else self._number
        seen = (since.first_seen, self._now, since.first_run, self._number)
        return verdict, finding["cause"], *seen, is_open, closed_run

    def _observation(self, finding: Mapping[str, Any], since: _Since) -> Values:
        """As `_OBSERVATION` names it."""
        position = self._position
        self._position += 1
        said = (finding["verdict"], finding["cause"], since.first_seen, finding.get("judge_after"))
        return self._number, position, since.number, *said, encode(finding)


_DESCRIPTION = ("entity", "replica", "key_json", "divergence", "rule")
_STATE = ("verdict", "cause", "first_seen", "last_seen", "first_run", "last_run", "is_open", "closed_run")
_OBSERVATION = ("run", "position", "finding", "verdict", "cause", "first_seen", "judge_after", "document")


def _description(finding: Mapping[str, Any]) -> Values:
    """As `_DESCRIPTION` names it: what makes the finding this one."""
    key = None if finding["key"] is None else encode(finding["key"])
    return finding["entity"], finding["replica"], key, finding["divergence"], finding["rule"]


def _change() -> Update:
    changes: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in _STATE}
    return update(FINDINGS).where(FINDINGS.c.number == bindparam("known")).values(changes)


def _chunks(findings: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    iterator = iter(findings)
    while chunk := list(islice(iterator, CHUNK_FINDINGS)):
        yield chunk


def wholly_compared(document: Mapping[str, Any]) -> frozenset[Pair]:
    """The pairs of which a report has looked at every key, so that what it does not name has gone.

    A run that was narrowed to some rows (`where`, `sample`) has looked at no pair whole, nor has a monitor, and an
    incremental one at those only that it had to read whole.  Else the owner's own rows count when the owner's coverage
    is complete, and a replica when its coverage is complete as well.
    """
    if any(document.get(narrowing) for narrowing in ("where", "sample")):
        return frozenset()
    pairs: set[Pair] = set()
    for entity in document.get("entities", ()):
        if _is_complete(entity["owner"]):
            replicas = (replica["replica"] for replica in entity["replicas"] if _is_complete(replica))
            pairs |= {(entity["entity"], replica) for replica in (None, *replicas)}
    return frozenset(pairs)


def _is_complete(part: Mapping[str, Any]) -> bool:
    coverage = part.get("coverage", {})
    return bool(coverage.get("complete")) and not (coverage.get("incremental") or coverage.get("followed"))
