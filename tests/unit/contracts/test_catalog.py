"""Contracts are read from directories and files, and found by their entity."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import contracts
from contracts.catalog import Catalog, load_catalog, parse_contract
from contracts.contract import AppliedBy, ChangedAt, DatasetRef, Deletes, FeedRef, FieldMap, QueryRef, SoftDelete
from contracts.equality import EXACT, Equality, Truncated, Within
from contracts.errors import ContractError, UsageError
from tests.unit.contracts.samples import CUSTOMER, ORDER, check, order

FULL = """\
entity: order
version: 3
description: A customer's order, from placement to delivery.
team: checkout
owner:
  service: order-service
  dataset: orders_db/public.orders
  feed: {name: shop, topic: shop.public.orders}
  changed_at: {field: updated_at, maintained_by: database}
  soft_delete: {field: gone_at, retention: 90d}
  may_be_empty: true
key: [shop, number]
fields:
  shop: {type: int}
  number: {type: int}
  total: {type: "decimal(10,2)", meaning: what the customer pays, critical: true, equality: within 0.01}
  email: {type: text, sensitive: true}
  gone_at: {type: timestamp}
  updated_at: {type: timestamp}
replicas:
  - service: reporting
    dataset: reporting/orders
    lag_bound: 2m
  - service: search
    name: search-new
    dataset: read_model/order_search/v2
    key: {number: order_number, shop: {path: shop_no}}
    fields:
      total: {path: total, equality: exact}
      updated_at: {path: ts, equality: truncated ms, timezone: Europe/Berlin}
    lag_bound: 30s
    deletes: {soft: is_deleted}
    completeness: partial
    where: "total > 0"
    select: "doc_type = 'order'"
    applied_by: {feed: shop, group_id: order-indexer}
  - service: cache
    dataset: "cache/order:{shop}:{number}"
    format: hash
    fields: {shop: s, total: t}
    deletes: keep
    ttl: 1h
  - {service: lake, dataset: lake/orders.parquet, ttl: 1h, lag_bound: 1d, fields: []}
