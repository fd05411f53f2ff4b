"""Equalities are read as contracts spell them, and refused where they mean nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from contracts.equality import (
    EXACT,
    CaseInsensitive,
    Equality,
    Hashed,
    Mask,
    Trimmed,
    Truncated,
    TruncatedTo,
    Unordered,
    Within,
)
from contracts.equality_text import equality_text, misfit, parse_equality
from contracts.logical_types import parse_logical_type


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("exact", EXACT),
        (["exact"], EXACT),
        ("within 0.005", Equality((Within(Decimal("0.005")),))),
        ("within  2", Equality((Within(Decimal(2)),))),
        ("within 2.5%", Equality((Within(Decimal("2.5"), percent=True),))),
        ("within 2 %", Equality((Within(Decimal(2), percent=True),))),
        ("within 5s", Equality((Within(Decimal(5), seconds=True),))),
        ("within 1500ms", Equality((Within(Decimal("1.5"), seconds=True),))),
        ("within 2d", Equality((Within(Decimal(172_800), seconds=True),))),
        ("within 0", Equality((Within(Decimal(0)),))),
        ("truncated s", Equality((Truncated("s"),))),
        ("truncated ms", Equality((Truncated("ms"),))),
        ("truncated us", Equality((Truncated("us"),))),
        ("case_insensitive", Equality((CaseInsensitive(),))),
        ("unordered", Equality((Unordered(),))),
        ("at_creation", Equality(mode="at_creation")),
        ("ignored", Equality(mode="ignored")),
        ("redacted", Equality(mode="redacted")),
        ({"mask": "*", "keep_last": 4}, Equality((Mask("*", 4),))),
        ({"mask": "•"}, Equality((Mask("•", 0),))),
        ({"hash": "sha256", "salt": "pepper"}, Equality((Hashed("pepper"),))),
        ({"hash": "sha256"}, Equality((Hashed(),))),
        ({"truncated_to": 20}, Equality((TruncatedTo(20),))),
        (["trimmed", "case_insensitive"], Equality((Trimmed(), CaseInsensitive()))),
        (["truncated ms", "within 1s"], Equality((Truncated("ms"), Within(Decimal(1), seconds=True)))),
        (["trimmed", {"truncated_to": 5}], Equality((Trimmed(), TruncatedTo(5)))),
    ],
)
def test_every_equality_of_the_language_is_read(written: Any, read: Equality) -> None:
    assert parse_equality(written) == read


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("exakt", "unknown equality 'exakt'; did you mean `exact`?"),
        ("case-insensitive", "unknown equality 'case-insensitive'; did you mean `case_insensitive`?"),
        ("within", "`within ` needs a number of 0 or more (0.005), a percentage (2%) or a duration (5s)"),
        ("within -1", "`within -1` needs a number of 0 or more"),
        ("within 1e3", "`within 1e3` needs a number"),
        ("within 5 parsecs", "`within 5 parsecs` needs a number"),
        ("truncated", "`truncated ` needs one of the units s, ms, us"),
        ("truncated day", "`truncated day` needs one of the units s, ms, us"),
        (0.005, "0.005 is no equality; expected one of exact"),
        (True, "True is no equality"),
        ([], "an equality is empty"),
        (["within 1", "trimmed"], "`within` must be the last equality of the list"),
        (["trimmed", "trimmed"], "the same equality stands twice in the list"),
        (["redacted", "trimmed"], "`redacted` stands alone"),
        (["exact", "trimmed"], "`exact` stands alone"),
        ([["trimmed"]], "is no equality"),
        (["trimmed"] * 11, "an equality has more than 10 steps"),
        ({}, "an equality with the keys (none) is unknown"),
        ({"masc": "*"}, "an equality with the keys masc is unknown; did you mean `mask`?; expected mask, hash or"),
        ({"mask": "**"}, 'mask needs one character in quotes, such as "*"'),
        ({"mask": 1}, "mask needs one character"),
        ({"mask": "*", "keep": 4}, "mask has the unknown key 'keep'; expected keep_last, mask"),
        ({"mask": "*", "keep_last": -1}, "keep_last needs a whole number from 0 to 1000000"),
        ({"mask": "*", "keep_last": True}, "keep_last needs a whole number"),
        ({"hash": "md5"}, "the hash 'md5' is unknown; expected sha256"),
        ({"truncated_to": 0}, "truncated_to needs a whole number from 1 to 1000000"),
        ({"truncated_to": "20"}, "truncated_to needs a whole number"),
    ],
)
def test_what_is_no_equality_says_why(written: Any, wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        parse_equality(written)


def test_a_salt_is_put_in_and_never_shown() -> None:
    """A salt is a secret: it stands in no message and in no representation."""
    equality = parse_equality({"hash": "sha256", "salt": "${SALT}"}, lambda text: text.replace("${SALT}", "s3cret"))
    assert equality == Equality((Hashed("s3cret"),))
    assert "s3cret" not in repr(equality) + equality_text(equality)
    with pytest.raises(ValueError, match="salt needs a text in quotes") as caught:
        parse_equality({"hash": "sha256", "salt": 123456})
    assert "123456" not in str(caught.value)


@pytest.mark.parametrize(
    ("equality", "declared", "reason"),
    [
        ("within 1", "text", "`within 1` is for numbers (times need a duration, as in `within 5s`), not text"),
        ("within 1", "date", "`within 1` is for numbers (times need a duration, as in `within 5s`), not date"),
        ("within 5s", "decimal(10,2)", "`within 5s` is for times, not decimal(10,2)"),
        ("truncated ms", "date", "`truncated ms` is for times, not date"),
        ("unordered", "json", "`unordered` is for lists, not json"),
        ("trimmed", "uuid", "`trimmed` is for text and enum, not uuid"),
        ("case_insensitive", "bytes", "`case_insensitive` is for text and enum, not bytes"),
        ({"truncated_to": 3}, "int", "`truncated_to 3` is for text and enum, not int"),
        ({"mask": "*"}, "json", "`mask * keep_last 0` is for text, enum, int, uuid and date, not json"),
        ({"hash": "sha256"}, "float", "`hash sha256` is for text, enum, int, uuid and date, not float"),
        ("within 1", "int", ""), ("within 1%", "float", ""), ("within 5s", "date", ""), ("within 5s", "time", ""),
        ("truncated ms", "time", ""), ("truncated s", "timestamp(local)", ""), ("unordered", "list<int>", ""),
        ("trimmed", "enum(a,b)", ""), ({"hash": "sha256"}, "uuid", ""), ("redacted", "json", ""),
        ("ignored", "bytes", ""),
    ],
)  # fmt: skip
def test_an_equality_fits_some_types_only(equality: Any, declared: str, reason: str) -> None:
    assert misfit(parse_equality(equality), parse_logical_type(declared)) == reason


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("exact", "exact"),
        (["trimmed", "case_insensitive"], "trimmed + case_insensitive"),
        ("within 1500ms", "within 1500ms"),
        ("within 0.005", "within 0.005"),
        ("within 90s", "within 90s"),
        ("within 2%", "within 2%"),
        ("redacted", "redacted"),
        ({"truncated_to": 20}, "truncated_to 20"),
    ],
)
def test_equalities_are_shown_as_they_are_written(written: Any, text: str) -> None:
    assert equality_text(parse_equality(written)) == text
