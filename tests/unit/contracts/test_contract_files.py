"""The shape of a contract file: every mistake is told with its line, and one never hides another."""

from __future__ import annotations

import pytest

from contracts.errors import ContractError
from tests.unit.contracts.samples import CUSTOMER, ORDER, check, errors, order


def test_the_samples_are_right() -> None:
    assert errors(ORDER, CUSTOMER) == []
    assert check(ORDER, CUSTOMER).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "team: checkout",
            "teem: checkout",
            "1.yaml:3: unknown key `teem`; did you mean `team`?; known here: entity, version,",
        ),
        ("    lag_bound: 5m", "    lagbound: 5m", "1.yaml:24: unknown key `lagbound`; did you mean `lag_bound`?"),
        ("{type: uuid}", "{typ: uuid}", "1.yaml:10: unknown key `typ`; did you mean `type`?"),
        ("entity: order\n", "", "1.yaml:1: `entity` is missing: the entity's name, such as order"),
        ("version: 3\n", "", "1.yaml:1: `version` is missing: the contract's version"),
        ("key: [id]\n", "", "1.yaml:1: `key` is missing: the names of the key's fields"),
        ("  service: order-service\n", "", "1.yaml:4: `service` is missing: the service that owns the entity"),
        ("{name: not_less_than_net, ", "{", "1.yaml:19: `name` is missing: the rule's name in reports"),
        (
            "version: 3",
            'version: "3"',
            "1.yaml:2: `version`: expected a whole number of 1 or more, without quotes; found a text",
        ),
        (
            "version: 3",
            "version: 1.5",
            "1.yaml:2: `version`: expected a whole number of 1 or more, without quotes; found the number 1.5",
        ),
        ("version: 3", "version: 0", "1.yaml:2: `version`: expected a whole number of 1 or more"),
        (
            "version: 3",
            "version: true",
            "1.yaml:2: `version`: expected a whole number of 1 or more, without quotes; found the boolean true",
        ),
        (
            "entity: order",
            "entity: 5",
            "1.yaml:1: `entity`: expected a name, found the number 5; a text that looks like a number",
        ),
        ("entity: order", "entity: [order]", "1.yaml:1: `entity`: expected a name, found a list"),
        (
            "entity: order",
            'entity: " "',
            "1.yaml:1: `entity`: ' ' is no name; expected one without white space at its ends",
        ),
        (
            "entity: order",
            'entity: "or\\u200bder"',
            "1.yaml:1: `entity`: the name 'or\\u200bder' holds the invisible character U+200B",
        ),
        (
            "entity: order",
            "entity: " + "x" * 201,
            "1.yaml:1: `entity`: the name has 201 characters; expected 200 at most",
        ),
        ("team: checkout", "team: 5", "1.yaml:3: `team`: expected a text, found the number 5"),
        ("key: [id]", "key: id", "1.yaml:8: `key`: expected a list, found a text"),
        ("key: [id]", "key: []", "1.yaml:8: `key` is empty; expected at least one entry"),
        ("key: [id]", "key: [1]", "1.yaml:8: `key`: expected a name, found the number 1"),
        ("critical: true", "critical: yes", "1.yaml:12: `critical`: expected true or false, found the text 'yes'"),
        ("critical: true", "critical: 1", "1.yaml:12: `critical`: expected true or false, found the number 1"),
        ("{type: uuid}", "uuid", "1.yaml:10: `id`: expected a mapping, found a text"),
        ("{type: uuid}", "{type: guid}", "1.yaml:10: `type`: unknown type 'guid'; expected one of int, float, text"),
        ('"decimal(10,2)"', "decimal", "1.yaml:13: `type`: unknown type 'decimal'"),
        ('"decimal(10,2)"', '"decimal(2,10)"', "1.yaml:13: `type`: decimal(2,10) is impossible"),
        (
            '"enum(open,paid)"',
            '"enum(open,open)"',
            "1.yaml:12: `type`: enum(open,open) needs different, non-empty members",
        ),
        (
            "lag_bound: 5m",
            "lag_bound: 300",
            "1.yaml:24: `lag_bound`: the duration 300 has no unit (ms, s, m, h, d); write 300s for seconds",
        ),
        ("lag_bound: 5m", "lag_bound: 5 minutes", "1.yaml:24: `lag_bound`: '5 minutes' is no duration"),
        ("lag_bound: 5m", "lag_bound: 0s", "1.yaml:24: `lag_bound` is 0; no copy is written in the same moment"),
        ("lag_bound: 5m", "ttl: forever", "1.yaml:24: `ttl`: 'forever' is no duration"),
        (
            "lag_bound: 5m",
            "deletes: soft",
            "1.yaml:24: `deletes`: `soft` needs the replica's column that tells: write {soft: is_deleted}",
        ),
        (
            "lag_bound: 5m",
            "deletes: never",
            "1.yaml:24: `deletes`: expected propagate, keep or {soft: COLUMN}, found 'never'",
        ),
        (
            "lag_bound: 5m",
            "deletes: {soft: 1}",
            "1.yaml:24: `deletes`: expected the name of a column or a path, found the number 1",
        ),
        (
            "lag_bound: 5m",
            "completeness: half",
            "1.yaml:24: `completeness`: expected 'full' or 'partial', found 'half'",
        ),
        ("lag_bound: 5m", "format: xml", "1.yaml:24: `format`: expected 'json', 'hash' or 'string', found 'xml'"),
        (
            "lag_bound: 5m",
            "applied_by: {feed: x}",
            "1.yaml:24: `group_id` is missing: the consumer group that fills the replica",
        ),
        ("lag_bound: 5m", "feed: shop", "1.yaml:24: `feed`: expected a mapping, found a text"),
        ("reporting/orders", "orders", "1.yaml:22: `dataset`: 'orders' is no dataset; expected CONNECTION/RELATION"),
        ("reporting/orders", "reporting/", "1.yaml:22: `dataset`: 'reporting/' is no dataset"),
        (
            "reporting/orders",
            "7",
            "1.yaml:22: `dataset`: expected a dataset as CONNECTION/RELATION, found the number 7",
        ),
        (
            "[customer_id, status, total]",
            "[customer_id, 5]",
            "1.yaml:23: `fields`: expected a name, found the number 5",
        ),
        (
            "[customer_id, status, total]",
            "[total, total]",
            "1.yaml:23: `fields`: the field `total` stands twice in the list",
        ),
        ("[customer_id, status, total]", "total", "1.yaml:23: `fields`: expected a mapping, found a text"),
        (
            "status: state",
            "status: 5",
            "1.yaml:29: `status`: expected the replica's own name or a mapping, found the number 5",
        ),
        ("status: state", 'status: ""', "1.yaml:29: `status`: the name of a column or a path is empty"),
        (
            "equality: within 0.005",
            "timezone: Mars/Base",
            "1.yaml:30: `timezone`: 'Mars/Base' is no time zone; expected an IANA name",
        ),
        (
            "  - service: search",
            "  - 5\n  - service: search",
            "1.yaml:25: `replicas`: expected a mapping, found the number 5",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: [updated_at]",
            "1.yaml:7: `changed_at`: expected a mapping, found a list",
        ),
        (
            "  changed_at: updated_at",
            "  changed_at: {field: updated_at, maintained_by: me}",
            "1.yaml:7: `maintained_by`: expected 'application' or 'database', found 'me'",
        ),
        (
            "  changed_at: updated_at",
            "  soft_delete: {field: is_deleted, retention: 90}",
            "1.yaml:7: `retention`: the duration 90 has no unit",
        ),
        (
            "  id: {type: uuid}\n",
            "  id: {type: uuid}\n  id: {type: int}\n",
            "1.yaml:11: the key `id` stands twice, first in line 10",
        ),
    ],
)
def test_a_mistake_of_shape_is_told_once_with_its_line(old: str, new: str, wanted: str) -> None:
    """Line, key, what was found and what was expected; nothing that follows from it alone."""
    (found,) = errors(order(old, new), CUSTOMER)
    assert found.startswith(wanted)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "lag_bound: 5m",
            "lag_bound:",
            "1.yaml:24: `lag_bound` is left blank; decide on it (how long the copy may lawfully trail",
        ),
        (
            "lag_bound: 5m",
            "deletes:",
            "1.yaml:24: `deletes` is left blank; decide on it (what becomes of a row here when the owner's goes",
        ),
        (
            "lag_bound: 5m",
            "completeness: ~",
            "1.yaml:24: `completeness` is left blank; decide on it (full where every owner row",
        ),
        (
            "team: checkout",
            "team:",
            "1.yaml:3: `team` is left blank; decide on it (who answers for the contract), or remove the line",
        ),
        (
            "entity: order",
            "entity:",
            "1.yaml:1: `entity` is left blank; decide on it (the entity's name, such as order)",
        ),
        ("{type: uuid}", "{type: }", "1.yaml:10: `type` is left blank; decide on it (the field's logical type"),
    ],
)
def test_a_blank_is_a_missing_decision(old: str, new: str, wanted: str) -> None:
    """What `contracts infer` leaves open is asked for by name; the default is never taken silently."""
    (found,) = errors(order(old, new), CUSTOMER)
    assert found.startswith(wanted)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "team: checkout",
            "tenant: tenant_id",
            "1.yaml:3: `tenant` (reports and targets per tenant): not supported yet by this version",
        ),
        (
            "  dataset: orders_db/public.orders\n",
            "  shards: {datasets: [a/b, c/d]}\n  dataset: orders_db/public.orders\n",
            "1.yaml:6: `shards` (an owner spread over several datasets): not supported yet by this version",
        ),
        (
            "  net: {",
            '  items: {type: int, derived: "count(item)"}\n  net: {',
            "1.yaml:14: `derived` (a field computed over a child entity): not supported yet by this version",
        ),
        (
            "lag_bound: 5m",
            "via: search",
            "1.yaml:24: `via` (the copy that this one is made from): not supported yet by this version",
        ),
        (
            "lag_bound: 5m",
            'each: "items[]"',
            "1.yaml:24: `each` (one row for each element of a document): not supported yet",
        ),
        (
            "lag_bound: 5m",
            "match: multiset",
            "1.yaml:24: `match` (how the elements of a document are matched): not supported yet",
        ),
        (
            "lag_bound: 5m",
            "aggregate: {of: creations}",
            "1.yaml:24: `aggregate` (a copy that holds sums and counts): not supported yet",
        ),
        (
            "status: state",
            '"customer_id.email": mail',
            "1.yaml:29: `customer_id.email` (a field of another owner, reached through a reference): not suppor",
        ),
    ],
)
def test_what_comes_later_is_recognised_and_refused(old: str, new: str, wanted: str) -> None:
    """The language is settled further than this version goes; nothing of it is silently ignored."""
    (found,) = errors(order(old, new), CUSTOMER)
    assert found.startswith(wanted)


