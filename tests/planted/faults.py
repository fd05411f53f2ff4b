"""The catalogue of planted faults: what is done to which copy, and the one finding that must come of it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass


def order_id(number: int) -> str:
    """The key of the n-th order."""
    return str(uuid.UUID(hashlib.md5(f"order{number}".encode(), usedforsecurity=False).hexdigest()))


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, told by what identifies it; values are left out."""

    entity: str
    replica: str | None
    key: tuple[str | None, ...]
    divergence: str
    rule: str | None = None
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        story: What went wrong, for people.
        at: The copy that is changed, or `owner`.
        statement: SQL in the copy's dialect.
        found: The findings that must come of it.
    """

    story: str
    at: str
    statement: str
    found: tuple[Found, ...]


def _mismatch(story: str, at: str, statement: str, number: int, *fields: str) -> Fault:
    return Fault(story, at, statement, (Found("order", at, (order_id(number),), "mismatch", None, frozenset(fields)),))


def _upper(number: int) -> str:
    return order_id(number).upper()


def _reporting() -> list[Fault]:
    table, upper = "copies.orders", _upper
    return [
        Fault("an event was lost", "reporting", f"DELETE FROM {table} WHERE order_id = '{upper(11)}'", (Found("order", "reporting", (order_id(11),), "missing"),)),
        Fault(
            "a row was made by hand", "reporting", f"INSERT INTO {table} (order_id, state) VALUES ('00000000-0000-0000-0000-00000000ABCD', 'new')",
            (Found("order", "reporting", ("00000000-0000-0000-0000-00000000abcd",), "orphan"),),
        ),
        _mismatch("a status stayed behind", "reporting", f"UPDATE {table} SET state = 'new' WHERE order_id = '{upper(13)}'", 13, "status"),
        _mismatch("a total is a cent off", "reporting", f"UPDATE {table} SET total = total + 0.01 WHERE order_id = '{upper(14)}'", 14, "total"),
        _mismatch("a total has a hidden tenth of a cent", "reporting", f"UPDATE {table} SET total = total + 0.001 WHERE order_id = '{upper(15)}'", 15, "total"),
        _mismatch("a total is not a number", "reporting", f"UPDATE {table} SET total = 'NaN' WHERE order_id = '{upper(16)}'", 16, "total"),
        _mismatch("NULL became the empty text", "reporting", f"UPDATE {table} SET memo = '' WHERE order_id = '{upper(20)}'", 20, "note"),
        _mismatch("the empty text became NULL", "reporting", f"UPDATE {table} SET memo = NULL WHERE order_id = '{upper(21)}'", 21, "note"),
        _mismatch("a blank was added at the end", "reporting", f"UPDATE {table} SET memo = memo || ' ' WHERE order_id = '{upper(22)}'", 22, "note"),
        _mismatch("a time is a millisecond late", "reporting", f"UPDATE {table} SET placed = placed + interval '1 millisecond' WHERE order_id = '{upper(23)}'", 23, "created_at"),
        _mismatch("a weight is out of its tolerance", "reporting", f"UPDATE {table} SET weight = weight * 1.0001 + 0.001 WHERE order_id = '{upper(24)}'", 24, "weight"),
        Fault("a row was deleted in the copy alone", "reporting", f"UPDATE {table} SET deleted_at = now() WHERE order_id = '{upper(25)}'", (Found("order", "reporting", (order_id(25),), "missing"),)),
        Fault("an event was applied twice", "reporting", f"INSERT INTO {table} SELECT * FROM {table} WHERE order_id = '{upper(26)}'", (Found("order", "reporting", (order_id(26),), "duplicate"),)),
        Fault(
            "twice under two spellings of the key", "reporting",
            f"INSERT INTO {table} SELECT lower(order_id), customer, state, memo, total, weight, placed FROM {table} WHERE order_id = '{upper(27)}'",
            (Found("order", "reporting", (order_id(27),), "duplicate"),),
        ),
        Fault("a key was lost", "reporting", f"INSERT INTO {table} (order_id, state) VALUES (NULL, 'new')", (Found("order", "reporting", (None,), "null_key"),)),
        Fault("a key is no uuid", "reporting", f"INSERT INTO {table} (order_id, state) VALUES ('order-1', 'new')", (Found("order", "reporting", ("order-1",), "mismatch", "type"),)),
        Fault("two rows exchanged their notes", "reporting",
              f"UPDATE {table} SET memo = CASE order_id WHEN '{upper(32)}' THEN 'note 33' ELSE 'note 32' END WHERE order_id IN ('{upper(32)}', '{upper(33)}')",
              (Found("order", "reporting", (order_id(32),), "mismatch", None, frozenset({"note"})), Found("order", "reporting", (order_id(33),), "mismatch", None, frozenset({"note"})))),
        Fault("a line was lost from a composite key", "reporting", f"DELETE FROM copies.\"Order Lines\" WHERE order_id = '{order_id(40)}' AND line_no = 2", (Found("order_item", "reporting", (order_id(40), "2"), "missing"),)),
        Fault("a quantity is no whole number", "reporting", f"UPDATE copies.\"Order Lines\" SET qty = 1.5 WHERE order_id = '{order_id(41)}' AND line_no = 3", (Found("order_item", "reporting", (order_id(41), "3"), "mismatch", None, frozenset({"quantity"})),)),
        Fault("an article's code was cut", "reporting", f"UPDATE copies.\"Order Lines\" SET article = left(article, 5) WHERE order_id = '{order_id(42)}' AND line_no = 1", (Found("order_item", "reporting", (order_id(42), "1"), "mismatch", None, frozenset({"sku"})),)),
    ]  # fmt: skip


def _mysql(at: str) -> list[Fault]:
    return [
        Fault("an event was lost", at, f"DELETE FROM orders WHERE id = '{order_id(111)}'", (Found("order", at, (order_id(111),), "missing"),)),
        Fault("a row was made by hand", at, "INSERT INTO orders (id, status) VALUES ('00000000-0000-0000-0000-00000000abcd', 'new')", (Found("order", at, ("00000000-0000-0000-0000-00000000abcd",), "orphan"),)),
        _mismatch("a status differs in case only", at, f"UPDATE orders SET status = UPPER(status) WHERE id = '{order_id(113)}'", 113, "status"),
        _mismatch("a weight lost its last digits", at, f"UPDATE orders SET weight = ROUND(weight, 6) WHERE id = '{order_id(114)}'", 114, "weight"),
        _mismatch("a time was shifted by an hour", at, f"UPDATE orders SET created = created + INTERVAL 1 HOUR WHERE id = '{order_id(115)}'", 115, "created_at"),
        _mismatch("a time lost its microseconds", at, f"UPDATE orders SET created = DATE_FORMAT(created, '%Y-%m-%d %H:%i:%s') WHERE id = '{order_id(116)}'", 116, "created_at"),
        _mismatch("several fields at once", at, f"UPDATE orders SET status = 'lost', total = 0, due = NULL WHERE id = '{order_id(117)}'", 117, "status", "total", "due"),
        Fault("a name lost its accent", at, "UPDATE customers SET full_name = REPLACE(full_name, 'ü', 'u') WHERE customer_id = 33", (Found("customer", at, ("33",), "mismatch", None, frozenset({"name"})),)),
        Fault("a flag holds 2", at, "UPDATE customers SET vip = 2 WHERE customer_id = 34", (Found("customer", at, ("34",), "mismatch", None, frozenset({"vip"})),)),
        Fault("a number in a document changed", at, "UPDATE customers SET profile = '{\"level\": 0, \"score\": 3.51}' WHERE customer_id = 35", (Found("customer", at, ("35",), "mismatch", None, frozenset({"profile"})),)),
        Fault("a document has its keys in another order, which is lawful", at, "UPDATE customers SET profile = '{\"score\": 3.60, \"level\": 1.0}' WHERE customer_id = 36", ()),
        Fault("a list is in another order, which is lawful", at, "UPDATE customers SET tags = '[\"u1\", \"t1\"]' WHERE customer_id = 37", ()),
        Fault("a list holds an element twice", at, "UPDATE customers SET tags = '[\"t2\", \"u2\", \"u2\"]' WHERE customer_id = 38", (Found("customer", at, ("38",), "mismatch", None, frozenset({"tags"})),)),
    ]  # fmt: skip


def _deleted(at: str, *, kept: bool) -> Fault:
    found = () if kept else (Found("customer", at, ("50",), "orphan"),)
    return Fault(
        "a deleted customer lives on",
        at,
        "INSERT INTO customers (customer_id, full_name) VALUES (50, 'Customer 50')",
        found,
    )


def _app() -> list[Fault]:
    return [
        _mismatch("a total is text that is no number", "app", f"UPDATE order_search SET total = 'twelve' WHERE order_id = '{order_id(211)}'", 211, "total"),
        _mismatch("a time is text that is no time", "app", f"UPDATE order_search SET placed = 'yesterday' WHERE order_id = '{order_id(212)}'", 212, "created_at"),
        Fault("a status differs in case only, which is lawful", "app", f"UPDATE order_search SET state = upper(state) WHERE order_id = '{order_id(213)}'", ()),
        Fault("a total is kept as text, which is lawful", "app", f"UPDATE order_search SET total = CAST(total AS TEXT) WHERE order_id = '{order_id(214)}'", ()),
        Fault("an event was lost", "app", f"DELETE FROM order_search WHERE order_id = '{order_id(215)}'", (Found("order", "app", (order_id(215),), "missing"),)),
        Fault("a customer is flagged in the copy alone", "app", "UPDATE people SET gone = 1 WHERE id = 61", (Found("customer", "app", ("61",), "missing"),)),
        Fault("a deleted customer was brought back", "app", "UPDATE people SET gone = 0 WHERE id = 100", (Found("customer", "app", ("100",), "orphan"),)),
        Fault("an address is another's", "app", "UPDATE people SET email = 'someone@example.net' WHERE id = 63", (Found("customer", "app", ("63",), "mismatch", None, frozenset({"email"})),)),
    ]  # fmt: skip


def _files(at: str) -> list[Fault]:
    missing = () if at == "documents" else (Found("order", at, (order_id(311),), "missing"),)
    return [
        Fault("a row was left out of the export", at, f"DELETE FROM orders WHERE id = '{order_id(311)}'", missing),
        _mismatch("a status stayed behind", at, f"UPDATE orders SET status = 'new' WHERE id = '{order_id(313)}'", 313, "status"),
        _mismatch("NULL became the empty text", at, f"UPDATE orders SET note = '' WHERE id = '{order_id(320)}'", 320, "note"),
        _mismatch("the empty text became NULL", at, f"UPDATE orders SET note = NULL WHERE id = '{order_id(321)}'", 321, "note"),
        _mismatch("a total is a cent off", at, f"UPDATE orders SET total = total - 0.01 WHERE id = '{order_id(314)}'", 314, "total"),
        Fault("a row was exported twice", at, f"INSERT INTO orders SELECT * FROM orders WHERE id = '{order_id(315)}'", (Found("order", at, (order_id(315),), "duplicate"),)),
        Fault("a row was made by hand", at, "INSERT INTO orders (id, status) VALUES ('00000000-0000-0000-0000-00000000abcd', 'new')", (Found("order", at, ("00000000-0000-0000-0000-00000000abcd",), "orphan"),)),
    ]  # fmt: skip


def _owner() -> list[Fault]:
    return [
        Fault(
            "a total does not add up at the owner", "owner", f"UPDATE orders SET subtotal = subtotal + 1 WHERE id = '{order_id(411)}'",
            (Found("order", None, (order_id(411),), "invariant", "total_adds_up", frozenset({"total", "subtotal", "shipping"})),),
        ),
        Fault(
            "a line of no order", "owner", "INSERT INTO order_items VALUES ('00000000-0000-0000-0000-00000000dead', 1, 'SKU000001', 1, 1.00)",
            (Found("order_item", None, ("00000000-0000-0000-0000-00000000dead", "1"), "reference", "order_id", frozenset({"order_id"})),
             Found("order_item", "reporting", ("00000000-0000-0000-0000-00000000dead", "1"), "missing")),
        ),
        Fault(
            "nothing is bought", "owner", f"UPDATE order_items SET quantity = 0 WHERE order_id = '{order_id(412)}' AND line = 1",
            (Found("order_item", None, (order_id(412), "1"), "invariant", "something_is_bought", frozenset({"quantity"})),
             Found("order_item", "reporting", (order_id(412), "1"), "mismatch", None, frozenset({"quantity"}))),
        ),
    ]  # fmt: skip


CATALOGUE: tuple[Fault, ...] = (
    *_reporting(),
    *_mysql("billing"),
    _deleted("billing", kept=False),
    *_mysql("archive"),
    _deleted("archive", kept=True),
    *_app(),
    *(fault for at in ("lake", "export", "documents") for fault in _files(at)),
    *_owner(),
)
