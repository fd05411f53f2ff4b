"""Consistency in nines, computed from a world's truth, and held against what the monitor says.

What the monitor counts cannot be told to the last change from outside: a look may come any time after a change has
arrived, and a key about which a record was poison may or may not be counted.  So what it says is held between two
bounds: what it must have counted at least (changes of keys about which nothing went wrong), and what it may count at
most (every change that was told, as soon as the copy held it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from auditor.runs.consistency import STEP_NAMES, consistency
from reconcilers.arrivals import CLOCKS_APART_SECONDS
from reconcilers.streams.obligations import ARRIVAL_STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.table import Entry, Row
    from tests.simulation.world import World

GRAIN_SECONDS = 1e-3
"""What rounding may do to a difference of two times."""


@dataclass(frozen=True)
class Nines:
    """The truth about one replica.

    Attributes:
        world: Of it.
        name: The replica's.
        simple: The keys about which nothing went wrong.
    """

    world: World
    name: str
    simple: frozenset[int]

    def check(self) -> None:
        """Hold what the monitor says against it."""
        monitor = self.world.monitoring.monitor
        if monitor is None or any(wall.was_set for wall in self.world.walls.values()):
            return  # nobody can tell how long it took
        said = next(one for one in consistency(monitor.entities, self.world.clock.now()) if one["replica"] == self.name)
        window = said["windows"]["24h"]
        changes, told = window["changes"], self.world.connector.counted
        certain = [entry for entry in told if entry.key in self.simple and not self._is_met_unheard(entry)]
        assert changes <= len(told), f"counted right: {changes} changes at {self.name}, and there were {len(told)}"
        if self._tells_all:
            least = len(certain) - self.world.monitoring.late[self.name]
            assert changes >= least, f"counted right: {changes} changes at {self.name}, and {least} were beyond doubt"
        for step, limit in zip(STEP_NAMES, ARRIVAL_STEPS, strict=True):
            share = window["within"][step]
            if share is not None:
                self._check_step(step, self._arrived(limit), limit, told, certain)

    def _arrived(self, limit: float) -> int:
        """How many changes the monitor has counted as arrived; the share leaves out those that it looked at late."""
        monitor = self.world.monitoring.monitor
        hours = [hour for entity in monitor.entities for hour in entity.hours()] if monitor is not None else []
        place = ARRIVAL_STEPS.index(limit)
        return sum(hour.within[place] for hour in hours if hour.replica == self.name)

    def _check_step(self, step: str, count: int, limit: float, told: Sequence[Entry], certain: Sequence[Entry]) -> None:
        most = sum(self._soonest(entry) <= limit + self._grain for entry in told)
        assert count <= most, f"counted right: {count} within {step} at {self.name}, and there were {most}"
        if self.name == "copy" or not self._tells_all:
            return
        least = sum(self._latest(entry) <= limit - self._grain for entry in certain)
        assert count >= least, f"counted right: {count} within {step} at {self.name}, and {least} were beyond doubt"

    def _is_met_unheard(self, entry: Entry) -> bool:
        """Whether a look may see a change met before the replica's feed tells of it: nobody knows then how soon it was.

        The owner's row came to be what the replica held all the time: it was deleted before it had arrived at all.
        """
        held = self.world.replica.at
        return self.name != "copy" and any(
            held(entry.key or 0, one.moment) == one.row for one in self._overtaking(entry)
        )

    @property
    def _tells_all(self) -> bool:
        """Whether everything is counted: clocks apart, versions forgotten, and silent feeds leave some out."""
        world = self.world
        return not (world.plan.forgets or world.was_silent) and len(set(world.plan.skews)) == 1

    @property
    def _grain(self) -> float:
        return GRAIN_SECONDS + (1.0 if self.world.plan.mariadb else 0.0)

    @property
    def _ahead(self) -> float:
        """How far the clock that tells of an arrival is ahead of the owner's."""
        owner, replica, auditor = self.world.plan.skews
        return (auditor if self.name == "copy" else replica) - owner

    def _soonest(self, entry: Entry) -> float:
        """Seconds after which a change may be said to have arrived: the replica held it, or a later one."""
        if self.name == "topic":
            return 0.0
        overtaking = self._overtaking(entry)
        return min((self._held_after(entry, one.moment, one.row) for one in overtaking), default=math.inf)

    def _held_after(self, entry: Entry, since: float, row: Row | None) -> float:
        """Seconds from a change until the replica holds a row that its owner had from a moment on.

        A look sees both at once, whatever clocks show.  A feed's times are all that is known of it, and one that is a
        little before the owner's is taken for what the clocks are apart.
        """
        if self.name != "copy":
            since -= self._ahead + CLOCKS_APART_SECONDS + self._grain
        found = math.inf
        for (begin, held), (end, _) in pairwise([*self._held(entry), (math.inf, None)]):
            if held == row and end >= since:
                found = min(found, max(begin, since) + self._ahead - entry.moment)
        return max(found, 0.0)

    def _held(self, entry: Entry) -> list[tuple[float, Row | None]]:
        return self.world.replica.history(entry.key or 0)

    def _latest(self, entry: Entry) -> float:
        """Seconds after which a change has arrived at the latest: when the replica was written so."""
        if self.name == "topic":
            return 0.0
        written = [one for one in self.world.replica.log if one.key == entry.key]
        arrived = [
            one.moment - entry.moment
            for later in self._later(entry)
            for one in written
            if one.row == later.row and one.moment >= later.moment - CLOCKS_APART_SECONDS + self._grain
        ]
        return min(arrived, default=math.inf)

    def _later(self, entry: Entry) -> list[Entry]:
        """A change and those of its key after it."""
        log = self.world.owner.log
        start = next(i for i, one in enumerate(log) if one is entry)
        return [one for one in log[start:] if one.key == entry.key]

    def _overtaking(self, entry: Entry) -> list[Entry]:
        """The same, with the truncates since: each is a delete of every row."""
        return [*self._later(entry), *(one for one in self.world.owner.log if one.key is None and one.lsn > entry.lsn)]
