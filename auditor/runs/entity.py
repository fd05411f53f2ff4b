"""`audit entity`: exactly one row, at its owner and in every replica, now.

Every store is read in a thread of its own and has the same time for it: one that is down or slow shows as unreachable
and holds up nobody.  What differs was seen once only, so it is suspect; where the owner's row changed within the
replica's lag bound, as the row or the owner's feed says, the difference is lawful, and where the ledger knows a finding
about the key its verdict stands.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from auditor.runs.recent_changes import recent_changes
from contracts.errors import AuditorError, StoreError
from reconcilers.one_row import OneRow, Subject, compare_rows, fetch
from reconcilers.ports import Shape
from reconcilers.projection import compared_maps, owner_items, replica_items
from reconcilers.recheck import SILENCE_SECONDS, silence
from reconcilers.redaction import redacted_fields
from reconcilers.row_stage import UNKNOWN, UNKNOWN_CONSTANT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.runs.recent_changes import ChangeDocument
    from auditor.runs.surroundings import Surroundings
    from contracts.contract import Contract, Reference, Replica
    from reconcilers.finding import FieldDifference, KeyText
    from reconcilers.ports import Reader
    from reconcilers.watermark import Watermark

STORE_SECONDS = 5.0
"""How long a store may take: long enough for a busy one, short enough for somebody on the phone."""


UNDECIDED_BY_A_RUN = "a run that looked again and again could not decide it; `audit explain` says why"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one store said.

    Attributes:
        row: None where it could not be read.
        error: Why not, else empty.
        changes: Of a feed: what happened to the key, oldest first.
        latest: Of a feed: the row after the last of them; see `RecentChanges`.
        applied: Of a replica: how far whoever fills it had come in each partition of the owner's topic before that.
    """

    row: OneRow | None = None
    watermark: Watermark | None = None
    error: str = ""
    changes: tuple[ChangeDocument, ...] = ()
    latest: Mapping[str, str | None] | None = None
    applied: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows about a key in one replica: the last verdict of a finding that is still open."""

    finding_id: str
    divergence: str
    verdict: str
    cause: str
    first_seen: str
    proof: str = ""
    lacks: tuple[tuple[str, str], ...] = ()
    """Partition and offset of the changes of the owner's feed that the replica was found to lack."""
    fields: frozenset[str] = frozenset()
    """Those that were found to differ."""


@dataclass(slots=True)
class ReplicaSight:
    """One replica's row beside the owner's.

    Attributes:
        state: One of `auditor.reports.entity.REPLICA_STATES`.
        divergence: `missing`, `orphan`, `mismatch` or `duplicate` where it is divergent, absent, or in flight.
        note: One sentence about the state, or empty.
        otherwise: The state, where it is in flight or undecided for a while, as it is once that is refuted.
        proof: By what it is known that the replica is past the owner's change; mostly empty.
        redacted: Redacted fields of which it is not known whether what they hold is their constant.
    """

    replica: Replica
    answer: Answer
    state: str
    divergence: str = ""
    differences: tuple[FieldDifference, ...] = ()
    note: str = ""
    known: Known | None = None
    otherwise: str = ""
    proof: str = ""
    redacted: frozenset[str] = frozenset()


