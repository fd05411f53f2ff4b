"""Of what DuckDB says about PostgreSQL, a person sees the server's own sentence, and no value."""

from __future__ import annotations

import duckdb
import pytest

from auditor.readers.connection import ConnectionParts
from auditor.readers.postgresql.errors import answer, store_error

PARTS = ConnectionParts("postgresql", "db", 5433, "auditor", "hunter22", "shop")


CONNECTING = 'IO Error: Unable to connect to Postgres at "": connection to server at "db" (10.0.0.1), port 5433'


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (f"{CONNECTING} failed: Connection refused\n\tIs the server running on that host?\n", "Connection refused"),
        (f'{CONNECTING} failed: FATAL:  database "x" does not exist\n', 'database "x" does not exist'),
        (
            (
                'Binder Error: Failed to prepare query "SELECT \'ERROR:  42\'": ERROR:  relation "t" does not exist\n'
                "LINE 1: SELECT …\n\n\nLINE 1: select * from"
            ),
            'relation "t" does not exist',
        ),
        (
            (
                'IO Error: Failed to fetch header for COPY: ERROR:  invalid input syntax for type integer: "secret"\n'
                'CONTEXT:  SQL function "f" statement 1\n'
            ),
            "invalid input syntax for type integer",
        ),
        ("IO Error: Failed to fetch header for COPY: FEHLER:  Wert »x« passt nicht\n", "Wert »x« passt nicht"),
        (
            'IO Error: x: ERROR:  value "123" is out of range for type integer\n',
            "value is out of range for type integer",
        ),
        (
            (
                'Binder Error: Failed to prepare query "SELECT \'key 42\' AS "c": 1": server closed the connection '
                "unexpectedly\n\tThis probably means"
            ),
            "server closed the connection unexpectedly",
        ),
        (
            "Invalid Input Error: column ts holds a time after the year 294246",
            "column ts holds a time after the year 294246",
        ),
        ("", "IOException"),
    ],
)
def test_the_servers_own_line(said: str, line: str) -> None:
    assert answer(duckdb.IOException(said)) == line


def test_a_message_says_where_and_what_next_and_never_the_password() -> None:
    error = store_error(duckdb.IOException("x: FATAL:  hunter22 was wrong"), doing="reading db/t", parts=PARTS)
    assert error.message == "reading db/t failed at db:5433/shop (user auditor): *** was wrong"
    assert error.hint