def test_several_owners_are_recognised_and_refused() -> None:
    owners = "owners:\n  - {service: a, dataset: a/b, rows: true}\n  - {service: c, dataset: c/d, fields: [total]}\n"
    text = ORDER.replace(ORDER[ORDER.index("owner:") : ORDER.index("key:")], owners)
    assert errors(text, CUSTOMER) == [
        "1.yaml:4: `owners` (fields of one entity with several owners): not supported yet by this version"
    ]


def test_every_mistake_of_every_file_is_told_at_once() -> None:
    """Ten mistakes are ten lines of one look, sorted by file and line, not ten looks."""
    wrong = (
        ORDER.replace("version: 3", 'version: "3"')
        .replace("changed_at: updated_at", "changed_at: net")
        .replace("references: customer", "references: custommer")
        .replace("critical: true", "critical: yes")
        .replace('{type: "decimal(10,2)"}', "{type: money}", 1)
        .replace("total >= net", "total >= 'x' AND nett > 0")
        .replace("[customer_id, status, total]", "[customer_id, state]")
        .replace("lag_bound: 5m", "lag_bound: 300")
        .replace("service: search", "service: reporting")
        .replace("within 0.005", "exakt")
    )
    found = errors(wrong, CUSTOMER.replace("team: crm", "\tteam: crm"), "entity: product\n")
    assert [line.split(": ")[0] for line in found] == [
        *(f"1.yaml:{line}" for line in (2, 7, 11, 12, 13, 19, 23, 24, 25, 30)),
        "2.yaml:3",
        *["3.yaml:1"] * 4,
    ]


