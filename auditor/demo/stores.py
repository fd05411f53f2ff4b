"""Writes the demo's tables where their connections say: SQLite files, Parquet, CSV."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from auditor.readers.native import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from auditor.demo.tables import Table

MONEY_DIGITS, MONEY_SCALE = 14, 4
"""The lake keeps more digits than the shop; the values are the same."""


def write_sqlite(path: Path, tables: Iterable[Table]) -> None:
    """Make a SQLite file with these tables."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables:
            required = dict.fromkeys(table.key, " NOT NULL")  # SQLite does not take it from a primary key
            columns = [f"{quote_name(name)} {kind}{required.get(name, '')}" for name, kind in table.columns.items()]
            if table.key:
                columns.append(f"PRIMARY KEY ({', '.join(map(quote_name, table.key))})")
            connection.execute(f"CREATE TABLE {quote_name(table.name)} ({', '.join(columns)})")
            places = ", ".join("?" * len(table.columns))
            rows = ([_sqlite_value(row[name]) for name in table.columns] for row in table.rows)
            connection.executemany(f"INSERT INTO {quote_name(table.name)} VALUES ({places})", rows)


def _sqlite_value(value: Any) -> str | int | float | None:
    if value is None or isinstance(value, str | float):
        return value
    return int(value) if isinstance(value, bool | int) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds" if value.microsecond else "seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def write_parquet(directory: Path, table: Table) -> None:
    """Make one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "date": pa.date32(),
        "ms": pa.timestamp("ms", tz="UTC"),
        "us": pa.timestamp("us", tz="UTC"),
        "money": pa.decimal128(MONEY_DIGITS, MONEY_SCALE),
    }
    arrays = {
        name: pa.array([_parquet_value(row[name]) for row in table.rows], kinds[kind])
        for name, kind in table.columns.items()
    }
    pq.write_table(pa.table(arrays), directory / table.name)


def _parquet_value(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def write_csv(directory: Path, table: Table) -> None:
    """Make one CSV file with a header."""
    with (directory / table.name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.columns)
        writer.writerows([_csv_value(row[name]) for name in table.columns] for row in table.rows)


def _csv_value(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else _text(value)
