"""An owner's query on MySQL is one statement that only reads, whatever its text pretends."""

from __future__ import annotations

import pytest

from auditor.readers.connection import ConnectionParts
from auditor.readers.mysql.query import reading_only
from auditor.readers.mysql.reader import MySqlReader
from contracts.errors import StoreError

REFUSED = [
    "SELECT 1; DROP TABLE t",
    "SELECT id FROM t /*! INTO OUTFILE '/nowhere/x' */",
    "SELECT id FROM t /*M! FOR UPDATE */",
    "SELECT id FROM t INTO OUTFILE '/nowhere/x'",
    "SELECT id INTO @x FROM t",
    "SELECT id FROM t FOR UPDATE",
    "SELECT id FROM t FOR /* innocent */ UPDATE",
    "SELECT id FROM t LOCK IN SHARE MODE",
    "SELECT 1) AS x; DELETE FROM t WHERE (1 = 1",
    "SELECT 1) UNION SELECT (1",
    "SELECT 'open",
    "UPDATE t SET id = 2",
    "CALL p()",
    "SET GLOBAL read_only = 0",
    "",
    "SELECT GET_LOCK('x', 1)",
    "SELECT NEXT VALUE FOR s",
    "SELECT nextval(s)",
    "SELECT (1",
]


@pytest.mark.parametrize("query", REFUSED)
def test_an_owners_query_can_only_read(query: str) -> None:
    with pytest.raises(StoreError, match="the query of shop/t was not run"):
        MySqlReader("shop/t", ConnectionParts("mysql"), query=query)


def test_the_closing_semicolon_is_no_part_of_the_query() -> None:
    assert reading_only(" SELECT 1 ; ", "shop/t") == "SELECT 1"