def test_what_follows_from_a_mistake_is_not_told_again() -> None:
    """A field whose type is a typing mistake is still a field: rules and replicas that use it are not to blame."""
    assert len(errors(order('total: {type: "decimal(10,2)"}', "total: {type: money}"), CUSTOMER)) == 1
    assert len(errors(order("key: [id]", "key: id"), CUSTOMER)) == 1
    assert len(errors(order("entity: order", "entity: 5"), CUSTOMER, ORDER.replace("orders", "orders2"))) == 1


def test_names_may_hold_anything_that_can_be_seen() -> None:
    """Fields, services and relations are spelled as their owners spell them."""
    text = """\
entity: 注文
version: 1
team: "équipe"
owner: {service: "s'1", dataset: 'db/dbo.Order "Details"', changed_at: "when; DROP TABLE x"}
key: ["Größe (cm)"]
fields:
  "Größe (cm)": {type: int}
  "when; DROP TABLE x": {type: timestamp}
  no: {type: text}
  2026-01-31: {type: text}
  "a.b": {type: text}
replicas:
  - {service: "r'2", dataset: "x/y/z.csv", lag_bound: 5m, fields: [no, 2026-01-31, "a.b"]}
"""
    contract = check(text).contract("注文")
    assert contract.key == ("Größe (cm)",)
    assert [mapped.path for mapped in contract.replicas[0].fields] == ["no", "2026-01-31", "a.b"]
    assert str(contract.replicas[0].dataset) == "x/y/z.csv"


def test_a_contract_without_its_main_parts_asks_for_each_of_them() -> None:
    assert errors("entity: a\n") == [
        "1.yaml:1: `fields` is missing: the entity's fields with their types",
        "1.yaml:1: `key` is missing: the names of the key's fields",
        "1.yaml:1: `owner` is missing: the one dataset that decides the entity's values",
        "1.yaml:1: `version` is missing: the contract's version, a whole number raised with every breaking change",
    ]


def test_a_field_whose_name_is_none_is_told_once() -> None:
    """It is taken out as a whole: that it has no type either is no news."""
    (found,) = errors(order("  net: {", '  " ": {}\n  net: {'), CUSTOMER)
    assert found.startswith("1.yaml:14: ` `: ' ' is no name; expected one without white space at its ends")


def test_the_error_holds_every_problem() -> None:
    with pytest.raises(ContractError) as caught:
        check("a: 1\n")
    assert len(caught.value.problems) == 6
    assert all(problem.severity == "error" for problem in caught.value.problems)
    assert "next: correct the contracts" in str(caught.value)
