"""Each equality of the contract language, on both sides."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from contracts.catalog import parse_catalog
from reconcilers.canonical import canonical
from reconcilers.equality_sql import equal, replica_type
from reconcilers.ports import RawColumn

if TYPE_CHECKING:
    from contracts.contract import Contract
    from reconcilers.workspace import Workspace

CONTRACT = """\
entity: thing
version: 1
team: t
owner: {{service: s, dataset: own/things}}
key: [id]
fields:
  id: {{type: int}}
  value: {{type: "{kind}"}}
replicas:
  - {{service: copy, dataset: copy/things, lag_bound: 1m, fields: {{value: {{path: value, equality: {equality}}}}}}}
"""


def contract(kind: str, equality: str) -> Contract:
    """One field under one equality."""
    return parse_catalog({"thing.yaml": CONTRACT.format(kind=kind, equality=equality)}).contracts["thing"]


def same(workspace: Workspace, kind: str, equality: str, owner: str | None, replica: str | None) -> bool:
    """Whether the two count as the same; both arrive as text."""
    made = contract(kind, equality)
    logical, declared = made.fields["value"].type, made.replicas[0].fields[0].equality
    left = canonical(logical, RawColumn("o", "VARCHAR"))
    right = canonical(replica_type(logical, declared), RawColumn("r", "VARCHAR"))
    workspace.know_functions()
    sql = (
        f"SELECT {equal(left, right, logical, declared)} FROM (SELECT CAST(? AS VARCHAR) AS o, CAST(? AS VARCHAR) AS r)"
    )
    ((verdict,),) = workspace.cursor().execute(sql, [owner, replica]).fetchall()
    assert isinstance(verdict, bool)
    return verdict


ANY = [
    ("decimal(10,2)", "exact", "1"),
    ("decimal(10,2)", "within 0.005", "1"),
    ("decimal(10,2)", "within 10%", "1"),
    ("float", "within 0.1", "1"),
    ("int", "within 1", "1"),
    ("date", "within 1d", "2024-01-01"),
    ("time", "within 1s", "12:00:00"),
    ("timestamp", "within 1s", "2024-01-01T00:00:00Z"),
    ("timestamp", "truncated s", "2024-01-01T00:00:00Z"),
    ("time", "truncated ms", "12:00:00"),
    ("text", "case_insensitive", "a"),
    ("text", "trimmed", "a"),
    ("list<text>", "unordered", '["a"]'),
    ("text", '{mask: "*", keep_last: 4}', "a"),
    ("text", "{hash: sha256, salt: pepper}", "a"),
    ("text", "{truncated_to: 3}", "a"),
]


@pytest.mark.parametrize(("kind", "equality", "value"), ANY)
def test_null_equals_null_only(workspace: Workspace, kind: str, equality: str, value: str) -> None:
    """Under every equality, on either side."""
    assert same(workspace, kind, equality, None, None)
    assert not same(workspace, kind, equality, value, None)
    assert not same(workspace, kind, equality, None, value)


@pytest.mark.parametrize(
    ("kind", "equality", "owner", "replica", "expected"),
    [
        ("decimal(10,2)", "within 0.005", "10.00", "10.005", True),
        ("decimal(10,2)", "within 0.005", "10.00", "9.995", True),
        ("decimal(10,2)", "within 0.005", "10.00", "10.0050001", False),
        ("decimal(10,2)", "within 0.005", "-10.00", "-10.005", True),
        ("decimal(10,2)", "within 0.01", "99999999.99", "-99999999.99", False),
        ("decimal(38,2)", "within 0.005", f"{'9' * 36}.00", f"{'9' * 36}.005", True),
        ("decimal(38,2)", "within 0.005", f"{'9' * 36}.00", f"{'9' * 36}.0051", False),
        ("decimal(10,2)", "within 10%", "100.00", "110", True),
        ("decimal(10,2)", "within 10%", "100.00", "110.0001", False),
        ("decimal(10,2)", "within 10%", "110.00", "100", True),
        ("decimal(10,2)", "within 10%", "100.00", "90", True),
        ("decimal(10,2)", "within 10%", "0.00", "0.0001", False),
        ("decimal(10,2)", "within 10%", "-100.00", "-110", True),
        ("decimal(10,2)", "within 0.005", "NaN", "nan", True),
        ("decimal(10,2)", "within 0.005", "NaN", "0", False),
        ("decimal(10,2)", "within 0.005", "infinity", "infinity", True),
        ("decimal(10,2)", "within 0.005", "infinity", "-infinity", False),
        ("float", "within 0.1", "0.3", "0.4", True),
        ("float", "within 0.1", "0.3", "0.40000000000000008", False),
        ("float", "within 0.1", "NaN", "NaN", True),
        ("float", "within 0.1", "infinity", "infinity", True),
        ("float", "within 0.1", "infinity", "1", False),
        ("int", "within 1", "9223372036854775807", "9223372036854775808", True),
        ("int", "within 1", "1", "3", False),
        ("int", "within 10%", "100", "110", True),
        ("int", "within 10%", "100", "111", False),
        ("enum(Paid,Open)", "exact", "Paid", "PAID", False),
        ("enum(Paid,Open)", "case_insensitive", "Paid", "PAID", True),
        ("enum(Paid,Open)", "case_insensitive", "Paid", "OPEN", False),
        ("enum(Paid,Open)", "trimmed", "Paid", " Paid ", True),
        ("enum(Paid,Open)", "{truncated_to: 3}", "Paid", "Pai", True),
        ("enum(Paid,Open)", "{truncated_to: 3}", "Paid", "Paid", False),
        ("enum(Paid,Open)", "[trimmed, case_insensitive]", "Paid", " paid", True),
        ("timestamp", "within 5s", "2024-01-01T00:00:00Z", "2024-01-01T00:00:05Z", True),
        ("timestamp", "within 5s", "2024-01-01T00:00:00Z", "2024-01-01T00:00:05.000001Z", False),
        ("timestamp", "within 5s", "2024-01-01T00:00:00Z", "2023-12-31T23:59:55Z", True),
        ("timestamp", "within 5s", "infinity", "infinity", True),
        ("timestamp", "within 5s", "infinity", "9999-12-31T23:59:59Z", False),
        ("date", "within 1d", "2024-02-28", "2024-02-29", True),
        ("date", "within 1d", "2024-02-28", "2024-03-01", False),
        ("date", "within 1d", "infinity", "infinity", True),
        ("date", "within 1d", "infinity", "2024-01-01", False),
    ],
)  # fmt: skip
def test_within_includes_its_bounds_and_is_computed_in_decimal(
    workspace: Workspace,
    kind: str,
    equality: str,
    owner: str,
    replica: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """In the field's unit or in percent of the owner's value, never in binary floating point."""
    assert same(workspace, kind, equality, owner, replica) is expected


@pytest.mark.parametrize(
    ("equality", "owner", "replica", "expected"),
    [
        ("truncated s", "2024-01-01T00:00:00.999999Z", "2024-01-01T00:00:00Z", True),
        ("truncated s", "2024-01-01T00:00:00.9995Z", "2024-01-01T00:00:01Z", False),
        ("truncated s", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", True),
        ("truncated s", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z", False),
        ("truncated ms", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z", True),
        ("truncated us", "0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:00Z", False),
        ("truncated ms", "-infinity", "-infinity", True),
        ("truncated ms", "infinity", "-infinity", False),
    ],
)
def test_truncated_cuts_toward_the_past(
    workspace: Workspace,
    equality: str,
    owner: str,
    replica: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """Before 1970 too, where cutting toward zero would cut toward the future; on both sides alike."""
    assert same(workspace, "timestamp", equality, owner, replica) is expected
    assert same(workspace, "timestamp", equality, replica, owner) is expected


def test_times_of_day_are_cut_too(workspace: Workspace) -> None:
    """A time's fraction goes, 24:00 stays the end of the day."""
    assert same(workspace, "time", "truncated s", "23:59:59.999999", "23:59:59")
    assert not same(workspace, "time", "truncated s", "23:59:59.999999", "24:00:00")
    assert same(workspace, "time", "truncated s", "24:00:00", "24:00:00")