"""


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> Path:
    (tmp_path / "b.yml").write_text(ORDER)
    (tmp_path / "a.yaml").write_text(CUSTOMER)
    (tmp_path / "notes.txt").write_text("no contract")
    return tmp_path


def test_a_directory_is_read_in_the_order_of_names(directory: Path) -> None:
    assert list(load_catalog([directory]).contracts) == ["customer", "order"]


def test_files_and_directories_may_be_mixed(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "product.yaml"
    other.write_text(CUSTOMER.replace("customer", "product"))
    assert list(load_catalog([other, directory]).contracts) == ["product", "customer", "order"]


def test_places_name_the_file_as_it_was_found(directory: Path) -> None:
    (directory / "b.yml").write_text(order("version: 3", "version: x"))
    with pytest.raises(ContractError) as caught:
        load_catalog([directory])
    assert str(caught.value.problems[0].place) == f"{directory / 'b.yml'}:2"


def test_an_empty_directory_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        load_catalog([tmp_path, tmp_path / "missing.yaml"])
    assert [problem.message for problem in caught.value.problems] == [
        "holds no contract; expected files *.yaml, one for each entity",
        "cannot be read: No such file or directory",
    ]


def test_an_unknown_entity_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown entity 'ordr'; did you mean `order`") as caught:
        check(ORDER, CUSTOMER).contract("ordr")
    assert caught.value.hint == "known entities: customer, order"
    with pytest.raises(UsageError, match="known entities: none"):
        Catalog({}).contract("order")


def test_a_contract_has_what_was_written_and_every_default() -> None:
    contract = check(FULL).contract("order")
    assert (contract.version, contract.team) == (3, "checkout")
    assert contract.text == FULL
    assert str(contract.place) == "1.yaml:1"
    assert contract.key == ("shop", "number")
    owner = contract.owner
    assert owner.dataset == DatasetRef("orders_db", "public.orders")
    assert owner.feed == FeedRef("shop", "shop.public.orders")
    assert owner.changed_at == ChangedAt("updated_at", "database")
    assert owner.soft_delete == SoftDelete("gone_at", timedelta(days=90))
    assert owner.may_be_empty
    assert list(contract.fields) == ["shop", "number", "total", "email", "gone_at", "updated_at"]
    assert contract.fields["total"].equality == Equality((Within(Decimal("0.01")),))
    assert contract.fields["email"].sensitive


def test_a_replica_without_fields_holds_all_under_the_same_names() -> None:
    replica = check(FULL).contract("order").replicas[0]
    assert replica.key == (FieldMap("shop", "shop"), FieldMap("number", "number"))
    assert [mapped.path for mapped in replica.fields] == ["total", "email", "gone_at", "updated_at"]
    assert replica.fields[0].equality == Equality((Within(Decimal("0.01")),)), "the field's own equality is inherited"
    assert (replica.deletes, replica.completeness, replica.format) == (Deletes(), "full", "json")
    assert replica.lag_bound == timedelta(minutes=2)


def test_a_replica_says_where_and_how_each_field_is_kept() -> None:
    replica = check(FULL).contract("order").replicas[1]
    assert (replica.name, replica.service) == ("search-new", "search")
    assert str(replica.dataset) == "read_model/order_search/v2"
    assert replica.key == (FieldMap("shop", "shop_no"), FieldMap("number", "order_number")), "in the contract's order"
    assert replica.fields == (
        FieldMap("total", "total", EXACT),
        FieldMap("updated_at", "ts", Equality((Truncated("ms"),)), "Europe/Berlin"),
    )
    assert replica.deletes == Deletes("soft", "is_deleted")
    assert replica.completeness == "partial"
    assert replica.where is not None
    assert replica.where.names == {"total"}
    assert replica.select is not None
    assert replica.select.names == {"doc_type"}
    assert replica.applied_by == AppliedBy("shop", "order-indexer")


def test_a_key_field_may_be_mapped_among_the_fields_and_is_never_compared() -> None:
    replica = check(FULL).contract("order").replicas[2]
    assert replica.key == (FieldMap("shop", "s"), FieldMap("number", "number"))
    assert [mapped.field for mapped in replica.fields] == ["total"]
    assert replica.dataset == DatasetRef("cache", "order:{shop}:{number}")
    assert replica.format == "hash"


def test_a_ttl_alone_bounds_the_lag() -> None:
    replicas = check(FULL).contract("order").replicas
    assert (replicas[2].ttl, replicas[2].lag_bound) == (timedelta(hours=1), timedelta(hours=1))
    assert (replicas[3].ttl, replicas[3].lag_bound) == (timedelta(hours=1), timedelta(days=1))
    assert replicas[3].fields == ()


def test_defaults_of_an_owner() -> None:
    owner = check(CUSTOMER).contract("customer").owner
    assert owner.changed_at == ChangedAt("updated_at", "application"), "a bare name means that the application keeps it"
    assert not owner.may_be_empty
    replica = check(CUSTOMER + "replicas: [{service: s, dataset: a/b}]\n").contract("customer").replicas[0]
    assert replica.lag_bound == timedelta(minutes=5)


def test_an_owner_may_be_a_query() -> None:
    text = CUSTOMER.replace("dataset: crm/customers", 'query: {connection: crm, sql: "SELECT 1 AS id"}')
    owner = check(text).contract("customer").owner
    assert owner.query == QueryRef("crm", "SELECT 1 AS id")
    assert str(owner.query) == "crm/(query)"


def test_one_contract_can_be_read_by_itself() -> None:
    """An older version is compared without the contracts that it refers to."""
    assert parse_contract(ORDER, "old.yaml").entity == "order"
    with pytest.raises(ContractError, match=r"old.yaml:13: error: `type`: unknown type 'money'"):
        parse_contract(ORDER.replace('"decimal(10,2)"', "money", 1), "old.yaml")
    with pytest.raises(ContractError, match=r"old.yaml:1: error: the file is empty"):
        parse_contract("", "old.yaml")


def test_the_example_shop_is_right() -> None:
    """The examples load without an error and without a warning, and show most of the language."""
    catalog = load_catalog([Path(contracts.__file__).parent / "entities"])
    assert set(catalog.contracts) == {"customer", "address", "category", "product", "order", "order_item"}
    assert catalog.warnings == ()
    connections = {
        replica.dataset.connection
        for contract in catalog.contracts.values()
        for replica in contract.replicas
        if replica.dataset is not None
    }
    assert connections == {"reporting", "lake", "export"}
    assert catalog.contract("category").references() == {"parent_id": "category"}
    assert catalog.contract("order_item").key == ("order_id", "line")
