"""The drift that the demo plants: what happened, and the finding that must come of it.

Each fault is something that happens to copies: a lost event, a missed delete, an update by hand, a program that rounds.
Some are planted in the shop itself before its copies are made, since an owner can break its own contract as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from auditor.demo.history import CLEARED_AWAY
from auditor.demo.stream import SET_UP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.demo.shop import Row, Shop
    from auditor.demo.tables import Table, World

NOBODY = UUID("00000000-0000-4000-8000-000000000000")
"""The key of a customer whom the shop never had."""

NO_PRODUCT = 999_999


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault and the finding it must become.

    Attributes:
        replica: None where the owner's own row is at fault.
        key: Canonical texts, in contract key order.
        fields: Names of the fields that the finding shows; empty where it shows none.
        story: What happened.
    """

    entity: str
    replica: str | None
    key: tuple[str | None, ...]
    divergence: str
    story: str
    rule: str | None = None
    fields: frozenset[str] = field(default=frozenset())


def plant_in_shop(shop: Shop) -> Iterator[Planted]:
    """Faults that the copies will faithfully repeat."""
    order = _order(shop, "delivered", 3)
    order["total_amount"] += Decimal("10.00")
    shown = frozenset({"subtotal", "tax_amount", "shipping_amount", "total_amount"})
    story = "somebody corrected the total by hand; it no longer adds up"
    yield Planted("order", None, _key(order["id"]), "invariant", story, "total_adds_up", shown)

    order = _order(shop, "paid", 5)
    order["customer_id"] = NOBODY
    story = "the customer was deleted, the order was not"
    yield Planted("order", None, _key(order["id"]), "reference", story, "customer_id", frozenset({"customer_id"}))

    item = shop.order_items[4_000 % len(shop.order_items)]
    item["product_id"] = NO_PRODUCT
    key = _key(item["order_id"], item["line"])
    story = "the product never existed"
    yield Planted("order_item", None, key, "reference", story, "product_id", frozenset({"product_id"}))

    customer = shop.customers[40]
    customer["updated_at"], customer["created_at"] = customer["created_at"], customer["updated_at"]
    shown = frozenset({"created_at", "updated_at"})
    story = "an import exchanged two columns"
    yield Planted("customer", None, _key(customer["id"]), "invariant", story, "created_before_updated", shown)


def plant_in_world(world: World) -> Iterator[Planted]:
    """Faults of single copies, and what the shop did without telling its copies."""
    yield from _customers(world)
    yield from _addresses(world)
    yield from _catalogue(world)
    yield from _orders(world)
    yield from _order_items(world)
    yield from _tracking(world)


def _customers(world: World) -> Iterator[Planted]:
    customers, letters = world.shop["customers"].rows, world.export["newsletter.csv"]
    lost = customers[11]
    world.reporting["customers"].remove(customer_id=lost["id"])
    yield Planted("customer", "reporting", _key(lost["id"]), "missing", "the event of the sign-up was lost")

    changed = world.reporting["customers"].find(customer_id=customers[12]["id"])
    changed["email"] = "old." + changed["email"]
    yield _mismatch("customer", "reporting", _key(changed["customer_id"]), "an update was lost", "email")

    for row in [row for row in customers if row["newsletter"]][20:22]:
        row["newsletter"] = False
        world.reporting["customers"].find(customer_id=row["id"])["wants_newsletter"] = "false"
        world.lake["customers.parquet"].find(id=row["id"])["newsletter"] = False
        yield Planted(
            "customer", "newsletter", _key(row["id"]), "orphan", "unsubscribed, and still on the mailing list"
        )

    forgotten = letters.rows[30]["customer"]
    letters.remove(customer=forgotten)
    yield Planted(
        "customer", "newsletter", _key(forgotten), "missing", "the nightly export stopped in the middle of a page"
    )

    twice = letters.rows[50]
    letters.rows.append(dict(twice))
    yield Planted(
        "customer", "newsletter", _key(twice["customer"]), "duplicate", "the export was appended to instead of replaced"
    )

    analysed = world.lake["customers.parquet"].rows[60]
    analysed["language"] = "fr" if analysed["language"] != "fr" else "de"
    yield _mismatch("customer", "lake", _key(analysed["id"]), "an update was lost", "language")


