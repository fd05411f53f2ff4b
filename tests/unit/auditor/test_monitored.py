"""What a monitor tells of one entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.clock import ManualClock
from auditor.runs.monitored import MonitoredEntity
from auditor.runs.reconcile import EntityRun, Watch
from auditor.runs.suspicion import Suspicion
from reconcilers.finding import Divergence, Finding, Verdict
from reconcilers.workspace import Workspace
from tests.worlds.small_world import SmallWorld

if TYPE_CHECKING:
    from pathlib import Path

THING = """\
entity: thing
version: 1
owner: {service: s, dataset: own/things}
key: [id]
fields: {id: {type: int}, name: {type: text}}
replicas:
  - {service: copy, dataset: copy/things, lag_bound: 1m}
"""


def of(key: str, verdict: Verdict) -> Finding:
    """A mismatch."""
    return Finding("thing", "copy", (("id", key),), Divergence.MISMATCH, verdict)


@pytest.mark.parametrize("verdict", [Verdict.HEALED, Verdict.PERSISTENT, Verdict.IN_FLIGHT, Verdict.UNDECIDED])
def test_drift_that_is_gone_is_told_once_and_not_where_suspicion_has_judged_it(
    tmp_path: Path, verdict: Verdict
) -> None:
    """A look at what is owed may see a difference, and the next one, at what is known, none; or the other way round."""
    world = SmallWorld([THING], {})
    with Workspace(tmp_path / "workspace", threads=1) as workspace:
        run = EntityRun(world.contract)
        run.watch = Watch(world.looker(workspace), Suspicion({"copy": 60.0}))
        entity = MonitoredEntity(run, [], workspace.cursor(), ManualClock(), {})
        run.watch.suspicion.settled.append(of("1", verdict))
        entity.add_gone([of("1", Verdict.HEALED), of("2", Verdict.HEALED), of("2", Verdict.HEALED)])
        assert list(run.watch.suspicion.settled) == [of("1", verdict), of("2", Verdict.HEALED)]
