"""What a server says about a relation: its columns, keys, size, and when it was made."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.readers.mysql.columns import BINARIES, MySqlColumn, quote_name
from contracts.errors import StoreError
from reconcilers.ports import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymysql.protocol import FieldDescriptorPacket

    from auditor.readers.mysql.session import MySqlSession

SNAPSHOT_ENGINES = frozenset({"innodb", "rocksdb", "tokudb", "ndbcluster", "ndb"})
"""Storage engines that show one moment; the others (MyISAM, Aria, MEMORY, CSV) show each row as it is just then."""

_NOT_THE_SERVERS_OWN = "table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"
_BINARY_CHARSET = 63
_SPELLED_TYPE = re.compile(r"([a-z0-9]+)")
_ENUM_FLAG, _SET_FLAG, _NOT_NULL_FLAG, _UNSIGNED_FLAG = 256, 2048, 1, 32


@dataclass(frozen=True, slots=True)
class Table:
    """A relation as it is found.

    Attributes:
        from_clause: What stands after FROM.
        columns: In the server's order.
        engine: The storage engine in lower case; empty for views and queries.
        rows: The server's estimate, or None.
        size: Bytes of data, the server's estimate, or None.
        keeps_digits: JSON_EXTRACT gives numbers in documents kept as text as they are written (MariaDB) rather than
            as binary floating point (MySQL).
        identity: Changes when the relation is altered or made anew.
        unique: See `Shape.unique_keys`.
        indexed: See `Shape.indexed`.
    """

    from_clause: str
    columns: tuple[MySqlColumn, ...]
    engine: str = ""
    rows: int | None = None
    size: int | None = None
    keeps_digits: bool = False
    identity: str = ""
    unique: tuple[tuple[str, ...], ...] = ()
    indexed: tuple[tuple[str, ...], ...] = ()

    def shape(self) -> Shape:
        """The relation as contracts and inference see it."""
        columns = tuple(column.described() for column in self.columns)
        return Shape(columns, self.unique, self.indexed, self.rows, self.size)


def find_table(session: MySqlSession, relation: str, database: str) -> Table:
    """Look up a table or view.

    Args:
        session: An open connection.
        relation: `table` or `schema.table`.
        database: Where a table without a schema is.

    Raises:
        StoreError: There is none that we may see.
    """
    before, dot, after = relation.partition(".")
    schema, name = (before, after) if dot else (database, relation)
    if not schema:
        raise StoreError(
            f"reading {session.dataset}: {relation} names no database, and the URL has none",
            hint="write database.table, or end the URL with the database",
        )
    found = session.ask(
        "SELECT table_schema, table_name, engine, table_rows, data_length, create_time FROM information_schema.tables"
        " WHERE table_schema = %s AND table_name = %s",
        (schema, name),
    )
    if not found:
        raise _missing(session, schema, name)
    schema, name, engine, rows, size, created = found[0]
    columns = _columns(session, schema, name)
    unique, indexed = _keys(session, schema, name, columns)
    return Table(
        from_clause=f"{quote_name(schema)}.{quote_name(name)}",
        columns=columns,
        engine=(engine or "").lower(),
        rows=rows,
        size=size,
        keeps_digits=session.is_mariadb,
        identity=f"{created} {columns}",
        unique=unique,
        indexed=indexed,
    )


def find_query(session: MySqlSession, query: str) -> Table:
    """What a query gives.

    Raises:
        StoreError: The server refuses it.
    """
    from_clause = f"(\n{query}\n) AS `owner_query`"
    fields = session.describe(f"SELECT * FROM {from_clause} LIMIT 0")
    return Table(from_clause, tuple(_described(field) for field in fields), keeps_digits=session.is_mariadb)


def shows_one_moment(session: MySqlSession, table: Table) -> bool:
    """Whether every table behind the relation has an engine with snapshots.

    What a view or a query reads is found by name: one that happens to hold the name of a table without snapshots
    counts as reading it.
    """
    if table.engine:
        return table.engine in SNAPSHOT_ENGINES
    engines = ", ".join(f"'{engine}'" for engine in sorted(SNAPSHOT_ENGINES))
    unsteady = session.ask(
        "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        f" AND lower(engine) NOT IN ({engines}) AND {_NOT_THE_SERVERS_OWN}"
    )
    if not unsteady:
        return True
    views = session.ask(
        f"SELECT table_name, view_definition FROM information_schema.views WHERE {_NOT_THE_SERVERS_OWN}"
    )
    text = table.from_clause
    seen: set[str] = set()
    while found := {name for name, _ in views if name not in seen and _names(text, name)}:
        seen |= found
        definitions = [_plain(definition or "") for name, definition in views if name in found]
        if "" in definitions:  # it may not be seen, so it may read anything
            return False
        text += " ".join(definitions)
    return not any(_names(text, name) for (name,) in unsteady)


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _missing(session: MySqlSession, schema: str, name: str) -> StoreError:
    seen = [
        row[0]
        for row in session.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,))
    ]
    close = difflib.get_close_matches(name, seen, n=1, cutoff=0.5)
    lower = [other for other in seen if other.lower() == name.lower()]
    guess = (lower or close or [""])[0]
    question = f"; did you mean {guess}?" if guess else ""
    among = ("1 other" if len(seen) == 1 else f"{len(seen)} others") if seen else "nothing at all"
    return StoreError(
        f"reading {session.dataset}: in database {schema} the user sees no table or view {name}, but {among}{question}",
        hint="check the relation's spelling, and that the user may SELECT from it",
    )


def _columns(session: MySqlSession, schema: str, name: str) -> tuple[MySqlColumn, ...]:
    rows = session.ask(
        "SELECT column_name, data_type, column_type, is_nullable, numeric_precision,"
        " numeric_scale, character_octet_length, character_set_name, collation_name"
        " FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        (schema, name),
    )
    checked = _json_checked(session, schema, name) if session.is_mariadb else frozenset()
    return tuple(_column(row, checked) for row in rows)


def _column(row: tuple[Any, ...], checked: frozenset[str]) -> MySqlColumn:
    name, base, declared, nullable, precision, scale, octets, charset, collation = row
    found = _SPELLED_TYPE.match(_plain(base))
    spelled = found[1] if found else ""
    digits = octets if spelled in BINARIES else precision
    return MySqlColumn(
        name,
        spelled,
        _plain(declared),
        nullable == "YES",
        digits=int(digits or 0),
        scale=int(scale or 0),
        charset=charset or "",
        collation=collation or "",
        holds_json=name in checked,
    )


def _plain(text: str | bytes) -> str:
    """MySQL 8 hands some catalog columns over as bytes."""
    return text.decode() if isinstance(text, bytes) else text


def _json_checked(session: MySqlSession, schema: str, name: str) -> frozenset[str]:
    """Columns that MariaDB declares as JSON: long text with a check of the same name."""
    rows = session.ask(
        "SELECT constraint_name, check_clause FROM information_schema.check_constraints"
        " WHERE constraint_schema = %s AND table_name = %s",
        (schema, name),
    )
    return frozenset(constraint for constraint, clause in rows if clause == f"json_valid({quote_name(constraint)})")


def _keys(
    session: MySqlSession, schema: str, name: str, columns: Sequence[MySqlColumn]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Unique keys on whole columns that are never NULL, and the leading whole columns of each index."""
    rows = session.ask(
        "SELECT index_name, non_unique, column_name, sub_part, index_type FROM information_schema.statistics"
        " WHERE table_schema = %s AND table_name = %s ORDER BY index_name, seq_in_index",
        (schema, name),
    )
    required = {column.name for column in columns if not column.nullable}
    indexes: dict[str, list[tuple[Any, ...]]] = {}
    for index, *rest in rows:
        indexes.setdefault(index, []).append(tuple(rest))
    unique, indexed = [], []
    for parts in indexes.values():
        if not any(int(non_unique) or sub_part or part not in required for non_unique, part, sub_part, _ in parts):
            unique.append(tuple(part for _, part, _, _ in parts))
        leading = _leading(parts)
        if leading:
            indexed.append(leading)
    return tuple(unique), tuple(dict.fromkeys(indexed))


