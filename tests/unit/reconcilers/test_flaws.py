"""Which differences a feed may have made itself."""

from __future__ import annotations

import pytest

from auditor.feeds.cells import TRUNCATED, WRAPS
from auditor.feeds.flaws import flaws_of
from auditor.feeds.rows import DEFAULTS_UNTOLD
from contracts.contract import Contract, Field, FieldMap, Owner, Replica
from contracts.equality import Equality
from contracts.logical_types import parse_logical_type
from reconcilers.doubts import Doubts
from reconcilers.finding import FieldDifference
from reconcilers.flaws import Flaw, excuse, may_be_wrapped

WHY = "the connector does it"


@pytest.mark.parametrize(
    ("flaw", "kind", "told", "other", "excused"),
    [
        (Flaw.WRAPS, "int", "-1", "18446744073709551615", True),
        (Flaw.WRAPS, "int", "-1", "18446744073709551614", False),
        (Flaw.WRAPS, "text", "-1", "18446744073709551615", True),
        (Flaw.WRAPS, "text", "-x", "18446744073709551615", False),
        (Flaw.WRAPS, "decimal(22,2)", "-1.00", "18446744073709551615.00", True),
        (Flaw.WRAPS, "decimal(22,2)", "-1.00", "18446744073709551614.99", False),
        (Flaw.WRAPS, "decimal(22,2)", "5.00", "18446744073709551621.00", False),
        (Flaw.WRAPS, "float", "-1.0", "1.8446744073709552e+19", True),
        (Flaw.WRAPS, "float", "-1.0", "NaN", False),
        (Flaw.WRAPS, "float", "-infinity", "infinity", False),
        (Flaw.WRAPS, "date", "-1", "18446744073709551615", False),
        (Flaw.TRUNCATED, "timestamp", "2026-01-31T12:00:00.123000Z", "2026-01-31T12:00:00.123456Z", True),
        (Flaw.TRUNCATED, "timestamp", "2026-01-31T12:00:00.124000Z", "2026-01-31T12:00:00.123456Z", False),
        (Flaw.TRUNCATED, "time", "12:00:00.123000", "12:00:00.123999", True),
        (Flaw.NULL_IS_DEFAULT, "text", "new", None, True),
        (Flaw.NULL_IS_DEFAULT, "text", "new", "old", False),
        (Flaw.NULL_IS_DEFAULT, "text", None, "old", False),
        (Flaw.NAN_IS_NULL, "decimal(10,2)", None, "NaN", True),
        (Flaw.NAN_IS_NULL, "decimal(10,2)", None, "1.00", False),
        (Flaw.ROUNDED, "decimal(38,9)", "12345678901234567000.000000000", "12345678901234567890.123456789", True),
        (Flaw.ROUNDED, "decimal(38,9)", "12345678901234567000.000000000", "12345678901234600000.000000000", False),
        (Flaw.ROUNDED, "decimal(12,2)", "0.10", "0.11", False),
        (Flaw.ROUNDED, "decimal(12,2)", "NaN", "0.11", False),
        (Flaw.ROUNDED, "int", "9007199254740992", "9007199254740993", True),
        (Flaw.ROUNDED, "float", "0.1", "0.10000000000000001", False),
        (Flaw.ONE_BIT, "text", "true", "1", True),
        (Flaw.ONE_BIT, "text", "false", "1", False),
        (Flaw.ONE_BIT, "text", "true", "t", False),
    ],
)
def test_only_a_difference_of_exactly_its_make_is_excused(
    flaw: Flaw, kind: str, told: str | None, other: str | None, *, excused: bool
) -> None:
    """A flaw is no licence: any other difference in the same column is drift."""
    assert (excuse({flaw: WHY}, parse_logical_type(kind), told, other) == WHY) is excused


@pytest.mark.parametrize(
    ("flaw", "kind", "text"),
    [
        (Flaw.WRAPS, "int", "5"),
        (Flaw.ROUNDED, "decimal(12,2)", "0.10"),
        (Flaw.TRUNCATED, "timestamp", "2026-01-31T12:00:00.123000Z"),
        (Flaw.NULL_IS_DEFAULT, "text", "new"),
    ],
)
def test_no_flaw_explains_that_a_copy_holds_its_owners_value_in_place_of_what_it_is_to_hold(
    flaw: Flaw, kind: str, text: str
) -> None:
    """Such as the value itself in place of its digest: both sides tell the same, so neither tells it wrongly."""
    assert not excuse({flaw: WHY}, parse_logical_type(kind), text, text)


def redacted(owner: dict[Flaw, str], copied: dict[Flaw, str]) -> FieldDifference:
    """A leak in a redacted field, with what the sides' feeds cannot carry."""
    name = Field("name", parse_logical_type("text"))
    copy = Replica("copy", "copy", None, (), (FieldMap("name", "name", Equality(mode="redacted")),))
    contract = Contract("guest", 1, Owner("own"), ("id",), {"name": name}, (copy,))
    doubts = Doubts(("", ""), {}, {"name": owner}, {"name": copied})
    return doubts.excused(contract, copy, FieldDifference("name", "Ann", "Ann"))


def test_what_a_redacted_field_holds_is_compared_with_no_value_of_its_owners() -> None:
    """What becomes of the owner's value on its way does not matter.

    Of a column made anew no value is known, nor which row is whose in a topic of several tables.
    """
    every = dict.fromkeys(Flaw, WHY)
    decisive = (Flaw.RETYPED, Flaw.MIXED)
    assert not redacted(every, {flaw: WHY for flaw in Flaw if flaw not in decisive}).note
    for flaw in decisive:
        assert WHY in redacted({}, {flaw: WHY}).note


def test_a_key_beyond_a_long_may_stand_under_another_name() -> None:
    """Negative, or too large to be told: either may be the other half of one row."""
    texts = ("-1", "9223372036854775808", "5", "abc", None)
    assert [may_be_wrapped(text) for text in texts] == [True, True, False, False, False]


def test_what_a_decoder_notes_is_known_as_a_flaw() -> None:
    """The sentences of the decoder and the flaws of the comparison belong together."""
    noted = flaws_of({"a": f"{WRAPS}; {TRUNCATED}", "*": DEFAULTS_UNTOLD, "b": "something else"})
    assert {column: set(flaws) for column, flaws in noted.items()} == {
        "a": {Flaw.WRAPS, Flaw.TRUNCATED},
        "*": {Flaw.NULL_IS_DEFAULT},
    }