def _addresses(world: World) -> Iterator[Planted]:
    addresses, copies = world.shop["addresses"], world.reporting["addresses"]
    gone = _unused_address(world, 2)
    addresses.remove(id=gone["id"])
    world.export["shipping_labels.csv"].remove(address_id=gone["id"])
    yield Planted("address", "reporting", _key(gone["id"]), "orphan", "deleted in the shop, not flagged in reporting")

    flagged = _unused_address(world, 3)
    addresses.remove(id=flagged["id"])
    world.export["shipping_labels.csv"].remove(address_id=flagged["id"])
    copies.find(id=flagged["id"])["is_deleted"] = True  # lawful: reporting flags, it never removes

    live = addresses.rows[100]
    copies.find(id=live["id"])["is_deleted"] = True
    yield Planted("address", "reporting", _key(live["id"]), "missing", "flagged as deleted, though it is in use")

    label = world.export["shipping_labels.csv"].rows[7]
    label["street"] = "Unter den Linden 1"
    yield _mismatch(
        "address", "labels", _key(label["address_id"]), "the label was printed before the correction", "street"
    )


def _catalogue(world: World) -> Iterator[Planted]:
    moved = world.lake["categories.parquet"].rows[-1]
    moved["parent_id"] = 1
    yield _mismatch("category", "lake", _key(moved["id"]), "a category was moved in the shop only", "parent_id")

    products, reported = world.shop["products"].rows, world.reporting["products"]
    stale = reported.find(id=products[20]["id"])
    stale["price"] -= 1.0
    yield _mismatch("product", "reporting", _key(stale["id"]), "the old price", "price")

    broken = reported.find(id=products[21]["id"])
    broken["price"] = "on request"
    yield _mismatch(
        "product", "reporting", _key(broken["id"]), "no price at all: a text that no decimal can hold", "price"
    )

    heavy = products[22]
    heavy["weight_kg"] = "heavy"
    story = "the shop's own row holds a text where its contract says decimal"
    yield Planted("product", None, _key(heavy["id"]), "invariant", story, "type", frozenset({"weight_kg"}))

    recoded = world.lake["products.parquet"].rows[30]
    recoded["attributes"] = recoded["attributes"].replace('"cm"', '"mm"')
    yield _mismatch("product", "lake", _key(recoded["id"]), "a job that converts units ran twice", "attributes")

    retired = [row for row in products if row["active"]][40]
    retired["active"] = False
    reported.find(id=retired["id"])["active"] = "f"
    yield Planted("product", "prices", _key(retired["id"]), "orphan", "no longer on sale, and still on the price list")


def _orders(world: World) -> Iterator[Planted]:
    orders, facts = world.shop["orders"].rows, world.reporting["order_facts"]
    evening = [row for row in orders if row["status"] == "shipped" and row["created_at"] > SET_UP][:5]
    for row in evening:
        _fact(facts, row)["state"] = "paid"
        yield _mismatch("order", "reporting", _key(row["id"]), "the events of one evening were lost", "status")

    for row in [row for row in orders if row["status"] == "delivered" and row["created_at"] > SET_UP][:3]:
        facts.rows.remove(_fact(facts, row))
        yield Planted("order", "reporting", _key(row["id"]), "missing", "never arrived")

    cancelled = [row for row in orders if row["status"] == "cancelled"][:2]
    for row in cancelled:
        _delete_order(world, row)  # the lake keeps what the shop deletes, which is lawful
        yield Planted("order", "reporting", _key(row["id"]), "orphan", "the delete was missed")

    doubled = _fact(facts, orders[200])
    facts.rows.append(doubled | {"order_id": doubled["order_id"].lower()})
    yield Planted(
        "order", "reporting", _key(orders[200]["id"]), "duplicate", "an event was applied twice, in another spelling"
    )

    facts.rows.append(facts.rows[0] | {"order_id": None})
    yield Planted("order", "reporting", (None,), "null_key", "a row was made from an event without a key")

    rounded = world.lake["orders.parquet"].rows[300]
    rounded["total_amount"] += Decimal("0.01")
    yield _mismatch("order", "lake", _key(rounded["id"]), "computed anew, and rounded in another order", "total_amount")

    exported = world.export["orders.csv"].rows[400]
    exported["total"] = f"{Decimal(exported['total']) - Decimal('0.02'):f}"
    yield _mismatch("order", "export", _key(exported["order"]), "beyond the tolerance of half a cent", "total_amount")

    early = [row for row in orders if row["status"] == "pending"][8]
    sent = {"order": early["id"], "status": "pending", "email": "*", "total": f"{early['total_amount']:f}"}
    world.export["orders.csv"].rows.append(sent)
    yield Planted("order", "export", _key(early["id"]), "orphan", "exported before it was paid")


