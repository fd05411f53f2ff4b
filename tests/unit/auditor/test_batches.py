"""Many findings: in however many batches they are handled, the report is the same, and few are in memory."""

from __future__ import annotations

import gc
import io
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditor.masking import Masker
from auditor.reports import junit_report
from auditor.reports.document import finding_document, finding_documents, finding_order, run_document
from auditor.reports.formats import FORMATS
from auditor.reports.ordering import InOrder
from auditor.runs.run_findings import RunFindings
from reconcilers.finding import Finding, Verdict
from reconcilers.spill import Overflow
from reconcilers.workspace import Workspace
from tests.unit.ledger.documents import finding, report
from tests.unit.ledger.test_recording import FINDINGS
from tests.unit.reconcilers.test_suspicion import THING, Time, at, fallen_behind, lines
from tests.worlds.small_world import SmallWorld

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.reports.document import FindingDocument, RunDocument
    from reconcilers.tally import RunResult

MASKER = Masker(b"key", {"thing": frozenset({"name"})})
LARGE = 20_000


def differing(workspace: Workspace) -> Time:
    """Thirty rows with every divergence in them, some of which heal, change, or break off meanwhile."""
    owner, copy = lines(*(f"new {i}" for i in range(30))), lines(*(f"old {i}" for i in range(30)))
    del owner[25:], copy[:5]
    copy += [{"id": "7", "name": "twice"}, {"id": None, "name": "n"}, {"id": "x", "name": "bad"}]
    owner += [{"id": "9", "name": "twice"}, {"id": "y", "name": "bad"}]
    time = Time(workspace, SmallWorld([THING.format(replica="")], {"own/things": owner, "copy/things": copy}))
    at(time, 30, lambda: copy[2].update(name="new 7"))
    at(time, 40, lambda: owner[12].update(name="newer"))
    at(time, 45, lambda: copy[8].update(name="older"))
    return time


def reports(result: RunResult, time: Time, overflow: Overflow, part: int) -> dict[str, str]:
    """Every report of a run, by format."""
    found = RunFindings(result.findings, MASKER, overflow, part)
    document = run_document(result, time.world.contracts)
    for copy in document["entities"][0]["replicas"]:
        copy["watermarks"] = {"owner": "", "replica": ""}  # they tell the time of the computer
    texts = {}
    for name, form in FORMATS.items():
        file = io.StringIO(newline="")
        form.write(document, found, file)
        texts[name] = file.getvalue()
    return texts