@dataclass(slots=True)
class EntitySight:
    """One row everywhere."""

    contract: Contract
    key: KeyText
    owner: Answer
    owner_state: str
    replicas: list[ReplicaSight] = field(default_factory=list)
    read_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    feed: Answer = Answer()

    @property
    def known_somewhere(self) -> bool:
        """Whether any store has the key, flagged as deleted or not."""
        answers = (self.owner, *(sight.answer for sight in self.replicas))
        return any(answer.row is not None and (answer.row.live or answer.row.gone) for answer in answers)

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 a replica is divergent, 2 a store is unreachable or undecided, or nobody knows the key."""
        states = {sight.state for sight in self.replicas}
        if self.owner_state == "unreachable" or states & {"unreachable", "undecided"} or not self.known_somewhere:
            return 2
        return 1 if states & {"divergent", "absent"} else 0


class LedgerGlance(Protocol):
    """What is asked of the ledger: the open finding about a key, if there is one."""

    def __call__(self, replica: str, divergence: str) -> Known | None:
        """The finding of this replica and divergence."""
        ...


def look_at_entity(
    contract: Contract, key: KeyText, around: Surroundings, *, seconds: float = STORE_SECONDS
) -> EntitySight:
    """Read one row everywhere and say how the copies stand.

    Args:
        contract: The entity's.
        key: Canonical text, in contract key order.
        around: What runs work with.
        seconds: See `STORE_SECONDS`.

    Raises:
        StoreError: The owner has no dataset that can be read by key.
    """
    reference = contract.owner.reference
    if reference is None:
        raise StoreError(
            f"{contract.entity}: its owner names no place to read",
            hint="give the owner a dataset",
        )
    around.workspace.know_functions()
    read_at = around.clock.now()
    answers = _answers(_questions(contract, key, reference, around), around.clock, seconds)
    owner, *copies, feed = answers
    sight = EntitySight(contract, key, owner, _owner_state(owner), read_at=read_at, feed=feed)
    for replica, answer in zip(contract.replicas, copies, strict=True):
        sight.replicas.append(_judged(sight, replica, answer, around))
    _ask_applied(sight, reference, around, seconds)
    return sight


def _ask_applied(sight: EntitySight, owner: Reference, around: Surroundings, seconds: float) -> None:
    """Take nothing for in flight that whoever fills the replica has passed: that is asked, and all is read once more.

    First how far it has come, then the replica, then the owner, which must be as it was and as its feed tells it.
    """
    contract, key = sight.contract, sight.key
    in_doubt = [i for i, one in enumerate(sight.replicas) if one.state == "in_flight" and one.replica.applied_by]
    if not in_doubt or not is_as_told(sight):
        return
    asked = [_applied_question(contract, key, i, around) for i in in_doubt]
    answers = _answers(asked, around.clock, seconds)
    subject = Subject(contract, owner_items(contract), key, "owner_row_again")
    (again,) = _answers([lambda: _asked(around, owner, lambda _reader: subject)], around.clock, seconds)
    if again.row is None or sight.owner.row is None or again.row.texts != sight.owner.row.texts:
        return
    last = sight.feed.changes[-1]
    for i, answer in zip(in_doubt, answers, strict=True):
        if int(last["offset"] or 0) >= answer.applied.get(int(last["partition"] or 0), 0):
            continue
        replica = sight.replicas[i].replica
        found = _compared(sight, replica, answer, around)
        if found.divergence and replica.applied_by is not None:
            group = f"its consumer group {replica.applied_by.group_id} has passed the owner's last change"
            found.proof, found.note = "applied", "; ".join(part for part in (group, found.note) if part)
        sight.replicas[i] = found


def _applied_question(contract: Contract, key: KeyText, number: int, around: Surroundings) -> Callable[[], Answer]:
    """What to ask of a replica once more, after its group."""
    replica, feed = contract.replicas[number], contract.owner.feed
    read = _replica_question(contract, key, replica, f"replica_{number}_again", around)

    def ask() -> Answer:
        if replica.applied_by is None or feed is None:
            return Answer()
        try:
            applied = around.applied(replica.applied_by, feed)
        except AuditorError as error:
            return Answer(error=str(error))
        return replace(read(), applied=applied) if applied else Answer()

    return ask


def is_as_told(sight: EntitySight) -> bool:
    """Whether the owner's row, as it was read, is what the last change that its feed tells made of it."""
    owner, told = sight.owner.row, sight.feed.latest
    if owner is None or told is None or owner.count > 1:
        return False
    row = {name: text for name, text in owner.texts.items() if name not in sight.contract.key} if owner.live else {}
    return row == told