@pytest.mark.parametrize(
    ("owner", "replica", "expected"),
    [
        ("Straße", "STRASSE", True),
        ("ẞ", "ss", True),
        ("ſ", "S", True),
        ("Kelvin", "\u212aelvin", True),
        ("İ", "i\u0307", True),
        ("İ", "i", False),
        ("ı", "i", False),
        ("ΣΑΣ", "σας", True),
        ("é", "e\u0301", False),
        ("a", "b", False),
    ],
)
def test_case_insensitive_is_full_unicode_case_folding(
    workspace: Workspace,
    owner: str,
    replica: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """ß folds to ss, ſ to s; no normalisation, no language."""
    assert same(workspace, "text", "case_insensitive", owner, replica) is expected
    assert same(workspace, "text", "case_insensitive", replica, owner) is expected


def test_trimmed_takes_white_space_off_both_ends_of_both_sides(workspace: Workspace) -> None:
    """Unicode's, and nothing from the middle; a zero-width space is none."""
    assert same(workspace, "text", "trimmed", "\u2003a b\t", "\n a b\u3000")
    assert not same(workspace, "text", "trimmed", "a b", "ab")
    assert not same(workspace, "text", "trimmed", "a", "a\u200b")


def test_several_equalities_apply_in_order_to_both_sides(workspace: Workspace) -> None:
    """As a list."""
    assert same(workspace, "text", "[trimmed, case_insensitive]", " A", "a ")
    assert not same(workspace, "text", "[trimmed]", " A", "a ")


def test_unordered_compares_lists_as_multisets(workspace: Workspace) -> None:
    """How often an element stands counts, where it stands does not; elements compare under their own type."""
    assert same(workspace, "list<decimal(6,2)>", "unordered", "[1.1, 2]", "[2.00, 1.10]")
    assert not same(workspace, "list<text>", "unordered", '["a","a","b"]', '["a","b","b"]')
    assert not same(workspace, "list<text>", "exact", '["a","b"]', '["b","a"]')


@pytest.mark.parametrize(
    ("owner", "replica", "expected"),
    [
        ("4111111111111111", "************1111", True),
        ("123", "123", True),
        ("1234", "1234", True),
        ("12345", "*2345", True),
        ("12345", "2345", False),
        ("", "", True),
        ("naïve🎈", "**ïve🎈", True),
    ],
)
def test_a_mask_keeps_the_length_and_the_last_characters(
    workspace: Workspace,
    owner: str,
    replica: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """A value shorter than what is kept stands there whole; characters are code points."""
    assert same(workspace, "text", '{mask: "*", keep_last: 4}', owner, replica) is expected


def test_a_mask_that_keeps_nothing_hides_all(workspace: Workspace) -> None:
    """The length alone is left."""
    assert same(workspace, "text", '{mask: "x", keep_last: 0}', "abc", "xxx")
    assert not same(workspace, "text", '{mask: "x", keep_last: 0}', "abc", "xxc")


def test_a_hash_is_hex_of_sha256_over_salt_and_canonical_text(workspace: Workspace) -> None:
    """Of a number, of its canonical text; in UTF-8."""
    digest = hashlib.sha256("pepperé".encode()).hexdigest()
    assert same(workspace, "text", "{hash: sha256, salt: pepper}", "é", digest)
    assert not same(workspace, "text", "{hash: sha256, salt: salt}", "é", digest)
    number = hashlib.sha256(b"7").hexdigest()
    assert same(workspace, "int", "{hash: sha256}", "007", number)


def test_truncated_to_counts_code_points_of_the_owner_s_text_alone(workspace: Workspace) -> None:
    """A replica that holds more than that is wrong."""
    assert same(workspace, "text", "{truncated_to: 3}", "🎈abc", "🎈ab")
    assert same(workspace, "text", "{truncated_to: 3}", "ab", "ab")
    assert not same(workspace, "text", "{truncated_to: 3}", "🎈abc", "🎈abc")


def test_what_the_owner_holds_wrongly_is_not_compared_and_what_a_replica_holds_wrongly_is_never_equal(
    workspace: Workspace,
) -> None:
    """Whatever the equality."""
    assert same(workspace, "decimal(10,2)", "within 10%", "x", "1")
    assert not same(workspace, "decimal(10,2)", "within 10%", "1", "x")
    assert not same(workspace, "timestamp", "truncated s", "2024-01-01T00:00:00Z", "2024-02-30T00:00:00Z")
