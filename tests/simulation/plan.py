"""What happens in a world, drawn from a seed: a list of acts, each with its moment, from which any can be left out.

A world is drawn in steps (DRAWS).  Each has chance of its own, and changes some worlds and leaves the others as they
are, so that a new kind of fault is one more step at the end, and a seed means what it meant with as many steps as
there were then: `draw(seed, steps)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.wire import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

LAG_BOUND = 10.0
KEYS = range(1, 7)
PHANTOMS = range(90, 93)
"""Keys that the owner never has."""

HISTORY_SECONDS = 30.0
"""What happens before the audit begins."""

BUSY_SECONDS = 50.0
"""When the owner comes to rest."""

COPY_FAULTS = ("lost", "missed delete", "out of order", "twice", "stuck", "by hand", "phantom", "deleted by hand")
FAULTS = (
    "an event that a replica lost", "an event that a connector lost", "records removed unread",
    "a change applied twice", "changes sent again", "a change applied out of order", "partitions in another order",
    "a replica that pauses", "a connector that was down", "a delete missed", "a key stuck", "a row written by hand",
    "a process killed", "a process overtaken", "a key changed", "a truncate", "a schema changed", "a second snapshot",
    "a snapshot broken off", "an incremental snapshot", "clocks apart", "a registry out", "poison under a key",
    "poison without a key", "a store out", "a ledger locked", "records removed by the broker",
    "a batch decoded at once", "a process killed while it records", "a ledger that refuses", "drift mended by hand",
    "stores that become slow", "a clock set back", "a clock set forwards",
    "a replica's connector that falls silent", "partitions shared out anew",
    "a member of a group killed", "a truncate heard from another member",
    "a connector without a snapshot",
)  # fmt: skip
"""What goes wrong in worlds; each is counted where it has an effect."""

PARTICULAR = ("poison", "poison without key", "loses", "cut")
"""Faults of a feed after which something is lawfully unknown, or wrong in the feed itself."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens.

    Attributes:
        moment: On the true clock.
        name: What; a method of the world.
        arguments: Of it.
        is_fault: It can be left out to see whether it matters.
    """

    moment: float
    name: str
    arguments: tuple[Any, ...] = ()
    is_fault: bool = False

    @property
    def is_of_copy(self) -> bool:
        """Whether it makes a key wrong at the copy."""
        return self.name in ("copy_fault", "by_hand")

    def __str__(self) -> str:
        return f"{self.moment:7.3f} {self.name} {', '.join(map(str, self.arguments))}".rstrip()


@dataclass(frozen=True, slots=True)
class Plan:
    """A world's course.

    Attributes:
        seed: It all comes from.
        form: How records are written.
        owner: The owner is read as a `table`, as a table with its feed as a `witness`, or is known by its `feed`.
        replicas: Which are audited: `copy`, `mirror` (the copy's own feed), `topic` (the owner's feed as a replica).
        audits: The sides are compared, too; else only what the feed's state holds.
        monitored: The monitor follows and looks instead.
        forgets: It remembers versions for no longer than a few lag bounds.
        on_disk: Our process keeps its state in a file, and is killed.
        slow: Opening a store may take seconds.
        skews: How far clocks are ahead of the true one: the owner's, the replica's, the auditor's.
        acts: In order.
        at_once: Batches are decoded at once where they can be, however small they are.
        beats: Seconds between the heartbeats of the connector of the copy's feed, 0 where it has none; None where
            nobody asks for how long it was silent.
        shared: Two monitors share the topic's partitions as a group.
        begins: When the owner's connector begins; it takes no snapshot then.
    """

    seed: int
    form: str
    mariadb: bool
    partitions: int
    owner: str
    replicas: tuple[str, ...]
    audits: bool
    on_disk: bool
    slow: bool
    sampled: int
    skews: tuple[float, float, float]
    acts: tuple[Act, ...]
    monitored: bool = False
    forgets: bool = False
    at_once: bool = False
    beats: float | None = None
    shared: bool = False
    begins: float = 0.0

    def without(self, act: Act) -> Plan:
        """The same world where one thing does not happen."""
        return replace(self, acts=tuple(one for one in self.acts if one is not act))


def draw(seed: int, steps: int | None = None) -> Plan:
    """The plan of a seed.

    Args:
        seed: The seed.
        steps: How many of DRAWS are taken; None: all of them.
    """
    plan = _first(seed)
    for name, step in DRAWS[:steps]:
        plan = step(plan, Random(f"{name} {seed}"))
    return plan


def _first(seed: int) -> Plan:
    """The world as all steps find it."""
    chance = Random(seed)
    owner = chance.choice(("table", "witness", "witness", "witness", "feed", "feed"))
    audits = chance.random() < AUDITED_SHARE
    replicas = chance.choice((("copy",), ("copy",), ("copy", "mirror"), ("mirror",)))
    if owner == "witness" and chance.random() < 0.2:
        replicas = ("topic",)
    on_disk = chance.random() < 0.4
    drawn = _Acts(chance, on_disk=on_disk, feed=owner != "table" or not audits)
    return Plan(
        seed, chance.choice(FORMATS), chance.random() < 0.25, chance.randint(1, 3), owner, replicas,
        audits, on_disk, audits and chance.random() < 0.15, chance.choice((0, 0, 1000)),
        (chance.uniform(-900, 900), chance.uniform(-900, 900), chance.uniform(-900, 900)), drawn.acts(),
    )  # fmt: skip


AUDITED_SHARE = 0.3
MONITORED_SHARE = 0.08
"""Looks cost most of a world's time."""