def _questions(
    contract: Contract, key: KeyText, reference: Reference, around: Surroundings
) -> list[Callable[[], Answer]]:
    """What to ask each store, the owner first, its feed last."""
    subject = Subject(contract, owner_items(contract), key, "owner_row")
    questions = [lambda: _asked(around, reference, lambda _reader: subject)]
    for number, replica in enumerate(contract.replicas):
        questions.append(_replica_question(contract, key, replica, f"replica_{number}", around))
    return [*questions, lambda: _told(contract, key, around)]


def _told(contract: Contract, key: KeyText, around: Surroundings) -> Answer:
    """What the owner's feed tells of the key; nothing where there is none."""
    feed = contract.owner.feed
    if feed is None:
        return Answer()
    try:
        with around.reader(feed).snapshot(around.workspace) as snapshot:
            told = recent_changes(snapshot, around.workspace, contract, key)
            return Answer(changes=told.documents, latest=told.latest)
    except AuditorError as error:
        return Answer(error=error.message)


def _replica_question(
    contract: Contract, key: KeyText, replica: Replica, table: str, around: Surroundings
) -> Callable[[], Answer]:
    dataset = replica.reference
    if dataset is None:
        return lambda: Answer(error="the contract names no place to read")

    def subject(reader: Reader) -> Subject:
        # Only `select` needs to know the store's own types.
        shape = reader.shape() if replica.select is not None else Shape(())
        return Subject(contract, replica_items(contract, replica, shape), key, table, replica)

    return lambda: _asked(around, dataset, subject)


def _asked(around: Surroundings, reference: Reference, subject: Callable[[Reader], Subject]) -> Answer:
    try:
        reader = around.reader(reference)
        wanted = subject(reader)
        with reader.snapshot(around.workspace) as snapshot:
            return Answer(fetch(snapshot, around.workspace, wanted), snapshot.watermark)
    except AuditorError as error:
        return Answer(error=str(error))


def _answers(questions: Sequence[Callable[[], Answer]], clock: Clock, seconds: float) -> list[Answer]:
    """Ask all at once; who has not answered in time is unreachable.

    The threads are daemons: one that waits for a dead server must not keep the program from ending.
    """
    answered: SimpleQueue[tuple[int, Answer | BaseException]] = SimpleQueue()
    for number, question in enumerate(questions):
        threading.Thread(target=_answer, args=(number, question, answered), daemon=True).start()
    late = Answer(error=f"no answer within {seconds:g} s")
    answers = [late] * len(questions)
    deadline = clock.monotonic() + seconds
    for _ in questions:
        try:
            number, answer = answered.get(timeout=max(deadline - clock.monotonic(), 0))
        except Empty:
            break
        if isinstance(answer, BaseException):
            raise answer
        answers[number] = answer
    return answers


def _answer(
    number: int, question: Callable[[], Answer], answered: SimpleQueue[tuple[int, Answer | BaseException]]
) -> None:
    try:
        answered.put((number, question()))
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        answered.put((number, error))


def _owner_state(owner: Answer) -> str:
    if owner.row is None:
        return "unreachable"
    return "present" if owner.row.live else "soft_deleted" if owner.row.gone else "absent"


def _judged(sight: EntitySight, replica: Replica, answer: Answer, around: Surroundings) -> ReplicaSight:
    """How a replica stands; what differs may be lawful as yet."""
    judged = _compared(sight, replica, answer, around)
    comparable = judged.divergence and judged.divergence != "duplicate"
    if comparable and (note := _in_flight(sight, replica)):
        judged.otherwise, judged.state, judged.note = judged.state, "in_flight", note
    elif comparable:
        _hear(judged, sight, answer)
    return judged


