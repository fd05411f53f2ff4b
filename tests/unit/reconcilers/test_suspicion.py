"""Suspects through several looks, in time of the test's own making."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from auditor.clock import ManualClock
from auditor.ledger.records import Carried
from auditor.masking import Masker
from auditor.reports.document import finding_document
from auditor.runs.checkpoints import Checkpoints
from auditor.runs.lateness import LATE_ROWS_MIN
from auditor.runs.recollection import Recollection
from auditor.runs.reconcile import ReconcileRequest, reconcile
from auditor.runs.surroundings import Surroundings
from auditor.runs.suspect import SUSPECTS_A_LOOK
from reconcilers.finding import Cause, Divergence, Verdict
from tests.worlds.small_world import SmallWorld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconcilers.tally import RunResult
    from reconcilers.workspace import Workspace
    from tests.worlds.memory_reader import MemoryReader

THING = """\
entity: thing
version: 1
team: t
owner: {{service: s, dataset: own/things}}
key: [id]
fields:
  id: {{type: int}}
  name: {{type: text}}
replicas:
  - {{service: copy, dataset: copy/things, lag_bound: 1m{replica}}}
"""


MASKER = Masker(b"key", {"thing": frozenset({"name"})})


class Time:
    """A world whose readers tell the manual clock's time, and a run over it."""

    def __init__(self, workspace: Workspace, world: SmallWorld) -> None:
        self.clock = ManualClock()
        self.world = world
        self.workspace = workspace

    def reader(self, dataset: object) -> MemoryReader:
        """A reader that looks at the world as it is at each look, not as it was when it was made."""
        reader = self.world.reader(dataset)  # type: ignore[arg-type]
        reader.monotonic = self.clock.monotonic
        reader.store_time = self.clock.now
        self.readers = {**getattr(self, "readers", {}), str(dataset): reader}
        return reader

    def run(
        self,
        *,
        max_wait: float = 600,
        recheck: bool = True,
        before: RunResult | None = None,
        masker: Masker = MASKER,
        together: int = SUSPECTS_A_LOOK,
    ) -> RunResult:
        """One run of the nightly job; `before`: the one whose findings it remembers; `together`: suspects a look."""
        left = [] if before is None else carried(before, masker)
        recall = Recollection(left, masker)
        around = Surroundings(
            self.world.contracts,
            self.reader,
            self.workspace,
            self.clock,
            recall=lambda _entity: recall,
            together=together,
        )
        request = ReconcileRequest(max_wait=timedelta(seconds=max_wait), recheck=recheck)
        return reconcile(request, around, "run")


def carried(run: RunResult, masker: Masker) -> list[Carried]:
    """What the ledger keeps of a run's findings in flight."""
    return [
        Carried("", "", "", "", json.loads(json.dumps(finding_document(masker.finding(finding)))))
        for finding in run.findings
        if finding.verdict is Verdict.IN_FLIGHT
    ]


def at(time: Time, seconds: float, action: Callable[[], object]) -> None:
    """Plan what happens to the world."""
    time.clock.at(seconds, action)


def lines(*names: str | None) -> list[dict[str, str | None]]:
    """Rows 1, 2, … with these names."""
    return [{"id": str(number), "name": name} for number, name in enumerate(names, 1)]


@pytest.fixture
def time(workspace: Workspace) -> Time:
    """One row that differs."""
    world = SmallWorld([THING.format(replica="")], {"own/things": lines("new"), "copy/things": lines("old")})
    return Time(workspace, world)


def verdicts(result: RunResult) -> list[tuple[Verdict, str]]:
    """Each finding's verdict and divergence."""
    return [(finding.verdict, str(finding.divergence)) for finding in result.findings]


def test_a_difference_that_lasts_past_the_lag_bound_is_drift(time: Time) -> None:
    """Looked at again when the bound and the margin are over, and not before."""
    result = time.run()
    assert verdicts(result) == [(Verdict.PERSISTENT, "mismatch")]
    assert result.findings[0].evidence.proof == "elapsed"
    assert time.clock.monotonic() == pytest.approx(61)
    assert (result.exit_code, result.exit_reasons) == (1, ("drift",))


def test_a_wait_of_no_time_is_not_announced(workspace: Workspace) -> None:
    """When the first of two is judged, the other one has a third of a second left: that is no wait to speak of."""
    other = "\n  - {service: other, dataset: other/things, lag_bound: 59700ms}"
    rows = {"own/things": lines("new"), "copy/things": lines("old"), "other/things": lines("old")}
    time, said = Time(workspace, SmallWorld([THING.format(replica="") + other.lstrip("\n")], rows)), list[str]()
    around = Surroundings(time.world.contracts, time.reader, workspace, time.clock, said.append)
    result = reconcile(ReconcileRequest(), around, "run")
    assert [verdict for verdict, _ in verdicts(result)] == [Verdict.PERSISTENT, Verdict.PERSISTENT]
    assert said == ["2 suspects: looking again for up to 61 s, until the lag bound has passed"]


