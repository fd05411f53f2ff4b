"""The shop's own rows: six entities, the same rows every time.

Nothing here depends on the clock or on the order of a set: two demos hold the same rows and find the same drift.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from auditor.demo import words

Row = dict[str, Any]
"""Column to value: UUID, str, int, Decimal, bool, date, datetime in UTC, list, dict, None."""

OPENED = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
"""When the shop opened; nothing happened before."""

SEED = 20_250_301
CUSTOMERS = 2_000
PRODUCTS = 160
ORDERS_A_CUSTOMER = 3
TAX = Decimal("0.19")
CENT = Decimal("0.01")
FREE_SHIPPING_FROM = Decimal(80)

STATUS_PATHS = (
    (("pending",), 6),
    (("pending", "paid"), 8),
    (("pending", "paid", "packed"), 8),
    (("pending", "paid", "packed", "shipped"), 18),
    (("pending", "paid", "packed", "shipped", "delivered"), 50),
    (("pending", "cancelled"), 6),
    (("pending", "paid", "packed", "shipped", "delivered", "refunded"), 4),
)
"""How far an order has come, and how many of a hundred have."""


@dataclass(slots=True)
class Shop:
    """Rows by owner table."""

    customers: list[Row] = field(default_factory=list)
    addresses: list[Row] = field(default_factory=list)
    categories: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    order_items: list[Row] = field(default_factory=list)


def build_shop(customers: int = CUSTOMERS) -> Shop:
    """The shop, with about three orders a customer and two and a half lines an order."""
    return _Builder(random.Random(SEED)).build(customers)  # noqa: S311 - the same rows every time


class _Builder:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._shop = Shop()

    def build(self, customers: int) -> Shop:
        self._categories()
        for number in range(1, PRODUCTS + 1):
            self._product(number)
        for number in range(1, customers + 1):
            self._customer(number)
        return self._shop

    def _uuid(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=4)

    def _moment(self, after: datetime, days: int) -> datetime:
        """A moment within so many days, to the microsecond."""
        return after + timedelta(microseconds=self._rng.randrange(1, days * 86_400_000_000))

    def _categories(self) -> None:
        number = 0
        for top, below in words.CATEGORIES:
            number += 1
            parent = number
            self._category(number, None, top)
            for name in below:
                number += 1
                self._category(number, parent, name)

    def _category(self, number: int, parent: int | None, name: str) -> None:
        slug = "-".join("".join(c for c in name.lower() if c.isalnum() or c == " ").split())
        row = {"id": number, "parent_id": parent, "name": name, "slug": slug, "position": number * 10}
        self._shop.categories.append({**row, "updated_at": OPENED + timedelta(minutes=number)})

    def _product(self, number: int) -> None:
        rng = self._rng
        category = rng.choice([row for row in self._shop.categories if row["parent_id"] is not None])
        material = rng.choice(words.MATERIALS)
        created = self._moment(OPENED, 30)
        self._shop.products.append(
            {
                "id": number,
                "category_id": category["id"],
                "sku": f"{category['slug'][:3].upper()}-{number:05}",
                "name": f"{rng.choice(words.ADJECTIVES)} {category['name'].lower()}, {material}",
                "price": Decimal(rng.randrange(290, 19_900)) / 100,
                "weight_kg": Decimal(rng.randrange(40, 12_000)) / 1000,
                "active": rng.random() < 0.9,  # noqa: PLR2004 - most products are on sale
                "attributes": {"material": material, "size": {"width": rng.randrange(5, 90), "unit": "cm"}},
                "tags": rng.sample(words.TAGS, rng.randrange(4)),
                "created_at": created,
                "updated_at": self._moment(created, 200),
            }
        )

    def _customer(self, number: int) -> None:
        rng = self._rng
        first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
        created = self._moment(OPENED, 300)
        customer = {
            "id": self._uuid(),
            "email": f"{first}.{last}{number}@example.com".lower().replace("'", ""),
            "first_name": first,
            "last_name": last,
            "phone": f"+49 30 {rng.randrange(1_000_000, 9_999_999)}",
            "language": rng.choice(words.LANGUAGES),
            "newsletter": rng.random() < 0.4,  # noqa: PLR2004
            "born_on": date(1945, 1, 1) + timedelta(days=rng.randrange(22_000)),
            "created_at": created,
            "updated_at": self._moment(created, 60),
        }
        self._shop.customers.append(customer)
        addresses = [self._address(customer, kind) for kind in ("billing", "shipping")[: rng.choice((1, 2, 2))]]
        for _ in range(rng.randrange(2 * ORDERS_A_CUSTOMER + 1)):
            self._order(customer, addresses[-1])

    def _address(self, customer: Row, kind: str) -> Row:
        rng = self._rng
        city, country, postal_code = rng.choice(words.CITIES)
        address = {
            "id": self._uuid(),
            "customer_id": customer["id"],
            "kind": kind,
            "street": f"{rng.choice(words.STREETS)} {rng.randrange(1, 120)}",
            "postal_code": postal_code,
            "city": city,
            "country_code": country,
            "updated_at": customer["created_at"],
        }
        self._shop.addresses.append(address)
        return address

    def _order(self, customer: Row, address: Row) -> None:
        rng = self._rng
        created = self._moment(customer["created_at"], 120)
        path = rng.choices([path for path, _ in STATUS_PATHS], [weight for _, weight in STATUS_PATHS])[0]
        updated = created
        for _ in path[1:]:
            updated = self._moment(updated, 2)
        order = {
            "id": self._uuid(),
            "customer_id": customer["id"],
            "shipping_address_id": address["id"],
            "status": path[-1],
            "email": customer["email"],
        }
        subtotal = self._lines(order["id"], updated)
        tax = (subtotal * TAX).quantize(CENT, ROUND_HALF_UP)
        shipping = Decimal(0) if subtotal >= FREE_SHIPPING_FROM else Decimal("4.90")
        amounts = {"subtotal": subtotal, "tax_amount": tax, "shipping_amount": shipping}
        total = {"total_amount": subtotal + tax + shipping, "created_at": created, "updated_at": updated}
        self._shop.orders.append(order | amounts | total)

    def _lines(self, order: UUID, updated: datetime) -> Decimal:
        rng = self._rng
        subtotal = Decimal(0)
        for line in range(1, rng.choice((1, 2, 2, 3, 3, 4)) + 1):
            product = rng.choice(self._shop.products)
            quantity = rng.choice((1, 1, 1, 2, 3))
            gross = quantity * product["price"]
            discount = (gross / 10).quantize(CENT, ROUND_HALF_UP) if rng.random() < 0.2 else Decimal(0)  # noqa: PLR2004
            self._shop.order_items.append(
                {
                    "order_id": order,
                    "line": line,
                    "product_id": product["id"],
                    "quantity": quantity,
                    "unit_price": product["price"],
                    "discount": discount,
                    "line_total": gross - discount,
                    "updated_at": updated,
                }
            )
            subtotal += gross - discount
        return subtotal
