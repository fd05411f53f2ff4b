"""What contracts must keep beyond their shape, each by itself and together."""

from __future__ import annotations

import pytest

from contracts.errors import ContractError
from contracts.owner_query import TEXT_CHARACTERS_MAX, query_problem
from tests.unit.contracts.samples import CUSTOMER, ORDER, check, errors, order


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        # key
        ("key: [id]", "key: [uid]", "1.yaml:8: unknown field `uid`; did you mean `id`?, used in `key`"),
        ("key: [id]", "key: [id, id]", "1.yaml:8: the key field `id` stands twice in `key`"),
        (
            "{type: uuid}",
            "{type: float}",
            "1.yaml:8: the key field `id` is of type float, which cannot tell rows apart",
        ),
        (
            "{type: uuid}",
            "{type: uuid, equality: ignored}",
            "1.yaml:10: the key field `id` has an equality, but a key is compared exactly; take it away",
        ),
        (
            "{id: order_id}",
            "{id: {path: order_id, equality: trimmed}}",
            "1.yaml:27: the key field `id` has an equality, but a key is compared exactly",
        ),
        # fields
        ("meaning: where it stands, ", "", "1.yaml:12: the critical field `status` has no `meaning`"),
        (
            '{type: "decimal(10,2)"}',
            '{type: "decimal(10,2)", equality: trimmed}',
            "1.yaml:13: the equality of `total` does not fit: `trimmed` is for text and enum, not decimal(10,2)",
        ),
        (
            '{type: "decimal(10,2)"}',
            '{type: "decimal(10,2)", equality: exakt}',
            "1.yaml:13: the equality of `total` cannot be read: unknown equality 'exakt'; did you mean `exact`?",
        ),
        (
            "status: state",
            "status: {path: state, equality: unordered}",
            "1.yaml:29: the equality of `status` does not fit: `unordered` is for lists, not enum(open,paid)",
        ),
        (
            "within 0.005",
            "truncated ms",
            "1.yaml:30: the equality of `total` does not fit: `truncated ms` is for times, not decimal(10,2)",
        ),
        (
            "within 0.005",
            "[within 1, trimmed]",
            "1.yaml:30: the equality of `total` cannot be read: `within` must be the last equality of the list",
        ),
        # owner
        ("  dataset: orders_db/public.orders\n", "", "1.yaml:4: the owner needs a `dataset`, a `query` or a `feed`"),
        (
            "  changed_at: updated_at",
            "  query: {connection: a, sql: SELECT 1}",
            "1.yaml:7: an owner has a `dataset` or a `query`, not both",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: total",
            "1.yaml:7: `changed_at` names the field `total` of type decimal(10,2); expected one of timestamp, t",
        ),
        (
            "  changed_at: updated_at",
            "  soft_delete: {field: total}",
            "1.yaml:7: `soft_delete` names the field `total` of type decimal(10,2); expected one of bool, int,",
        ),
        (
            "dataset: orders_db/public.orders",
            'query: {connection: a, sql: "DELETE FROM t"}',
            "1.yaml:6: the query begins with DELETE; expected one SELECT",
        ),
        # rules
        (
            "total >= net",
            "total >= nett",
            "1.yaml:19: expression \"total >= nett\": unknown name 'nett' (at character 10); expected one of cu",
        ),
        ("total >= net", "total", '1.yaml:19: expression "total": its result is decimal; expected bool'),
        (
            "total >= net",
            "sum(total) > 0",
            '1.yaml:19: expression "sum(total) > 0": sum(…) is no function of the language',
        ),
        (
            "total >= net",
            "status = 'sold'",
            "1.yaml:19: expression \"status = 'sold'\": 'sold' is no member of enum(open,paid)",
        ),
        (
            "name: not_less_than_net",
            "name: type",
            "1.yaml:19: the invariant name `type` is taken by findings of another kind",
        ),
        (
            "name: not_less_than_net",
            "name: customer_id",
            "1.yaml:19: the invariant name `customer_id` is taken by findings",
        ),
        (
            "lag_bound: 5m",
            "where: stat = 'open'",
            "1.yaml:24: expression \"stat = 'open'\": unknown name 'stat' (at character 1)",
        ),
        (
            "lag_bound: 5m",
            "where: total + 1",
            '1.yaml:24: expression "total + 1": its result is decimal; expected bool',
        ),
        (
            "lag_bound: 5m",
            "select: doc_type = 1 OR 'x'",
            "1.yaml:24: expression \"doc_type = 1 OR 'x'\": OR needs a condition, not the text 'x'",
        ),
        ("lag_bound: 5m", "select: doc_type = 1; DROP TABLE x", "';' is not part of the language (at character 13)"),
        # references
        (
            "references: customer",
            "references: custmer",
            "1.yaml:11: `customer_id` references the unknown entity `custmer`; did you mean `customer`?",
        ),
        (
            "customer_id: {type: uuid",
            "customer_id: {type: int",
            "1.yaml:11: `customer_id` is of type int, but what it references, the key of `customer`, is of type",
        ),
        # replicas
        (
            "service: search",
            "service: reporting",
            "1.yaml:25: two replicas are called `reporting`, the other in line 21; give this one a `name`",
        ),
        ("service: search", "service: search\n    name: reporting", "1.yaml:26: two replicas are called `reporting`"),
        (
            "[customer_id, status, total]",
            "[customer_id, state]",
            "1.yaml:23: unknown field `state`; did you mean `status`?",
        ),
        ("status: state", "state: status", "1.yaml:29: unknown field `state`; did you mean `status`?"),
        (
            "{id: order_id}",
            "[order_id]",
            "1.yaml:27: `order_id` is no key field of order (its key is id); `key` maps contract names to",
        ),
        (
            "status: state",
            "id: other_id",
            "1.yaml:27: the key field `id` stands under `key` and under `fields` with different names",
        ),
        ("    dataset: reporting/orders\n", "", "1.yaml:21: the replica `reporting` needs a `dataset` or a `feed`"),
        (
            "reporting/orders",
            "orders_db/public.orders",
            "1.yaml:22: the replica `reporting` is the owner's own dataset orders_db/public.orders",
        ),
        (
            "status: state",
            "status: {path: state, timezone: Europe/Berlin}",
            "1.yaml:29: `status` has a timezone but is of type enum(open,paid); only a timestamp needs one",
        ),
        ("search/orders", "reporting/orders", None),
        ("amount, equality", "total, equality", None),
    ],
)
def test_a_rule_that_is_broken_is_told_with_its_line(old: str, new: str, wanted: str | None) -> None:
    found = errors(order(old, new), CUSTOMER)
    if wanted is None:
        assert found == []
    else:
        assert len(found) == 1
        assert wanted in found[0]


