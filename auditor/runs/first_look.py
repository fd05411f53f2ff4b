"""The first look at one entity: whole, or in segments; what a killed run had looked at already is taken as it was.

Segments are looked at one after the other, each between two moments at which the run may end or wait.  What is left
when time is over, or when the owner cannot be read any more, is named; what was found until then stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.runs.checkpoints import Kept
from contracts.errors import AuditorError, StoreError, WorkspaceError
from reconcilers.look import EntityLook
from reconcilers.segment import MisplacedError, Segment, segments_between
from reconcilers.segments import Division, SegmentLimits, together, whole_constants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.runs.checkpoints import Checkpoints
    from contracts.contract import Contract
    from reconcilers.look import Looker

_NO_CONSTANT = "NULL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a first look saw.

    Attributes:
        whole: All of it, counted; of an entity in segments, without the sights.
        parts: The looks that it consists of, each with its sights and the moment of its end.
        ended: Why not all was looked at, or None.
    """

    whole: EntityLook
    parts: Sequence[Kept]
    ended: AuditorError | None = None


@dataclass(frozen=True, slots=True)
class FirstLook:
    """How one entity is looked at for the first time.

    Attributes:
        contract: The entity's.
        looker: Of it.
        limits: How much is read at a time.
        clock: Tells when a look ended.
        checkpoints: Where finished segments are kept and found; None: nowhere.
        begin: Waits until the entity may be read, and raises where it may not.
        check: Raises where time is over; asked before each segment.  One that is begun when its window closes is
            followed by the others: what the store has borne until then would be lost otherwise.
        say: Told what people should know.
    """

    contract: Contract
    looker: Looker
    limits: SegmentLimits
    clock: Clock
    checkpoints: Checkpoints | None
    begin: Callable[[], None]
    check: Callable[[], None]
    say: Callable[[str], None]

    def look(self) -> Outcome:
        """Look at everything.

        Raises:
            AuditorError: The owner could not be read at all.
        """
        kept = self._kept(None)
        if kept is not None:
            self.looker.constants.update(kept.constants)
            return Outcome(kept.look, [kept])
        self.begin()
        division = self.checkpoints.division(self.contract) if self.checkpoints is not None else None
        if division is None:
            found = self.looker.first_look(self.limits)
            if isinstance(found, EntityLook):
                return Outcome(found, [self._part(found)])
            division = found
            self._keep_division(division)
        try:
            return self._look_in_segments(division)
        except MisplacedError as error:
            return self._look_whole(f"{error.dataset} sorts {self.contract.key[0]} otherwise than by its value")

    def _look_whole(self, reason: str) -> Outcome:
        """One scan after all; what segments have found is forgotten."""
        self.say(f"{self.contract.entity}: {reason}; it is read in one scan")
        if self.checkpoints is not None:
            self.checkpoints.drop(self.contract)
        self.looker.constants.clear()
        self.check()
        look = self.looker.look()
        look.remarks.append(f"read in one scan: {reason}")
        return Outcome(look, [self._part(look)])

    def _look_in_segments(self, division: Division) -> Outcome:
        segments = segments_between(division.bounds)
        parts: list[Kept] = []
        ended: AuditorError | None = None
        for segment in segments:
            try:
                parts.append(self._segment(segment, division))
            except AuditorError as error:
                if not parts or isinstance(error, WorkspaceError):
                    raise
                ended = error
                break
        constants = whole_constants([part.look for part in parts])
        if constants is None:
            return self._look_whole("which text a redacted field holds most often is not known for sure")
        if ended is None:
            parts = [self._under(constants, part, segments[part.number], division) for part in parts]
        self.looker.constants.update(constants)
        note = "" if ended is None else _unread(segments[len(parts) :], len(segments), self.contract, ended)
        whole = together(self.contract, [part.look for part in parts], of=len(segments), note=note)
        return Outcome(whole, parts, ended)

    def _segment(self, segment: Segment, division: Division) -> Kept:
        """One segment's look: the one that was kept, else a new one, which is kept."""
        kept = self._kept(segment.number)
        if kept is not None:
            self.looker.constants.update(_sure(kept.constants))
            return kept
        self.check()
        look = self.looker.look(segment=segment, narrow=division.narrow)
        part = self._part(look, segment.number)
        self._keep(part)
        for name in set(part.constants) - set(_sure(part.constants)):
            del self.looker.constants[name]  # no row of this segment says what it is
        for name, seen in look.replicas.items():
            if seen.error:
                self.looker.give_up(name, StoreError(seen.error.partition("\n")[0]))
        return part

    def _under(self, constants: Mapping[str, Mapping[str, str]], part: Kept, segment: Segment, by: Division) -> Kept:
        """A segment's look with redacted fields compared as among all rows: had again where it was not."""
        if all(part.look.replicas[name].error or part.constants.get(name) == constants[name] for name in constants):
            return part
        self.check()
        self.looker.constants.update({name: dict(values) for name, values in constants.items()})
        again = self._part(self.looker.look(segment=segment, narrow=by.narrow), segment.number)
        self._keep(again)
        return again

    def _part(self, look: EntityLook, number: int = 0) -> Kept:
        constants = {name: dict(values) for name, values in self.looker.constants.items()}
        return Kept(look, self.clock.now(), constants, number)

    def _kept(self, segment: int | None) -> Kept | None:
        """What a killed run has kept of the entity, or of one segment."""
        if self.checkpoints is None:
            return None
        return self.checkpoints.kept(self.contract, segment, overflow=self.looker.workspace.overflow)

    def _keep(self, part: Kept) -> None:
        if self.checkpoints is not None:
            self._persist(lambda kept: kept.keep(self.contract, part.look, part.constants, part.number))

    def _keep_division(self, division: Division) -> None:
        self._persist(lambda kept: kept.keep_division(self.contract, division))

    def _persist(self, write: Callable[[Checkpoints], None]) -> None:
        """Keep something for a run that may be killed; the run itself goes on where that fails."""
        try:
            if self.checkpoints is not None:
                write(self.checkpoints)
        except WorkspaceError as error:
            self.say(f"{error.message}; a run that is killed now cannot be resumed")


def _sure(constants: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Those of replicas of which every redacted field has shown a text."""
    return {name: values for name, values in constants.items() if _NO_CONSTANT not in values.values()}


def _unread(left: Sequence[Segment], of: int, contract: Contract, error: AuditorError) -> str:
    first, lower = left[0].number + 1, left[0].lower
    name = contract.key[0]
    begin = "" if contract.fields[name].sensitive else f" ({name} from {lower} on)"
    return f"segments {first} to {of} of {of}{begin} were not read: {error.message}"
