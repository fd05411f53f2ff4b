"""What must hold in every world; each failure begins with the oracle's name.

- **no false alarm**: what ends persistent was wrong when it was judged: the replica held nothing that its owner held
  at some instant of the lag bound before.
- **no missed drift**: what is wrong from the first look to the end ends persistent, or undecided where the feed cannot
  know better.
- **the fold is the table**: in the end a feed's state holds what the connector told, or says what it does not know.
- **in step**: no offset is ahead of what it brought, or behind it, and nothing stands twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from contracts.errors import PausedFeedError, RetentionGapError
from reconcilers.finding import Verdict
from reconcilers.recheck import CERTAIN_LOOKS_MIN, MARGIN_SECONDS
from reconcilers.streams import waiting
from reconcilers.streams.table import CellState, Kind
from tests.simulation.members import Members
from tests.simulation.nines import Nines
from tests.simulation.plan import LAG_BOUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconcilers.finding import Finding
    from reconcilers.sight import EntityLook
    from tests.simulation.monitoring import Monitoring
    from tests.simulation.process import Process
    from tests.simulation.table import Row, Table
    from tests.simulation.world import World

_Subject = tuple[str, int]


class Oracles:
    """Judges one world, knowing its true course."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = 0.0
        self._first_end = 0.0

    # -- verdicts -----------------------------------------------------------------------------------------------------

    def first_look(self, began: float, look: EntityLook) -> None:
        """What was wrong while everything was looked at was seen to differ."""
        self._began, self._first_end = began, self._now
        for name, seen in look.replicas.items():
            assert not seen.error, f"readable: {name}: {seen.error}"
            suspects = {_key_of(sight.finding) for sight in seen.sights}
            for key in self._keys():
                if self._differs_throughout(name, key, began, self._now) and not self._is_unsure(name, key):
                    assert key in suspects, f"no missed drift: {name} {key} differs, and is no suspect"

    def settled(self, found: Iterable[Finding], before: float) -> None:
        """What was judged by a look that began at a moment."""
        for finding in found:
            assert finding.replica is not None, f"no false alarm: the owner alone: {finding}"
            if finding.verdict is not Verdict.PERSISTENT:
                continue
            key = _key_of(finding)
            wrong = self._is_beyond_looks(finding, key) or any(
                not self._is_right(finding.replica, key, at) for at in self._instants(finding.replica, key, before)
            )
            assert wrong, f"no false alarm: {finding.replica} {key}: {_told(finding)}"

    def _is_beyond_looks(self, finding: Finding, key: int) -> bool:
        """Whether only a feed would have shown that the replica is right.

        Without one, nobody sees that an owner's row was for a moment as a replica is that differed in every one of many
        looks; see `reconcilers.recheck`.
        """
        looks = len(finding.evidence.reads) // 2
        still = not self._world.replica.changed(key, self._now - LAG_BOUND, self._now)
        return self._world.plan.owner == "table" and looks >= CERTAIN_LOOKS_MIN and still

    def audited(self, found: Sequence[Finding]) -> None:
        """Everything is settled."""
        verdicts = {(finding.replica, _key_of(finding)): finding for finding in found}
        for name in self._world.plan.replicas:
            for key in self._keys():
                if not self._wrong_throughout(name, key, self._began, self._now):
                    continue
                finding = verdicts.get((name, key))
                if finding is None and self._is_unsure(name, key):
                    continue
                assert finding is not None, f"no missed drift: {name} {key} is wrong, and nothing was found"
                if finding.verdict is Verdict.PERSISTENT or self._may_be_undecided(finding, name, key):
                    continue
                raise AssertionError(f"no missed drift: {name} {key}: {_told(finding)}")

    # -- the monitor --------------------------------------------------------------------------------------------------

    def recorded(self, found: Sequence[Finding]) -> None:
        """What the monitor records."""
        for finding in found:
            self.settled([finding], self._world.monitoring.moment(finding))

    def monitored(self, monitoring: Monitoring) -> None:
        """Everything that was owed is settled, and what is recorded as drift is drift."""
        drift = {(one.replica, _key_of(one)) for one in monitoring.ledger.drift.values()}
        for name in self._world.plan.replicas:
            for key in self._keys():
                if (name, key) in drift:
                    since = self._now - GONE_WITHIN
                    healed = all(self._is_right(name, key, at) for at in self._instants(name, key, since))
                    may_know = self._world.plan.owner != "feed" or not self._is_doubtful(key)
                    assert not (healed and may_know), (
                        f"no false alarm: {name} {key} is right again, and is drift in the ledger"
                    )
                elif not self._is_unsure(name, key) and self._is_owed_and_wrong(name, key):
                    raise AssertionError(f"no missed drift: {name} {key} is wrong, and is no drift in the ledger")
        self._nothing_owed(monitoring)
        if not self._world.plan.shared:  # what two members have read in turn counts twice
            self._counted_once(monitoring)
            self._counted_right()

    def _is_owed_and_wrong(self, name: str, key: int) -> bool:
        """Whether a key was owed, and was wrong from its bound on until now."""
        told = self._world.connector.told_at.get(key)
        if name == "mirror":
            told = max(told or 0.0, self._world.mirror.told_at.get(key, 0.0)) or None
        if told is None:
            return False
        since = told + LAG_BOUND
        return self._wrong_throughout(name, key, since, self._now)

    def _nothing_owed(self, monitoring: Monitoring) -> None:
        """Every obligation is met or settled, but for keys of which too little is known."""
        for member in monitoring.members if isinstance(monitoring, Members) else ():
            for key, count in member.open_keys():
                told = f"{count} obligations of {key} are open at {member.name}"
                assert self._is_doubtful(key), f"settled within the bound: {told}"
        if self._world.plan.shared:
            return
        for process in monitoring.processes:
            rows = process.state.cursor().execute("SELECT key[1], count(*) FROM obligations GROUP BY ALL").fetchall()
            for name, count in rows:
                key = int(name)
                unsure = any(self._is_unsure(replica, key) for replica in self._world.plan.replicas)
                assert unsure, f"settled within the bound: {count} obligations of {key} are open"

    def _counted_right(self) -> None:
        """What the monitor says of how soon changes arrived is what happened."""
        world = self._world
        wronged = {act.arguments[-1 if act.name == "copy_fault" else 0] for act in world.plan.acts if act.is_of_copy}
        doubtful = {key for key in self._keys() if self._is_doubtful(key)} | wronged
        for name in world.plan.replicas:
            Nines(world, name, frozenset(self._keys()) - doubtful).check()

    def _counted_once(self, monitoring: Monitoring) -> None:
        """No change of the owner is counted twice among those that arrived."""
        process, told = monitoring.processes[0], len(self._world.connector.counted)
        rows = process.state.cursor().execute("SELECT replica, sum(changes) FROM arrivals GROUP BY replica").fetchall()
        for name, count in rows:
            assert count <= told, f"counted once: {count} changes arrived at {name}, and there were {told}"

    def _may_be_undecided(self, finding: Finding, name: str, key: int) -> bool:
        if self._is_silent(name) and finding.verdict is Verdict.HEALED:
            return True  # so it was, as far as its feed told
        if finding.verdict is not Verdict.UNDECIDED:
            return False
        if self._is_unsure(name, key) or "could not be read again" in finding.evidence.note:
            return True
        changes = self._owner.changed(key, self._began - LAG_BOUND - MARGIN_SECONDS, self._now)
        return changes > 1 and self._world.plan.owner == "table"

    def _is_unsure(self, name: str, key: int) -> bool:
        """Whether it is lawfully not known what a key holds, at its owner or at a replica."""
        untold = name == "topic" and key in self._moved_to(set(self._world.connector.untold))
        return untold or self._is_doubtful(key) or self._is_silent(name)

    def _is_silent(self, name: str) -> bool:
        """Whether nobody can know what a replica holds that is known by its feed: its connector is silent, or may be.

        Under a monitor, one that is back tells of all that it kept to itself; one without heartbeats says nothing more.
        """
        world = self._world
        if name != "mirror" or world.plan.beats is None:
            return False
        return world.plan.beats == 0 or (world.mirror.is_down if world.plan.monitored else world.was_silent)

    def _is_doubtful(self, key: int) -> bool:
        """Whether the feed lawfully does not know what a key holds."""
        world = self._world
        if world.plan.owner == "table":
            return False
        is_lacking = self._lacks_records() or self._is_unordered()
        return None in world.poisoned or is_lacking or key in self._touched()

    def _is_unordered(self) -> bool:
        """Whether a truncate is told in another partition than rows that several servers have written."""
        world = self._world
        is_truncated = any(entry.key is None for entry in world.owner.log)
        return world.plan.partitions > 1 and is_truncated and bool(world.wire.eras)

    def _lacks_records(self) -> bool:
        """Whether the broker removed records before they were read: then nothing is trusted until all is read again."""
        process, topic = self._world.process, self._world.topic
        offsets = process.state.offsets()
        unread = any(first > offsets[topic.name, part].following for part, first in enumerate(topic.first))
        return unread or process.has_missed

    def _touched(self) -> set[int]:
        """The keys that poison or a lost event was about, and those that their rows were moved to."""
        world = self._world
        if any(entry.key is None for entry in world.connector.lost):
            return self._world.owner.keys()
        keys = {key for key in world.poisoned if key is not None}
        keys |= {key for entry in world.connector.lost for key in (entry.key, entry.other) if key is not None}
        return self._moved_to(keys)

    def _moved_to(self, keys: set[int]) -> set[int]:
        """Some keys, and those that their rows were moved to: what was not known of a row is not known there."""
        for entry in self._world.owner.log:
            if entry.operation == "c" and entry.key is not None and entry.other in keys:
                keys.add(entry.key)
        return keys

    @property
    def _owner(self) -> Table:
        """What the owner is read as: its table, or what its feed told."""
        return self._world.connector.perfect if self._world.plan.owner == "feed" else self._world.owner

    def _copy(self, name: str) -> Table:
        return self._world.connector.perfect if name == "topic" else self._world.replica

    @property
    def _now(self) -> float:
        return self._world.clock.monotonic()

    def _keys(self) -> list[int]:
        world = self._world
        return sorted(world.owner.keys() | world.replica.keys())

    def _is_right(self, name: str, key: int, moment: float) -> bool:
        """Whether a replica held at a moment what its owner held at some instant of the lag bound before."""
        return self._copy(name).at(key, moment) in self._owner.within(key, moment - LAG_BOUND, moment)

    def _instants(self, name: str, key: int, begin: float) -> list[float]:
        """The moments from then on between which nothing changes in what is right."""
        begin = min(begin, self._now)  # clocks tell microseconds, and the true one tells less
        moments = [begin, self._now]
        for at in [*self._owner.moments(key), *self._copy(name).moments(key)]:
            moments += [at - _TINY, at, at + LAG_BOUND - _TINY, at + LAG_BOUND + _TINY]
        return [at for at in moments if begin <= at <= self._now]

    def _wrong_throughout(self, name: str, key: int, begin: float, end: float) -> bool:
        if not self._differs_throughout(name, key, begin, end):
            return False
        return all(not self._is_right(name, key, at) for at in self._instants(name, key, begin) if at <= end)

    def _differs_throughout(self, name: str, key: int, begin: float, end: float) -> bool:
        owner, copy = self._owner, self._copy(name)
        held, had = copy.within(key, begin, end), owner.within(key, begin, end)
        return not held & had

    # -- the state ----------------------------------------------------------------------------------------------------

    def in_step(self) -> None:
        """Nothing stands twice, nothing is there of what was not read."""
        process = self._world.process
        state, topic = process.state, self._world.topic.name
        table = state.tables[topic]
        cursor, some = state.cursor(), f"SELECT part, off FROM {table.versions}"
        if batches := list(waiting.batches(cursor, table)):
            cursor.register("rows_waiting", pa.Table.from_batches(batches))
            some += " UNION ALL SELECT part, off FROM rows_waiting"
        places = cursor.execute(f"SELECT part, off, count(*) FROM ({some}) GROUP BY ALL").fetchall()
        offsets = {part: offset for (_, part), offset in state.offsets().items()}
        for part, off, count in places:
            assert count == 1, f"nothing twice: {topic}/{part}@{off} stands {count} times"
            assert off < offsets[part].following, f"in step: {topic}/{part}@{off} is kept, and is still to be read"
        kept = {(part, off) for part, off, _ in places}
        for part, offset in offsets.items():
            self._all_kept(process, part, offset.first, offset.following, kept)

    def _all_kept(self, process: Process, part: int, first: int, end: int, kept: set[tuple[int, int]]) -> None:
        """Of every record that was read since the last fold something is kept."""
        log = self._world.topic.logs[part]
        if process.has_folded or self._world.plan.monitored:
            return
        for off in range(first, end):
            record = log[off]
            if (
                record is not None
                and record.key is not None
                and record.value is not None
                and self._world.topic.first[part] <= off
            ):
                told = (part, off) in kept or self._is_buried(process, part, off)
                assert told, f"in step: {self._world.topic.name}/{part}@{off} was read, and nothing is kept of it"

    def _is_buried(self, process: Process, part: int, off: int) -> bool:
        found = process.state.cursor().execute("SELECT 1 FROM dead_letters WHERE part = ? AND off = ?", [part, off])
        return found.fetchone() is not None

    def in_the_end(self) -> None:
        """Everything was sent, and is read: the state holds it."""
        world = self._world
        world.connector.is_down = world.wire.registry.is_out = False
        world.connector.run()
        process = world.process
        process.open()
        self._caught_up(process)
        self.in_step()
        process.state.fold(world.topic.name)
        self._is_the_table(process, world.connector.perfect)
        process.state.fold(world.topic.name)
        self._is_the_table(process, world.connector.perfect)

    def _caught_up(self, process: Process) -> None:
        try:
            process.follower.catch_up(lambda: None)
        except RetentionGapError:
            process.open()
            process.follower.catch_up(lambda: None)
        except PausedFeedError as error:
            raise AssertionError(f"settled within the bound: the feed stays paused: {error}") from error

    def _is_the_table(self, process: Process, table: Table) -> None:
        world, topic = self._world, self._world.topic.name
        following = process.following
        following._follower = process.follower
        said = following.incomplete(topic)
        if None in world.poisoned:
            assert said, "the fold is the table: a record without a key was not understood, and it is not said"
        held, doubted = self._held(process)
        for key in sorted({*held, *table.rows} - doubted):
            self._is_row(key, held.get(key), table.rows.get(key), said)
        for key in doubted:
            assert key in world.poisoned, f"the fold is the table: {key} is doubted, and no record of it is poison"

    def _is_row(self, key: int, held: tuple[tuple[str | None, int], ...] | None, row: Row | None, said: str) -> None:
        world = self._world
        if any(world.topic.first) and said:
            return
        if self._is_unordered() and world.process.following.absence_unknown(world.topic.name):
            return
        assert (held is None) == (row is None), f"the fold is the table: {key} holds {held}, its owner {row}"
        if held is None or row is None:
            return
        touched = self._touched() | self._moved_to(set(world.connector.untold))
        wanted = (str(key), row[0], None if row[1] is None else str(row[1]), row[2])
        for place, ((text, state), expected) in enumerate(zip(held, wanted, strict=True)):
            if place == len(wanted) - 1 and key in touched:
                continue
            assert state == CellState.VALUE, f"the fold is the table: {key}: column {place} is unknown ({state})"
            assert text == expected, (
                f"the fold is the table: {key}: column {place} is {text!r}, its owner's {expected!r}"
            )

    def _held(self, process: Process) -> tuple[dict[int, tuple[tuple[str | None, int], ...]], set[int]]:
        """Each live row of the head with its cells' states, and the keys that are doubted."""
        table = process.state.tables[self._world.topic.name]
        columns = ", ".join(f"c{i}, s{i}" for i in range(len(table.columns)))
        rows = process.state.cursor().execute(f"SELECT id, kind, {columns} FROM {table.head}").fetchall()
        held, doubted = {}, set()
        for name, kind, *cells in rows:
            key = int(name.strip('[]"'))
            if kind == Kind.DOUBT:
                doubted.add(key)
            elif kind != Kind.DELETE:
                assert key not in held, f"nothing twice: {key} stands twice in the head"
                held[key] = tuple(zip(cells[::2], cells[1::2], strict=True))
        return held, doubted


_TINY = 1e-4

GONE_WITHIN = 30.0
"""Seconds within which drift that has gone is told to have."""


def _key_of(finding: Finding) -> int:
    assert finding.key is not None, finding
    return int(finding.key[0][1] or 0)


def _told(finding: Finding) -> str:
    evidence = finding.evidence
    return f"{finding.verdict} {finding.divergence} {finding.cause} {evidence.proof} {evidence.note} {finding.fields}"