def test_an_entity_has_one_contract() -> None:
    other = ORDER.replace("orders", "orders2")
    assert errors(ORDER, CUSTOMER, other) == ["3.yaml:1: two contracts own the entity `order`; the other is 1.yaml:1"]


def test_a_composite_key_cannot_be_referenced() -> None:
    customer = CUSTOMER.replace("key: [id]", "key: [id, email]")
    (found,) = errors(ORDER, customer)
    assert found.startswith("1.yaml:11: `customer_id` references `customer`, whose key has several fields (id, email);")


def test_references_may_go_in_circles() -> None:
    customer = CUSTOMER.replace("sensitive: true}", "sensitive: true}\n  last_order: {type: uuid, references: order}")
    assert errors(ORDER, customer) == []


def test_a_field_has_one_owner() -> None:
    """Two entities may live in one table, but a column that is no key belongs to one of them."""
    shared = CUSTOMER.replace("crm/customers", "orders_db/public.orders")
    wanted = "2.yaml:9: the owner of customer and the owner of order (1.yaml:17) both claim the column `updated_at` of"
    (found,) = errors(ORDER, shared)
    assert found.startswith(wanted)
    assert found.endswith("let one of them have it, or tell their rows apart with a `select` in each")
    copied = (
        CUSTOMER
        + "replicas:\n  - {service: s, dataset: orders_db/public.orders, fields: {email: total}, lag_bound: 5m}\n"
    )
    (found,) = errors(ORDER, copied)
    assert found.startswith(
        "2.yaml:11: the replica `s` of customer and the owner of order (1.yaml:13) both claim the column `total`"
    )
    lawful = copied.replace("email: total", "email: customer_email")
    assert errors(ORDER, lawful) == []


CLAIM = "replicas:\n  - service: search\n    dataset: search/orders\n    fields: {email: state}\n    lag_bound: 5m\n"


def test_a_column_of_a_replica_is_claimed_once() -> None:
    (found,) = errors(ORDER, CUSTOMER + CLAIM)
    assert found.startswith(
        "2.yaml:13: the replica `search` of customer and the replica `search` of order (1.yaml:29) both"
    )


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("doc_type = 'order'", "doc_type = 'customer'", 0),
        ("doc_type = 'order'", "doc_type  = 'order'", 1),
        ("doc_type = 'order'", None, 1),
        (None, "doc_type = 'customer'", 1),
    ],
)
def test_a_select_in_each_tells_rows_of_one_dataset_apart(first: str | None, second: str | None, count: int) -> None:
    """Documents of several kinds share an index: then both replicas say which documents are theirs."""
    one = order("lag_bound: 30s", f'lag_bound: 30s\n    select: "{first}"') if first else ORDER
    other = CUSTOMER + CLAIM + (f'    select: "{second}"\n' if second else "")
    assert len(errors(one, other)) == count


