"""Names that an owner's query calls are found, however they are dressed."""

from __future__ import annotations

import pytest

from auditor.readers.postgresql.query import called_names, reading_only
from contracts.errors import StoreError


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT lo_import('x')", {"lo_import"}),
        ("SELECT LO_Import ( 'x' )", {"lo_import"}),
        ('SELECT "lo_import"(1)', {"lo_import"}),
        ('SELECT pg_catalog . "lo_import" (1)', {"lo_import"}),
        ("SELECT lo_import/* a */-- b\n/* c /* d */ e */(1)", {"lo_import"}),
        ('SELECT "a""b"(1)', {'a"b'}),
        ("SELECT 'lo_import(1)', \"lo_import(1)\" FROM t", set()),
        ("SELECT E'\\'', lo_import(1), E'\\''", {"lo_import"}),
        ("SELECT 'it''s', lo_import(1), ''''", {"lo_import"}),
        ("SELECT $a$ lo_import(1) $b$ $a$, lo_unlink(1), $$ $$", {"lo_unlink"}),
        ("SELECT -- lo_import(1)\n 1", set()),
        ("SELECT (1), ((2)), x.y(3)", {"select", "y"}),
        ("SELECT count(*) FROM t WHERE id IN (1)", {"count", "in"}),
        ("SELECT f$1(2)", {"f$1"}),
        ("SELECT $1(2)", set()),
        ("SELECT Ärger(1)", {"Ärger", "ärger"}),
        (f"SELECT {'f' * 70}(1)", {"f" * 63}),
        ("SELECT ''(1), lo_import (2)", {"lo_import"}),
    ],
)
def test_called_names(query: str, names: set[str]) -> None:
    """A name before a parenthesis, folded and cut as the server does; comments and texts hide and show nothing."""
    assert called_names(query) == names


@pytest.mark.parametrize(
    "query", ["SELECT /* x", "SELECT $a$ x", 'SELECT U&"d\\0061ta"(1)', "SELECT u&'x'", "", " ;", "a\x00"]
)
def test_what_cannot_be_followed_is_refused(query: str) -> None:
    with pytest.raises(StoreError, match="reading db: its query"):
        reading_only(query, "db")


def test_the_query_stays_as_it_was_written() -> None:
    """Only blanks and semicolons at its ends go."""
    assert reading_only("\n SELECT 1 -- x\n ; \n", "db") == "SELECT 1 -- x"