def _monitored(plan: Plan, chance: Random) -> Plan:
    """The same world under a monitor, in some."""
    if chance.random() >= MONITORED_SHARE:
        return plan
    on_disk = plan.on_disk or chance.random() < 0.5
    acts = [act for act in plan.acts if act.name not in ("read", "zombie")]
    acts += [_kill(chance) for _ in range(chance.choice((0, 1, 2)) if on_disk else 0)]
    for name in ("store_out", "ledger_locked"):
        if chance.random() < 0.25:
            which = (chance.choice(("shop/orders", "copy/orders")),) if name == "store_out" else ()
            acts.append(Act(chance.uniform(1, BUSY_SECONDS), name, (*which, chance.uniform(1, 12)), is_fault=True))
    skews = (0.0, 0.0, 0.0) if chance.random() < 0.3 else plan.skews
    return replace(
        plan, monitored=True, audits=False, on_disk=on_disk, forgets=chance.random() < 0.3, skews=skews,
        slow=chance.random() < 0.1, owner="witness" if plan.owner == "table" else plan.owner,
        acts=_in_order(acts),
    )  # fmt: skip


def _kill(chance: Random) -> Act:
    return Act(chance.uniform(1, RESTS_FROM), "kill", (chance.choice((None, *range(60))),), is_fault=True)


def _at_once(plan: Plan, chance: Random) -> Plan:
    """The same world read by the decoder of batches, in most that it can read: the course is no other."""
    return replace(plan, at_once=plan.form == "avro" and chance.random() < 0.7)


def _recording(plan: Plan, chance: Random) -> Plan:
    """The same world under a monitor that is hindered just where it records what it found, or whose drift is mended."""
    if not plan.monitored:
        return plan
    acts = list(plan.acts)
    if chance.random() < 0.3:
        acts.append(Act(chance.uniform(1, 20), "ledger_refuses", (chance.randint(1, 4),), is_fault=True))
    if plan.on_disk and chance.random() < 0.5:
        acts.append(Act(chance.uniform(1, 20), "kill_recording", (chance.random() < 0.5,), is_fault=True))
    if "copy" in plan.replicas and chance.random() < 0.4:
        acts.append(Act(chance.uniform(BUSY_SECONDS + 2, RESTS_FROM), "mended", (), is_fault=True))
    return replace(plan, acts=_in_order(acts))


