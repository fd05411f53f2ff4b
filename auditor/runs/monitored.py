"""One entity under a monitor: what its replicas are obliged to, what is under suspicion, and what was found.

A key that is owed is looked at on both sides, as the nightly job looks at its suspects.  Where the two agree,
everything that was owed until then is met: the replica holds the owner's row as it is now, and so it has reflected
every version before.  Where they do not, the key is a suspect, and goes through the same recheck, with the owner's
versions as witnesses.  It stays owed until it is judged, so that a process that is killed looks at it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from auditor.masking import VALUE_BYTES_MAX
from auditor.reports.words import FOLLOWED_ONLY
from auditor.runs.looked_keys import LookedKeys
from auditor.runs.obliged_keys import canonical_keys
from reconcilers.finding import Divergence, Finding, Verdict
from reconcilers.invariants import TYPE_RULE
from reconcilers.redaction import redacted_fields
from reconcilers.row_stage import UNKNOWN_CONSTANT
from reconcilers.rows import Counts
from reconcilers.sight import EntityLook, ReplicaLook, Suspects
from reconcilers.streams.obligations import OWED_AT_ONCE, Drifting, Duty, Hour, Owed, Took
from reconcilers.streams.signs import DEAD_LETTERS, reapplied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

    from auditor.clock import Clock
    from auditor.feeds.following import Following
    from auditor.runs.reconcile import EntityRun, Watch
    from contracts.contract import Contract, Replica
    from reconcilers.arrivals import Arrivals
    from reconcilers.finding import KeyText
    from reconcilers.look import Looker
    from reconcilers.ports import Reader
    from reconcilers.sight import Sight
    from reconcilers.spill import Listed
    from reconcilers.streams.state import DeadReasons

_T = TypeVar("_T")

_Subject = tuple[str | None, "KeyText"]
"""A replica (None: the owner alone) and a key."""

TOGETHER_MAX = 100_000
"""Keys of one replica that are in memory at once: some 50 MB."""

LOOK_BOUNDS = 2
LOOK_SECONDS = 60.0
"""A look that sees a change within LOOK_BOUNDS lag bounds and so many seconds tells how long it took at most."""

_Rule = tuple[str, str | None]
"""A divergence, and the rule that is broken."""

_NO_DUTY = Duty("", "", "", by_owner=True, key=())

RULES_OF_KEYS: Sequence[_Rule] = (
    (Divergence.MISSING.value, None),
    (Divergence.ORPHAN.value, None),
    (Divergence.MISMATCH.value, None),
    (Divergence.MISMATCH.value, TYPE_RULE),
    (Divergence.DUPLICATE.value, None),
)
"""What a look by key may show of a replica."""


@dataclass(slots=True)
class MonitoredEntity:
    """See the module's docstring.

    Attributes:
        run: The entity as reports see it; its first look is the sum of all looks.
        duties: Of its replicas, each with who follows the feed.
        cursor: Of the workspace.
        clock: Tells when.
        looks: Who looks at the owner and one replica, by its name: no other store is asked for what that one owes.
        near: The same of a replica that is known by its feed alone, with the owner's feed in the owner's place: what it
            takes is here already.
        measures: Of those: how long changes took to arrive.
        pending: What is owed of the keys that are under suspicion.
        resting: Until when, on the monotonic clock, a key is left alone that stayed undecided or in flight.
        told: The identities of undecided findings that have been told.
        shown: Of drift that has been told, by identity: a hash of the fields that differed.
        handed: The identities of findings that are open in the ledger: found by another member perhaps, or by this one
            before it was killed.
        closed: The identities of drift that is known here, and closed in the ledger: somebody else has told that it is
            gone.
        named: Tells under which identity the ledger has a finding: another one where it hashes or cuts the key.
        gone: Of those that are open: what a look has found to be gone.
        known: Of those, by identity: what is to be looked at once, as nothing here knows of it; see `take_over`.
        watched: Of those, by identity: what no partition of ours tells of; see `look_at_watched`.
        parts: By key of findings that were taken over: the partition that tells of it, where others have some.
        unopened: By replica (None: the owner), the readers of stores that were not opened yet.
        remarked: Which columns the feeds do not tell has been looked at.
        unread: Replicas (None: the owner) of which the latest look shows nothing that could be relied on.
        unredacted: The identities of findings about redacted fields that are open; all who look know them.
    """

    run: EntityRun
    duties: Sequence[tuple[Following, Duty]]
    cursor: duckdb.DuckDBPyConnection
    clock: Clock
    looks: Mapping[str, Looker]
    near: Mapping[str, Looker] = field(default_factory=dict)
    measures: Mapping[str, Arrivals] = field(default_factory=dict)
    pending: dict[_Subject, list[tuple[Following, Owed]]] = field(default_factory=dict)
    unread: set[str | None] = field(default_factory=set)
    resting: dict[_Subject, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    shown: dict[str, int] = field(default_factory=dict)
    handed: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    named: Callable[[Finding], str] = field(default=lambda finding: finding.identity)
    gone: list[Finding] = field(default_factory=list)
    known: dict[str, Drifting] = field(default_factory=dict)
    watched: dict[str, Drifting] = field(default_factory=dict)
    parts: dict[KeyText, int] = field(default_factory=dict)
    unopened: dict[str | None, Reader] = field(default_factory=dict)
    remarked: bool = False
    unredacted: set[str] = field(default_factory=set)
    _met: dict[str, list[int]] = field(default_factory=dict)
    _keys: LookedKeys | None = None

    @property
    def contract(self) -> Contract:
        """The entity's, with the replicas in scope."""
        return self.run.contract

    @property
    def watch(self) -> Watch:
        """Who looks, and what is suspect."""
        if self.run.watch is None:
            raise TypeError(f"{self.contract.entity} is not watched")
        return self.run.watch

    def __post_init__(self) -> None:
        for looker in (self.watch.looker, *self.looks.values(), *self.near.values()):
            looker.unredacted = self.unredacted

    def open_store(self, name: str | None) -> None:
        """See that a store is there, whether anything is owed or not: it is not asked for again.

        Args:
            name: Whose; None: the owner's.

        Raises:
            StoreError: It is not, or has no such relation.
        """
        self.unopened[name].shape()
        del self.unopened[name]

    def note_untold(self) -> list[str]:
        """Remark, once, which columns the feeds do not tell of all rows; returns what was not remarked before.

        Raises:
            StoreError: The owner's feed cannot be read.
        """
        first = self.run.first
        if first is None or self.remarked:
            return []
        self.remarked = True
        remarks, unread = self.watch.looker.untold_columns()
        fresh = [one for one in remarks if one not in first.remarks]
        for name, error in unread.items():
            first.replicas[name].error = first.replicas[name].error or str(error)
        first.remarks += fresh
        return fresh

    @property
    def redacts(self) -> bool:
        """Whether some copy has a redacted field, of which a look by key cannot tell everything."""
        return any(redacted_fields(replica) for replica in self.contract.replicas)

    def know_unredacted(self, found: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Learn where a redacted field was found wrong: a text that may be as wrong does not put it right.

        Under a sensitive key the ledger has other ids than we: all drift that is known may be meant then.

        Args:
            found: See `take_over`.
        """
        fields = {replica.name: redacted_fields(replica) for replica in self.contract.replicas}
        told = {
            identity
            for identity, said in found
            if fields.get(said["replica"], frozenset()) & {one["name"] for one in said["fields"]}
        }
        if told and any(self.contract.fields[name].sensitive for name in self.contract.key):
            told |= {_healed(one).identity for one in self.drifting()}
        suspected = {self._mismatch(subject).identity for subject in self.pending}
        self.unredacted &= suspected  # those that the ledger does not know yet
        self.unredacted |= told

    def _mismatch(self, subject: _Subject) -> Finding:
        return _healed(Drifting(self.contract.entity, *subject, Divergence.MISMATCH.value, None))

    def take_over(self, found: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Look by key, with the next look at drift, at what somebody else has found: the nightly job, as it may be.

        What cannot be looked at by key is left to the nightly job: rows without a key, references to other entities,
        what is wrong with a whole replica, and keys that the ledger holds masked.

        Args:
            found: The id of each finding that is open in the ledger, and what was said of it last.
        """
        names = {replica.name for replica in self.contract.replicas}
        mine = {self.named(_healed(one)) for one in self.drifting()}
        left = 0
        some: dict[str, Drifting] = {}
        topic = self._by_owner()[1].topic
        for identity, said in found:
            if identity in mine or (said["replica"] is not None and said["replica"] not in names):
                continue
            one = self._drifting(said)
            if one is None or _healed(one).identity != identity:
                left += 1
            else:
                some[identity] = replace(one, part=_told_in(said, topic))
        self.known, self.watched = self._ours(some)
        if left and self.run.first is not None:
            finding = "1 open finding" if left == 1 else f"{left:,} open findings"
            hidden = any(self.contract.fields[name].sensitive for name in self.contract.key)
            why = ": the key is sensitive, and the ledger holds its hash" if hidden else ""
            self.run.first.remarks.append(f"{finding} of earlier runs can be looked at by `audit reconcile` alone{why}")

    def _ours(self, some: dict[str, Drifting]) -> tuple[dict[str, Drifting], dict[str, Drifting]]:
        """Of findings: those on keys that are ours to judge, and those that no partition is known to tell of.

        The latter are watched by one member among all: by whoever has the first partition.  They may be another's.
        """
        following, duty = self._by_owner()
        shared = None if following is None else following.share(duty.topic)
        if shared is None or following is None:
            return some, {}
        ours, every = shared
        keys = {identity: tuple(text or "" for _, text in one.key) for identity, one in some.items()}
        parts = following.state.partitions_of(duty.topic, duty.key, sorted(set(keys.values())))
        some = {identity: replace(one, part=parts.get(keys[identity], one.part)) for identity, one in some.items()}
        self.parts = {one.key: one.part for one in some.values() if one.part is not None}
        untold = {identity: one for identity, one in some.items() if one.part is None}
        known = {identity: one for identity, one in some.items() if one.part in ours}
        return known, untold if every[:1] == ours[:1] else {}

    def _by_owner(self) -> tuple[Following | None, Duty]:
        """Who follows the owner's feed, and one of the duties that it makes."""
        return next((one for one in self.duties if one[1].by_owner), (None, _NO_DUTY))

    def share(self) -> str:
        """Which part of the owner's topic is ours, in a sentence; empty where all of it is."""
        following, duty = self._by_owner()
        shared = None if following is None else following.share(duty.topic)
        if shared is None or shared[0] == shared[1]:
            return ""
        ours, every = shared
        told = ", ".join(map(str, ours)) or "none"
        verb = "is" if len(ours) == 1 else "are"
        return (
            f"of the {len(every)} partitions of {duty.topic}, {told} {verb} this member's: "
            "keys that others tell of are looked at by those who have them"
        )

    def _drifting(self, said: Mapping[str, Any]) -> Drifting | None:
        """A finding of the ledger as drift that can be looked at by key; None where it cannot."""
        fields, key = self.contract.fields, said["key"]
        rule = (said["divergence"], said["rule"])
        if rule not in (self._owner_rules() if said["replica"] is None else RULES_OF_KEYS):
            return None
        if key is None or list(key) != list(self.contract.key) or any(fields[name].sensitive for name in key):
            return None
        if any(text is None or len(text.encode()) > VALUE_BYTES_MAX for text in key.values()):
            return None  # it is cut
        return Drifting(self.contract.entity, said["replica"], tuple(key.items()), *rule)

    def _owner_rules(self) -> Sequence[_Rule]:
        """What a look by key may show of the owner alone, by the rules that the contract has now."""
        rules = (TYPE_RULE, *(one.name for one in self.contract.invariants))
        return (Divergence.DUPLICATE.value, None), *((Divergence.INVARIANT.value, rule) for rule in rules)

    def look_at_watched(self) -> list[Finding]:
        """Look at what nobody is known to judge; returns what is no more, as healed.

        What is still there stays as it was told: its owner's changes may be told in a partition that is another's, and
        whoever does not know them cannot say why it is there.

        Raises:
            StoreError: The owner could not be read.
        """
        gone: list[Finding] = []
        for part in _pieces(self.watched.values()):
            names = {one.replica for one in part if one.replica is not None}
            look = self._looked_at(self.watch.looker, {one.key for one in part}, names)
            odd: set[tuple[str | None, KeyText | None]] = set()
            odd |= {(name, sight.finding.key) for name, copy in look.replicas.items() for sight in copy.sights}
            odd |= {(one.replica, sight.finding.key) for sight in look.owner_sights for one in part}
            gone += [
                _healed(one) for one in part if one.replica not in self.unread and (one.replica, one.key) not in odd
            ]
        for finding in gone:
            del self.watched[finding.identity]
        return gone

    def look_at_known(self) -> list[Finding]:
        """Look at what was taken over, once; returns what is no more, as healed.

        What is still there is under suspicion, and kept as drift once it is judged.

        Raises:
            StoreError: The owner could not be read.
        """
        gone: list[Finding] = []
        for part in _pieces(self.known.values()):
            gone += self.look_at_drift(part)
            for one in part:
                if one.replica not in self.unread:
                    del self.known[_healed(one).identity]
        return gone

    # -- looking -------------------------------------------------------------------------------------------------------

    def look(self, until: Mapping[str, datetime] | None = None) -> int:
        """Look at the keys that are owed and not under suspicion yet.

        Args:
            until: Of each replica: only at what was read by then, in UTC without a zone; None: at everything.

        Returns:
            How many keys were looked at.

        Raises:
            StoreError: The owner could not be read.
        """
        looked = 0
        for replica in self.contract.replicas:
            mine = [(following, duty) for following, duty in self.duties if duty.replica == replica.name]
            latest = None if until is None else until[replica.name]
            for owed in self._owed(mine, latest):
                looked += self._look_at_owed(replica, owed)
        return looked

    def meet(self) -> int:
        """See what replicas that are known by their feeds have met meanwhile; nothing is suspected yet.

        Returns:
            How many keys were looked at.
        """
        looked = 0
        for replica in self.contract.replicas:
            mine = [(following, duty) for following, duty in self.duties if duty.replica == replica.name]
            numbers = [following.state.obligations.latest() for following, _ in mine]
            if replica.name not in self.near or numbers == self._met.get(replica.name):
                continue
            self._met[replica.name] = numbers
            if sum(following.state.obligations.count_of(duty) for following, duty in mine) > TOGETHER_MAX:
                continue  # what is so much is looked at when it is due
            for owed in self._owed(mine, None):
                looked += self._meet(replica, owed)
        return looked

    def _meet(self, replica: Replica, owed: Sequence[tuple[KeyText, Following, Owed]]) -> int:
        keys = {key for key, _, _ in owed}
        look = self.near[replica.name].look(Suspects(keys, _unkeyed(keys)))
        copy = look.replicas[replica.name]
        if copy.error or copy.notes or look.notes:
            return len(keys)
        if self.run.first is not None:
            self.run.first.replicas[replica.name].unremembered.update(copy.unremembered)
        differing = {sight.finding.key for sight in (*copy.sights, *look.owner_sights)}
        told = {key for key in keys if self._handed((replica.name, key))}  # seen to be gone when it is looked at
        self._let_go(replica.name, (one for one in owed if one[0] not in differing | told))
        return len(keys)

    def _let_go(self, replica: str, owed: Iterable[tuple[KeyText, Following, Owed]]) -> None:
        """These were met."""
        met: dict[Following, list[Owed]] = {}
        keys: set[KeyText] = set()
        for key, following, one in owed:
            met.setdefault(following, []).append(one)
            keys.add(key)
        if not met:
            return
        now = self.clock.now()
        took = self._took(replica, keys, now)
        for following, some in met.items():
            following.state.settle(some, (), (), now, took)

    def _owed(
        self, duties: Sequence[tuple[Following, Duty]], until: datetime | None
    ) -> Iterator[list[tuple[KeyText, Following, Owed]]]:
        """What is owed by duties of one replica, some keys at a time; of few, all that a key owes comes together."""
        together: list[tuple[KeyText, Following, Owed]] = []
        for following, duty in duties:
            obligations = following.state.obligations
            number = obligations.number(duty)
            replica = next(one for one in self.contract.replicas if one.name == duty.replica)
            for owed in () if number is None else obligations.owed([number], until, _naive(self.clock.now())):
                keys = canonical_keys(
                    self.cursor, self.contract, None if duty.by_owner else replica, [one.key for one in owed]
                )
                together += [(key, following, one) for key, one in zip(keys, owed, strict=True)]
                if len(together) > TOGETHER_MAX:
                    yield together
                    together = []
        if together:
            yield together

    def _look_at_owed(self, replica: Replica, owed: Sequence[tuple[KeyText, Following, Owed]]) -> int:
        wanted: dict[_Subject, list[tuple[Following, Owed]]] = {}
        now = self.clock.monotonic()
        for key, following, one in owed:
            subject = (replica.name, key)
            if subject in self.pending:
                self._note(subject, (following, one))
            elif self.resting.get(subject, now) <= now:
                wanted.setdefault(subject, []).append((following, one))
        for some in _pieces(wanted):
            self._look_at({subject: wanted[subject] for subject in some}, replica.name)
        return len(wanted)

    def _note(self, subject: _Subject, owed: tuple[Following, Owed]) -> None:
        """What is owed of a key under suspicion is judged with it; what was looked at since is what counts."""
        self.pending[subject] = [
            (following, one) for following, one in self.pending[subject] if one.subject != owed[1].subject
        ] + [owed]

    def _look_at(self, wanted: Mapping[_Subject, Sequence[tuple[Following, Owed]]], replica: str) -> None:
        suspicious = self._seen(self.looks[replica], {key for _, key in wanted}, {replica})
        self.pending.update({subject: list(wanted[subject]) for subject in wanted if subject in suspicious})
        if replica not in self.unread:
            met = [subject for subject in wanted if subject not in suspicious]
            gone = [one for subject in met for one in self._handed(subject)]
            self.gone += gone
            for one in gone:
                self.known.pop(one.identity, None)
            self._let_go(replica, ((subject[1], *one) for subject in met for one in wanted[subject]))

    def _handed(self, subject: _Subject) -> list[Finding]:
        """What the ledger has of a key that is as it should be."""
        if not self.handed:
            return []
        name, key = subject
        some = [_healed(Drifting(self.contract.entity, name, key, *rule)) for rule in RULES_OF_KEYS]
        return [one for one in some if self.named(one) in self.handed]

    def let_go_of_all(self) -> None:
        """Suspect nothing any more: some of it is judged elsewhere now, and what is ours is still owed.

        What was compared was compared all the same, and is counted.
        """
        self.watch.suspicion.forget()
        self.pending.clear()
        self.resting.clear()
        self.gone.clear()

    def _took(self, replica: str, keys: set[KeyText], looked: datetime | None) -> Took:
        """How long changes of some keys took to arrive: as the replica's feed tells, else until a look saw them."""
        measure = self.measures.get(replica)
        if measure is not None:
            return Took(measure.seconds(keys))
        if looked is None:
            return Took()
        bound = next(one.lag_bound for one in self.contract.replicas if one.name == replica).total_seconds()
        return Took(looked=_naive(looked), longest=LOOK_BOUNDS * bound + LOOK_SECONDS)

    def hours(self, since: datetime | None = None) -> list[Hour]:
        """How changes have arrived, hour by hour, at all replicas; `since` in UTC without a zone."""
        homes = {id(following): following for following, duty in self.duties if duty.by_owner}
        return [
            hour
            for following in homes.values()
            for hour in following.state.obligations.arrivals(self.contract.entity, since)
        ]

    def look_at_drift(self, known: Iterable[Drifting], *, again: bool = True) -> list[Finding]:
        """Look again at what was found to be drift; returns what is no more, as healed.

        Args:
            known: What was found.
            again: What is still there is under suspicion again, and is told again.
        """
        gone: list[Finding] = []
        for drifting in _pieces(known):
            names = {one.replica for one in drifting if one.replica is not None}
            same = frozenset() if again else frozenset((_subject(one), _rule(one)) for one in drifting)
            seen = self._seen(self.watch.looker, {one.key for one in drifting}, names, same)
            gone += [
                _healed(one)
                for one in drifting
                if one.replica not in self.unread and _rule(one) not in seen.get(_subject(one), ())
            ]
        return gone

    def _seen(
        self,
        looker: Looker,
        keys: set[KeyText],
        replicas: set[str],
        known: frozenset[tuple[_Subject, _Rule]] = frozenset(),
    ) -> dict[_Subject, set[_Rule]]:
        """Look at some keys; what differs, and is not known, is under suspicion from then on.

        Returns:
            What differs, and how.
        """
        look = self._looked_at(looker, keys, replicas)
        wall = self.clock.now()
        seen: dict[_Subject, set[_Rule]] = {}
        fresh = EntityLook(
            watermark=look.watermark,
            owner_sights=self._fresh(look.owner_sights, None, seen, known),
            read_until=look.read_until,
            replicas={
                name: replace(copy, sights=self._fresh(copy.sights, name, seen, known))
                for name, copy in look.replicas.items()
                if name in replicas
            },
        )
        self.watch.suspicion.begin(fresh, wall)
        return seen

    def _looked_at(self, looker: Looker, keys: set[KeyText], replicas: set[str]) -> EntityLook:
        """Look at some keys, and note what could not be read, and of some replicas what was compared."""
        look = looker.look(Suspects(keys, _unkeyed(keys)))
        self.unread = {name for name, copy in look.replicas.items() if copy.error or copy.notes or look.rewritten}
        self.unread |= {None} if look.notes or look.rewritten else set()
        self._count(look, replicas)
        for name in replicas:
            if not look.replicas[name].error:
                self._looked_keys.add(name, keys, looker.held(name))
        return look

    def _fresh(
        self,
        sights: Listed[Sight],
        name: str | None,
        seen: dict[_Subject, set[_Rule]],
        known: frozenset[tuple[_Subject, _Rule]],
    ) -> list[Sight]:
        fresh = []
        for sight in sights:
            subject, rule = (name, sight.finding.key or ()), (sight.finding.divergence.value, sight.finding.rule)
            seen.setdefault(subject, set()).add(rule)
            if subject not in self.pending and (subject, rule) not in known:
                fresh.append(sight)
            if any(one.note.startswith(UNKNOWN_CONSTANT) for one in sight.finding.fields):
                self.unredacted.add(sight.finding.identity)  # from now on: another text does not say that it has healed
        for sight in fresh:
            self.pending.setdefault((name, sight.finding.key or ()), [])
        return fresh

    @property
    def _looked_keys(self) -> LookedKeys:
        if self._keys is None:
            self._keys = LookedKeys(self.cursor)
        return self._keys

    def count_keys(self) -> None:
        """Have the run know how many keys were looked at, and of how many there were rows: each counts once."""
        looked = self._looked_keys.looked()
        if self.run.followed is not None:
            self.run.followed.update({name: one.keys for name, one in looked.items()})
        if self.run.first is None:
            return
        self.run.first.owner_rows = self._looked_keys.owner_rows()
        for replica in self.contract.replicas:
            copy, one = self.run.first.replicas[replica.name], looked.get(replica.name)
            if one is not None and copy.counts is not None:
                kept = one.counts.kept if replica.deletes.mode == "keep" else 0
                copy.counts = replace(one.counts, kept=kept)

    def _count(self, look: EntityLook, replicas: set[str]) -> None:
        """Add what a look shows of some replicas to what the report says was compared."""
        total = self.run.first
        if total is None:
            raise TypeError(f"{self.contract.entity} was not begun")
        total.owner_rows += look.owner_rows
        total.watermark = look.watermark
        total.notes += [note for note in look.notes if note not in total.notes]
        for name in replicas:
            known, copy = total.replicas[name], look.replicas[name]
            known.counts = _sum(known.counts, copy.counts)
            known.watermark = copy.watermark or known.watermark
            known.error = known.error or copy.error
            known.notes += [note for note in copy.notes if note not in known.notes]
            known.unremembered.update(copy.unremembered)

    # -- settling ------------------------------------------------------------------------------------------------------

    def add_gone(self, gone: Iterable[Finding]) -> None:
        """Put drift that is no more among what was judged; what suspicion has judged as well is told once, as that."""
        some = {one.identity: one for one in gone}
        self.settle([some.pop(identity) for identity in self.closed & some.keys()])  # told by whoever has closed it
        for judged in self.watch.suspicion.settled if some else ():
            some.pop(judged.identity, None)
        self.watch.suspicion.settled += some.values()

    def sift(self, rest: float) -> None:
        """Of what was judged, keep what is news: drift, drift that has gone, and what is undecided for the first time.

        Args:
            rest: Seconds for which what stays owed is left alone.
        """
        news: list[Finding] = []
        others: list[Finding] = []
        known = {(*_subject(one), *_rule(one)) for one in self.drifting()}
        for finding in self.watch.suspicion.settled:
            told = (finding.replica, finding.key, finding.divergence.value, finding.rule) in known
            told = (told and finding.identity not in self.closed) or self.named(finding) in self.handed
            drift = finding.verdict is Verdict.PERSISTENT or (finding.verdict is Verdict.HEALED and told)
            if finding.verdict is Verdict.PERSISTENT and told:  # told before, and nothing else by now
                drift = self.shown.get(finding.identity) != hash(finding.fields)
            undecided = finding.verdict is Verdict.UNDECIDED and finding.identity not in self.told
            (news if drift or undecided else others).append(finding)
        for finding in news:
            if finding.verdict is Verdict.PERSISTENT:
                self.shown[finding.identity] = hash(finding.fields)
            else:
                self.shown.pop(finding.identity, None)
        self.told |= {finding.identity for finding in news if finding.verdict is Verdict.UNDECIDED}
        until = self.clock.monotonic() + rest
        for finding in (*news, *others):
            if finding.key is not None and finding.verdict not in (Verdict.PERSISTENT, Verdict.HEALED):
                self.resting[finding.replica, finding.key] = until
        self.settle(others)
        self.watch.suspicion.put_back(news)

    def begin_anew(self) -> None:
        """Count what is compared from nothing on."""
        self.run.first = nothing_seen(self.contract)
        self.run.followed = dict.fromkeys(self.run.first.replicas, 0)
        self._looked_keys.forget()
        now = self.clock.monotonic()
        self.resting = {subject: until for subject, until in self.resting.items() if until > now}

    def open(self) -> dict[str, int]:
        """How many obligations are open, by entity and replica."""
        counts: dict[str, int] = {}
        for following, duty in self.duties:
            name = f"{duty.entity}/{duty.replica}"
            counts[name] = counts.get(name, 0) + following.state.obligations.count_of(duty)
        return counts

    def settle(self, findings: Iterable[Finding]) -> None:
        """Keep in the states what was found: what is judged is owed no more, drift is looked at until it is gone."""
        late: dict[tuple[str, Following], list[tuple[KeyText, Owed]]] = {}
        met: dict[str, list[tuple[KeyText, Following, Owed]]] = {}
        found: list[Drifting] = []
        gone: list[Drifting] = []
        for finding in findings:
            if finding.key is None:
                continue
            drifting = Drifting(finding.entity, finding.replica, finding.key, finding.divergence.value, finding.rule)
            owed = self.pending.pop((finding.replica, finding.key), [])
            self.handed.discard(self.named(finding))
            self.closed.discard(finding.identity)
            if finding.verdict is Verdict.PERSISTENT:
                part = self._part(owed)
                part = self.parts.get(finding.key) if part is None else part
                found.append(replace(drifting, applied=self._written(owed), part=part))
                for following, one in owed:
                    late.setdefault((finding.replica or "", following), []).append((finding.key, one))
            elif finding.verdict is Verdict.HEALED:
                gone.append(drifting)
                if finding.replica is not None:
                    met.setdefault(finding.replica, []).extend((finding.key, *one) for one in owed)
        home = self.duties[0][0] if self.duties else None
        for following in {id(f): f for f, _ in self.duties}.values():
            mine = following is home
            some, more = (found, gone) if mine else ((), ())
            following.state.settle((), some, more, self.clock.now())
        for (replica, following), drift in late.items():
            took = replace(self._took(replica, {key for key, _ in drift}, None), late=True)
            following.state.settle([one for _, one in drift], (), (), self.clock.now(), took)
        for replica, those in met.items():
            self._let_go(replica, those)

    def _part(self, owed: Iterable[tuple[Following, Owed]]) -> int | None:
        """The partition of the owner's topic that obliged to something, where it was the owner."""
        own = {(id(f), f.state.obligations.number(duty)) for f, duty in self.duties if duty.by_owner}
        return next((one.part for following, one in owed if (id(following), one.subject) in own), None)

    def _written(self, owed: Iterable[tuple[Following, Owed]]) -> int:
        """How many of the obligations are the replica's own writes."""
        own = {(id(f), f.state.obligations.number(duty)) for f, duty in self.duties if not duty.by_owner}
        return sum(one.count for following, one in owed if (id(following), one.subject) in own)

    def signs(self, coming: Iterable[Finding] = ()) -> list[dict[str, Any]]:
        """Signs of trouble in the topics, with their counts.

        Args:
            coming: What is about to be settled.
        """
        told: dict[tuple[str, str, str], dict[str, Any]] = {}
        applied = self._applied(coming)
        for following, duty in self.duties:
            state = following.state
            found = state.signs.of(state.tables[duty.topic], by_owner=duty.by_owner)
            if not duty.by_owner:
                found += reapplied(duty.topic, [count for (name, _), count in applied.items() if name == duty.replica])
            for sign in found:
                whose = None if duty.by_owner else duty.replica
                told[following.feed, sign.topic, sign.name] = {
                    "sign": sign.name, "entity": duty.entity, "replica": whose, "feed": following.feed,
                    "topic": sign.topic, "records": sign.records, "keys": sign.keys,
                    **(_dead(state.dead_reasons(sign.topic)) if sign.name == DEAD_LETTERS else {}),
                }  # fmt: skip
        return list(told.values())

    def _applied(self, coming: Iterable[Finding]) -> dict[_Subject, int]:
        """How often replicas have written keys that are drift, with what is about to be settled: not that any more."""
        applied: dict[_Subject, int] = {}
        for one in self.drifting():
            applied[one.replica, one.key] = max(one.applied, applied.get((one.replica, one.key), 0))
        healed: set[_Subject] = set()
        wrong: set[_Subject] = set()
        for finding in coming:
            subject = (finding.replica, finding.key or ())
            if finding.verdict is Verdict.HEALED:
                healed.add(subject)
            elif finding.key is not None and finding.verdict is Verdict.PERSISTENT:
                wrong.add(subject)
                applied[subject] = applied.get(subject, 0) + self._written(self.pending.get(subject, ()))
        return {subject: count for subject, count in applied.items() if subject not in healed - wrong}

    def learn_closed(self, closed: Callable[[Sequence[str]], set[str]]) -> None:
        """Learn what of the known drift is closed in the ledger.

        Args:
            closed: Tells which of some identities are.
        """
        mine = {self.named(one): one.identity for one in map(_healed, self.drifting())}
        self.closed = {mine[identity] for identity in closed(list(mine))}

    def drifting(self) -> list[Drifting]:
        """What was found to be drift and is not known to be gone."""
        return self.duties[0][0].state.obligations.drifting(self.contract.entity) if self.duties else []


def _dead(why: DeadReasons) -> dict[str, Any]:
    """What a sign of records that could not be understood tells of them."""
    reasons = [{"reason": reason, "records": count} for reason, count in why.reasons]
    return {"first": why.first, "reasons": reasons, "more_reasons": why.more}


def _told_in(said: Mapping[str, Any], topic: str) -> int | None:
    """Which partition of a topic tells of a finding's key, by the changes that it was explained with; None: unknown."""
    changes = (said.get("evidence") or {}).get("changes") or ()
    return next((int(one["partition"]) for one in changes if one["topic"] == topic), None)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def nothing_seen(contract: Contract) -> EntityLook:
    """What was seen before the first look: of a feed in which nothing happened, nothing is owed."""
    replicas = {replica.name: ReplicaLook(counts=Counts(0, 0, 0, 0)) for replica in contract.replicas}
    remarks = [
        f"{replica.name}: which constant {name} is to hold is not known of some rows: a leak of another row's value, "
        "or of an older one, `audit reconcile` finds"
        for replica in contract.replicas
        for name in sorted(redacted_fields(replica))
    ]
    return EntityLook(replicas=replicas, remarks=[FOLLOWED_ONLY, *remarks])


def _pieces(some: Iterable[_T]) -> Iterator[list[_T]]:
    """As many as are looked at with one query, again and again; of what is there now."""
    following = iter(list(some))
    while piece := list(islice(following, OWED_AT_ONCE)):
        yield piece


def _subject(one: Drifting) -> _Subject:
    return one.replica, one.key


def _rule(one: Drifting) -> _Rule:
    return one.divergence, one.rule


def _sum(one: Counts | None, other: Counts | None) -> Counts | None:
    if one is None or other is None:
        return one or other
    return Counts(
        one.owner_rows + other.owner_rows,
        one.replica_rows + other.replica_rows,
        one.compared_rows + other.compared_rows,
        one.kept + other.kept,
    )


def _unkeyed(keys: Iterable[KeyText]) -> bool:
    """Whether some key is no value of its type, so that it takes a scan to find its rows."""
    return any(text is None for key in keys for _, text in key)


def _healed(drifting: Drifting) -> Finding:
    return Finding(
        drifting.entity, drifting.replica, drifting.key, Divergence(drifting.divergence), Verdict.HEALED, drifting.rule
    )