def _leading(parts: list[tuple[Any, ...]]) -> tuple[str, ...]:
    """An index's columns as far as they are whole; none of an index that finds no single value."""
    whole = []
    for _, part, sub_part, kind in parts:
        if part is None or sub_part or kind not in ("BTREE", "HASH", "RTREE_PK"):
            break
        whole.append(part)
    return tuple(whole)


_FIELD_TYPES = {
    0: "decimal", 1: "tinyint", 2: "smallint", 3: "int", 4: "float", 5: "double", 7: "timestamp", 8: "bigint",
    9: "mediumint", 10: "date", 11: "time", 12: "datetime", 13: "year", 14: "date", 16: "bit", 245: "json",
    246: "decimal", 255: "geometry",
}  # fmt: skip
_FIELD_STRING = 254


def _described(field: FieldDescriptorPacket) -> MySqlColumn:
    """A column of a query, from what the server says about its result."""
    raw: Any = field
    base = _FIELD_TYPES.get(raw.type_code) or _field_text(raw)
    unsigned = bool(raw.flags & _UNSIGNED_FLAG)
    digits = int(raw.length)
    if base == "decimal":  # the length of its text: digits, a point, a sign
        digits -= (1 if raw.scale else 0) + (0 if unsigned else 1)
    nullable = not raw.flags & _NOT_NULL_FLAG
    scale = int(raw.scale) if base == "decimal" else 0
    return MySqlColumn(raw.name, base, base + (" unsigned" if unsigned else ""), nullable, digits, scale)


def _field_text(raw: Any) -> str:
    if raw.flags & _ENUM_FLAG:
        return "enum"
    if raw.flags & _SET_FLAG:
        return "set"
    if raw.charsetnr == _BINARY_CHARSET:
        return "varbinary"
    return "char" if raw.type_code == _FIELD_STRING else "varchar"
