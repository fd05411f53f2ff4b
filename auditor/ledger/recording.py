"""Writes one run into the ledger: the run, its findings, what was observed, and what has gone.

All in one transaction of the caller's, in chunks: however many findings there are, a chunk of them is in memory here.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Connection, Update, bindparam, func, insert, select, update

from auditor.ledger.bulk import BulkStatement, Values
from auditor.ledger.json_text import encode
from auditor.ledger.records import Pair, Seen, moment
from auditor.ledger.tables import FINDINGS, OBSERVATIONS, RUNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

CHUNK_FINDINGS = 1000
"""Findings looked up and written at once; some databases take no more than so many parameters."""

_CLOSING_VERDICT = "healed"


class Recording:
    """One run on its way into the ledger.

    Args:
        connection: In a writing transaction.
        document: The report; its findings are left out.
    """

    def __init__(self, connection: Connection, document: Mapping[str, Any], made_by: Mapping[str, str]) -> None:
        self._connection = connection
        self._now: str = document["finished_at"]
        self._number = self._insert_run(document, made_by)
        self._insert_findings = BulkStatement(connection, insert(FINDINGS), ("finding_id", *_DESCRIPTION, *_STATE))
        self._change_findings = BulkStatement(connection, _change(), ("identity", *(f"new_{name}" for name in _STATE)))
        self._insert_observations = BulkStatement(connection, insert(OBSERVATIONS), _OBSERVATION)
        self._position = 0
        self._seen: dict[str, Seen] = {}
        self._shared: dict[str, Seen] = {}

    def _insert_run(self, document: Mapping[str, Any], made_by: Mapping[str, str]) -> int:
        last = self._connection.execute(select(func.max(RUNS.c.number))).scalar()
        number = int(last or 0) + 1
        row = {name: document[name] for name in ("run_id", "kind", "started_at", "finished_at", "exit_code")} | {
            "number": number,
            "exit_reasons": encode(list(document["exit_reasons"])),
            "findings": 0,
            "document": encode({name: value for name, value in document.items() if name != "findings"}),
            **made_by,
        }
        self._connection.execute(insert(RUNS), row)
        return number

    def add(self, findings: Iterable[Mapping[str, Any]]) -> None:
        """Write findings and observations, in the order given."""
        for chunk in _chunks(findings):
            self._add_chunk(chunk)

    def finish(self, whole: Collection[Pair]) -> dict[str, Seen]:
        """Close what was open in these pairs and is gone, and say since when each finding has been seen."""
        for entity, replica in whole:
            gone = FINDINGS.c.is_open & (FINDINGS.c.entity == entity) & (FINDINGS.c.last_run != self._number)
            same = FINDINGS.c.replica.is_(None) if replica is None else FINDINGS.c.replica == replica
            self._connection.execute(update(FINDINGS).where(gone & same).values(is_open=False, closed_run=self._number))
        self._connection.execute(update(RUNS).where(RUNS.c.number == self._number).values(findings=self._position))
        return self._seen

    def _add_chunk(self, chunk: list[Mapping[str, Any]]) -> None:
        known = self._open_since([finding["id"] for finding in chunk])
        new: dict[str, Values] = {}
        changed: dict[str, Values] = {}
        observed: list[Values] = []
        for finding in chunk:
            identity = finding["id"]
            first_seen, first_run = known.get(identity) or (self._now, self._number)
            state = self._state(finding, first_seen, first_run)
            if identity in known:
                changed[identity] = (identity, *state)
            else:
                new[identity] = (identity, *_description(finding), *state)
            observed.append(self._observation(finding, first_seen))
            self._seen[identity] = self._shared_seen(first_seen)
        self._insert_findings.run(list(new.values()))
        self._change_findings.run(list(changed.values()))
        self._insert_observations.run(observed)

    def _open_since(self, identities: list[str]) -> dict[str, tuple[str, int]]:
        """Since when, and since which run, each known finding has been open; from now on where it was closed."""
        columns = (FINDINGS.c.finding_id, FINDINGS.c.is_open, FINDINGS.c.first_seen, FINDINGS.c.first_run)
        rows = self._connection.execute(select(*columns).where(FINDINGS.c.finding_id.in_(identities)))
        now = (self._now, self._number)
        return {identity: (since, run) if is_open else now for identity, is_open, since, run in rows}

    def _state(self, finding: Mapping[str, Any], first_seen: str, first_run: int) -> Values:
        """As `_STATE` names it."""
        verdict = finding["verdict"]
        is_open = verdict != _CLOSING_VERDICT
        closed_run = None if is_open else self._number
        return verdict, finding["cause"], first_seen, self._now, first_run, self._number, is_open, closed_run

    def _observation(self, finding: Mapping[str, Any], first_seen: str) -> Values:
        """As `_OBSERVATION` names it."""
        position = self._position
        self._position += 1
        said = (finding["verdict"], finding["cause"], first_seen, finding.get("judge_after"))
        return self._number, position, finding["id"], *said, encode(finding)

    def _shared_seen(self, first_seen: str) -> Seen:
        """One value for all findings that began together: there are as many as runs, not as findings."""
        if first_seen not in self._shared:
            self._shared[first_seen] = Seen(moment(first_seen), moment(self._now))
        return self._shared[first_seen]


_DESCRIPTION = ("entity", "replica", "key_json", "divergence", "rule")
_STATE = ("verdict", "cause", "first_seen", "last_seen", "first_run", "last_run", "is_open", "closed_run")
_OBSERVATION = ("run", "position", "finding_id", "verdict", "cause", "first_seen", "judge_after", "document")


def _description(finding: Mapping[str, Any]) -> Values:
    """As `_DESCRIPTION` names it: what makes the finding this one."""
    key = None if finding["key"] is None else encode(finding["key"])
    return finding["entity"], finding["replica"], key, finding["divergence"], finding["rule"]


def _change() -> Update:
    changes: dict[str, BindParameter[Any]] = {name: bindparam(f"new_{name}") for name in _STATE}
    return update(FINDINGS).where(FINDINGS.c.finding_id == bindparam("identity")).values(changes)


def _chunks(findings: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    iterator = iter(findings)
    while chunk := list(islice(iterator, CHUNK_FINDINGS)):
        yield chunk


def wholly_compared(document: Mapping[str, Any]) -> frozenset[Pair]:
    """The pairs of which a report has looked at every key, so that what it does not name has gone.

    A run that was narrowed to some rows (`where`, `sample`) has looked at no pair whole.  Else the owner's own rows
    count when the owner's coverage is complete, and a replica when its coverage is complete as well.
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
    return bool(part.get("coverage", {}).get("complete"))