def _hear(judged: ReplicaSight, sight: EntitySight, answer: Answer) -> None:
    """Call nothing drift in a replica that is known by its feed alone and has told nothing since it was due.

    As a run does: it waits for a sign of life of the connector for a while, and then does not know.
    """
    mark = answer.watermark
    if mark is None or mark.heard is None:
        return
    bound, told = judged.replica.lag_bound.total_seconds(), _moment(mark.told or None)
    changed = [one for one in (_dated(sight), _told_change(sight)) if one is not None]
    if changed:
        alive = told is not None and (told - max(changed)).total_seconds() >= bound
        waits = (_now(sight) - max(changed)).total_seconds() < bound + SILENCE_SECONDS
    else:
        alive, waits = mark.monotonic - mark.heard <= bound + SILENCE_SECONDS, False
    if alive:
        return
    judged.otherwise, judged.state = judged.state, "in_flight" if waits else "undecided"
    judged.note = silence("the replica's feed", mark.told, "what the replica holds now is not known")


def _compared(sight: EntitySight, replica: Replica, answer: Answer, around: Surroundings) -> ReplicaSight:
    """The table of section 3 of the interface, for one row."""
    if answer.row is None:
        return ReplicaSight(replica, answer, "unreachable", note=answer.error)
    owner = sight.owner.row
    if owner is None:
        return ReplicaSight(replica, answer, "undecided", note="the owner could not be read")
    if owner.count > 1:
        return ReplicaSight(replica, answer, "undecided", note=f"the owner has {owner.count} rows with this key")
    if answer.row.count > 1:
        note = f"{answer.row.count} rows have this key"
        return ReplicaSight(replica, answer, "divergent", "duplicate", note=note)
    if owner.live and owner.scopes.get(replica.name, True):
        found = _beside_live_owner(sight, replica, answer, around)
    else:
        found = _without_owner(owner, replica, answer)
    why = owner.lacking or answer.row.lacking  # what was lost may have been about this row
    if not why and not (replica.completeness == "partial" and not answer.row.live):
        why = owner.uncounted.get(replica.name, "") or answer.row.uncounted.get(replica.name, "")
    return ReplicaSight(replica, answer, "undecided", differences=found.differences, note=why) if why else found


def _beside_live_owner(sight: EntitySight, replica: Replica, answer: Answer, around: Surroundings) -> ReplicaSight:
    owner, copy = sight.owner.row, answer.row
    if owner is None or copy is None:
        raise AssertionError("both were read")
    if not copy.live:
        return _lacking(owner, replica, answer)
    bad = [name for name in compared_with_owner(replica) if name in owner.bad]
    differing = compare_rows(around.workspace, sight.contract, replica, owner, copy)
    redacted = frozenset(name for name in redacted_fields(replica) if copy.texts[name] is not None)
    wrong = "; ".join(f"{name} is not compared: the owner's is no {sight.contract.fields[name].type}" for name in bad)
    if wrong and all(difference.note.startswith(UNKNOWN) for difference in differing):
        return ReplicaSight(replica, answer, "undecided", differences=differing, note=wrong, redacted=redacted)
    if not differing:
        note = f"{', '.join(sorted(redacted))}: {UNKNOWN_CONSTANT}" if redacted else ""
        return ReplicaSight(replica, answer, "consistent", note=note, redacted=redacted)
    if all(difference.note.startswith(UNKNOWN) for difference in differing):
        note = differing[0].note
        return ReplicaSight(replica, answer, "undecided", differences=differing, note=note, redacted=redacted)
    return ReplicaSight(replica, answer, "divergent", "mismatch", differing, wrong)


def _lacking(owner: OneRow, replica: Replica, answer: Answer) -> ReplicaSight:
    """The owner has a live row, and the replica has none."""
    if replica.completeness == "partial":
        return ReplicaSight(replica, answer, "lawfully_absent", note="need not hold every row")
    if unknown := (answer.row.absence if answer.row else "") or owner.absence:
        return ReplicaSight(replica, answer, "undecided", note=unknown)
    gone = answer.row is not None and answer.row.gone
    note = "flagged as deleted, though the owner's row is live" if gone else ""
    return ReplicaSight(replica, answer, "absent", "missing", note=note)


def compared_with_owner(replica: Replica) -> frozenset[str]:
    """The fields of which the owner's value decides whether the replica's is right."""
    return frozenset(one.field for one in compared_maps(replica)) - redacted_fields(replica)


