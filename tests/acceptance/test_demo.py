"""`audit demo`: it finds exactly what it planted, and what it proposes to try works."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from auditor.demo.build import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo is built; nothing else tells commands where their settings are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    return tmp_path / "demo"


def test_the_demo_finds_what_it_planted_and_what_it_proposes_works(
    place: Path, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = audit("demo", "--dir", str(place))
    assert done.code == 0, done.err
    assert "Drift" in done.out
    assert "faults were found" in done.err
    report = json.loads((place / "report.json").read_text())
    assert report["exit_reasons"] == ["drift"]
    assert all(copy["coverage"]["complete"] for one in report["entities"] for copy in one["replicas"])
    assert {one["verdict"] for one in report["findings"]} == {"persistent"}
    assert (place / "report.md").read_text().startswith("#")
    page = (place / "report.html").read_text()
    assert "<html" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)

    proposed = re.findall(r"^    (audit|export) (.+)$", done.err, re.MULTILINE)
    settings = next(text.partition("=")[2] for command, text in proposed if command == "export")
    monkeypatch.setenv("AUDITOR_CONFIG", shlex.split(settings)[0])
    commands = [shlex.split(text) for command, text in proposed if command == "audit"]
    assert {words[0] for words in commands} == {"entity", "explain", "reconcile"}
    patience = {"entity": ["--deadline", "1m"]}  # on a busy machine a stream is read in more than five seconds
    codes = {words[0]: audit(*words, *patience.get(words[0], ())).code for words in commands}
    assert codes == {"entity": 1, "explain": 0, "reconcile": 1}


def test_the_change_streams_say_why_and_which_change_a_copy_lacks(place: Path, audit: Callable[..., Outcome]) -> None:
    """Lost, swapped, never arrived, not deleted: each has its name, where the stream is all that is known, too."""
    audit("demo", "--dir", str(place))
    found = json.loads((place / "report.json").read_text())["findings"]
    tracking = [one for one in found if one["replica"] == "tracking"]
    assert sorted(one["cause"] for one in tracking) == ["missed_delete", "never_arrived", "reordered", "stale"]
    stale = [one for one in found if (one["replica"], one["cause"]) == ("reporting", "stale")]
    assert len(stale) == 5
    for one in stale:
        reflected, lacking = one["evidence"]["changes"]
        assert int(reflected["offset"]) < int(lacking["offset"])


def test_the_demo_holds_the_same_rows_every_time(tmp_path: Path) -> None:
    first, second = build(tmp_path / "one"), build(tmp_path / "two")
    assert first == second
    for name in ("export/orders.csv", "export/newsletter.csv", "lake/orders.parquet", "feeds/streams.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_demo_plants_every_kind_of_drift_that_these_stores_can_have(tmp_path: Path) -> None:
    planted = build(tmp_path / "one")
    kinds = {fault.divergence for fault in planted}
    assert kinds == {"missing", "orphan", "mismatch", "duplicate", "null_key", "invariant", "reference"}
    assert {fault.rule for fault in planted if fault.divergence == "invariant"} >= {"type", "total_adds_up"}


def test_the_demo_leaves_a_directory_alone_that_holds_something(place: Path, audit: Callable[..., Outcome]) -> None:
    place.mkdir()
    (place / "precious").write_text("x")
    done = audit("demo", "--dir", str(place))
    assert (done.code, done.out) == (2, "")
    assert "not empty" in done.err
    assert [path.name for path in place.iterdir()] == ["precious"]
