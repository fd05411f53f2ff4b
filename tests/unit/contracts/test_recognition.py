"""What a sample of rows shows of a copy is told in the contract's own words, with the number of rows that show it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import yaml

from contracts.equality_text import parse_equality
from contracts.logical_types import parse_logical_type
from contracts.recognition import Pair, recognise

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = [f"Text Number {number}" for number in range(20)]
TIMES = [f"2025-01-{day:02}T10:11:12.{day:02}3656Z" for day in range(1, 21)]
AMOUNTS = [f"{number}.{number:02}49" for number in range(10, 30)]
PHONES = [str(4_900_000_000 + number * 7_777_777) for number in range(20)]


def pairs(owners: Sequence[str], copies: Sequence[str | None]) -> list[Pair]:
    return [Pair(owner, copy, copy) for owner, copy in zip(owners, copies, strict=True)]


@pytest.mark.parametrize(
    ("logical", "owners", "copies", "equality"),
    [
        ("text", TEXTS, TEXTS, ""),
        ("text", TEXTS, [text.upper() for text in TEXTS], "case_insensitive"),
        ("text", TEXTS, [f" {text}\u2003" for text in TEXTS], "trimmed"),
        ("text", TEXTS, [f"{text.upper()} " for text in TEXTS], "[trimmed, case_insensitive]"),
        ("text", PHONES, ["*" * 6 + text[-4:] for text in PHONES], '{mask: "*", keep_last: 4}'),
        ("int", PHONES, ["#" * len(text) for text in PHONES], '{mask: "#"}'),
        ("text", TEXTS, [hashlib.sha256(text.encode()).hexdigest() for text in TEXTS], "{hash: sha256}"),
        ("text", [text + " and more" for text in TEXTS], [text[:13] for text in TEXTS], "{truncated_to: 13}"),
        ("text", TEXTS, ["-"] * 19 + [None], "redacted"),
        ("text", TEXTS, [None] * 20, "redacted"),
        ("timestamp", TIMES, [f"{text[:23]}000Z" for text in TIMES], "truncated ms"),
        ("timestamp", TIMES, [f"{text[:19]}.000000Z" for text in TIMES], "truncated s"),
        ("timestamp", TIMES, [f"{text[:22]}4000Z" for text in TIMES], "within 0.5ms"),
        ("decimal(10,4)", AMOUNTS, [text[:-2] for text in AMOUNTS], "within 0.005"),
    ],
)
def test_what_a_copy_keeps_of_a_value_is_recognised(
    logical: str, owners: list[str], copies: list[str | None], equality: str
) -> None:
    """And what is proposed is part of the contract language."""
    found = recognise(parse_logical_type(logical), pairs(owners, copies))
    assert found is not None
    assert found.equality == equality
    assert (found.agreeing, found.total) == (20, 20)
    assert found.note.startswith("20 of 20 sampled rows agree")
    if equality:
        parse_equality(yaml.safe_load(equality))


def test_drift_in_a_few_rows_hides_nothing_and_is_counted() -> None:
    """One row in ten may differ; the note says how many agree."""
    copies: list[str | None] = [text.upper() for text in TEXTS[:-1]]
    found = recognise(parse_logical_type("text"), pairs(TEXTS, [*copies, "something else"]))
    assert found is not None
    assert found.equality == "case_insensitive"
    assert found.note == "19 of 20 sampled rows agree"


def test_a_few_odd_rows_are_drift_and_no_equality() -> None:
    """Two rows in another case are two wrong rows."""
    copies: list[str | None] = [*TEXTS[:-2], TEXTS[-2].upper(), TEXTS[-1].upper()]
    found = recognise(parse_logical_type("text"), pairs(TEXTS, copies))
    assert found is not None
    assert (found.equality, found.note) == ("", "18 of 20 sampled rows agree")


def test_columns_that_have_nothing_in_common_are_not_explained() -> None:
    """No equality, and the count says so."""
    found = recognise(parse_logical_type("text"), pairs(TEXTS, [f"x{text}" for text in reversed(TEXTS)]))
    assert found is not None
    assert (found.equality, found.agreeing, found.agrees) == ("", 0, False)


def test_a_handful_of_rows_says_nothing() -> None:
    """Fewer than five."""
    assert recognise(parse_logical_type("text"), pairs(TEXTS[:4], TEXTS[:4])) is None


def test_a_digest_or_a_mask_of_other_values_is_not_taken_for_it() -> None:
    """A salted digest agrees in no row: only somebody who knows the salt can say so."""
    copies: list[str | None] = [hashlib.sha256(f"salt{text}".encode()).hexdigest() for text in TEXTS]
    found = recognise(parse_logical_type("text"), pairs(TEXTS, copies))
    assert found is not None
    assert found.equality == ""


def test_small_amounts_are_no_rounding_of_each_other() -> None:
    """Everything below a half is near nothing: a copy that has more digits was not rounded to fewer."""
    owners = [f"0.{number:02}" for number in range(10, 30)]
    copies: list[str | None] = [f"0.{number:02}" for number in range(30, 50)]
    found = recognise(parse_logical_type("decimal(10,2)"), pairs(owners, copies))
    assert found is not None
    assert found.equality == ""