def _order_items(world: World) -> Iterator[Planted]:
    lines, copies = world.shop["order_items"].rows, world.reporting["order_lines"]
    changed = copies.find(order_id=lines[500]["order_id"], line_no=lines[500]["line"])
    changed["quantity"] += 1
    key = _key(changed["order_id"], changed["line_no"])
    yield _mismatch("order_item", "reporting", key, "the customer changed her mind", "quantity")

    copies.rows.append(copies.rows[0] | {"order_id": NOBODY})
    yield Planted("order_item", "reporting", _key(NOBODY, copies.rows[0]["line_no"]), "orphan", "left over from a test")

    lost = world.lake["order_items.parquet"].rows.pop(700)
    yield Planted("order_item", "lake", _key(lost["order_id"], lost["line"]), "missing", "one row of a page was lost")


def _tracking(world: World) -> Iterator[Planted]:
    """What went wrong where only the copy's own change stream tells what it holds."""
    lost, swapped = _moved_since_set_up(world, 20), _moved_since_set_up(world, 30)
    world.tracking[lost].pop()
    yield _mismatch("order", "tracking", _key(lost), "the last event was lost", "status", "updated_at")

    versions = world.tracking[swapped]
    (earlier, before_last), (later, last) = versions[-2:]
    versions[-2:] = [(earlier, last), (later, before_last)]
    story = "two workers applied two events in the wrong order"
    yield _mismatch("order", "tracking", _key(swapped), story, "status", "updated_at")

    never = [key for key, versions in world.tracking.items() if versions[0][0] > SET_UP][40]
    del world.tracking[never]
    yield Planted("order", "tracking", _key(never), "missing", "the event of its placement was lost")

    kept = next(key for key, versions in world.tracking.items() if versions[-1][1] is None)
    world.tracking[kept].pop()
    yield Planted("order", "tracking", _key(kept), "orphan", "the delete was missed")


def _moved_since_set_up(world: World, number: int) -> UUID:
    """An order whose last two changes the tracking service's stream tells."""
    found: list[UUID] = [
        key for key, versions in world.tracking.items() if len(versions[:-1]) > 1 and versions[-2][0] > SET_UP
    ]
    return found[number]


def _mismatch(entity: str, replica: str, key: tuple[str | None, ...], story: str, *fields: str) -> Planted:
    return Planted(entity, replica, key, "mismatch", story, fields=frozenset(fields))


def _key(*parts: Any) -> tuple[str | None, ...]:
    return tuple(str(part) for part in parts)


def _order(shop: Shop, status: str, number: int) -> Row:
    return [row for row in shop.orders if row["status"] == status][number]


def _fact(facts: Table, order: Row) -> Row:
    return facts.find(order_id=str(order["id"]).upper())


def _unused_address(world: World, number: int) -> Row:
    """An address that no order was sent to, so that deleting it breaks no reference."""
    used = {row["shipping_address_id"] for row in world.shop["orders"].rows}
    return [row for row in world.shop["addresses"].rows if row["id"] not in used][number]


def _delete_order(world: World, order: Row) -> None:
    """Delete an order everywhere but in reporting's facts and the lake's orders; the streams tell it."""
    world.shop["orders"].remove(id=order["id"])
    world.export["orders.csv"].remove(order=order["id"])
    for histories in (world.orders, world.tracking):
        histories[order["id"]].append((CLEARED_AWAY, None))
    for table in (world.shop["order_items"], world.reporting["order_lines"], world.lake["order_items.parquet"]):
        table.remove(order_id=order["id"])