def test_a_replica_that_catches_up_in_time_is_healed(time: Time) -> None:
    """It was replication under way: counted, and no reason to fail."""
    at(time, 30, lambda: time.world.rows["copy/things"][0].update(name="new"))
    result = time.run()
    assert verdicts(result) == [(Verdict.HEALED, "mismatch")]
    assert (result.exit_code, result.exit_reasons) == (0, ())


def test_a_mismatch_may_become_an_orphan_and_is_one_finding(time: Time) -> None:
    """What differs on the key now is what is reported."""
    at(time, 30, time.world.rows["own/things"].clear)
    result = time.run()
    assert verdicts(result) == [(Verdict.PERSISTENT, "orphan")]


def test_an_owner_that_changes_gets_its_lag_bound_again(time: Time) -> None:
    """The replica may lawfully lack the new version; it is judged when that has stood long enough."""
    at(time, 30, lambda: time.world.rows["own/things"][0].update(name="newer"))
    result = time.run()
    assert verdicts(result) == [(Verdict.PERSISTENT, "mismatch")]
    assert 30 + 61 <= time.clock.monotonic() <= 122


def test_what_needs_longer_than_the_longest_wait_stays_in_flight(time: Time) -> None:
    """Nobody waits, and the moment to judge it is told."""
    result = time.run(max_wait=30)
    assert verdicts(result) == [(Verdict.IN_FLIGHT, "mismatch")]
    assert time.clock.monotonic() == 0
    assert result.findings[0].judge_after == time.clock.now() + timedelta(seconds=61)
    assert (result.exit_code, result.exit_reasons) == (0, ())


def test_an_owner_that_never_rests_is_hot(time: Time) -> None:
    """Undecided, which is trouble: we could not tell."""
    for minute in range(20):
        change = {"name": f"version {minute}"}
        at(time, 60 * minute + 30, lambda change=change: time.world.rows["own/things"][0].update(change))  # type: ignore[misc]
    result = time.run()
    assert verdicts(result) == [(Verdict.UNDECIDED, "mismatch")]
    assert "hot" in result.findings[0].evidence.note
    assert (result.exit_code, result.exit_reasons) == (2, ("undecided",))


@pytest.mark.parametrize("down", ["own/things", "copy/things"])
def test_a_store_that_is_down_at_the_second_look_leaves_it_undecided(time: Time, down: str) -> None:
    """Never healed for want of a difference that nobody could see."""
    at(time, 30, lambda: time.readers[down].fail("it is down"))
    result = time.run()
    assert verdicts(result) == [(Verdict.UNDECIDED, "mismatch")]
    assert "it is down" in result.findings[0].evidence.note
    assert result.exit_code == 2


def test_without_a_recheck_every_difference_is_a_suspect(time: Time) -> None:
    """And the exit code says so."""
    result = time.run(recheck=False)
    assert verdicts(result) == [(Verdict.SUSPECT, "mismatch")]
    assert (result.exit_code, result.exit_reasons) == (1, ("suspects",))


def test_a_duplicate_that_goes_is_healed_and_one_that_stays_needs_no_lag_bound(workspace: Workspace) -> None:
    """No replication is under way within one store: the second look follows at once."""
    rows = [*lines("a"), *lines("a")]
    world = SmallWorld([THING.format(replica="")], {"own/things": lines("a"), "copy/things": rows})
    time = Time(workspace, world)
    assert verdicts(time.run()) == [(Verdict.PERSISTENT, "duplicate")]
    assert time.clock.monotonic() == 0


def test_what_needs_no_waiting_is_judged_though_nobody_may_wait(workspace: Workspace) -> None:
    """What one side shows all by itself is drift at the second look, which follows at once."""
    world = SmallWorld(
        [THING.format(replica="")], {"own/things": lines("a"), "copy/things": [*lines("a"), *lines("a")]}
    )
    assert verdicts(Time(workspace, world).run(max_wait=0)) == [(Verdict.PERSISTENT, "duplicate")]


