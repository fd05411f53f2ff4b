"""What SQLite says about a relation: columns, keys, indexes; and what its declared types mean.

SQLite types values, not columns.  A declared type is a promise that only STRICT tables and INTEGER PRIMARY KEY keep;
it gives the column an *affinity*, a preference at writing time.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.readers.native import quote_name, quote_text
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import DECIMAL_DIGITS_MAX, Kind, LogicalType
from reconcilers.ports import Column, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMERIC_SCALE = re.compile(r"(?:DECIMAL|NUMERIC|NUMBER|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)


ROW_BYTES_MIN = 4
"""The least that a row takes in a file: its place in the page, its length, its rowid."""

COUNTED_ROWS_MIN = 10_000_000
"""From so many on an estimate that is far too high would have a table read in segments, or refused."""


@dataclass(frozen=True, slots=True)
class SqliteColumn:
    """One column.

    Attributes:
        declared: The declared type as written, or an empty string.
        affinity: `INTEGER`, `REAL`, `NUMERIC`, `TEXT` or `BLOB` (none).
        certain: Storage class that every value but NULL has (`integer`, `real`, `text`, `blob`), or an empty string.
    """

    name: str
    declared: str
    nullable: bool
    affinity: str
    certain: str = ""


@dataclass(frozen=True, slots=True)
class SqliteRelation:
    """One table or view, or a query in place of one."""

    name: str
    columns: tuple[SqliteColumn, ...]
    unique_keys: tuple[tuple[str, ...], ...] = ()
    indexed: tuple[tuple[str, ...], ...] = ()
    nullable_keys: tuple[tuple[str, ...], ...] = ()
    has_rowid: bool = False
    query: str = ""

    @property
    def sql(self) -> str:
        """What to write after FROM."""
        return f"({self.query})" if self.query else quote_name(self.name)

    def column(self, name: str) -> SqliteColumn | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)


def affinity_of(declared: str) -> str:
    """The affinity of a declared type, by SQLite's own rules (datatype3.html, section 3.1)."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(part in upper for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    return "REAL" if any(part in upper for part in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def logical_of(column: SqliteColumn) -> tuple[LogicalType | None, str]:
    """The logical type that a declared type means, and how it tells time (see `reconcilers.ports.Column`)."""
    upper = column.declared.upper()
    if match := _NUMERIC_SCALE.match(upper):
        precision, scale = int(match[1]), int(match[2] or 0)
        sound = 1 <= precision <= DECIMAL_DIGITS_MAX and scale <= precision
        return (LogicalType(Kind.DECIMAL, precision=precision, scale=scale) if sound else None), ""
    for word, kind in (("BOOL", Kind.BOOL), ("UUID", Kind.UUID), ("JSON", Kind.JSON)):
        if word in upper:
            return LogicalType(kind), ""
    if upper.startswith(("TIMESTAMP", "DATETIME")):
        return LogicalType(Kind.TIMESTAMP), "instant" if upper.endswith("TZ") or "WITH TIME ZONE" in upper else "local"
    plain = {"DATE": Kind.DATE, "TIME": Kind.TIME}
    if upper in plain:
        return LogicalType(plain[upper]), ""
    by_affinity = {"INTEGER": Kind.INT, "REAL": Kind.FLOAT, "TEXT": Kind.TEXT}
    if column.affinity in by_affinity:
        return LogicalType(by_affinity[column.affinity]), ""
    return (LogicalType(Kind.BYTES) if "BLOB" in upper else None), ""


def find_relation(connection: sqlite3.Connection, relation: str, dataset: str) -> SqliteRelation:
    """Look a table or view up; its name is matched as SQLite does, without regard to case.

    Raises:
        StoreError: There is none.
    """
    known = connection.execute(
        "SELECT name, type FROM sqlite_master "
        "WHERE type IN ('table', 'view') AND substr(lower(name), 1, 7) <> 'sqlite_'"
    ).fetchall()
    for name in (relation, relation.removeprefix("main.")):
        found = [row for row in known if row[0] == name] or [row for row in known if row[0].lower() == name.lower()]
        if found:
            return _describe(connection, found[0][0], is_table=found[0][1] == "table")
    names = [row[0] for row in known]
    raise StoreError(
        f"reading {dataset}: the database has no table or view {relation!r}",
        hint=did_you_mean(relation, names) or ("check the relation" if names else "the database is empty"),
    )


def describe_query(connection: sqlite3.Connection, query: str, dataset: str) -> SqliteRelation:
    """The columns of a SELECT.

    Raises:
        StoreError: It is not one SELECT, or SQLite does not understand it.
    """
    query = query.strip().rstrip(";")
    try:
        cursor = connection.execute(f"SELECT * FROM (\n{query}\n) LIMIT 0")
    except (sqlite3.Error, sqlite3.Warning) as error:
        message = f"reading {dataset}: SQLite refuses the query: {error}"
        raise StoreError(message, hint="check owner.query.sql") from error
    columns = tuple(SqliteColumn(part[0], "", nullable=True, affinity="BLOB") for part in cursor.description)
    return SqliteRelation("", columns, query=f"\n{query}\n")


