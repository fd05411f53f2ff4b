"""Values at the edges of what Python's numbers and texts can do."""

from __future__ import annotations

import pytest

from contracts.logical_types import parse_logical_type
from reconcilers.value_text import decimal_text, json_text, list_text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1e9999999", "1E+9999999"),
        ("-1.50e-9999999", "-1.5E-9999999"),
        ("1e401", "1E+401"),
        ("1.00e2", "100"),
        ("123456789012345678901234567890.10", "123456789012345678901234567890.1"),
        ("-0.0e5", "0"),
        ("1e99999999999999999999", None),
    ],
)
def test_a_json_number_is_exact_however_long_or_far_from_one(text: str, canonical: str | None) -> None:
    """No digit is lost, and none of them ends the run: what not even Python can hold is no value."""
    assert json_text(text) == canonical


def test_a_number_that_no_list_element_can_be_makes_the_list_bad() -> None:
    """It is found as such instead of ending the run."""
    element = parse_logical_type("list<decimal(6,2)>").element
    assert element is not None
    assert list_text("[1e9999999]", element) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1e999999", None),
        ("1e-999999", None),
        ("0e999999", "0.00"),
        ("-0", "0.00"),
        ("99999999.99", "99999999.99"),
        ("100000000", None),
        ("0.001", None),
        ("0.010", "0.01"),
        ("1e-2", "0.01"),
        (".5", "0.50"),
        ("5.", "5.00"),
        ("٣", None),
    ],
)
def test_a_decimal_has_exactly_its_scale_and_is_never_rounded(text: str, canonical: str | None) -> None:
    """Under decimal(10,2)."""
    assert decimal_text(text, 10, 2) == canonical
