"""`audit compensate` from a run in the ledger to the plan: what would put its findings right, as the rows are now.

1. The run's persistent findings are taken from the ledger, as many as one plan holds.
2. Both rows of each are read again, by key: the ledger masks and shortens, and the world goes on.
3. `reconcilers.compensation` decides, a dialect writes, and whatever is not certain is escalated with its reason.
4. The acts are put in order and numbered.

Nothing is opened for writing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from auditor.compensations.act import ActWriter, Subject
from auditor.compensations.columns import UnwritableError
from auditor.compensations.dialects import dialect_of
from auditor.compensations.plan import VALID_FOR, Plan, instant
from auditor.compensations.script import Entry, Header, script
from auditor.compensations.target import Image, Target
from auditor.masking import VALUE_BYTES_MAX
from auditor.reports.visible import key_text
from contracts.errors import AuditorError
from reconcilers.compensation import (
    ACTIONS,
    COMPENSATIONS_MAX,
    Action,
    Change,
    CopyRow,
    Escalation,
    LeftOut,
    OwnerRow,
    Place,
    Proposal,
    Seen,
    decide,
    escalated_at_once,
    ordered,
    references_of,
)
from reconcilers.fetch import FETCH_KEYS_MAX
from reconcilers.rows_by_key import RowsByKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from auditor.compensations.act import Act
    from auditor.compensations.dialect import Dialect
    from auditor.masking import Masker
    from auditor.runs.surroundings import Surroundings
    from auditor.settings import Settings
    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.ports import Reader
    from reconcilers.rows_by_key import Rows

    Finding = Mapping[str, Any]
    _Left = tuple[Finding, str]

_ASKED_AT_ONCE = 500
"""Findings that the ledger is asked about in one statement."""

_NOTHING_PROPOSED = "none: nothing is proposed"


@dataclass(frozen=True, slots=True)
class CompensateRequest:
    """What a plan is to be made of.

    Attributes:
        findings: Of the run's report, in its order, as the ledger holds them.
        accepted: Of some findings those that somebody has accepted by now, by id.
        limit: Compensations that the plan may hold.
    """

    run_id: str
    findings: Iterable[Finding]
    auditor_version: str
    accepted: Callable[[Collection[str]], Collection[str]] = lambda _ids: ()
    valid_for: timedelta = VALID_FOR
    limit: int = COMPENSATIONS_MAX


@dataclass(frozen=True, slots=True)
class _Draft:
    """One compensation before it has its number."""

    finding: Finding
    contract: Contract
    replica: Replica | None
    place: Place
    action: Action
    reason: str
    act: Act | None = None


@dataclass(slots=True)
class _Drafts:
    """What has been thought of so far."""

    drafts: list[_Draft] = field(default_factory=list)
    dialects: dict[str, Dialect] = field(default_factory=dict)


def compensate(request: CompensateRequest, settings: Settings, around: Surroundings, masker: Masker) -> Plan:
    """Make the plan of a run.

    A store that cannot be read is told in the plan, which is then not complete; the others are not held up by it.
    """
    now = around.clock.now().replace(microsecond=0)
    plan = Plan(request.run_id, now, now + request.valid_for, request.auditor_version, around.contracts)
    drafts = _Drafts()
    for (entity, replica), findings in _grouped(request, plan).items():
        contract = around.contracts.get(entity)
        known = next((one for one in contract.replicas if one.name == replica), None) if contract else None
        if contract is None or (replica is not None and known is None):
            for finding in findings:
                plan.leave_out(finding, "no contract speaks of it any more")
            continue
        name = f"plan_{entity}_{replica}"
        group = _Group(contract, known, settings, around, masker, now, name)
        try:
            group.draft(findings, drafts, plan)
        except AuditorError as error:
            plan.unreadable.append(f"{entity} at {replica or 'the owner'}: {error.message}")
    _number(plan, drafts)
    return plan


def _grouped(request: CompensateRequest, plan: Plan) -> dict[tuple[str, str | None], list[Finding]]:
    """Persistent findings by entity and replica, as many as the plan may hold."""
    grouped: dict[tuple[str, str | None], list[Finding]] = defaultdict(list)
    taken = 0
    for finding, accepted in _persistent(request):
        if accepted:
            plan.leave_out(finding, "it is accepted")
        elif taken == request.limit:
            plan.beyond_limit += 1
        else:
            taken += 1
            grouped[finding["entity"], finding["replica"]].append(finding)
    return grouped


def _persistent(request: CompensateRequest) -> Iterator[tuple[Finding, bool]]:
    """The persistent findings, each with whether it is accepted by now; asked for many at a time."""
    found = (finding for finding in request.findings if finding["verdict"] == "persistent")
    while chunk := list(islice(found, _ASKED_AT_ONCE)):
        accepted = request.accepted([finding["id"] for finding in chunk])
        yield from ((finding, finding["id"] in accepted) for finding in chunk)


@dataclass(slots=True)
class _Group:
    """The findings of one entity at one replica."""

    contract: Contract
    replica: Replica | None
    settings: Settings
    around: Surroundings
    masker: Masker
    now: datetime
    name: str

    def draft(self, findings: Sequence[Finding], drafts: _Drafts, plan: Plan) -> None:
        """Think about each finding.

        Raises:
            AuditorError: A store could not be read.
        """
        open_ones: dict[KeyText, Finding] = {}
        for finding in findings:
            why = self._escalated_at_once(finding)
            if why:
                drafts.drafts.append(self._escalation(finding, why))
            else:
                open_ones[_key_of(finding)] = finding
        if not open_ones or self.replica is None:
            return
        dialect = self._dialect()
        if isinstance(dialect, str):
            drafts.drafts += [self._escalation(finding, dialect) for finding in open_ones.values()]
            return
        drafts.dialects[self._connection] = dialect
        for thought in self._thoughts(open_ones, dialect, self.replica):
            if isinstance(thought, _Draft):
                drafts.drafts.append(thought)
            else:
                plan.leave_out(*thought)

    @property
    def _connection(self) -> str:
        if self.replica is None or self.replica.dataset is None:
            reference = self.contract.owner.dataset or self.contract.owner.query
            return reference.connection if reference and self.replica is None else ""
        return self.replica.dataset.connection

    def _dialect(self) -> Dialect | str:
        if self.replica is None or self.replica.dataset is None:
            return "the replica is known only by its feed"
        if self.contract.owner.dataset is None and self.contract.owner.query is None:
            return "the owner is known only by its feed, which cannot be asked for a row"
        return dialect_of(self.settings.connection(self._connection).url.dialect)

    def _escalated_at_once(self, finding: Finding) -> str:
        divergence = finding["divergence"]
        if why := escalated_at_once(finding["replica"], divergence, finding["rule"]):
            return why
        key = finding["key"] or {}
        if not key or any(value is None for value in key.values()):
            return "it has no whole key, so no statement can name its row"
        if any(self.contract.fields[name].sensitive for name in key if name in self.contract.fields):
            return "its key is sensitive, so no plan may name its row: `audit entity` shows it to who knows the key"
        if any(len(value.encode()) > VALUE_BYTES_MAX for value in key.values()):
            return f"its key is longer than {VALUE_BYTES_MAX} bytes, of which findings keep no more"
        return ""

    # -- reading -----------------------------------------------------------------------------------------------------

    def _thoughts(
        self, findings: Mapping[KeyText, Finding], dialect: Dialect, replica: Replica
    ) -> Iterator[_Draft | _Left]:
        """A draft for each finding, or why there is none."""
        contract, workspace = self.contract, self.around.workspace
        reference = contract.owner.dataset or contract.owner.query
        if reference is None or replica.dataset is None:
            raise AssertionError("both sides have a dataset here")
        owner, copy = self.around.reader(reference), self.around.reader(replica.dataset)
        target = Target(self.around.reader, workspace, contract, replica, dialect, self.name)
        writer = ActWriter(contract, replica, target)
        remaining = iter(findings.items())
        while batch := dict(islice(remaining, FETCH_KEYS_MAX)):
            yield from self._batch(batch, owner, copy, target, writer)

    def _batch(
        self, findings: Mapping[KeyText, Finding], owner: Reader, copy: Reader, target: Target, writer: ActWriter
    ) -> Iterator[_Draft | _Left]:
        if self.replica is None:
            raise AssertionError("only replicas are compensated")
        reading = RowsByKey(self.around.workspace, self.contract, self.replica, list(findings), self.name)
        rows = reading.read(owner, copy)
        there = {key: row.spelled for key, row in rows.copy.items()}
        images = target.images(copy.shape(), there)
        after = reading.copies(copy)  # the images are of these very rows only where nothing moved meanwhile
        zone = self.settings.connection(self._connection).timezone
        for key, finding in findings.items():
            if rows.copy.get(key) != after.get(key):
                yield (finding, "the replica's row changed while it was read: audit again")
                continue
            yield self._thought(finding, self._seen(finding, key, rows), images.get(key, []), writer, zone)

    def _seen(self, finding: Finding, key: KeyText, rows: Rows) -> Seen:
        masker, entity = self.masker, self.contract.entity
        return Seen(
            finding["divergence"],
            key,
            rows.owner.get(key, OwnerRow()),
            rows.copy.get(key, CopyRow()),
            rows.differing.get(key, ()),
            [(one["name"], one["owner"], one["replica"]) for one in finding["fields"]],
            lambda name, text: masker.text(entity, name, text),
        )

    def _thought(
        self, finding: Finding, seen: Seen, images: Sequence[Image], writer: ActWriter, zone: str
    ) -> _Draft | _Left:
        if self.replica is None:
            raise AssertionError("only replicas are compensated")
        decision = decide(self.replica, seen)
        if isinstance(decision, LeftOut):
            return finding, decision.reason
        if isinstance(decision, Escalation):
            return self._escalation(finding, decision.reason)
        if len(images) > 1:
            return self._escalation(finding, "several rows of the replica have this key, flagged ones among them")
        subject = Subject(seen.key, seen.owner, images[0] if images else None, zone, self.now)
        try:
            act = writer.write(decision, subject)
        except UnwritableError as error:
            return self._escalation(finding, str(error))
        return _Draft(
            finding, self.contract, self.replica, self._place(decision, seen), ACTIONS[decision.change],
            decision.reason, act,
        )  # fmt: skip

    def _place(self, decision: Proposal, seen: Seen) -> Place:
        own = [name for name, entity in self.contract.references().items() if entity == self.contract.entity]
        row: Mapping[str, str | None] = seen.copy.texts if decision.change is Change.DELETE else seen.owner.texts
        refers = tuple((text,) for name in own if (text := row.get(name)) is not None)
        removes = ACTIONS[decision.change] is Action.DELETE
        return Place(self.contract.entity, removes, tuple(text or "" for _, text in seen.key), refers)

    def _escalation(self, finding: Finding, reason: str) -> _Draft:
        key = tuple(value or "" for value in (finding["key"] or {}).values())
        return _Draft(
            finding, self.contract, self.replica, Place(self.contract.entity, removes=False, key=key),
            Action.ESCALATE, reason,
        )  # fmt: skip


def _key_of(finding: Finding) -> KeyText:
    return tuple((finding["key"] or {}).items())


# -- numbering -------------------------------------------------------------------------------------------------------


def _number(plan: Plan, drafts: _Drafts) -> None:
    """Order the acts, number them, and write them twice; what is escalated comes last."""
    acts = [draft for draft in drafts.drafts if draft.act is not None]
    people = [draft for draft in drafts.drafts if draft.act is None]
    references = references_of(plan.contracts.values())
    in_order = [acts[i] for i in ordered([draft.place for draft in acts], references)] + people
    digits = max(len(str(len(in_order))), 4)
    entries: dict[str, list[Entry]] = defaultdict(list)
    escalated: dict[str, list[str]] = defaultdict(list)
    for order, draft in enumerate(in_order, 1):
        number = f"c{order:0{digits}}"
        plan.compensations.append(_compensation(plan, draft, number, order))
        if draft.act is not None:
            entries[_store(draft)].append(Entry(number, _title(draft), _comments(draft), draft.act))
        else:
            escalated[_store(draft)].append(f"{number} {_title(draft)}: {draft.reason}")
    for store, found in entries.items():
        header = Header(plan.run_id, store, instant(plan.made_at), plan.expires_at)
        plan.scripts[f"{store}.sql"] = script(drafts.dialects[store], header, found, escalated.get(store, ()))


def _store(draft: _Draft) -> str:
    """The connection that the act is about."""
    if draft.replica is not None:
        return draft.replica.dataset.connection if draft.replica.dataset is not None else draft.replica.name
    reference = draft.contract.owner.dataset or draft.contract.owner.query
    return reference.connection if reference is not None else draft.contract.owner.service


def _title(draft: _Draft) -> str:
    where = draft.replica.name if draft.replica is not None else "the owner"
    return f"{draft.action} {draft.contract.entity} {key_text(draft.finding['key'])} at {where}"


def _comments(draft: _Draft) -> dict[str, str]:
    finding, risk = draft.finding, draft.act.risk if draft.act is not None else _NOTHING_PROPOSED
    return {
        "finding": f"{finding['id']} ({finding['divergence']}, {finding['cause']})",
        "reason": draft.reason,
        "risk": risk,
    }


def _compensation(plan: Plan, draft: _Draft, number: str, order: int) -> dict[str, Any]:
    act, finding = draft.act, draft.finding
    inverse = None
    if act is not None:
        inverse = {"statement": act.inverse.for_programs(), "parameters": act.inverse.parameters()}
    return {
        "id": number,
        "finding_id": finding["id"],
        "replica": finding["replica"],
        "action": str(draft.action),
        "store": _store(draft),
        "statement": act.statement.for_programs() if act is not None else None,
        "parameters": act.statement.parameters() if act is not None else {},
        "precondition": act.precondition.for_programs() if act is not None else None,
        "inverse": inverse,
        "risk": act.risk if act is not None else _NOTHING_PROPOSED,
        "reason": draft.reason,
        "order": order,
        "expires_at": instant(plan.expires_at),
        "verify": {
            "entity": finding["entity"],
            "replica": finding["replica"],
            "key": finding["key"],
            "divergence": finding["divergence"],
            "rule": finding["rule"],
            "fields": [one["name"] for one in finding["fields"]],
        },
    }
