"""The drift report as data: what `--format json` prints, and what every other format is drawn from.

The shape is public and versioned (`report_version`); members may be added, never changed in meaning.  A report has
two parts that meet only here: the *run* (counts, coverage, exit reasons), which is small, and the *findings*, which
may be a million.  So the parts are built separately, and what only passes through the findings takes an iterable.

Values are canonical text or None for NULL; findings are masked before they get here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

from auditor.reports.collector import collector_paused
from reconcilers.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.contract import Contract, Field, Replica
    from reconcilers.finding import Evidence, FieldDifference, Finding, Read
    from reconcilers.tally import Coverage, EntityTally, Incremental, ReplicaTally, RunResult

REPORT_VERSION = 1


class DifferenceDocument(TypedDict):
    """One field that differs, each side in canonical text, null for NULL."""

    name: str
    owner: str | None
    replica: str | None
    note: NotRequired[str]
    """What the two values alone do not show, in a few words."""


class ReadDocument(TypedDict):
    """One look at one side: `owner` or a replica's name, when, at which watermark, and what was there."""

    side: str
    at: str
    watermark: str
    state: str
    digest: str


class EvidenceDocument(TypedDict):
    """Why the verdict is what it is; `proof` is null while nothing is proven."""

    proof: str | None
    reads: list[ReadDocument]
    changes: list[dict[str, str | None]]
    note: NotRequired[str]


class AcceptedDocument(TypedDict):
    """That somebody accepted a finding: until when, and why."""

    until: str
    why: str


class FindingDocument(TypedDict):
    """One divergence on one key.  `replica` null: about the owner alone.  `key` null: about the whole replica."""

    id: str
    entity: str
    replica: str | None
    key: dict[str, str | None] | None
    divergence: str
    rule: str | None
    verdict: str
    cause: str
    fields: list[DifferenceDocument]
    evidence: EvidenceDocument
    first_seen: NotRequired[str]
    last_seen: NotRequired[str]
    judge_after: NotRequired[str]
    rows: NotRequired[int]
    """Rows that share the finding, where they are several: the copies of a duplicate key."""
    accepted: NotRequired[AcceptedDocument]
    """Until when, where somebody accepted it."""
    status: NotRequired[str]
    """Of drift where only new drift fails a run: `known`, `new`, or `reopened`: it was drift before, and had gone
    or was accepted meanwhile."""
    state: NotRequired[str]
    """In lists of what the ledger knows: `closed`, or `accepted`; not there while it is open."""
    closed_by: NotRequired[str]
    """The run that no longer found it, where it is closed."""


class IncrementalDocument(TypedDict):
    """What an incremental run read of an entity: the keys that changed since a clean run, and one of its segments."""

    since_run: str
    since: str
    changed_keys: int
    segment: int
    """From 1 on."""
    segments: int
    runs_left: int
    """Incremental runs until every segment has been read."""
    whole_run: str
    """The last run that read everything at once."""
    whole_at: str
    without_feed: list[str]
    """Replicas of which no feed tells what changes in them: only the segments see that."""


class FollowedDocument(TypedDict):
    """What a monitor looked at: only keys that change streams told of, or that were known to differ."""

    keys: int
    """How many; with several replicas, a key is counted once for each, and so at the owner."""


class NotFollowedDocument(TypedDict):
    """An entity in a monitor's scope of which it sees nothing."""

    entity: str
    why: str


class CoverageDocument(TypedDict):
    """What was compared and what was not: `skipped` names each part left out, `notes` say why, a sentence each."""

    complete: bool
    skipped: list[str]
    notes: NotRequired[list[str]]
    read_again: NotRequired[list[str]]
    remarks: NotRequired[list[str]]
    """What broke off and was read again from a new snapshot; nothing is missing for that."""
    incremental: NotRequired[IncrementalDocument]
    """There where not every row was in scope; `complete` then speaks of those that were."""
    followed: NotRequired[FollowedDocument]
    """There where a monitor looked: `complete` then speaks of the keys that it was to look at."""