def test_rows_without_a_key_are_looked_at_again_though_no_key_finds_them(workspace: Workspace) -> None:
    """NULL and bad keys take a second scan."""
    copies: list[dict[str, str | None]] = [*lines("a"), {"id": None, "name": "b"}, {"id": "x", "name": "c"}]
    world = SmallWorld([THING.format(replica="")], {"own/things": lines("a"), "copy/things": copies})
    time = Time(workspace, world)
    assert verdicts(time.run()) == [(Verdict.PERSISTENT, "null_key"), (Verdict.PERSISTENT, "mismatch")]


def test_what_a_redacted_column_leaks_is_drift_though_the_second_look_sees_the_leak_alone(workspace: Workspace) -> None:
    """The constant is that of all rows; among the suspects the leaked text is the most frequent."""
    world = SmallWorld(
        [THING.format(replica=", fields: {name: {path: name, equality: redacted}}")],
        {"own/things": lines("a", "b", "c"), "copy/things": lines("x", "x", "c")},
    )
    assert verdicts(Time(workspace, world).run()) == [(Verdict.PERSISTENT, "mismatch")]


DATED = """\
entity: thing
version: 1
team: t
owner: {{service: s, dataset: own/things, changed_at: {changed_at}}}
key: [id]
fields:
  id: {{type: int}}
  name: {{type: text}}
  touched: {{type: timestamp}}
  revision: {{type: int}}
  weight: {{type: "decimal(6,2)"}}
replicas:
  - {{service: copy, dataset: copy/things, lag_bound: 1m, fields: {fields}}}
"""
OLD = "2025-12-24T00:00:00Z"
"""A week before the manual clock begins."""


def dated(workspace: Workspace, changed_at: str, fields: str, owner: dict[str, str], copy: dict[str, str]) -> Time:
    """One row whose owner says when it changed."""
    text = DATED.format(changed_at=changed_at, fields=fields)
    return Time(workspace, SmallWorld([text], {"own/things": [{**owner}], "copy/things": [{**copy}] if copy else []}))


BY_DATABASE = "{field: touched, maintained_by: database}"


@pytest.mark.parametrize("max_wait", [600, 0])
@pytest.mark.parametrize("copy", [{"id": "1", "name": "old"}, {}])
def test_a_row_that_its_own_database_dates_long_ago_is_judged_at_once(
    workspace: Workspace, copy: dict[str, str], max_wait: float
) -> None:
    """It has been so for longer than any lag; a second look is had all the same, though nobody may wait."""
    time = dated(workspace, BY_DATABASE, "[name]", {"id": "1", "name": "new", "touched": OLD}, copy)
    result = time.run(max_wait=max_wait)
    assert verdicts(result) == [(Verdict.PERSISTENT, "mismatch" if copy else "missing")]
    assert time.clock.monotonic() < 1
    assert "by its database" in result.findings[0].evidence.note


@pytest.mark.parametrize(
    ("changed_at", "touched"),
    [
        ("touched", OLD),  # kept by the application: an UPDATE by hand leaves it as it was
        (BY_DATABASE, "2025-12-31T23:59:00Z"),  # not long enough
        (BY_DATABASE, "2026-01-02T00:00:00Z"),  # in the future: proves nothing
        (BY_DATABASE, "infinity"),
    ],
)
def test_a_date_that_proves_nothing_shortens_no_waiting(workspace: Workspace, changed_at: str, touched: str) -> None:
    """The lag bound passes on our own clock."""
    owner = {"id": "1", "name": "new", "touched": touched}
    time = dated(workspace, changed_at, "[name]", owner, {"id": "1", "name": "old"})
    assert verdicts(time.run()) == [(Verdict.PERSISTENT, "mismatch")]
    assert time.clock.monotonic() == pytest.approx(61)


def test_a_replica_stuck_behind_a_busy_key_is_stale(workspace: Workspace) -> None:
    """Its own copy of the version is older than what was due; each change of the owner restarts no clock."""
    owner = {"id": "1", "name": "v0", "revision": "0"}
    time = dated(workspace, "revision", "[name, revision]", owner, {"id": "1", "name": "v-1", "revision": "-1"})
    for second in range(1, 600):
        change = {"name": f"v{second}", "revision": str(second)}
        at(time, second, lambda change=change: time.world.rows["own/things"][0].update(change))  # type: ignore[misc]
    result = time.run()
    assert [(f.verdict, f.cause) for f in result.findings] == [(Verdict.PERSISTENT, Cause.STALE)]
    assert time.clock.monotonic() < 100


def test_a_row_missing_behind_a_busy_key_is_drift(workspace: Workspace) -> None:
    """Whichever version it lacks, it lacks them all."""
    time = dated(workspace, "touched", "[name]", {"id": "1", "name": "v0"}, {})
    for second in range(1, 600):
        change = {"name": f"v{second}"}
        at(time, second, lambda change=change: time.world.rows["own/things"][0].update(change))  # type: ignore[misc]
    assert verdicts(time.run()) == [(Verdict.PERSISTENT, "missing")]
    assert time.clock.monotonic() < 2 * 61


