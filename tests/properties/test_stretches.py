"""Whatever servers take over from each other, the last change of a row counts, and none that was sent again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcilers.streams.stretches import Entry, Stretches


@dataclass
class World:
    """Three servers with a log each, one of which a connector reads: what it tells, and what the row is after it."""

    has_gtids: bool
    places: dict[int, int]
    told: list[tuple[Entry, int]] = field(default_factory=list)
    clock: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    era: list[tuple[int, Entry]] = field(default_factory=list)

    def place(self, server: int, step: int) -> tuple[int, int, int]:
        self.places[server] += step
        return 1, self.places[server], 0

    def change(self, log: int, origin: int, step: int) -> None:
        """A change made by one server, in the log of another."""
        self.clock += 1
        number = self.numbers[origin] = self.numbers.get(origin, 0) + 1
        gtid = f"server-{origin}:{number}" if self.has_gtids else ""
        entry = Entry(0, f"mysql/shop/{origin}/binlog", self.place(log, step), self.clock // 3, gtid)
        self.told.append((entry, self.clock))
        self.era.append((self.clock, entry))

    def crash(self, back: int) -> None:
        """The connector sends its last changes of this log again."""
        self.told += [(entry, clock) for clock, entry in self.era[-back:]]

    def take_over(self, log: int, back: int, step: int) -> None:
        """Another log is read; with GTIDs, the last changes are sent again, at their places there."""
        before, self.era = self.era[-3:] if self.has_gtids else [], []
        self.era = [(clock, entry._replace(place=self.place(log, step))) for clock, entry in before]
        self.told += [(entry, clock) for clock, entry in self.era[len(before) - min(back, len(before)) :]]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.booleans(), st.integers(1, 40)),
        st.tuples(st.just("crash"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("take over"), st.integers(0, 2), st.integers(0, 3)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("has_gtids", [False, True])
@settings(max_examples=500)
@given(starts=st.tuples(*[st.integers(0, 4).map(lambda hundreds: 100 * hundreds)] * 3), steps=STEPS)
def test_the_last_change_counts(
    *, has_gtids: bool, starts: tuple[int, int, int], steps: list[tuple[str, int, int]]
) -> None:
    """After each change that is new, and after all that is sent again, none ranks above the last one."""
    world, log = World(has_gtids, dict(enumerate(starts))), 0
    for what, one, other in steps:
        if what == "change":
            # Without GTIDs nobody could tell one server's changes in two logs from those that are sent again.
            world.change(log, log if one or not has_gtids else (log + 1) % len(starts), other)
        elif what == "crash":
            world.crash(one)
        elif one != log:
            log = one
            world.take_over(log, other, 7)
    stretches, ranks, latest = Stretches(), [], 0
    for entry, clock in world.told:
        ranks.append(((stretches.of(entry), *entry.place), clock))
        latest = max(clock, latest)
        if clock == latest:  # what is sent again ends with it, too
            assert max(ranks)[1] == latest
