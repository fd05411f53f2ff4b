from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.reports.visible import key_text, shown, shown_pair, visible


@given(st.text())
def test_nothing_shown_is_invisible(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text) == text or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\U000e0001", "\\U000e0001"),
        ("a\u00a0b", "a\\xa0b"),
        ("plain text", "plain text"),
    ],
)
def test_what_would_not_be_seen_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(
    ("value", "seen"), [(None, "NULL"), ("NULL", '"NULL"'), ("", '""'), (" a", '" a"'), ("a ", '"a "'), ("0", "0")]
)
def test_null_empty_and_blank_edged_values_are_told_apart(value: str | None, seen: str) -> None:
    assert shown(value) == seen


def test_values_that_look_alike_are_shown_by_their_code_points() -> None:
    assert shown_pair("cafe\u0301", "caf\u00e9") == ("cafe\\u0301", "caf\\xe9")
    assert shown_pair("\uff11", "1") == ("\\uff11", "1")


def test_values_that_differ_visibly_stay_as_they_are() -> None:
    assert shown_pair("café", "cafés") == ("café", "cafés")


def test_a_key_is_named_field_by_field() -> None:
    assert key_text({"order_id": "1", "line": None}) == "order_id=1 line=NULL"
    assert key_text(None) == ""
