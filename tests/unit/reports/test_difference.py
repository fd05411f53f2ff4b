from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.reports.difference import Pieces, difference, excerpt

texts = st.one_of(
    st.text(max_size=80), st.lists(st.sampled_from(("the ", "parcel ", "14, ", "bell")), max_size=30).map("".join)
)


def marked(pieces: Pieces) -> str:
    return "".join(f"[{piece.text}]" if piece.differs else piece.text for piece in pieces)


@given(texts, texts)
def test_the_pieces_of_a_value_are_the_value(owner: str, replica: str) -> None:
    one, other = difference(owner, replica)
    assert "".join(piece.text for piece in one) == owner
    assert "".join(piece.text for piece in other) == replica


@given(texts, texts)
def test_what_is_not_marked_is_common_to_both(owner: str, replica: str) -> None:
    one, other = difference(owner, replica)
    assert [p.text for p in one if not p.differs] == [p.text for p in other if not p.differs]


@given(texts)
def test_equal_values_have_no_mark(text: str) -> None:
    one, other = difference(text, text)
    assert not any(piece.differs for piece in one + other)


@pytest.mark.parametrize(
    ("owner", "replica", "seen"),
    [
        ("105.00", "104.99", ("10[5.00]", "10[4.99]")),
        ("shipped", "pending", ("[shipped]", "[pending]")),
        ("cancelled", "paid", ("[cancelled]", "[paid]")),
        ("Ada King", "Ada Byron", ("Ada [King]", "Ada [Byron]")),
        ("abc", "abcd", ("abc", "abc[d]")),
        ("naïve cafe\u0301", "naïve cafe", ("naïve caf[e\u0301]", "naïve caf[e]")),
    ],
)
def test_marks_stand_where_a_person_would_put_them(owner: str, replica: str, seen: tuple[str, str]) -> None:
    one, other = difference(owner, replica)
    assert (marked(one), marked(other)) == seen


def test_long_texts_are_compared_word_by_word() -> None:
    owner = "leave the parcel at number 14, second floor, and ring twice: the bell is quiet"
    one, other = difference(owner, owner.replace("14", "41").replace("quiet", "quit"))
    assert marked(one) == owner.replace("14", "[14]").replace("quiet", "[quiet]")
    assert marked(other) == owner.replace("14", "[41]").replace("quiet", "[quit]")


@given(texts, texts, st.integers(8, 40))
def test_an_excerpt_fits_and_is_of_the_value(owner: str, replica: str, width: int) -> None:
    pieces, _ = difference(owner, replica)
    cut = excerpt(pieces, width)
    text = "".join(piece.text for piece in cut)
    assert len(text) <= width
    assert text.removeprefix("…").removesuffix("…") in owner


def test_an_excerpt_shows_the_first_difference() -> None:
    owner, replica = "x" * 500 + "1" + "y" * 500, "x" * 500 + "2" + "y" * 500
    cut = [excerpt(side, 40) for side in difference(owner, replica)]
    assert [[piece.text for piece in side if piece.differs] for side in cut] == [["1"], ["2"]]