@pytest.fixture(scope="module")
def in_one_batch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The reports of a run that handles everything at once, in memory."""
    with Workspace(tmp_path_factory.mktemp("one"), threads=1) as workspace:
        time = differing(workspace)
        return reports(time.run(), time, workspace.overflow, LARGE)


@pytest.mark.parametrize(("together", "values_max", "part"), [(8, 0, 1), (12, 1, 4), (40, LARGE, 3), (LARGE, 0, LARGE)])
def test_batches_of_any_size_give_the_same_reports(
    tmp_path: Path, in_one_batch: dict[str, str], together: int, values_max: int, part: int
) -> None:
    """To the last byte, with their moments, in every format."""
    with Workspace(tmp_path, threads=1) as workspace:
        workspace.overflow.values_max = values_max
        time = differing(workspace)
        found = reports(time.run(together=together), time, workspace.overflow, part)
    assert [name for name, text in found.items() if text != in_one_batch[name]] == []


@pytest.mark.parametrize("values_max", [0, LARGE])
@pytest.mark.parametrize("together", [7, LARGE])
def test_a_late_replica_is_told_the_same_in_batches(tmp_path: Path, values_max: int, together: int) -> None:
    """Its rows are found again among what is settled, wherever that lies."""

    def told(name: str, values_max: int, together: int) -> list[Finding]:
        with Workspace(tmp_path / name, threads=1) as workspace:
            workspace.overflow.values_max = values_max
            return sorted(fallen_behind(workspace, 12, wrong=2).run(together=together).findings, key=str)

    expected = told("one", LARGE, LARGE)
    assert {finding.verdict for finding in expected} == {Verdict.PERSISTENT, Verdict.IN_FLIGHT}
    assert told("several", values_max, together) == expected


@pytest.mark.parametrize("values_max", [0, LARGE])
def test_what_is_left_in_flight_is_carried_over_in_batches(tmp_path: Path, values_max: int) -> None:
    """The next run judges it first, from what the ledger keeps."""

    def told(name: str, values_max: int) -> list[Finding]:
        with Workspace(tmp_path / name, threads=1) as workspace:
            workspace.overflow.values_max = values_max
            time = differing(workspace)
            first = time.run(max_wait=0, together=9)
            time.clock.advance(61)
            return sorted(time.run(max_wait=0, before=first, together=9).findings, key=str)

    assert told("several", values_max) == told("one", LARGE)


def test_a_store_that_breaks_off_leaves_no_batch_out(tmp_path: Path) -> None:
    """Every suspect is undecided, once, whichever batch it was in; the store is not asked again for each of them."""
    with Workspace(tmp_path, threads=1) as workspace:
        workspace.overflow.values_max = 5
        time = Time(
            workspace,
            SmallWorld(
                [THING.format(replica="")],
                {"own/things": lines(*"abcdefghij"), "copy/things": lines(*"0123456789")},
            ),
        )
        at(time, 60, lambda: time.readers["own/things"].fail("it is down"))
        result = time.run(together=3)
    assert sorted(str(finding.key) for finding in result.findings) == sorted(
        str((("id", str(number)),)) for number in range(1, 11)
    )
    assert {finding.verdict for finding in result.findings} == {Verdict.UNDECIDED}


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(FINDINGS, max_size=30), part=st.integers(1, 10))
def test_findings_come_in_the_order_of_reports_in_parts_of_any_size(
    tmp_path: Path, found: list[Finding], part: int
) -> None:
    """As one sort of all of them would put them, and again each time."""
    ordered = InOrder(Overflow(tmp_path), part)
    for document in finding_documents(found):
        ordered.add(finding_order(document), document)
    expected = sorted(finding_documents(found), key=finding_order)
    assert list(ordered) == expected
    assert list(ordered) == expected
    assert len(ordered) == len(found)


FEW = 200


def alive(kind: type) -> int:
    """How many objects of a class there are now."""
    return sum(isinstance(each, kind) for each in gc.get_objects())


def test_of_many_findings_few_are_in_memory(tmp_path: Path) -> None:
    """Of 2,000 that differ, when the run is over and while its reports are written: what is named, and no more."""
    rows = 2_000
    with Workspace(tmp_path, threads=1) as workspace:
        workspace.overflow.values_max = FEW
        names = [str(number) for number in range(rows)]
        world = SmallWorld(
            [THING.format(replica="")],
            {"own/things": lines(*names), "copy/things": lines(*(f"{name} no more" for name in names))},
        )
        before = alive(Finding)
        result = Time(workspace, world).run(together=FEW, max_wait=0)
        assert alive(Finding) - before <= 3 * FEW
        found = RunFindings(result.findings, MASKER, workspace.overflow, FEW)
        alike = finding_document(replace(result.findings[0]))
        for number, document in enumerate(found, 1):
            assert document.keys() == alike.keys()
            if number % 500 == 0:
                assert alive(Finding) - before <= 3 * FEW
        assert number == len(result.findings) == rows


def test_a_junit_report_of_more_than_memory_holds_tells_every_finding_in_order() -> None:
    """A test case may hold a million of them; beyond a megabyte they pass through a file."""
    found = [finding(f"{number:05}", value="y" * 1000) for number in range(1500)]
    run = report("a")
    run["entities"][0]["replicas"][0]["persistent"] = len(found)
    file = io.StringIO()
    junit_report.write(cast("RunDocument", run), cast("list[FindingDocument]", found), file)
    text = file.getvalue()
    assert len(text) > junit_report.BLOCKS_BYTES_MAX
    places = [text.index(each["id"]) for each in found]
    assert places == sorted(places)
    ET.fromstring(text)  # noqa: S314 - of our own making