def test_key_columns_are_no_claims() -> None:
    """Which row it is may be said by everybody."""
    claim = CLAIM.replace(
        "    fields: {email: state}\n", "    key: {id: order_id}\n    fields: {email: customer_email}\n"
    )
    assert errors(ORDER, CUSTOMER + claim) == []


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("team: checkout\n", "", "1.yaml:1: warning: the contract of order names no `team`: nobody answers for it"),
        (
            "  changed_at: updated_at\n",
            "",
            "1.yaml:4: warning: the owner of order has no `changed_at` and no `feed`: when a row changed stays unknown",
        ),
        ("    lag_bound: 5m\n", "", "1.yaml:21: warning: the replica `reporting` has no `lag_bound`: 5m is taken"),
        (
            "status: state",
            "status: amount",
            "1.yaml:30: warning: `status` and `total` are both compared with `amount` of `search`",
        ),
    ],
)
def test_a_doubt_is_a_warning_and_stops_nothing(old: str, new: str, wanted: str) -> None:
    assert [str(warning) for warning in check(order(old, new), CUSTOMER).warnings] == [wanted]


def test_an_owner_column_that_is_no_field_may_tell_changes_and_deletes() -> None:
    """The store knows its columns; only a name that looks like a typing mistake is a doubt."""
    own = order("changed_at: updated_at", "changed_at: touched\n  soft_delete: {field: created_or_gone}")
    assert check(own, CUSTOMER).warnings == ()
    (warning,) = check(order("changed_at: updated_at", "changed_at: updatd_at"), CUSTOMER).warnings
    told = "1.yaml:7: warning: `changed_at` names the column `updatd_at`, which is no field; is `updated_at` meant?"
    assert str(warning) == told


@pytest.mark.parametrize(
    ("old", "new"),
    [("    lag_bound: 5m\n", "    ttl: 1h\n"), ("  changed_at: updated_at\n", "  feed: {name: shop, topic: orders}\n")],
)
def test_a_ttl_bounds_the_lag_and_a_feed_tells_changes(old: str, new: str) -> None:
    assert check(order(old, new), CUSTOMER).warnings == ()


def test_stores_known_only_by_their_feed_are_read() -> None:
    """Feeds are followed by a later command; the contract says so today."""
    text = order("  dataset: orders_db/public.orders\n", "  feed: {name: shop, topic: shop.public.orders}\n")
    text = text.replace("    dataset: reporting/orders\n", "    feed: {name: shop, topic: copy.orders}\n")
    contract = check(text, CUSTOMER).contract("order")
    assert contract.owner.dataset is None
    assert contract.owner.feed is not None
    assert contract.replicas[0].feed is not None
    assert contract.replicas[0].feed.topic == "copy.orders"


def test_a_salt_that_stands_for_nothing_is_told_at_its_place() -> None:
    from contracts.catalog import parse_catalog

    def expand(text: str) -> str:
        raise ValueError(f"the variable {text} is not set")

    text = CUSTOMER + CLAIM.replace("email: state", 'email: {path: state, equality: {hash: sha256, salt: "${PEPPER}"}}')
    with pytest.raises(
        ContractError, match=r"a.yaml:13: error: the equality of `email` cannot be read: the variable \$\{PEPPER\}"
    ):
        parse_catalog({"a.yaml": text}, expand)
    assert parse_catalog({"a.yaml": text}).contract("customer").replicas[0].fields[0].equality.steps


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("SELECT * FROM orders", ""),
        ("select a from t; ", ""),
        ("WITH x AS (SELECT 1) SELECT * FROM x", ""),
        ("(SELECT 1) UNION ALL (SELECT 2)", ""),
        ("SELECT 'x; DELETE', \"update\", replace(a, 'b', 'c') FROM t -- DROP", ""),
        ("SELECT `update` FROM t", ""),
        ("", "the query is empty; expected one SELECT"),
        (" ; ", "the query is empty"),
        ("UPDATE t SET a = 1", "the query begins with UPDATE; expected one SELECT"),
        ("SELECT 1; DROP TABLE t", "the query holds several statements; expected one SELECT"),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "the query holds DELETE, which may write or lock"),
        ("SELECT * FROM t FOR UPDATE", "the query holds UPDATE, which may write or lock"),
        ("SELECT * INTO x FROM t", "the query holds INTO, which may write or lock"),
        ("SELECT 'x", "the query cannot be read: a quoted text or name does not end"),
        ("SELECT " + "1," * TEXT_CHARACTERS_MAX + "1", f"at most {TEXT_CHARACTERS_MAX} are read"),
    ],
)
def test_an_owner_query_is_one_select_that_writes_nothing(sql: str, wanted: str) -> None:
    """No contract text can smuggle a write; the stores are read in read-only transactions as well."""
    problem = query_problem(sql)
    assert wanted in problem
    assert bool(problem) == bool(wanted)
