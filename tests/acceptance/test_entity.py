"""`audit entity`: the state of one row at its owner and in every replica, as the interface names them."""

from __future__ import annotations

import gc
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop


def look(audit: Callable[..., Outcome], *key: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code, the document, and its replicas by name."""
    done = audit("entity", "order", *key, "--format", "json")
    document = done.json
    return done.code, document, {replica["replica"]: replica for replica in document["replicas"]}


@pytest.mark.usefixtures("shop")
def test_a_row_that_agrees_everywhere_is_consistent(audit: Callable[..., Outcome]) -> None:
    code, document, replicas = look(audit, "7")
    assert code == 0
    assert document["key"] == {"id": "7"}
    assert document["owner"]["state"] == "present"
    assert document["owner"]["row"]["total"] == "7.50"
    assert {name: replica["state"] for name, replica in replicas.items()} == dict.fromkeys(replicas, "consistent")
    assert {field["name"]: field["equal"] for field in replicas["search"]["fields"]} == {
        "status": True,
        "email": True,
        "total": True,
    }
    assert replicas["search"]["verdict"] is None
    assert replicas["search"]["cause"] is None


@pytest.mark.usefixtures("shop")
def test_the_collector_rests_to_the_end_of_one_look(audit: Callable[..., Outcome]) -> None:
    """It rests in every command; woken at the end, it walks all that was imported, once, for nothing."""
    gc.disable()
    try:
        assert look(audit, "7")[0] == 0
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_field_that_differs_is_named_and_suspect_after_one_look(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'lost', amount = 7.504 WHERE order_id = 7")
    code, document, replicas = look(audit, "7")
    assert code == 1
    assert (replicas["search"]["state"], replicas["search"]["verdict"]) == ("divergent", "suspect")
    assert [field for field in replicas["search"]["fields"] if not field["equal"]] == [
        {"name": "status", "owner": "paid", "replica": "lost", "equal": False}
    ]
    assert replicas["export"]["state"] == "consistent"
    assert any("lag bound" in suggestion for suggestion in document["suggestions"])


def test_what_the_ledger_knows_stands(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    audit("reconcile", "--recheck-after", "0s", "--format", "json")
    code, _, replicas = look(audit, "7")
    assert code == 1
    assert replicas["search"]["verdict"] == "persistent"
    assert "open since" in replicas["search"]["note"]


def test_sensitive_values_are_hashed_as_in_reports(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET email = 'x@example.com' WHERE order_id = 7")
    report = audit("reconcile", "--recheck-after", "0s", "--format", "json").json
    _, document, replicas = look(audit, "7")
    (shown,) = report["findings"][0]["fields"]
    (field,) = [field for field in replicas["search"]["fields"] if field["name"] == "email"]
    assert (field["owner"], field["replica"]) == (shown["owner"], shown["replica"])
    assert document["owner"]["row"]["email"].startswith("sha256:")


def test_without_a_ledger_nothing_is_made_for_one_look(shop: Shop, audit: Callable[..., Outcome]) -> None:
    before = shop.files()
    code, document, _ = look(audit, "7")
    assert code == 0
    assert document["owner"]["row"]["email"].startswith("sha256:")
    assert shop.files() == before


def test_a_row_that_a_replica_lacks_is_absent(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("DELETE FROM order_search WHERE order_id = 7")
    code, _, replicas = look(audit, "7")
    assert code == 1
    assert (replicas["search"]["state"], replicas["search"]["row"]) == ("absent", None)


def test_a_row_that_a_partial_replica_lacks_is_lawfully_absent(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace("equality: within 0.005}}\n", "equality: within 0.005}}\n    completeness: partial\n")
    shop.search("DELETE FROM order_search WHERE order_id = 7")
    code, _, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"]) == (0, "lawfully_absent")


def test_a_row_out_of_scope_is_lawfully_absent_or_an_orphan(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.owner("UPDATE orders SET status = 'draft' WHERE id = 7")
    shop.search("UPDATE order_search SET state = 'draft' WHERE order_id = 7")
    code, _, replicas = look(audit, "7")
    assert (code, replicas["export"]["state"]) == (1, "divergent")
    audit("reconcile", "--recheck-after", "0s")
    told = look(audit, "7")[1]["suggestions"]
    assert "export: have the row removed there: shop has it, and this replica is not to hold it" in told
    shop.export([])
    code, _, replicas = look(audit, "7")
    assert (code, replicas["export"]["state"]) == (0, "lawfully_absent")


def test_a_value_that_the_owner_holds_wrongly_is_compared_with_no_copy(
    shop: Shop, audit: Callable[..., Outcome]
) -> None:
    """The owner's own row is what is wrong: whether a copy is right beside it nobody knows."""
    shop.owner("UPDATE orders SET total = 'zz' WHERE id = 7")
    code, document, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"]) == (2, "undecided")
    assert "total" not in {field["name"] for field in replicas["search"]["fields"]}
    assert replicas["search"]["note"] == "total is not compared: the owner's is no decimal(10,2)"
    assert document["suggestions"] == ["have shop correct total: its own row breaks its contract"]
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    replicas = look(audit, "7")[2]
    assert replicas["search"]["state"] == "divergent"
    assert {field["name"]: field["equal"] for field in replicas["search"]["fields"]} == {"status": False, "email": True}
    assert "total is not compared" in replicas["search"]["note"]


def test_a_row_that_the_owner_lacks_is_an_orphan_or_kept(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.owner("DELETE FROM orders WHERE id = 7")
    code, document, replicas = look(audit, "7")
    assert (code, document["owner"]["state"], document["owner"]["row"]) == (1, "absent", None)
    assert replicas["search"]["state"] == "divergent"
    shop.replace("equality: within 0.005}}\n", "equality: within 0.005}}\n    deletes: keep\n")
    shop.export([])
    code, _, replicas = look(audit, "7")
    assert code == 0
    assert {replica["state"] for replica in replicas.values()} == {"consistent"}


def test_a_row_that_is_flagged_as_deleted_counts_as_absent(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("ALTER TABLE order_search ADD COLUMN gone INTEGER DEFAULT 0")
    shop.replace("equality: within 0.005}}\n", "equality: within 0.005}}\n    deletes: {soft: gone}\n")
    assert look(audit, "7")[0] == 0
    shop.search("UPDATE order_search SET gone = 1 WHERE order_id = 7")
    code, _, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"]) == (1, "absent")
    shop.owner("DELETE FROM orders WHERE id = 7")
    shop.export([])
    code, _, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"]) == (0, "consistent")


def test_an_owner_may_flag_too(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.owner(
        "ALTER TABLE orders ADD COLUMN deleted_at TEXT", "UPDATE orders SET deleted_at = '2025-05-05' WHERE id = 7"
    )
    shop.replace("changed_at: updated_at}", "changed_at: updated_at, soft_delete: {field: deleted_at}}")
    shop.replace("  updated_at: {type: timestamp}", "  updated_at: {type: timestamp}\n  deleted_at: {type: timestamp}")
    code, document, replicas = look(audit, "7")
    assert (code, document["owner"]["state"]) == (1, "soft_deleted")
    assert {replica["state"] for replica in replicas.values()} == {"divergent"}


def test_a_change_within_the_lag_bound_is_in_flight(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace("lag_bound: 1s", "lag_bound: 1h")
    shop.owner(f"UPDATE orders SET status = 'shipped', updated_at = '{datetime.now(UTC).isoformat()}' WHERE id = 7")
    code, _, replicas = look(audit, "7")
    assert code == 0
    assert {(replica["state"], replica["verdict"]) for replica in replicas.values()} == {("in_flight", "in_flight")}


def test_a_key_that_stands_twice_is_divergent(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("INSERT INTO order_search SELECT * FROM order_search WHERE order_id = 7")
    code, _, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"]) == (1, "divergent")
    assert "2 rows" in replicas["search"]["note"]


def test_a_store_that_cannot_be_read_is_unreachable_and_trouble(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("DROP TABLE order_search")
    code, _, replicas = look(audit, "7")
    assert (code, replicas["search"]["state"], replicas["export"]["state"]) == (2, "unreachable", "consistent")
    assert "order_search" in replicas["search"]["error"]


def test_an_owner_that_cannot_be_read_leaves_copies_undecided(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.owner("DROP TABLE orders")
    code, document, replicas = look(audit, "7")
    assert (code, document["owner"]["state"]) == (2, "unreachable")
    assert {replica["state"] for replica in replicas.values()} == {"undecided"}
    assert replicas["search"]["row"]["status"] == "paid"


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_store_that_does_not_answer_holds_up_nobody(
    shop: Shop, audit_process: Callable[..., Any], silent_server: int, scheme: str
) -> None:
    shop.replace_settings(
        'read_model: {url: "sqlite:///read_model.db"}',
        f'read_model: {{url: "{scheme}://u@127.0.0.1:{silent_server}/d"}}',
    )
    began = time.monotonic()
    process = audit_process("entity", "order", "7", "--format", "json", "--deadline", "1s")
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - began
    assert process.returncode == 2, err
    assert '"no answer within 1 s"' in out
    assert out.count('"state": "consistent"') == 1
    assert took < 8, "the deadline is 1 s; the rest is the program itself on a busy machine"


@pytest.mark.usefixtures("shop")
def test_a_key_that_no_store_knows_is_trouble(audit: Callable[..., Outcome]) -> None:
    code, document, replicas = look(audit, "4711")
    assert (code, document["owner"]["state"]) == (2, "absent")
    assert {replica["state"] for replica in replicas.values()} == {"consistent"}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("key", [("7",), ("id=7",), (" +7.0 ",)])
def test_a_key_may_be_typed_in_any_spelling_of_its_type(audit: Callable[..., Outcome], key: tuple[str, ...]) -> None:
    code, document, _ = look(audit, *key)
    assert (code, document["key"]) == (0, {"id": "7"})


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("key", [(), ("7", "8"), ("id=7", "id=7"), ("seven",), ("id=",)])
def test_a_key_of_the_wrong_shape_is_told_with_the_right_one(
    audit: Callable[..., Outcome], key: tuple[str, ...]
) -> None:
    done = audit("entity", "order", *key)
    assert (done.code, done.out) == (2, "")
    assert "id" in done.err


def test_a_key_that_begins_with_a_minus_is_told_how_to_be_typed(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """A shell's options begin so too."""
    done = audit("entity", "order", "-7")
    assert done.code == 2
    assert "next: write -- before a value that begins with a minus" in done.err
    assert audit("entity", "order", "--", "-7").code == 2
    shop.owner("INSERT INTO orders VALUES (-7, 'paid', 'x@example.com', '1.50', '2025-01-01T00:00:00Z')")
    assert audit("entity", "order", "--", "-7", "--format", "json").code == 2, "what follows -- is no option"
    assert audit("entity", "order", "--format", "json", "--", "-7").json["owner"]["state"] == "present"


def test_the_terminal_shows_both_sides(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    done = audit("entity", "order", "7")
    assert done.code == 1
    for word in ("owner", "search", "export", "divergent", "paid", "lost", "Next"):
        assert word in done.out


def test_watch_ends_when_all_copies_agree(shop: Shop, audit_process: Callable[..., Any]) -> None:
    shop.search("UPDATE order_search SET state = 'lost' WHERE order_id = 7")
    process = audit_process("entity", "order", "7", "--watch", bufsize=1)
    seen = ""
    while "divergent" not in seen:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        seen += line
    shop.search("UPDATE order_search SET state = 'paid' WHERE order_id = 7")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