def test_a_field_with_a_tolerance_belongs_to_the_owners_version(workspace: Workspace) -> None:
    """No hash covers it, and yet an owner that changes nothing else has changed."""
    owner = {"id": "1", "name": "same", "weight": "1.00"}
    fields = "{name: name, weight: {path: weight, equality: within 0.1}}"
    time = dated(workspace, "touched", fields, owner, {"id": "1", "name": "same", "weight": "0.50"})
    for second in range(1, 600):
        change = {"weight": f"{second}.00"}
        at(time, second, lambda change=change: time.world.rows["own/things"][0].update(change))  # type: ignore[misc]
        late = {"weight": f"{second - 3}.00"}
        at(time, second, lambda late=late: time.world.rows["copy/things"][0].update(late))  # type: ignore[misc]
    assert verdicts(time.run()) == [(Verdict.UNDECIDED, "mismatch")]


# -- late replicas -----------------------------------------------------------------------------------------------------


def fallen_behind(workspace: Workspace, behind: int, *, wrong: int = 0) -> Time:
    """Twenty rows, the newest of which the replica has in an older state; and some older ones that are wrong."""
    text = DATED.format(changed_at=BY_DATABASE, fields="[name, touched]")
    day = "2025-12-{:02d}T00:00:00Z"
    owner: list[dict[str, str | None]] = [
        {"id": str(i), "name": f"new {i}", "touched": day.format(i)} for i in range(1, 21)
    ]
    copy: list[dict[str, str | None]] = [dict(row) for row in owner]
    for row in copy[20 - behind :]:
        row |= {"name": "old", "touched": "2025-11-01T00:00:00Z"}
    for row in copy[:wrong]:
        row["name"] = "wrong"
    return Time(workspace, SmallWorld([text], {"own/things": owner, "copy/things": copy}))


def test_a_replica_that_lacks_everything_after_a_point_is_late_and_its_rows_in_flight(workspace: Workspace) -> None:
    """One finding about the replica in place of many; what is wrong before that point is drift as ever."""
    result = fallen_behind(workspace, LATE_ROWS_MIN, wrong=2).run()
    late = [finding for finding in result.findings if finding.divergence is Divergence.LATE]
    assert [(finding.key, finding.verdict, finding.replica) for finding in late] == [(None, Verdict.PERSISTENT, "copy")]
    assert "2025-12-10T00:00:00.000000Z" in late[0].evidence.note
    rows = {finding.key[0][1]: finding for finding in result.findings if finding.key is not None}
    assert {key for key, finding in rows.items() if finding.verdict is Verdict.PERSISTENT} == {"1", "2"}
    assert {finding.verdict for key, finding in rows.items() if int(key or 0) > 10} == {Verdict.IN_FLIGHT}
    assert all(finding.judge_after for finding in rows.values() if finding.verdict is Verdict.IN_FLIGHT)
    assert result.exit_reasons == ("drift",)


def test_a_few_lost_changes_are_drift_however_new(workspace: Workspace) -> None:
    """They may each have been lost."""
    result = fallen_behind(workspace, LATE_ROWS_MIN - 1).run()
    assert {verdict for verdict, _ in verdicts(result)} == {Verdict.PERSISTENT}
    assert len(result.findings) == LATE_ROWS_MIN - 1


def test_a_replica_that_has_something_newer_is_not_late(workspace: Workspace) -> None:
    """It has come as far as that, and what it lacks before was lost."""
    time = fallen_behind(workspace, LATE_ROWS_MIN + 1)
    newest: list[dict[str, str | None]] = [{"id": "21", "name": "n", "touched": "2025-12-31T00:00:00Z"}]
    time.world.rows["own/things"] += [dict(row) for row in newest]
    time.world.rows["copy/things"] += newest
    result = time.run()
    assert {divergence for _, divergence in verdicts(result)} == {"mismatch"}
    assert len(result.findings) == LATE_ROWS_MIN + 1


# -- from run to run ---------------------------------------------------------------------------------------------------


def test_what_a_run_left_in_flight_the_next_one_judges_first(time: Time) -> None:
    """The owner holds what it held then: no second lag bound is waited for."""
    first = time.run(max_wait=0)
    time.clock.advance(61)
    began = time.clock.monotonic()
    second = time.run(max_wait=0, before=first)
    assert verdicts(second) == [(Verdict.PERSISTENT, "mismatch")]
    assert time.clock.monotonic() == began
    reads = second.findings[0].evidence.reads
    assert [read.at for read in reads[:2]] == [read.at for read in first.findings[0].evidence.reads]