class WatermarksDocument(TypedDict):
    """The points in the two datasets' histories up to which the comparison speaks."""

    owner: str
    replica: str


class VerdictCounts(TypedDict):
    """Findings by verdict."""

    persistent: int
    in_flight: int
    healed: int
    undecided: int
    accepted: int
    suspect: int


class OwnerDocument(VerdictCounts):
    """What was found about the owner alone: its invariants, references and keys."""

    rows: int
    dataset: NotRequired[str]
    service: NotRequired[str]
    coverage: NotRequired[CoverageDocument]


class ReplicaDocument(VerdictCounts):
    """What was found about one replica."""

    replica: str
    owner_rows: int
    replica_rows: int
    compared_rows: int
    kept: int
    watermarks: WatermarksDocument
    coverage: CoverageDocument
    dataset: NotRequired[str]
    service: NotRequired[str]
    lag_bound: NotRequired[str]
    completeness: NotRequired[str]
    fields_differing: NotRequired[dict[str, int]]


class FieldDocument(TypedDict):
    """What the contract says about a field."""

    type: str
    meaning: NotRequired[str]
    critical: NotRequired[bool]
    sensitive: NotRequired[bool]


class EntityReport(TypedDict):
    """What was found about one entity."""

    entity: str
    contract_version: int
    owner: OwnerDocument
    replicas: list[ReplicaDocument]
    description: NotRequired[str]
    team: NotRequired[str]
    key: NotRequired[list[str]]
    fields: NotRequired[dict[str, FieldDocument]]


class RunDocument(TypedDict):
    """Everything about a run but its findings."""

    report_version: int
    run_id: str
    kind: str
    started_at: str
    finished_at: str
    exit_code: int
    exit_reasons: list[str]
    entities: list[EntityReport]
    errors: NotRequired[list[str]]
    """One message a store that could not be read."""
    loads: NotRequired[dict[str, dict[str, float | None]]]
    """Connection name to what the audit cost it: queries, rows, bytes, seconds, longest_transaction_seconds."""
    where: NotRequired[str]
    """The run's own filter: nothing is said of rows that it leaves out."""
    signs: NotRequired[list[dict[str, Any]]]
    """Of a monitor: signs of trouble in the feeds, with their counts."""
    consistency: NotRequired[list[dict[str, Any]]]
    """Of a monitor: the share of changes that have arrived, by replica and window."""
    not_followed: NotRequired[list[NotFollowedDocument]]
    """Of a monitor: the entities of which it sees nothing."""


class ReportDocument(RunDocument):
    """A whole report."""

    findings: list[FindingDocument]


class Seen(Protocol):
    """When a finding was seen first and last, over all runs, as `instant_text` writes times."""

    @property
    def first_seen(self) -> str:
        """The first run that saw it."""
        ...

    @property
    def last_seen(self) -> str:
        """The last run that saw it."""
        ...


