"""What the other services make of the shop's rows: other names, other types, fewer rows, as their contracts allow.

Every copy made here is right.  Much in it looks different and may: upper-case keys, times cut to the second, binary
floating point within a tolerance, masked telephone numbers, addresses that nobody printed a label for.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from auditor.demo.history import order_histories, tracked
from auditor.demo.tables import Table, World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from auditor.demo.shop import Row, Shop

LABELS_PRINTED = 3
"""One shipping address in so many never got a label."""

PHONE_DIGITS_SHOWN, EMAIL_CHARACTERS_SHOWN = 3, 4


def build_world(shop: Shop) -> World:
    """The owner's tables and the right copies of them."""
    orders = order_histories(shop.orders)
    return World(
        shop={table.name: table for table in _owner(shop)},
        reporting={table.name: table for table in _reporting(shop)},
        lake={table.name: table for table in _lake(shop)},
        export={table.name: table for table in _export(shop)},
        orders=orders,
        tracking=tracked(orders),
    )


def _owner(shop: Shop) -> Iterable[Table]:
    text, whole = "TEXT", "INTEGER"
    times = {"created_at": text, "updated_at": text}
    yield Table(
        "customers",
        {"id": text, "email": text, "first_name": text, "last_name": text, "phone": text, "language": text}
        | {"newsletter": whole, "born_on": text}
        | times,
        shop.customers,
        ("id",),
    )
    yield Table(
        "addresses",
        {"id": text, "customer_id": text, "kind": text, "street": text, "postal_code": text, "city": text}
        | {"country_code": text, "updated_at": text},
        shop.addresses,
        ("id",),
    )
    yield Table(
        "categories",
        {"id": whole, "parent_id": whole, "name": text, "slug": text, "position": whole, "updated_at": text},
        shop.categories,
        ("id",),
    )
    yield Table(
        "products",
        {"id": whole, "category_id": whole, "sku": text, "name": text, "price": text, "weight_kg": text}
        | {"active": whole, "attributes": text, "tags": text}
        | times,
        shop.products,
        ("id",),
    )
    yield Table(
        "orders",
        {"id": text, "customer_id": text, "shipping_address_id": text, "status": text, "email": text}
        | {"subtotal": text, "tax_amount": text, "shipping_amount": text, "total_amount": text}
        | times,
        shop.orders,
        ("id",),
    )
    yield Table(
        "order_items",
        {"order_id": text, "line": whole, "product_id": whole, "quantity": whole, "unit_price": text}
        | {"discount": text, "line_total": text, "updated_at": text},
        shop.order_items,
        ("order_id", "line"),
    )


def _reporting(shop: Shop) -> Iterable[Table]:
    """A read model in SQLite; `order_facts` has no unique key, as read models often have none."""
    yield Table(
        "customers",
        dict.fromkeys(("customer_id", "email", "first_name", "last_name", "phone"), "TEXT")
        | dict.fromkeys(("language", "wants_newsletter", "changed"), "TEXT"),
        [_reporting_customer(row) for row in shop.customers],
        ("customer_id",),
    )
    yield Table(
        "addresses",
        dict.fromkeys(("id", "customer_id", "kind", "postal_code", "city", "country"), "TEXT")
        | {"is_deleted": "INTEGER"},
        [
            {name: row[name] for name in ("id", "customer_id", "kind", "postal_code", "city")}
            | {"country": row["country_code"], "is_deleted": False}
            for row in shop.addresses
        ],
        ("id",),
    )
    yield Table(
        "categories",
        {"id": "INTEGER", "parent": "INTEGER", "name": "TEXT", "slug": "TEXT", "position": "INTEGER"},
        [
            {
                "id": row["id"],
                "parent": row["parent_id"],
                "name": row["name"],
                "slug": row["slug"],
                "position": row["position"],
            }
            for row in shop.categories
        ],
        ("id",),
    )
    yield Table(
        "products",
        {"id": "INTEGER", "category_id": "INTEGER", "sku": "TEXT", "title": "TEXT", "price": "REAL", "active": "TEXT"},
        [
            {name: row[name] for name in ("id", "category_id", "sku")}
            | {"title": row["name"], "price": float(row["price"]), "active": "t" if row["active"] else "f"}
            for row in shop.products
        ],
        ("id",),
    )
    yield Table(
        "order_facts",
        dict.fromkeys(("order_id", "customer_id", "state", "total", "placed"), "TEXT"),
        [
            {
                "order_id": str(row["id"]).upper(),
                "customer_id": str(row["customer_id"]).upper(),
                "state": row["status"],
                "total": row["total_amount"],
                "placed": to_second(row["created_at"]),
            }
            for row in shop.orders
        ],
    )
    yield Table(
        "order_lines",
        {"order_id": "TEXT", "line_no": "INTEGER", "product_id": "INTEGER", "quantity": "INTEGER", "amount": "REAL"},
        [
            {"order_id": row["order_id"], "line_no": row["line"], "amount": float(row["line_total"])}
            | {name: row[name] for name in ("product_id", "quantity")}
            for row in shop.order_items
        ],
        ("order_id", "line_no"),
    )