def _without_owner(owner: OneRow, replica: Replica, answer: Answer) -> ReplicaSight:
    """The owner has no row, or none that this replica is to hold."""
    outside = owner.live
    if answer.row is None or not answer.row.live:
        if outside:
            return ReplicaSight(replica, answer, "lawfully_absent", note="not to be held here: `where` excludes it")
        return ReplicaSight(replica, answer, "consistent")
    if replica.deletes.mode == "keep":
        return ReplicaSight(
            replica, answer, "consistent", note="kept, though the owner no longer has it for this replica"
        )
    if owner.absence and not outside:
        return ReplicaSight(replica, answer, "undecided", note=owner.absence)
    note = "`where` excludes it, so it is not to be here" if outside else "the owner does not have it"
    return ReplicaSight(replica, answer, "divergent", "orphan", note=note)


def _in_flight(sight: EntitySight, replica: Replica) -> str:
    """Why a difference is lawful as yet: the owner's row changed within the lag bound; else an empty string."""
    now = _now(sight)
    bound = replica.lag_bound.total_seconds()
    for changed, earliest in ((_dated(sight), 0.0), (_told_change(sight), -STORE_SECONDS)):
        age = None if changed is None else (now - changed).total_seconds()
        if age is not None and earliest <= age < bound:
            return f"the owner's row changed {max(age, 0.0):.0f} s ago, within the lag bound"
    return ""


def _now(sight: EntitySight) -> datetime:
    """When the owner was read, by its own clock where it has one."""
    return (sight.owner.watermark.store_time if sight.owner.watermark else None) or sight.read_at


def _dated(sight: EntitySight) -> datetime | None:
    """When the owner's row changed, as it says itself."""
    changed_at, owner = sight.contract.owner.changed_at, sight.owner
    text = owner.row.texts.get(changed_at.field) if changed_at is not None and owner.row is not None else None
    return _moment(text)


def _told_change(sight: EntitySight) -> datetime | None:
    """When the owner's row changed, as its feed says; that may be after the row was read: all are asked at once."""
    changes = [one for one in sight.feed.changes if one["change"] in ("write", "delete")]
    return _moment(changes[-1]["committed_at"]) if changes else None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # no time at all, or beyond what Python can tell
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def add_known(sight: EntitySight, glance: LedgerGlance) -> None:
    """Add what the ledger knows about what differs; what it has proven is not in flight."""
    for replica in sight.replicas:
        if not replica.divergence:
            _add_unredacted(replica, glance)
            continue
        replica.known = known = glance(replica.replica.name, replica.divergence)
        if known is None:
            continue
        if replica.state in ("in_flight", "undecided") and replica.otherwise and _is_proven(sight, known):
            replica.state, replica.proof, replica.note = replica.otherwise, known.proof, ""
        elif replica.state in ("divergent", "absent") and known.verdict == "undecided" and not replica.proof:
            replica.otherwise, replica.state = replica.state, "undecided"
            replica.note = replica.note or UNDECIDED_BY_A_RUN


def _add_unredacted(replica: ReplicaSight, glance: LedgerGlance) -> None:
    """Add what a whole run has found wrong in redacted fields: one row does not show that it is right by now."""
    known = glance(replica.replica.name, "mismatch") if replica.redacted else None
    if known is not None and known.fields & replica.redacted:
        replica.known, replica.state = known, "undecided"


def _is_proven(sight: EntitySight, known: Known) -> bool:
    """Whether a run has proven that the replica was past the owner's last change, and lacked it."""
    if known.verdict not in ("persistent", "accepted") or known.proof not in ("applied", "position"):
        return False
    last = sight.feed.changes[-1] if sight.feed.changes and is_as_told(sight) else {}
    return (last.get("partition"), last.get("offset")) in known.lacks


def row_texts(answer: Answer, key: KeyText) -> Mapping[str, str | None] | None:
    """The row as documents show it, key first; None where there is none."""
    if answer.row is None or not answer.row.texts:
        return None
    return dict(key) | dict(answer.row.texts)
