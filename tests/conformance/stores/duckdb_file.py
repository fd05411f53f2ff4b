"""DuckDB files in the conformance suite."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar

import duckdb

from auditor.readers.duckdb_file import DuckDbReader
from tests.conformance.stores.sql import SqlStore, sql
from tests.conformance.stores.store import RefusedError, Spelling, as_json_values
from tests.conformance.values import AS_SINGLE, BEYOND_SIGNED, SPECIAL

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.ports import Reader


_ISO = re.compile(
    r"P(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?(?:(?P<seconds>-?[\d.]+)S)?)?\Z"
)


def _text(value: str) -> tuple[str]:
    return sql("decode('" + "".join(f"\\x{byte:02X}" for byte in value.encode()) + "'::BLOB)")


def _blob(value: str) -> tuple[str]:
    return sql(f"unhex('{value}')")


def _interval(value: str) -> str:
    """An interval in words: DuckDB does not read ISO 8601."""
    match = _ISO.match(value)
    assert match is not None
    return " ".join(f"{part} {unit}" for unit, part in match.groupdict(default="0").items())


def _list(kind: str) -> Spelling:
    def write(text: str) -> tuple[str]:
        items = ["NULL" if item is None else "'" + item.replace("'", "''") + "'" for item in json.loads(text)]
        return sql(f"[{', '.join(items)}]::{kind}[]")

    return Spelling(f"{kind}[]", write)


class DuckDb(SqlStore):
    """A DuckDB file."""

    name = "duckdb"
    spellings: ClassVar = {
        "int": {
            "BIGINT": Spelling("BIGINT", refuses=BEYOND_SIGNED),
            "HUGEINT": Spelling("HUGEINT"),
            "VARCHAR": Spelling("VARCHAR"),
        },
        "decimal(10,2)": {
            "DECIMAL(10,2)": Spelling("DECIMAL(10,2)", refuses=SPECIAL),
            "DECIMAL(38,10)": Spelling("DECIMAL(38,10)", refuses=SPECIAL),
            "DOUBLE": Spelling("DOUBLE"),
            "VARCHAR": Spelling("VARCHAR"),
        },
        "decimal(38,30)": {"DECIMAL(38,30)": Spelling("DECIMAL(38,30)")},
        "decimal(60,20)": {"VARCHAR": Spelling("VARCHAR")},
        "float": {"DOUBLE": Spelling("DOUBLE"), "FLOAT": Spelling("FLOAT", changes=AS_SINGLE)},
        "text": {"VARCHAR": Spelling("VARCHAR", _text)},
        "bool": {"BOOLEAN": Spelling("BOOLEAN"), "VARCHAR": Spelling("VARCHAR")},
        "uuid": {"UUID": Spelling("UUID"), "VARCHAR": Spelling("VARCHAR", str.upper)},
        "date": {"DATE": Spelling("DATE")},
        "time": {"TIME": Spelling("TIME")},
        "timestamp": {
            "TIMESTAMPTZ": Spelling("TIMESTAMPTZ"),
            "TIMESTAMP": Spelling("TIMESTAMP", lambda v: v.replace("Z", "")),
        },
        "timestamp(local)": {"TIMESTAMP": Spelling("TIMESTAMP")},
        "interval": {"INTERVAL": Spelling("INTERVAL", _interval), "VARCHAR": Spelling("VARCHAR")},
        "bytes": {"BLOB": Spelling("BLOB", _blob)},
        "json": {"JSON": Spelling("JSON", _text)},
        "list<int>": {"BIGINT[]": _list("BIGINT")},
        "list<text>": {"VARCHAR[]": _list("VARCHAR"), "JSON": Spelling("JSON")},
        "list<decimal(9,2)>": {"DECIMAL[]": _list("DECIMAL(9,2)"), "JSON": Spelling("JSON", as_json_values)},
        "enum(open,shipped)": {"ENUM": Spelling("ENUM('shipped', 'open')")},
    }

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "conformance.duckdb"

    def execute(self, statement: str) -> None:
        """See `SqlStore.execute`."""
        with duckdb.connect(str(self.path)) as connection:
            try:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(statement)
            except duckdb.Error as error:
                raise RefusedError(str(error)) from error

    def fill(self, relation: str, count: int) -> str:
        """See `Store.fill`."""
        self.execute(f"CREATE TABLE {relation} (id BIGINT PRIMARY KEY, v VARCHAR)")
        self.execute(f"INSERT INTO {relation} SELECT i, CAST(i AS VARCHAR) FROM range(1, {count + 1}) AS r(i)")
        return relation

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return DuckDbReader(f"{self.name}/{relation}", self.path, relation, timezone=timezone)