def _reporting_customer(row: Row) -> Row:
    return {name: row[name] for name in ("email", "first_name", "last_name", "language")} | {
        "customer_id": row["id"],
        "phone": masked(row["phone"], PHONE_DIGITS_SHOWN),
        "wants_newsletter": "true" if row["newsletter"] else "false",
        "changed": to_second(row["updated_at"]),
    }


def _lake(shop: Shop) -> Iterable[Table]:
    """Nightly Parquet files for analysts, without personal data."""
    yield Table(
        "customers.parquet",
        {
            "id": "text",
            "email": "text",
            "language": "text",
            "newsletter": "bool",
            "born_on": "date",
            "created_at": "ms",
        },
        [
            {name: row[name] for name in ("id", "language", "newsletter", "born_on")}
            | {"email": None if number % 2 else "removed", "created_at": to_millisecond(row["created_at"])}
            for number, row in enumerate(shop.customers)
        ],
    )
    yield Table(
        "categories.parquet",
        {"id": "int32", "parent_id": "int32", "name": "text", "slug": "text"},
        [{name: row[name] for name in ("id", "parent_id", "name", "slug")} for row in shop.categories],
    )
    yield Table(
        "products.parquet",
        {"id": "int64", "sku": "text", "name": "text", "price": "money", "weight_kg": "money"}
        | {"attributes": "text", "tags": "texts", "updated_at": "ms"},
        [_lake_product(row) for row in shop.products],
    )
    amounts = ("subtotal", "tax_amount", "shipping_amount", "total_amount")
    yield Table(
        "orders.parquet",
        {"id": "text", "customer_id": "text", "status": "text", **dict.fromkeys(amounts, "money"), "created_at": "us"}
        | {"updated_at": "ms"},
        [
            {name: row[name] for name in ("id", "customer_id", "status", *amounts, "created_at")}
            | {"updated_at": to_millisecond(row["updated_at"])}
            for row in shop.orders
        ],
    )
    prices = ("unit_price", "discount", "line_total")
    yield Table(
        "order_items.parquet",
        {
            "order_id": "text",
            "line": "int32",
            "product_id": "int64",
            "quantity": "int32",
            **dict.fromkeys(prices, "money"),
        },
        [
            {name: row[name] for name in ("order_id", "line", "product_id", "quantity", *prices)}
            for row in shop.order_items
        ],
    )


def _lake_product(row: Row) -> Row:
    size = row["attributes"]["size"]
    same = {"size": {"unit": size["unit"], "width": float(size["width"])}, "material": row["attributes"]["material"]}
    return {name: row[name] for name in ("id", "sku", "name", "price", "weight_kg")} | {
        "attributes": json.dumps(same, indent=1),
        "tags": list(reversed(row["tags"])),
        "updated_at": to_millisecond(row["updated_at"]),
    }


def _export(shop: Shop) -> Iterable[Table]:
    """CSV files that are sent out each night."""
    kinds = {row["id"]: number for number, row in enumerate(shop.addresses)}
    yield Table(
        "shipping_labels.csv",
        dict.fromkeys(("address_id", "street", "postal_code", "city", "country_code"), ""),
        [
            {"address_id": row["id"], "street": row["street"], "postal_code": row["postal_code"][:10]}
            | {"city": f"{row['city']} ", "country_code": row["country_code"]}
            for row in shop.addresses
            if row["kind"] == "shipping" and kinds[row["id"]] % LABELS_PRINTED
        ],
    )
    yield Table(
        "newsletter.csv",
        dict.fromkeys(("customer", "address", "language"), ""),
        [
            {"customer": row["id"], "address": row["email"].title(), "language": row["language"]}
            for row in shop.customers
            if row["newsletter"]
        ],
    )
    yield Table(
        "orders.csv",
        dict.fromkeys(("order", "status", "email", "total"), ""),
        [
            {"order": row["id"], "status": row["status"], "total": plain(row["total_amount"])}
            | {"email": masked(row["email"], EMAIL_CHARACTERS_SHOWN)}
            for row in shop.orders
            if row["status"] != "pending"
        ],
    )
    yield Table(
        "price_list.csv",
        dict.fromkeys(("sku_id", "sku", "price"), ""),
        [{"sku_id": row["id"], "sku": row["sku"], "price": row["price"]} for row in shop.products if row["active"]],
    )


def masked(text: str, shown: int) -> str:
    """All but the last characters as stars, as long as before."""
    return "*" * (len(text) - shown) + text[-shown:]


def to_second(moment: datetime) -> datetime:
    """Cut to the second."""
    return moment.replace(microsecond=0)


def to_millisecond(moment: datetime) -> datetime:
    """Cut to the millisecond."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def plain(amount: Decimal) -> str:
    """As somebody's program prints it: without the zeros at the end."""
    return f"{amount.normalize():f}"