@lru_cache(maxsize=4096)  # the reads of a batch share their times, and writing them out is what costs
def instant_text(moment: datetime) -> str:
    """A time in canonical form, such as `2026-01-31T12:00:00.000000Z`.

    Raises:
        ValueError: The time has no zone, so it names no instant.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; expected an aware time")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def finding_document(finding: Finding) -> FindingDocument:
    """One finding, already masked, without the times that only the ledger knows."""
    document: FindingDocument = {
        "id": finding.identity,
        "entity": finding.entity,
        "replica": finding.replica,
        "key": None if finding.key is None else dict(finding.key),
        "divergence": finding.divergence.value,
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "cause": finding.cause.value,
        "fields": [_difference(difference) for difference in finding.fields],
        "evidence": _evidence(finding.evidence),
    }
    if finding.judge_after is not None:
        document["judge_after"] = instant_text(finding.judge_after)
    if finding.count != 1:
        document["rows"] = finding.count
    return document


def _difference(difference: FieldDifference) -> DifferenceDocument:
    document: DifferenceDocument = {
        "name": difference.name,
        "owner": difference.owner,
        "replica": difference.replica,
    }
    if difference.note:
        document["note"] = difference.note
    return document


def finding_documents(findings: Iterable[Finding]) -> list[FindingDocument]:
    """Many findings, already masked, as `finding_document` makes them."""
    with collector_paused():
        return [finding_document(finding) for finding in findings]


def _evidence(evidence: Evidence) -> EvidenceDocument:
    document: EvidenceDocument = {
        "proof": evidence.proof or None,
        "reads": [_read(read) for read in evidence.reads],
        "changes": [dict(change) for change in evidence.changes],
    }
    if evidence.note:
        document["note"] = evidence.note
    return document


def _read(read: Read) -> ReadDocument:
    return {
        "side": read.side,
        "at": instant_text(read.at),
        "watermark": read.watermark,
        "state": read.state,
        "digest": read.digest,
    }


Order = tuple[str, str, str, str]


def finding_order(finding: FindingDocument) -> Order:
    """Where a finding stands in a report: entity, replica (the owner's own first), canonical text of the key.

    A finding about no key comes before those about one, and NULL before any text; divergence and rule decide the rest.
    Flat tuples of strings, since comparing them is most of what ordering many findings costs.
    """
    key = finding["key"]
    values = None if key is None else key.values()
    return _order(_place_order(finding["entity"], finding["replica"]), values, finding["divergence"], finding["rule"])


def order_of(finding: Finding) -> Order:
    """The same of a masked finding that is no document yet."""
    values = None if finding.key is None else [value for _, value in finding.key]
    return _order(_place_order(finding.entity, finding.replica), values, finding.divergence.value, finding.rule)


def _order(place: str, key: Iterable[str | None] | None, divergence: str, rule: str | None) -> Order:
    parts = "" if key is None else "\0".join(["\1" if value is None else f"\2{value}" for value in key])
    return (place, parts, divergence, rule or "")


@lru_cache(maxsize=4096)  # the same object for the same place compares at once
def _place_order(entity: str, replica: str | None) -> str:
    return f"{entity}\0" if replica is None else f"{entity}\0\1{replica}"


def run_document(result: RunResult, contracts: Mapping[str, Contract]) -> RunDocument:
    """Everything about a run but its findings.

    Args:
        result: What the run found.
        contracts: Entity name to contract; an entity without one is reported without what only its contract knows.
    """
    document: RunDocument = {
        "report_version": REPORT_VERSION,
        "run_id": result.run_id,
        "kind": result.kind,
        "started_at": instant_text(result.started_at),
        "finished_at": instant_text(result.finished_at),
        "exit_code": result.exit_code,
        "exit_reasons": list(result.exit_reasons),
        "entities": [_entity(tally, contracts.get(tally.entity)) for tally in result.entities],
        "errors": list(result.errors),
        "loads": {connection: dict(load) for connection, load in result.loads.items()},
    }
    if result.where:
        document["where"] = result.where
    return document


def _entity(tally: EntityTally, contract: Contract | None) -> EntityReport:
    replicas = {replica.name: replica for replica in contract.replicas} if contract else {}
    document: EntityReport = {
        "entity": tally.entity,
        "contract_version": tally.contract_version,
        "owner": _owner(tally, contract),
        "replicas": [_replica(replica, replicas.get(replica.replica)) for replica in tally.replicas],
    }
    if contract is not None:
        document["description"] = contract.description
        document["team"] = contract.team
        document["key"] = list(contract.key)
        document["fields"] = {field.name: _field(field) for field in contract.fields.values()}
    return document


def _owner(tally: EntityTally, contract: Contract | None) -> OwnerDocument:
    document: OwnerDocument = {
        "rows": tally.owner_rows,
        **_counts(tally.owner_verdicts),  # type: ignore[typeddict-item]  # counts hold no optional member
        "dataset": tally.owner_dataset,
        "coverage": _coverage(tally.coverage),
    }
    if contract is not None:
        document["service"] = contract.owner.service
    return document


def _replica(tally: ReplicaTally, replica: Replica | None) -> ReplicaDocument:
    document: ReplicaDocument = {
        "replica": tally.replica,
        "owner_rows": tally.owner_rows,
        "replica_rows": tally.replica_rows,
        "compared_rows": tally.compared_rows,
        **_counts(tally.verdicts),  # type: ignore[typeddict-item]  # counts hold no optional member
        "kept": tally.kept,
        "watermarks": {"owner": tally.owner_watermark, "replica": tally.replica_watermark},
        "coverage": _coverage(tally.coverage),
        "dataset": tally.dataset,
        "lag_bound": duration_notation(tally.lag_bound_seconds),
        "fields_differing": dict(tally.fields_differing),
    }
    if replica is not None:
        document["service"] = replica.service
        document["completeness"] = replica.completeness
    return document


def _field(field: Field) -> FieldDocument:
    document: FieldDocument = {"type": str(field.type)}
    if field.meaning:
        document["meaning"] = field.meaning
    if field.critical:
        document["critical"] = True
    if field.sensitive:
        document["sensitive"] = True
    return document


def _coverage(coverage: Coverage) -> CoverageDocument:
    document: CoverageDocument = {"complete": coverage.complete, "skipped": list(coverage.skipped)}
    if coverage.notes:
        document["notes"] = list(coverage.notes)
    if coverage.read_again:
        document["read_again"] = list(coverage.read_again)
    if coverage.remarks:
        document["remarks"] = list(coverage.remarks)
    if coverage.incremental is not None:
        document["incremental"] = _incremental(coverage.incremental)
    if coverage.followed is not None:
        document["followed"] = {"keys": coverage.followed}
    return document


def _incremental(told: Incremental) -> IncrementalDocument:
    return {
        "since_run": told.since_run,
        "since": told.since,
        "changed_keys": told.changed_keys,
        "segment": told.segment,
        "segments": told.segments,
        "runs_left": told.runs_left,
        "whole_run": told.whole_run,
        "whole_at": told.whole_at,
        "without_feed": list(told.without_feed),
    }


def owner_coverage(owner: OwnerDocument) -> CoverageDocument:
    """What was read of the owner; a report that does not say so comes from one that was read whole."""
    return owner.get("coverage") or {"complete": True, "skipped": []}


def _counts(verdicts: Mapping[Verdict, int]) -> VerdictCounts:
    return {
        "persistent": verdicts.get(Verdict.PERSISTENT, 0),
        "in_flight": verdicts.get(Verdict.IN_FLIGHT, 0),
        "healed": verdicts.get(Verdict.HEALED, 0),
        "undecided": verdicts.get(Verdict.UNDECIDED, 0),
        "accepted": verdicts.get(Verdict.ACCEPTED, 0),
        "suspect": verdicts.get(Verdict.SUSPECT, 0),
    }


def duration_notation(seconds: float) -> str:
    """A duration as contracts write it, in the largest unit that divides it: 300 is `5m`, 0.25 is `250ms`."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def seen_finding(finding: FindingDocument, seen: Seen | None) -> FindingDocument:
    """The finding with the times that the ledger knows; unchanged where the ledger knows none."""
    if seen is None:
        return finding
    return {**finding, "first_seen": seen.first_seen, "last_seen": seen.last_seen}


def report_document(
    run: RunDocument, findings: Iterable[FindingDocument], seen: Mapping[str, Seen] | None = None
) -> ReportDocument:
    """A whole report, its findings in report order.

    Args:
        run: The run.
        findings: Its findings, in any order.
        seen: Finding id to the times that the ledger knows.
    """
    times = seen or {}
    with collector_paused():
        complete = [seen_finding(finding, times.get(finding["id"])) for finding in findings]
        return {**run, "findings": sorted(complete, key=finding_order)}
