"""Known differences: accepted until a day, as long as their values stay what they were.

An acceptance belongs to one finding and to the values that its report showed.  It is over when its day has passed, when
a run finds other values there, or when the difference has gone: drift that comes back is new drift, even if it looks as
before.  A finding has at most one acceptance in force; accepting it again replaces the earlier one.
"""

from __future__ import annotations

import hashlib
import operator
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, exists, func, insert, select, update

from auditor.ledger.json_text import decode, encode
from auditor.ledger.lookup import find_finding, require_whole
from auditor.ledger.records import Acceptance, AcceptedRun, AcceptedValues
from auditor.ledger.tables import ACCEPTED, FINDINGS, OBSERVATIONS
from auditor.reports.words import VERDICT_MEANINGS, words
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from auditor.ledger.records import Run

CHUNK_FINDINGS = 1000
"""Findings read and accepted at once: a baseline of a million stays small in memory."""

OTHER_VALUES, GONE, REPLACED = "other_values", "gone", "replaced"
"""Why an acceptance ended before its day."""

_ACCEPTABLE = frozenset({"persistent", "accepted"})
"""What may settle by itself, or was not judged, is nothing that anybody knows enough about to accept it."""


def values_digest(finding: Mapping[str, Any]) -> str:
    """What an acceptance is bound to, in 64 hex digits: the differing fields as reports show them, and how many rows.

    For a missing row, or one too many, it is the fact alone.
    """
    fields = [[field["name"], field["owner"], field["replica"]] for field in finding["fields"]]
    fields.sort(key=operator.itemgetter(0))
    return hashlib.sha256(encode([fields, finding.get("rows", 1)]).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Terms:
    """From when, until when, and why; the times as reports write them."""

    now: str
    until: str
    why: str


def accept_findings(connection: Connection, references: Collection[str], terms: Terms) -> list[str]:
    """Accept each of these findings with the values last seen, or none.

    Raises:
        UsageError: With every reason why one of them cannot be accepted.
    """
    found: dict[str, tuple[int, str]] = {}
    refused: list[str] = []
    for reference in references:
        try:
            row = find_finding(connection, reference)
            found[row.finding_id] = (row.number, _digest_of_drift(connection, row))
        except UsageError as error:
            refused.append(error.message)
    if refused:
        raise UsageError(
            "nothing was accepted: " + "; ".join(refused), hint="`audit findings --open` lists what can be"
        )
    _accept(connection, list(found.values()), terms)
    return list(found)


def accept_run(connection: Connection, run: Run, terms: Terms) -> AcceptedRun:
    """Accept what a run called persistent (or accepted already) and what is still open, in chunks.

    Raises:
        UsageError: The run was pruned.
    """
    require_whole(run)
    counts: Counter[str] = Counter()
    position = -1
    while rows := connection.execute(_reported_after(run.number, position)).all():
        position = rows[-1].position
        drift = [row for row in rows if row.verdict in _ACCEPTABLE]
        wanted = {row.number: values_digest(decode(row.document)) for row in drift if row.is_open}
        counts["not_drift"] += len(rows) - len(drift)
        counts["closed"] += sum(not row.is_open for row in drift)
        counts["accepted"] += len(wanted)
        _accept(connection, list(wanted.items()), terms)
    return AcceptedRun(run.run_id, counts["accepted"], counts["not_drift"], counts["closed"])


def _reported_after(run: int, position: int) -> Select[Any]:
    columns = (OBSERVATIONS.c.position, OBSERVATIONS.c.verdict, OBSERVATIONS.c.document)
    return (
        select(*columns, FINDINGS.c.number, FINDINGS.c.is_open)
        .join_from(OBSERVATIONS, FINDINGS, OBSERVATIONS.c.finding == FINDINGS.c.number)
        .where((OBSERVATIONS.c.run == run) & (OBSERVATIONS.c.position > position))
        .order_by(OBSERVATIONS.c.position)
        .limit(CHUNK_FINDINGS)
    )


def _digest_of_drift(connection: Connection, row: Row[Any]) -> str:
    """The digest of what was last seen of a finding.

    Raises:
        UsageError: It is no drift.
    """
    if not row.is_open:
        raise UsageError(f"{row.finding_id} has gone: no run finds it any more")
    if row.verdict not in _ACCEPTABLE:
        raise UsageError(
            f"{row.finding_id} is {words(row.verdict)}, not persistent: {VERDICT_MEANINGS.get(row.verdict, '')}"
        )
    last = (OBSERVATIONS.c.finding == row.number) & (OBSERVATIONS.c.run == row.last_run)
    text = connection.execute(select(OBSERVATIONS.c.document).where(last).limit(1)).scalar_one()
    return values_digest(decode(text))


def _accept(connection: Connection, accepted: Sequence[tuple[int, str]], terms: Terms) -> None:
    """Write acceptances down, each given by the finding's number and the digest of its values."""
    if not accepted:
        return
    current = ACCEPTED.c.finding.in_([number for number, _ in accepted]) & ACCEPTED.c.ended_at.is_(None)
    connection.execute(update(ACCEPTED).where(current).values(ended_at=terms.now, ended_why=REPLACED))
    last = int(connection.execute(select(func.max(ACCEPTED.c.number))).scalar() or 0)
    common = {"accepted_at": terms.now, "until": terms.until, "why": terms.why}
    rows = [
        {"number": number, "finding": finding, "values_digest": digest, **common}
        for number, (finding, digest) in enumerate(accepted, start=last + 1)
    ]
    connection.execute(insert(ACCEPTED), rows)


def any_in_force(connection: Connection, now: str) -> bool:
    """Whether anything is accepted at all; mostly nothing is."""
    return connection.execute(select(ACCEPTED.c.number).where(in_force(now)).limit(1)).first() is not None


def accepted_values(connection: Connection, identities: Collection[str], now: str) -> dict[str, AcceptedValues]:
    """Which of these findings are accepted, by id, and with which values."""
    wanted = (
        select(FINDINGS.c.finding_id, ACCEPTED.c.values_digest, ACCEPTED.c.until, ACCEPTED.c.why)
        .join_from(ACCEPTED, FINDINGS, ACCEPTED.c.finding == FINDINGS.c.number)
        .where(in_force(now) & FINDINGS.c.is_open & FINDINGS.c.finding_id.in_(identities))
    )
    rows = connection.execute(wanted)
    return {identity: AcceptedValues(digest, until, why) for identity, digest, until, why in rows}


def of_finding(connection: Connection, number: int) -> tuple[Acceptance, ...]:
    """Every acceptance that a finding ever had, the oldest first."""
    rows = connection.execute(select(ACCEPTED).where(ACCEPTED.c.finding == number).order_by(ACCEPTED.c.number))
    return tuple(
        Acceptance(row.accepted_at, row.until, row.why, row.ended_at, row.ended_why, row.ended_run) for row in rows
    )


def end_what_changed(connection: Connection, run: int, run_id: str, now: str) -> None:
    """End the acceptances that a run has shown to be over; one made after the run had looked is not touched.

    What is accepted and the same was recorded as accepted: what is persistent has other values.
    """
    known = in_force(now) & (ACCEPTED.c.accepted_at < now)
    changed = (FINDINGS.c.last_run == run) & (FINDINGS.c.verdict == "persistent")
    for condition, why in ((changed, OTHER_VALUES), (FINDINGS.c.closed_run == run, GONE)):
        over = exists().where((FINDINGS.c.number == ACCEPTED.c.finding) & condition)
        ended = {"ended_at": now, "ended_why": why, "ended_run": run_id}
        connection.execute(update(ACCEPTED).where(known & over).values(ended))


def in_force(now: str) -> Any:
    """The condition that an acceptance holds at that time; of one finding at most one does."""
    return ACCEPTED.c.ended_at.is_(None) & (ACCEPTED.c.until > now)