def _busy(plan: Plan, chance: Random) -> Plan:
    """Some worlds that only fold are audited without a feed, while their owner is written all the time."""
    if plan.audits or plan.monitored or chance.random() >= BUSY_SHARE:
        return plan
    acts = list(plan.acts)
    is_hot = chance.random() < 0.3
    for key in KEYS:
        at = chance.uniform(HISTORY_SECONDS - 5, HISTORY_SECONDS + 10)
        while at < 2 * BUSY_SECONDS:
            row = (key, chance.choice("ABC"), chance.randint(0, 10**6), "small")
            acts.append(Act(at, "write", ((row,),)))
            at += chance.uniform(1, 2.5) if is_hot else chance.uniform(22, 30)
    if is_hot:
        moment = chance.uniform(10, HISTORY_SECONDS)
        acts.append(Act(moment, "copy_fault", ("stuck", chance.choice(KEYS)), is_fault=True))
    else:  # from the second look on
        acts.append(Act(HISTORY_SECONDS + 10.5, "stores_slow", (), is_fault=True))
    return replace(
        plan, audits=True, owner="table", replicas=("copy",), slow=False, sampled=1000 if is_hot else 0,
        acts=_in_order(acts),
    )  # fmt: skip


BUSY_SHARE = 0.05


def _in_order(acts: list[Act]) -> tuple[Act, ...]:
    return tuple(sorted(acts, key=lambda act: act.moment))


def _clocks(plan: Plan, chance: Random) -> Plan:
    """The same world in which clocks are set while it runs, in some that are looked at."""
    if not (plan.audits or plan.monitored) or chance.random() >= CLOCKS_SHARE:
        return plan
    acts = list(plan.acts)
    # What another process read is dated by the wall clock alone: ours is set only where no process is killed.
    whose = chance.choice(("owner", "replica") if plan.on_disk else ("owner", "replica", "auditor"))
    for _ in range(chance.choice((1, 1, 2))):
        seconds = chance.choice((-1, 1)) * chance.choice((chance.uniform(1, 30), chance.uniform(30, 1000)))
        acts.append(Act(chance.uniform(1, BUSY_SECONDS + 10), "clock_set", (whose, seconds), is_fault=True))
    owner, replica, _ = plan.skews  # of two clocks that are wrong at once, none tells that the other is
    return replace(plan, acts=_in_order(acts), skews=(owner, replica, owner))


CLOCKS_SHARE = 0.3


def _silent(plan: Plan, chance: Random) -> Plan:
    """The same world where the connector of the copy's feed falls silent, in some that look at that feed."""
    looked_at = (plan.audits or plan.monitored) and "mirror" in plan.replicas
    if not looked_at or any(act.name == "clock_set" for act in plan.acts) or chance.random() >= SILENT_SHARE:
        return plan
    seconds = chance.choice((chance.uniform(2, 20), chance.uniform(20, RESTS_FROM), ENDS_BY))
    act = Act(chance.uniform(5, BUSY_SECONDS), "mirror_down", (seconds,), is_fault=True)
    return replace(
        plan, acts=_in_order([*plan.acts, act]), beats=chance.choice((0.0, 2.0, 5.0)), skews=(plan.skews[0],) * 3
    )


SILENT_SHARE = 0.1


def _members(plan: Plan, chance: Random) -> Plan:
    """Some worlds that only fold are followed by two members of a group instead, to whom partitions go to and fro.

    Rows that a snapshot did not meet are told to one of them alone: `audit reconcile` finds these.
    """
    if plan.audits or plan.monitored or chance.random() >= MEMBERS_SHARE:
        return plan
    left_out = ("read", "zombie", "kill", "truncate", "snapshot", "cut")
    acts = [act for act in plan.acts if act.name not in left_out]
    moments = [chance.uniform(1, RESTS_FROM) for _ in range(chance.choice((1, 2, 3, 5)))]
    acts += [Act(moment, "rebalance", (), is_fault=True) for moment in moments]
    return replace(
        plan, monitored=True, shared=True, owner="witness", replicas=("copy",), partitions=chance.choice((2, 3)),
        on_disk=False, at_once=False, acts=_in_order(acts),
    )  # fmt: skip


