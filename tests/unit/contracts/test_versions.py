"""What changed between two versions of a contract, who is concerned, and whether the version says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contracts.catalog import parse_contract
from contracts.versions import Change, ContractDiff, diff_catalogs, diff_contracts, diff_json, diff_text
from tests.unit.contracts.samples import CUSTOMER, ORDER, order

if TYPE_CHECKING:
    from contracts.contract import Contract


def _contract(text: str = ORDER) -> Contract:
    return parse_contract(text, "order.yaml")


def _diff(old: str, new: str) -> ContractDiff:
    return diff_contracts(_contract(), _contract(order(old, new)))


def _told(change: Change) -> str:
    return f"{change.kind}: {change.subject}: {change.what}"


@pytest.mark.parametrize(
    ("old", "new", "told", "replicas"),
    [
        # words
        ("team: checkout", "team: orders", "neutral: contract: team: checkout → orders", ""),
        (
            "meaning: where it stands",
            "meaning: its state",
            "neutral: field status: meaning: where it stands → its state",
            "reporting search",
        ),
        ("{type: bool}", "{type: bool, sensitive: true}", "neutral: field is_deleted: sensitive: no → yes", ""),
        # the owner
        (
            "service: order-service",
            "service: shop",
            "breaking: owner: service: order-service → shop",
            "reporting search",
        ),
        (
            "orders_db/public.orders",
            "orders_db/public.orders_v2",
            "breaking: owner: dataset: orders_db/public.orders → orders_db/public.orders_v2",
            "reporting search",
        ),
        (
            "changed_at: updated_at",
            "changed_at: {field: updated_at, maintained_by: database}",
            "neutral: owner: changed_at: updated_at (kept by the application) → updated_at (kept by the database)",
            "",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: updated_at\n  soft_delete: {field: is_deleted, retention: 30d}",
            "breaking: owner: soft_delete: nothing → is_deleted for 30d",
            "reporting search",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: updated_at\n  may_be_empty: true",
            "neutral: owner: may_be_empty: no → yes",
            "",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: updated_at\n  feed: {name: shop, topic: o}",
            "neutral: owner: feed: nothing → shop/o",
            "",
        ),
        # fields
        ("  net: {", "  gross: {type: int}\n  net: {", "additive: field gross: added as int", ""),
        ("  tags: {type: list<text>}\n", "", "breaking: field tags: removed", ""),
        ("{type: bool}", "{type: int}", "breaking: field is_deleted: type: bool → int", ""),
        (
            'total: {type: "decimal(10,2)"}',
            'total: {type: "decimal(12,2)"}',
            "breaking: field total: type: decimal(10,2) → decimal(12,2)",
            "reporting search",
        ),
        (
            'total: {type: "decimal(10,2)"}',
            'total: {type: "decimal(8,2)"}',
            "additive: field total: type: decimal(10,2) → decimal(8,2)",
            "reporting search",
        ),
        (
            "enum(open,paid)",
            "enum(open,paid,void)",
            "breaking: field status: type: enum(open,paid) → enum(open,paid,void)",
            "reporting search",
        ),
        (
            "enum(open,paid)",
            "enum(open)",
            "additive: field status: type: enum(open,paid) → enum(open)",
            "reporting search",
        ),
        (", references: customer", "", "breaking: field customer_id: references: customer → nothing", "reporting"),
        (
            "tags: {type: list<text>}",
            "tags: {type: list<text>, equality: unordered}",
            "breaking: field tags: equality: exact → unordered",
            "",
        ),
        # invariants
        ("total >= net", "total > net", "breaking: invariant not_less_than_net: holds: total >= net → total > net", ""),
        (
            "invariants:\n",
            "invariants:\n  - {name: positive, holds: total > 0}\n",
            "additive: invariant positive: added: total > 0",
            "",
        ),
        (
            "invariants:\n  - {name: not_less_than_net, holds: total >= net}\n",
            "",
            "breaking: invariant not_less_than_net: removed",
            "",
        ),
        # replicas
        (
            "replicas:\n",
            "replicas:\n  - {service: lake, dataset: lake/o.parquet, lag_bound: 1d}\n",
            "additive: replica lake: added",
            "lake",
        ),
        (
            "reporting/orders",
            "reporting/orders2",
            "breaking: replica reporting: dataset: reporting/orders → reporting/orders2",
            "reporting",
        ),
        ("lag_bound: 5m", "lag_bound: 1h", "breaking: replica reporting: lag_bound: 5m → 1h", "reporting"),
        ("lag_bound: 5m", "lag_bound: 90s", "additive: replica reporting: lag_bound: 5m → 90s", "reporting"),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    deletes: {soft: gone}",
            "breaking: replica reporting: deletes: propagate → soft (gone)",
            "reporting",
        ),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    completeness: partial",
            "breaking: replica reporting: completeness: full → partial",
            "reporting",
        ),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    where: total > 0",
            "breaking: replica reporting: where: nothing → total > 0",
            "reporting",
        ),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    select: kind = 'o'",
            "breaking: replica reporting: select: nothing → kind = 'o'",
            "reporting",
        ),
        ("lag_bound: 5m", "lag_bound: 5m\n    ttl: 1d", "breaking: replica reporting: ttl: nothing → 1d", "reporting"),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    applied_by: {feed: shop, group_id: g}",
            "neutral: replica reporting: applied_by: nothing → shop/g",
            "reporting",
        ),
        (
            "lag_bound: 5m",
            "lag_bound: 5m\n    format: hash",
            "breaking: replica reporting: format: json → hash",
            "reporting",
        ),
        ("{id: order_id}", "{id: order_no}", "breaking: replica search: key: id: order_id → id: order_no", "search"),
        (
            "[customer_id, status, total]",
            "[customer_id, status, total, net]",
            "additive: replica reporting: holds net as net",
            "reporting",
        ),
        (
            "[customer_id, status, total]",
            "[customer_id, status]",
            "breaking: replica reporting: no longer holds total",
            "reporting",
        ),
        (
            "status: state",
            "status: status_name",
            "breaking: replica search: status kept as: state → status_name",
            "search",
        ),
        (
            "within 0.005",
            "within 0.01",
            "breaking: replica search: total equality: within 0.005 → within 0.01",
            "search",
        ),
        (
            "within 0.005",
            "within 0.001",
            "additive: replica search: total equality: within 0.005 → within 0.001",
            "search",
        ),
        (
            "within 0.005",
            "within 0.001%",
            "breaking: replica search: total equality: within 0.005 → within 0.001%",
            "search",
        ),
        ("within 0.005", "exact", "additive: replica search: total equality: within 0.005 → exact", "search"),
        ("within 0.005", "ignored", "breaking: replica search: total equality: within 0.005 → ignored", "search"),
    ],
)
def test_a_change_is_told_once_with_its_class_and_whom_it_concerns(
    old: str, new: str, told: str, replicas: str
) -> None:
    (change,) = _diff(old, new).changes
    assert _told(change) == told
    assert " ".join(change.replicas) == replicas


def test_the_same_contract_has_no_change() -> None:
    """Comments, the order of keys and defaults written out are no change."""
    diff = _diff("lag_bound: 5m", "deletes: propagate # as before\n    completeness: full\n    lag_bound: 300s")
    assert (diff.changes, diff.breaking, diff.problem) == ((), False, "")
    assert diff_text(diff) == "order: version 3 → 3, no change"


def test_a_field_that_every_copy_takes_concerns_them() -> None:
    """A replica without `fields` holds all of them, so a new field is a new duty of it."""
    everything = "replicas:\n  - {service: lake, dataset: lake/o.parquet, lag_bound: 1d}\n"
    old = CUSTOMER + everything
    new = old.replace("  email:", "  name: {type: text}\n  email:")
    (change,) = diff_contracts(_contract(old), _contract(new)).changes
    assert _told(change) == "additive: field name: added as text"
    assert (change.effect, change.replicas, change.fields) == ("lake must hold it", ("lake",), ("name",))


def test_an_equality_of_a_field_is_not_told_again_for_each_copy() -> None:
    (change,) = _diff('total: {type: "decimal(10,2)"}', 'total: {type: "decimal(10,2)", equality: within 1}').changes
    assert _told(change) == "breaking: field total: equality: exact → within 1"
    assert change.replicas == ("reporting", "search")


def test_another_salt_is_a_change_that_shows_neither() -> None:
    text = order("within 0.005", "ignored").replace(
        "status: state", "status: {path: state, equality: {hash: sha256, salt: one}}"
    )
    (change,) = diff_contracts(_contract(text), _contract(text.replace("salt: one", "salt: two"))).changes
    assert _told(change) == "breaking: replica search: status equality: the salt changed"


def test_the_most_serious_comes_first() -> None:
    new = ORDER.replace("team: checkout", "team: x").replace("  net: {", "  gross: {type: int}\n  net: {")
    new = new.replace("lag_bound: 5m", "lag_bound: 1h")
    assert [change.kind for change in diff_contracts(_contract(), _contract(new)).changes] == [
        "breaking", "additive", "neutral",
    ]  # fmt: skip


def test_places_are_those_of_the_new_version_or_of_what_is_gone() -> None:
    (added,) = _diff("  net: {", "  gross: {type: int}\n  net: {").changes
    (removed,) = _diff("  tags: {type: list<text>}\n", "").changes
    assert str(added.place) == "order.yaml:14"
    assert str(removed.place) == "order.yaml:15"


@pytest.mark.parametrize(
    ("old", "new", "version", "problem"),
    [
        ("lag_bound: 5m", "lag_bound: 1h", 3, "there are breaking changes, but the version is still 3; raise it"),
        ("lag_bound: 5m", "lag_bound: 1h", 4, ""),
        ("lag_bound: 5m", "lag_bound: 1m", 3, ""),
        ("lag_bound: 5m", "lag_bound: 1m", 2, "the version was lowered from 3 to 2"),
        ("lag_bound: 5m", "lag_bound: 5m", 9, ""),
    ],
)
def test_the_version_is_raised_with_every_breaking_change(old: str, new: str, version: int, problem: str) -> None:
    text = order(old, new).replace("version: 3", f"version: {version}")
    assert diff_contracts(_contract(), _contract(text)).problem == problem


def test_contracts_that_come_and_go_are_told() -> None:
    customer = parse_contract(CUSTOMER, "customer.yaml")
    diffs = diff_catalogs({"order": _contract(), "customer": customer}, {"customer": customer, "product": customer})
    assert [(diff.entity, diff.old_version, diff.new_version, diff.breaking) for diff in diffs] == [
        ("order", 3, None, True),
        ("product", None, 1, False),
    ]


def test_the_text_says_what_follows_for_whom() -> None:
    diff = _diff("lag_bound: 5m", "lag_bound: 1h")
    assert diff_text(diff).splitlines() == [
        "order: version 3 → 3, 1 breaking",
        "  breaking  replica reporting: lag_bound: 5m → 1h",
        "            readers may see data that is older than before [reporting]  (order.yaml:21)",
        "  error: there are breaking changes, but the version is still 3; raise it",
    ]


def test_the_json_holds_everything() -> None:
    diff = diff_json(_diff("status: state", "status: status_name"))
    assert json.loads(json.dumps(diff)) == {
        "entity": "order",
        "old_version": 3,
        "new_version": 3,
        "breaking": True,
        "problem": "there are breaking changes, but the version is still 3; raise it",
        "changes": [
            {
                "class": "breaking",
                "subject": "replica search",
                "what": "status kept as: state → status_name",
                "effect": "it is read under another name or zone",
                "replicas": ["search"],
                "fields": ["status"],
                "place": "order.yaml:25",
            }
        ],
    }