def _describe(connection: sqlite3.Connection, name: str, *, is_table: bool) -> SqliteRelation:
    rows = connection.execute(
        f'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo({quote_text(name)})'
    ).fetchall()
    strict, without_rowid = _flags(connection, name)
    key = [row[0] for row in sorted((row for row in rows if row[3]), key=lambda row: int(row[3]))]
    indexes = list(_indexes(connection, name))
    has_rowid = is_table and not without_rowid
    # a key without an index of its own is the rowid itself: always an integer, never NULL
    alias = key[0] if has_rowid and len(key) == 1 and not any(index.origin == "pk" for index in indexes) else ""
    columns = tuple(
        SqliteColumn(
            row[0],
            row[1],
            nullable=not row[2] and row[0] != alias and not (without_rowid and row[0] in key),
            affinity=affinity_of(row[1]),
            certain="integer" if row[0] == alias else _certain(row[1]) if strict else "",
        )
        for row in rows
        if row[4] != 1  # hidden columns of virtual tables are arguments, not data
    )
    own = [(alias,)] if alias else []
    required = {column.name for column in columns if not column.nullable}
    unique = [index.columns for index in indexes if index.unique and set(index.columns) <= required]
    nullable = [index.columns for index in indexes if index.unique and not set(index.columns) <= required]
    return SqliteRelation(
        name,
        columns,
        unique_keys=tuple(dict.fromkeys([*own, *unique])),
        indexed=tuple(dict.fromkeys([*own, *(index.columns for index in indexes if index.columns)])),
        nullable_keys=tuple(dict.fromkeys(nullable)),
        has_rowid=has_rowid,
    )


def _certain(declared: str) -> str:
    """The storage class that a STRICT table holds a column to."""
    classes = {"INT": "integer", "INTEGER": "integer", "REAL": "real", "TEXT": "text", "BLOB": "blob"}
    return classes.get(declared.upper(), "")


def _flags(connection: sqlite3.Connection, name: str) -> tuple[bool, bool]:
    """Whether a table is STRICT, and whether it is WITHOUT ROWID."""
    row = connection.execute(
        f"SELECT strict, wr FROM pragma_table_list({quote_text(name)}) WHERE schema = 'main'"
    ).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


@dataclass(frozen=True, slots=True)
class _Index:
    """Columns up to the first expression, its origin (`pk`, `u`, `c`) and whether it keeps all rows unique."""

    columns: tuple[str, ...]
    unique: bool
    origin: str


def _indexes(connection: sqlite3.Connection, name: str) -> Iterator[_Index]:
    for index, unique, origin, partial in connection.execute(
        f'SELECT name, "unique", origin, partial FROM pragma_index_list({quote_text(name)})'
    ).fetchall():
        parts = connection.execute(
            f'SELECT name, coll FROM pragma_index_xinfo({quote_text(index)}) WHERE "key" ORDER BY seqno'
        ).fetchall()
        columns = []
        for column, _ in parts:
            if column is None:  # an expression
                break
            columns.append(column)
        whole = len(columns) == len(parts) and all(collation == "BINARY" for _, collation in parts)
        if not partial:
            yield _Index(tuple(columns), bool(unique) and whole, origin)


def shape_of(connection: sqlite3.Connection, relation: SqliteRelation, size: int) -> Shape:
    """A relation as the comparison knows it.

    Args:
        connection: Where the relation is.
        relation: What to describe.
        size: Bytes of the database file.
    """
    columns = []
    for column in relation.columns:
        logical, zone = logical_of(column)
        columns.append(Column(column.name, column.declared, column.nullable, logical, zone))
    rows = _estimated_rows(connection, relation, size)
    return Shape(tuple(columns), relation.unique_keys, relation.indexed, rows, size, relation.nullable_keys)


def _estimated_rows(connection: sqlite3.Connection, relation: SqliteRelation, size: int) -> int | None:
    """ANALYZE's count, else the highest rowid, else nothing: counting would read the whole table.

    Rowids may be far apart, so no more rows are believed in than the file has room for; where that is still many, they
    are counted.
    """
    if relation.query or not relation.name:
        return None
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
        row = connection.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = ? LIMIT 1", (relation.name,)).fetchone()
        if row and str(row[0]).split()[:1] and str(row[0]).split()[0].isdecimal():
            return int(str(row[0]).split()[0])
    if not relation.has_rowid:
        return None
    try:
        row = connection.execute(f"SELECT max(rowid) FROM {relation.sql}").fetchone()
    except sqlite3.OperationalError:  # a virtual table need not have one
        return None
    highest, most = max(int(row[0] or 0), 0), size // ROW_BYTES_MIN
    if highest > most >= COUNTED_ROWS_MIN:
        (highest,) = connection.execute(f"SELECT count(*) FROM {relation.sql}").fetchone()
    return min(highest, most)
