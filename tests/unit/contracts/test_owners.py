"""Who owns what, and who holds copies of it."""

from __future__ import annotations

from contracts.owners import copy_rows, owner_rows
from tests.unit.contracts.samples import CUSTOMER, ORDER, check, order


def test_each_entity_has_one_row_with_its_owner() -> None:
    customer, shop_order = owner_rows(check(CUSTOMER, ORDER).contracts.values())
    assert (customer.entity, customer.team, customer.service, customer.dataset) == (
        "customer",
        "crm",
        "crm",
        "crm/customers",
    )
    assert (customer.version, customer.key, customer.replicas) == (1, ("id",), ())
    assert shop_order.replicas == ("reporting", "search")
    assert shop_order.fields[:3] == ("id", "customer_id", "status")


def test_each_copy_has_one_row_with_what_it_promises() -> None:
    reporting, search = copy_rows(check(CUSTOMER, ORDER).contracts.values())
    assert (reporting.entity, reporting.replica, reporting.dataset) == ("order", "reporting", "reporting/orders")
    assert reporting.fields == ("customer_id", "status", "total")
    assert (search.lag_bound, search.deletes, search.completeness) == ("30s", "propagate", "full")


def test_owners_without_a_dataset_say_where_their_rows_come_from() -> None:
    feed = order("  dataset: orders_db/public.orders\n", "  feed: {name: shop, topic: orders}\n")
    query = CUSTOMER.replace("dataset: crm/customers", "query: {connection: crm, sql: SELECT 1}")
    assert [row.dataset for row in owner_rows(check(query, feed).contracts.values())] == [
        "crm/(query)",
        "shop/orders (feed)",
    ]
