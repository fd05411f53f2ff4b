"""`audit verify`: exactly what a plan touched, read again: restored, unchanged, or worse.

It goes through the same look as a recheck of a run.  What is seen is seen once: a replica that trails a change made
just now shows as unchanged, and the next look settles it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from auditor.runs.reconcile import looker
from contracts.errors import AuditorError
from reconcilers.row_stage import UNKNOWN_CONSTANT
from reconcilers.sight import Suspects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from auditor.runs.surroundings import Surroundings
    from contracts.contract import Contract
    from reconcilers.finding import Finding, KeyText

    Compensation = Mapping[str, Any]

RESTORED, UNCHANGED, WORSE, UNREADABLE = "restored", "unchanged", "worse", "unreadable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one act.

    Attributes:
        state: `restored`, `unchanged`, `worse` or `unreadable`.
        note: What is there instead, or why it could not be read; else empty.
    """

    compensation: Compensation
    state: str
    note: str = ""


@dataclass(slots=True)
class Verified:
    """What became of a plan."""

    outcomes: list[Outcome] = field(default_factory=list)
    escalated: list[Compensation] = field(default_factory=list)

    def count(self, state: str) -> int:
        """Acts in this state."""
        return sum(outcome.state == state for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """0 every act is restored, 1 one is not, 2 one could not be read."""
        if self.count(UNREADABLE):
            return 2
        return int(any(outcome.state != RESTORED for outcome in self.outcomes))


def verify(compensations: Sequence[Compensation], around: Surroundings) -> Verified:
    """Look at what each act of a plan touched; the contracts are those that it was made under."""
    verified = Verified()
    by_replica: dict[tuple[str, str], list[Compensation]] = defaultdict(list)
    for compensation in compensations:
        if compensation["statement"] is None:
            verified.escalated.append(compensation)
        else:
            by_replica[compensation["verify"]["entity"], compensation["replica"]].append(compensation)
    for (entity, name), acts in by_replica.items():
        verified.outcomes += _looked_at(around.contracts[entity], name, acts, around)
    verified.outcomes.sort(key=lambda outcome: int(outcome.compensation["order"]))
    return verified


def _looked_at(contract: Contract, name: str, acts: Sequence[Compensation], around: Surroundings) -> Iterator[Outcome]:
    only = replace(contract, replicas=tuple(one for one in contract.replicas if one.name == name))
    keys = {_key(act) for act in acts}
    alone = replace(around, contracts={})  # what the rows refer to is not looked at
    try:
        look = looker(only, alone, prefix=f"verify_{contract.entity}_{name}_").look(Suspects(keys))
    except AuditorError as error:
        yield from (Outcome(act, UNREADABLE, error.message) for act in acts)
        return
    seen = look.replicas[name]
    if seen.error:
        yield from (Outcome(act, UNREADABLE, seen.error) for act in acts)
        return
    found = {one.key: one for sight in seen.sights if (one := _known_to_differ(sight.finding)) is not None}
    for act in acts:
        yield _outcome(act, found.get(_key(act)))


def _known_to_differ(finding: Finding) -> Finding | None:
    """A finding without redacted fields that may hold their constant: no act touches them; None: nothing is left."""
    fields = tuple(one for one in finding.fields if not one.note.startswith(UNKNOWN_CONSTANT))
    return None if finding.fields and not fields else replace(finding, fields=fields)


def _key(act: Compensation) -> KeyText:
    return tuple(act["verify"]["key"].items())


def _outcome(act: Compensation, finding: Finding | None) -> Outcome:
    if finding is None:
        return Outcome(act, RESTORED)
    was = act["verify"]
    if finding.divergence != was["divergence"]:
        return Outcome(act, WORSE, f"{finding.divergence} now, {was['divergence']} before")
    new = _names(finding.fields) - set(was["fields"])
    if new:
        return Outcome(act, WORSE, f"{', '.join(sorted(new))} differs now as well")
    return Outcome(act, UNCHANGED, f"still {finding.divergence}")


def _names(fields: Iterable[Any]) -> set[str]:
    return {difference.name for difference in fields}