MEMBERS_SHARE = 0.03


def _mortal(plan: Plan, chance: Random) -> Plan:
    """The same group where members are killed, in most, and where the owner's table is emptied, in some."""
    if not plan.shared:
        return plan
    acts, on_disk = list(plan.acts), False
    # What another process read is dated by the wall clock alone; see `_clocks`.
    if chance.random() < KILLED_SHARE and not any(act.name == "clock_set" for act in plan.acts):
        on_disk = True
        gone = chance.choice((None, None, 0, 1))  # who is not killed again once it was; None: everybody comes back
        for _ in range(chance.choice((1, 1, 2, 3))):
            moment, who, after = chance.uniform(1, RESTS_FROM), chance.randrange(2), chance.randrange(200)
            back_after = chance.uniform(0.5, 20)
            acts.append(Act(moment, "member_kill", (who, after, None if who == gone else back_after), is_fault=True))
    acts += [Act(chance.uniform(1, BUSY_SECONDS), "truncate") for _ in range(chance.choice((0, 0, 1, 1, 2)))]
    return replace(plan, on_disk=on_disk, acts=_in_order(acts))


KILLED_SHARE = 0.7


def _unsnapped(plan: Plan, chance: Random) -> Plan:
    """The same world where the owner's connector begins without a snapshot while there are rows, in some.

    Only where the owner is read as a table, beside its feed: the feed alone cannot know what it was never told.
    """
    if plan.owner != "witness" or chance.random() >= UNSNAPPED_SHARE:
        return plan
    return replace(plan, begins=chance.uniform(1, HISTORY_SECONDS - 2))


UNSNAPPED_SHARE = 0.1


def _taken_over(plan: Plan, chance: Random) -> Plan:
    """The same world where other servers take over from the owner's, and give back to it, in some of MariaDB's."""
    if not plan.mariadb or chance.random() >= TAKEN_OVER_SHARE:
        return plan
    acts, server = list(plan.acts), 1
    for moment in sorted(chance.uniform(1, BUSY_SECONDS) for _ in range(chance.choice((1, 2, 2, 3, 4)))):
        server = chance.choice([one for one in (1, 2, 3) if one != server])
        acts.append(Act(moment, "taken_over", (server, chance.choice(("higher", "near", "lower"))), is_fault=True))
    return replace(plan, acts=_in_order(acts))


TAKEN_OVER_SHARE = 0.4


DRAWS: tuple[tuple[str, Callable[[Plan, Random], Plan]], ...] = (
    ("monitored", _monitored),
    ("at once", _at_once),
    ("recording", _recording),
    ("busy", _busy),
    ("clocks", _clocks),
    ("silent", _silent),
    ("members", _members),
    ("mortal", _mortal),
    ("unsnapped", _unsnapped),
    ("taken over", _taken_over),
)
"""The steps, oldest first; a new one comes last."""


RESTS_FROM = BUSY_SECONDS + 25.0
"""When everything that was begun is over: outages, and what replicas had to apply."""

ENDS_BY = RESTS_FROM + 140.0
"""When everything that was owed must be settled: what stays undecided is looked at again only after a while."""