@pytest.mark.parametrize("between", [{"name": "newer"}, {}])
def test_what_changed_since_or_lies_too_close_stays_in_flight(time: Time, between: dict[str, str]) -> None:
    """The earlier look proves nothing of a newer version, and nothing before its time."""
    first = time.run(max_wait=0)
    time.world.rows["own/things"][0].update(between)
    time.clock.advance(61 if between else 30)
    assert verdicts(time.run(max_wait=0, before=first)) == [(Verdict.IN_FLIGHT, "mismatch")]


def test_what_a_wall_clock_says_that_went_back_is_not_remembered(time: Time) -> None:
    """Between two runs no other clock tells how long it was."""
    time.clock.advance(3600)
    first = time.run(max_wait=0)
    time.clock = ManualClock()
    assert verdicts(time.run(max_wait=0, before=first)) == [(Verdict.IN_FLIGHT, "mismatch")]


# -- a run that is broken off ------------------------------------------------------------------------------------------

PART = """\
entity: part
version: 1
team: t
owner: {service: s, dataset: own/parts}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
replicas:
  - {service: copy, dataset: copy/parts, lag_bound: 1m, fields: {name: {path: name, equality: redacted}}}
"""


def test_a_run_that_goes_on_looks_at_the_rest_alone_and_says_the_same(workspace: Workspace, tmp_path: Path) -> None:
    """Moments, rows, notes and constants of the looks that were had come back as they were."""
    rows: dict[str, list[dict[str, str | None]]] = {
        "own/things": lines("a", "b", None), "copy/things": [*lines("a", "x"), {"id": "y", "name": "z"}],
        "own/parts": lines("p", "q", "r"), "copy/parts": lines("*", "*", "q"),
    }  # fmt: skip
    time = Time(workspace, SmallWorld([PART, THING.format(replica="")], rows))
    undisturbed = time.run()

    def run(checkpoints: Checkpoints) -> RunResult:
        around = Surroundings(time.world.contracts, time.reader, time.workspace, time.clock, checkpoints=checkpoints)
        return reconcile(ReconcileRequest(), around, "run")

    time.world.down.add("own/things")
    begun = Checkpoints.begun(tmp_path, "run", "the same", time.clock)
    assert run(begun).exit_reasons == ("drift", "unreadable")
    time.world.down.clear()
    time.clock.advance(5)
    found = Checkpoints.found(tmp_path, "last", "the same", time.clock)
    assert found.kept(time.world.contracts["part"]) is not None
    assert found.kept(time.world.contracts["thing"]) is None
    again = run(found)
    assert again.started_at == begun.started_at
    assert _said(again) == _said(undisturbed)


def _said(result: RunResult) -> tuple[object, ...]:
    """What a run says of the data, without what says when."""
    findings = sorted((f.identity, f.verdict, f.fields, f.count) for f in result.findings)
    copies = [replace(c, owner_watermark="", replica_watermark="") for each in result.entities for c in each.replicas]
    return findings, sorted(copies, key=str), [each.owner_rows for each in result.entities], result.exit_reasons


def test_an_entity_whose_contract_has_changed_is_looked_at_again(workspace: Workspace, tmp_path: Path) -> None:
    """What was seen under another contract says nothing."""
    time = Time(workspace, SmallWorld([PART], {"own/parts": lines("p"), "copy/parts": lines("*")}))
    kept = Checkpoints.begun(tmp_path, "run", "", time.clock)
    part = time.world.contract
    kept.keep(part, time.world.look(workspace), {})
    assert kept.kept(part) is not None
    assert kept.kept(replace(part, version=2)) is None


def test_rows_with_sensitive_fields_are_never_kept(workspace: Workspace, tmp_path: Path) -> None:
    """What is kept is plain text: of what found nothing there is none, but for the constant of a redacted field."""
    text = PART.replace("{type: text}", "{type: text, sensitive: true}")
    time = Time(workspace, SmallWorld([text], {"own/parts": lines("p", "q"), "copy/parts": lines("*")}))
    kept = Checkpoints.begun(tmp_path, "run", "", time.clock)
    kept.keep(time.world.contract, time.world.look(workspace), {})
    time.world.rows["copy/parts"][:] = lines("*", "*")
    kept.keep(time.world.contract, time.world.look(workspace), {"copy": {"name": "'*'"}})
    assert not kept.directory.exists()
    kept.keep(time.world.contract, time.world.look(workspace), {})
    assert kept.kept(time.world.contract) is not None
