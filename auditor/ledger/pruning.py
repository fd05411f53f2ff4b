"""Takes old history out of a ledger, and leaves what is still needed.

What goes is what runs that finished before a time have said about findings that are closed and not accepted; then the
findings of which nothing is left, and the runs that nothing refers to.  What stays, however old: every word about a
finding that is open or whose acceptance is in force, and the last run of each entity and replica.  A run that has lost
a part of its findings is marked, since its report can no longer be shown as a whole.

Each step is a transaction of its own and takes at most so many rows, so that a run that wants to record never waits
long, and a prune that is ended half way has done a half, and is sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, exists, func, not_, or_, select, update

from auditor.ledger import acceptance, arrivals
from auditor.ledger.json_text import decode
from auditor.ledger.records import Pruned
from auditor.ledger.tables import ACCEPTED, FINDINGS, OBSERVATIONS, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.ledger.database import Database
    from auditor.ledger.records import Pair

ROWS_A_STEP = 5000
"""Rows deleted in one transaction: a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """One call of `audit ledger prune`.

    Attributes:
        now: The time, as reports write it.
        before: Runs that finished before this time are old.
    """

    database: Database
    now: str
    before: str

    def planned(self) -> Pruned:
        """What would go, in one look."""
        with self.database.reading("look through") as connection:
            old = self._old(connection)
            spoken = self._spoken(old)
            silent = self._silent(~exists(self._kept_words(old).where(OBSERVATIONS.c.finding == FINDINGS.c.number)))
            needed = self._needed(silent, exists(self._kept_words(old).where(OBSERVATIONS.c.run == RUNS.c.number)))
            return Pruned(
                observations=_count(connection, select(OBSERVATIONS.c.run).where(spoken)),
                findings=_count(connection, select(FINDINGS.c.number).where(silent)),
                runs=_count(connection, select(RUNS.c.number).where(and_(old, not_(needed)))),
            )

    def run(self) -> Pruned:
        """Take it out, step by step."""
        with self.database.reading("look through") as connection:
            runs = self._affected(connection)
        observations = sum(self._repeat(self._forget(run)) for run in runs)
        said = exists().where(OBSERVATIONS.c.finding == FINDINGS.c.number)
        findings = self._repeat(lambda connection: self._drop_findings(connection, self._silent(~said)))
        with self.database.writing("prune") as connection:
            arrivals.prune(connection, self.before)
        return Pruned(observations, findings, self._repeat(self._drop_runs))

    def _repeat(self, step: Callable[[Connection], int]) -> int:
        """Take a step again and again until it finds nothing more to do."""
        done = 0
        while True:
            with self.database.writing("prune") as connection:
                rows = step(connection)
            if not rows:
                return done
            done += rows

    def _affected(self, connection: Connection) -> list[int]:
        old = self._old(connection)
        spoken = select(OBSERVATIONS.c.run).where(self._spoken(old)).distinct().order_by(OBSERVATIONS.c.run)
        return list(connection.execute(spoken).scalars())

    def _forget(self, run: int) -> Callable[[Connection], int]:
        def step(connection: Connection) -> int:
            wanted = (OBSERVATIONS.c.run == run) & self._is_unneeded(OBSERVATIONS.c.finding)
            chosen = select(OBSERVATIONS.c.position).where(wanted).order_by(OBSERVATIONS.c.position).limit(ROWS_A_STEP)
            positions = list(connection.execute(chosen).scalars())
            if not positions:
                return 0
            mark = update(RUNS).where((RUNS.c.number == run) & RUNS.c.pruned_at.is_(None))
            connection.execute(mark.values(pruned_at=self.now))
            between = OBSERVATIONS.c.position.between(positions[0], positions[-1])
            return connection.execute(delete(OBSERVATIONS).where(wanted & between)).rowcount

        return step

    def _drop_findings(self, connection: Connection, silent: Any) -> int:
        numbers = list(connection.execute(select(FINDINGS.c.number).where(silent).limit(_IN_A_LIST)).scalars())
        connection.execute(delete(ACCEPTED).where(ACCEPTED.c.finding.in_(numbers)))
        return connection.execute(delete(FINDINGS).where(FINDINGS.c.number.in_(numbers))).rowcount

    def _drop_runs(self, connection: Connection) -> int:
        said = exists().where(OBSERVATIONS.c.run == RUNS.c.number)
        gone = and_(self._old(connection), not_(self._needed(None, said)))
        numbers = list(connection.execute(select(RUNS.c.number).where(gone).limit(_IN_A_LIST)).scalars())
        return connection.execute(delete(RUNS).where(RUNS.c.number.in_(numbers))).rowcount

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _old(self, connection: Connection) -> Any:
        """Runs that may lose something."""
        return (RUNS.c.finished_at < self.before) & RUNS.c.number.not_in(_last_runs(connection))

    def _spoken(self, old: Any) -> Any:
        """What old runs said about findings that nobody needs any more."""
        of_old = exists().where((RUNS.c.number == OBSERVATIONS.c.run) & old)
        return of_old & self._is_unneeded(OBSERVATIONS.c.finding)

    def _kept_words(self, old: Any) -> Any:
        return select(OBSERVATIONS.c.run).where(~self._spoken(old))

    def _is_unneeded(self, finding: Any) -> Any:
        """Whether the finding of that number is closed, and no acceptance of it is in force."""
        needed = FINDINGS.c.is_open | exists().where((ACCEPTED.c.finding == FINDINGS.c.number) & self._in_force())
        return ~exists().where((FINDINGS.c.number == finding) & needed)

    def _silent(self, nothing_said: Any) -> Any:
        """Findings that nobody needs, and about which nothing is left."""
        accepted = exists().where((ACCEPTED.c.finding == FINDINGS.c.number) & self._in_force())
        return and_(~FINDINGS.c.is_open, ~accepted, nothing_said)

    def _in_force(self) -> Any:
        return acceptance.in_force(self.now)

    @staticmethod
    def _needed(silent: Any, said: Any) -> Any:
        """Runs that something refers to which stays."""
        refers = or_(*(FINDINGS.c[name] == RUNS.c.number for name in ("first_run", "last_run", "closed_run")))
        return or_(said, exists().where(refers if silent is None else and_(refers, not_(silent))))


_IN_A_LIST = 500
"""Numbers named in one statement; some databases take no more than a thousand."""


def _last_runs(connection: Connection) -> list[int]:
    """The last run of each entity, and of each of its replicas."""
    last: dict[Pair, int] = {}
    rows = connection.execute(select(RUNS.c.number, RUNS.c.document).order_by(RUNS.c.number))
    for number, text in rows.yield_per(100):
        for entity in decode(text).get("entities", ()):
            replicas = [replica["replica"] for replica in entity["replicas"]]
            last |= {(entity["entity"], replica): number for replica in (None, *replicas)}
    return sorted(set(last.values()))


def _count(connection: Connection, wanted: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one())