class _Acts:
    """Draws what happens."""

    def __init__(self, chance: Random, *, on_disk: bool, feed: bool) -> None:
        self._chance, self._on_disk, self._feed = chance, on_disk, feed
        self._found: list[Act] = []

    def acts(self) -> tuple[Act, ...]:
        """All of them, in order."""
        for key in KEYS:
            if self._chance.random() < 0.7:
                self._add("write", ((self._write(key),),), moment=self._chance.random())
        for _ in range(self._chance.randint(4, 25)):
            self._owner_acts()
        if self._feed:
            for _ in range(self._chance.randint(0, 8)):
                self._feed_acts()
            self._particular()
        for _ in range(self._chance.choice((0, 0, 1, 1, 2, 3))):
            self._copy_acts()
        return tuple(sorted(self._found, key=lambda act: act.moment))

    def _add(
        self, name: str, arguments: tuple[Any, ...] = (), *, moment: float | None = None, fault: bool = False
    ) -> None:
        drawn = self._chance.uniform(1, BUSY_SECONDS) if moment is None else moment
        self._found.append(Act(drawn, name, arguments, fault))

    def _owner_acts(self) -> None:
        kind = self._chance.random()
        keys = self._chance.sample(KEYS, 4)
        if kind < 0.6:
            some = tuple(self._write(key) for key in keys[: self._chance.randint(1, 3)])
            self._add("write", (some,))
        elif kind < 0.75:
            self._add(
                "write", ((self._write(keys[0]), self._write(keys[1])), (self._write(keys[2]), self._write(keys[3])))
            )
        elif kind < 0.95:
            self._add("move", (keys[0], keys[1]))
        elif kind < 0.98:
            self._add("write", tuple((self._write(key),) for key in keys))
        else:
            self._add("truncate")

    def _write(self, key: int) -> tuple[int, str | None, int | None, str | None]:
        """Key, status or None to delete, amount, note or None to leave it."""
        chance = self._chance
        if chance.random() < 0.15:
            return key, None, None, None
        note = chance.choice((None, None, "small", "large " * 3))
        return key, chance.choice("ABC"), chance.choice((None, 1, 2, 3, chance.randint(0, 10**6))), note

    def _feed_acts(self) -> None:
        chance = self._chance
        names = [
            "connector_down",
            "connector_crash",
            "snapshot",
            "incremental",
            "schema_change",
            "zombie",
            "read",
            "read",
        ]
        names += ["registry_out"]
        if self._on_disk:
            names += ["kill", "kill", "kill"]
        name = chance.choice(names)
        if name in ("connector_down", "registry_out"):
            self._add(name, (chance.uniform(0.5, 12),), fault=True)
        elif name == "snapshot":
            self._add(name, (chance.random() < 0.4, chance.random() < 0.3), fault=True)
        elif name == "incremental":
            self._add(name, (chance.uniform(0.1, 5),), fault=True)
        elif name == "kill":
            self._add(name, (chance.choice((None, *range(20))),), fault=True)
        else:
            self._add(name, (), fault=name != "read")

    def _particular(self) -> None:
        """Faults after which something is lawfully unknown; in some worlds only."""
        chance = self._chance
        if chance.random() > 0.2:
            return
        name = chance.choice(PARTICULAR)
        arguments: tuple[Any, ...] = ()
        if name == "poison":
            arguments = (chance.choice(KEYS),)
        elif name == "cut":
            arguments = (chance.randint(0, 6),)
        self._add(name.replace(" ", "_"), arguments, fault=True)

    def _copy_acts(self) -> None:
        chance = self._chance
        name = chance.choice((*COPY_FAULTS, "pause"))
        moment = chance.uniform(3, HISTORY_SECONDS)
        if name == "pause":
            self._add("pause", (chance.uniform(0, 0.9 * LAG_BOUND),), moment=moment)
        elif name == "phantom":
            self._add("by_hand", (chance.choice(PHANTOMS), "phantom"), moment=moment, fault=True)
        elif name in ("by hand", "deleted by hand"):
            self._add("by_hand", (chance.choice(KEYS), None if name[0] == "d" else "hand"), moment=moment, fault=True)
        else:
            self._add("copy_fault", (name, chance.choice(KEYS)), moment=moment, fault=True)
