"""`audit reconcile`: exit codes, the report alone on stdout, the options."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auditor.reports.formats import NAMES

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop

NOW = ("reconcile", "--recheck-after", "0s", "--format", "json")

DRIFT = (
    "DELETE FROM order_search WHERE order_id = 3",
    "UPDATE order_search SET state = 'lost' WHERE order_id = 7",
    "INSERT INTO order_search VALUES (99, 'paid', 'x', 1)",
)
FOUND = {("search", "3", "missing"), ("search", "7", "mismatch"), ("search", "99", "orphan")}


@pytest.mark.usefixtures("shop")
def test_agreement_exits_0_and_stdout_is_one_report(audit: Callable[..., Outcome]) -> None:
    done = audit(*NOW, "--quiet")
    assert done.code == 0
    assert done.err == ""
    assert done.json["exit_reasons"] == []
    assert done.json["findings"] == []
    (order,) = done.json["entities"]
    assert [(copy["replica"], copy["compared_rows"]) for copy in order["replicas"]] == [("search", 20), ("export", 20)]


def test_drift_exits_1_with_exactly_the_rows_that_differ(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    done = audit(*NOW)
    assert done.code == 1
    assert done.json["exit_reasons"] == ["drift"]
    assert done.findings() == FOUND
    assert {one["verdict"] for one in done.json["findings"]} == {"persistent"}
    assert {one["evidence"]["proof"] for one in done.json["findings"]} == {"elapsed"}


def test_a_suspect_is_looked_at_again_after_the_lag_bound(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    done = audit("reconcile", "--format", "json")
    assert done.code == 1
    assert "looking again" in done.err
    (finding,) = done.json["findings"]
    reads = finding["evidence"]["reads"]
    assert len(reads) >= 4  # both sides, before and after; and while the lag bound passed
    assert [read["side"] for read in reads[:4]] == ["owner", "search"] * 2


def test_max_wait_leaves_what_needs_longer_in_flight(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    done = audit("reconcile", "--format", "json", "--recheck-after", "1h", "--max-wait", "0s")
    assert done.code == 0
    (finding,) = done.json["findings"]
    assert finding["verdict"] == "in_flight"
    assert finding["judge_after"] > finding["last_seen"]


def test_what_is_left_in_flight_is_judged_first_by_the_next_run(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """Its owner has been the same since the earlier run, for longer than the lag bound."""
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    audit("reconcile", "--recheck-after", "1h", "--max-wait", "0s")
    waiting = audit("reconcile", "--format", "json", "--recheck-after", "1h", "--max-wait", "0s")
    assert [finding["verdict"] for finding in waiting.json["findings"]] == ["in_flight"]
    done = audit("reconcile", "--format", "json", "--recheck-after", "1ms", "--max-wait", "2s")
    assert [finding["verdict"] for finding in done.json["findings"]] == ["persistent"]


def test_without_recheck_differences_are_suspects(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    done = audit("reconcile", "--no-recheck", "--format", "json")
    assert done.code == 1
    assert done.json["exit_reasons"] == ["suspects"]
    assert {one["verdict"] for one in done.json["findings"]} == {"suspect"}


def test_the_same_drift_is_the_same_finding_tomorrow(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    first, second = audit(*NOW).json, audit(*NOW).json
    assert [one["id"] for one in first["findings"]] == [one["id"] for one in second["findings"]]
    assert [one["first_seen"] for one in first["findings"]] == [one["first_seen"] for one in second["findings"]]
    assert first["run_id"] != second["run_id"]


def test_fail_on_new_forgives_what_an_earlier_run_saw(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    assert audit(*NOW, "--fail-on", "new").code == 1
    known = audit(*NOW, "--fail-on", "new")
    assert (known.code, known.json["exit_reasons"]) == (0, [])
    assert known.findings() == FOUND
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 8")
    assert audit(*NOW, "--fail-on", "new").code == 1


@pytest.mark.parametrize("form", NAMES)
def test_no_format_shows_a_sensitive_value(shop: Shop, audit: Callable[..., Outcome], form: str) -> None:
    shop.search("UPDATE order_search SET email = 'secret@elsewhere.example' WHERE order_id = 7")
    done = audit("reconcile", "--recheck-after", "0s", "--format", form)
    assert done.code == 1
    assert done.out
    for value in ("secret@elsewhere.example", "user7@example.com"):
        assert value not in done.out + done.err


def test_the_ledger_holds_no_sensitive_value_and_no_key_of_ours_is_needed(
    shop: Shop, audit: Callable[..., Outcome]
) -> None:
    shop.search("UPDATE order_search SET email = 'secret@elsewhere.example' WHERE order_id = 7")
    audit(*NOW)
    assert b"elsewhere.example" not in b"".join(shop.files()["auditor.db" + end] for end in ("",))


def test_the_ledger_holds_no_password(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace_settings("sqlite:///read_model.db", "postgresql://auditor:c4n4ry-p@127.0.0.1:9/copies")
    done = audit(*NOW)
    assert (done.code, done.json["exit_reasons"]) == (2, ["unreadable"])
    assert audit("runs", "--format", "json").json["runs"][0]["run_id"] == done.json["run_id"], "it was recorded"
    assert "c4n4ry" not in done.out + done.err
    assert not [name for name, content in shop.files().items() if b"c4n4ry" in content and name != "auditor.yaml"]


@pytest.mark.usefixtures("shop")
def test_out_writes_the_file_and_leaves_stdout_empty(audit: Callable[..., Outcome]) -> None:
    done = audit(*NOW, "--out", "report.json")
    assert (done.code, done.out) == (0, "")
    assert '"report_version": 1' in Path("report.json").read_text()


def test_out_into_nowhere_is_trouble_and_leaves_nothing(shop: Shop, audit: Callable[..., Outcome]) -> None:
    done = audit(*NOW, "--out", "nowhere/report.json")
    assert done.code == 2
    assert "nowhere/report.json" in done.err
    assert done.out == ""
    assert not [name for name in shop.files() if "report" in name]


def test_where_compares_some_rows_only(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    done = audit(*NOW, "--where", "id > 5")
    assert done.findings() == FOUND - {("search", "3", "missing")}
    assert done.json["entities"][0]["replicas"][0]["compared_rows"] == 16


def test_a_run_about_some_rows_closes_no_finding_about_others(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    audit(*NOW)
    audit(*NOW, "--where", "id > 5")
    assert len(audit("findings", "--open", "--format", "json").json["findings"]) == 3


def test_replica_narrows_the_run(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search(*DRIFT)
    done = audit(*NOW, "--replica", "export")
    assert done.code == 0
    assert [copy["replica"] for copy in done.json["entities"][0]["replicas"]] == ["export"]


def test_dry_run_shows_each_query_and_changes_nothing(shop: Shop, audit: Callable[..., Outcome]) -> None:
    before = shop.files()
    done = audit("reconcile", "--dry-run", "--format", "json")
    assert done.code == 0
    assert [(one["replica"], one["connection"]) for one in done.json["queries"]] == [
        (None, "shop"),
        ("search", "read_model"),
        ("export", "export"),
    ]
    assert all("SELECT" in one["query"].upper() or "read" in one["query"] for one in done.json["queries"])
    assert done.json["queries"][0]["estimated_rows"] == 20
    assert shop.files() == before


@pytest.mark.usefixtures("shop")
def test_an_option_that_is_not_served_yet_says_so(audit: Callable[..., Outcome]) -> None:
    done = audit("reconcile", "--sample", "10")
    assert done.code == 2
    assert "does not serve --sample yet" in done.err
    assert done.out == ""


def test_a_replica_that_cannot_be_read_leaves_the_others_compared(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("DROP TABLE order_search")
    done = audit(*NOW)
    assert done.code == 2
    assert done.json["exit_reasons"] == ["unreadable"]
    search, export = done.json["entities"][0]["replicas"]
    assert (search["coverage"]["complete"], export["coverage"]["complete"]) == (False, True)
    assert export["compared_rows"] == 20
    assert "order_search" in done.err


def test_an_empty_owner_is_trouble_unless_it_may_be(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.owner("DELETE FROM orders")
    shop.search("DELETE FROM order_search")
    shop.export([])
    done = audit(*NOW)
    assert (done.code, done.json["exit_reasons"]) == (2, ["empty_owner"])
    shop.replace("changed_at: updated_at}", "changed_at: updated_at, may_be_empty: true}")
    assert audit(*NOW).code == 0


def test_a_report_that_is_a_ledger_is_left_alone(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """A database that holds other tables is never taken for a ledger."""
    with closing(sqlite3.connect("auditor.db")) as other, other:
        other.execute("CREATE TABLE precious (x)")
    before = shop.files()
    done = audit(*NOW)
    assert done.code == 2
    assert "is no ledger" in done.err
    assert shop.files() == before


def test_settings_may_be_named_before_and_after_the_command_and_by_the_environment(
    shop: Shop, audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.settings.rename("other.yaml")
    assert audit("--config", "other.yaml", *NOW).code == 0
    assert audit(*NOW, "--config", "other.yaml").code == 0
    assert audit(*NOW).code == 2
    monkeypatch.setenv("AUDITOR_CONFIG", "other.yaml")
    assert audit(*NOW).code == 0


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_common_options_may_stand_anywhere(audit: Callable[..., Outcome], place: int) -> None:
    words = ["contracts", "check"]
    words[place:place] = ["--format", "json", "--quiet"]
    assert audit(*words).json["contracts"] == 1


def test_a_reader_who_goes_away_is_no_error(shop: Shop, audit_process: Callable[..., subprocess.Popen[str]]) -> None:
    shop.search("DELETE FROM order_search")
    process = audit_process(*NOW, "--quiet")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_out_may_be_a_device_or_a_link(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """A device is written to, never replaced; a link stays a link, and a file keeps its permissions."""
    assert audit(*NOW, "--out", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    real, link = shop.directory / "real.json", shop.directory / "link.json"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert audit(*NOW, "--out", "link.json").code == 0
    assert link.is_symlink()
    assert '"report_version": 1' in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_row_that_no_command_may_name_says_so(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """The key is sensitive: the next step is there, without it."""
    shop.search("UPDATE order_search SET state = 'new' WHERE order_id = 3")
    shop.replace("id:         {type: int}", "id:         {type: int, sensitive: true}")
    told = " ".join(audit("reconcile", "--recheck-after", "0s").out.split())
    assert "one of them everywhere, now, by `audit entity order KEY`; which key is not shown: it is sensitive" in told
