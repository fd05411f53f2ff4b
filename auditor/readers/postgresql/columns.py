"""How each type of PostgreSQL is read, so that no value is bent; the whole table stands in docs/types/postgresql.md.

A thing is read in one of two ways.  The *scanner's* own table scan reads a table in parallel and knows the plain types.
A *statement* of ours reads whatever the server can say, over one connection: everything else, and rows by key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.readers.native import quote_name, quote_text
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, RawColumn, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

DECIMAL_DIGITS_MAX = 38
"""DuckDB's widest decimal; PostgreSQL has no limit that matters."""

INTEGERS = {"int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT"}
FLOATS = {"float4": "FLOAT", "float8": "DOUBLE"}
TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
DOCUMENTS = frozenset({"json", "jsonb"})
STAMPS = {"timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
_PLAIN = {
    **INTEGERS,
    **FLOATS,
    **STAMPS,
    **dict.fromkeys(("text", "varchar", "bpchar", "json", "jsonb"), "VARCHAR"),
    "bool": "BOOLEAN",
    "uuid": "UUID",
    "bytea": "BLOB",
    "date": "DATE",
    "time": "TIME",
}
"""Types that the scanner reads as they are, and the DuckDB type that each becomes."""

_TEXT_BY_SCANNER = frozenset({"citext", "name", "inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "xml"})
"""Types without a counterpart in DuckDB: the scanner itself asks the server for their text."""

_LOGICAL = {
    **dict.fromkeys(INTEGERS, Kind.INT),
    **dict.fromkeys(FLOATS, Kind.FLOAT),
    **dict.fromkeys(TEXTS, Kind.TEXT),
    **dict.fromkeys(DOCUMENTS, Kind.JSON),
    **dict.fromkeys(_TEXT_BY_SCANNER, Kind.TEXT),
    **dict.fromkeys(("timetz", "tsvector", "pg_lsn", "char", "regclass"), Kind.TEXT),
    "oid": Kind.INT,
    "bool": Kind.BOOL,
    "uuid": Kind.UUID,
    "bytea": Kind.BYTES,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "interval": Kind.INTERVAL,
    "timestamp": Kind.TIMESTAMP_LOCAL,
    "timestamptz": Kind.TIMESTAMP,
    "hstore": Kind.JSON,
}
_ZONES = {"timestamp": "local", "timestamptz": "instant"}
_MONEY = LogicalType(Kind.DECIMAL, precision=19, scale=2)
_WRITABLE_MEMBER = re.compile(r"[^\s,()](?:[^,()]*[^\s,()])?\Z")
_INFINITE_INTERVALS_SINCE = 17


@dataclass(frozen=True, slots=True)
class PostgresColumn:
    """One column as the server describes it, its domains resolved.

    Attributes:
        number: The server's own number of it, which a column that is dropped and made anew does not keep; 0 in a query.
        declared: The whole type, such as `numeric(10,2)` or the domain's name.
        base: The bare name of the type below all domains, such as `numeric`; of an array, its element's.
        sql: How to write that type in SQL, without its modifier.
        modifier: What stands in parentheses, in the server's own encoding; -1 for nothing.
        array: It is an array of `base`.
        domain: It is declared by way of a domain.
        labels: Of an enum, in its order.
        readable: This role may read it.
        bytewise: Texts are equal only when their bytes are (no case-insensitive collation).
    """

    name: str
    number: int
    declared: str
    base: str
    sql: str
    modifier: int = -1
    nullable: bool = True
    array: bool = False
    domain: bool = False
    labels: tuple[str, ...] = ()
    readable: bool = True
    bytewise: bool = True

    def described(self) -> Column:
        """The column as contracts and inference see it."""
        zone = "" if self.array else _ZONES.get(self.base, "")
        return Column(self.name, self.declared, self.nullable, self.logical(), zone)

    def logical(self) -> LogicalType | None:
        """The logical type that carries every value without loss."""
        if self.array:
            element = self._scalar()
            return LogicalType(Kind.LIST, element=element) if element else None
        return self._scalar()

    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a numeric that a DuckDB decimal can hold, else None."""
        declared = self._declared_digits()
        if declared is None or declared[0] > DECIMAL_DIGITS_MAX or not 0 <= declared[1] <= declared[0]:
            return None
        return declared

    def _declared_digits(self) -> tuple[int, int] | None:
        if self.base != "numeric" or self.modifier < 0:
            return None
        packed = self.modifier - 4
        return packed >> 16, ((packed & 0x7FF) ^ 0x400) - 0x400  # a scale may be negative

    def _scalar(self) -> LogicalType | None:
        if self.labels:
            writable = all(_WRITABLE_MEMBER.match(label) for label in self.labels)
            return LogicalType(Kind.ENUM, members=self.labels) if writable else LogicalType(Kind.TEXT)
        if self.base == "money":
            return _MONEY
        if self.base == "numeric":
            return self._decimal()
        if self.base.endswith(("range", "multirange")):
            return LogicalType(Kind.TEXT)
        kind = _LOGICAL.get(self.base)
        return LogicalType(kind) if kind else None

    def _decimal(self) -> LogicalType | None:
        declared = self._declared_digits()
        if declared is None:
            return None  # any number of digits on both sides of the point
        precision, scale = declared
        precision = max(precision - scale if scale < 0 else precision, scale)
        return LogicalType(Kind.DECIMAL, precision=precision, scale=max(scale, 0))


@dataclass(frozen=True, slots=True)
class Access:
    """How one wanted thing is read.

    Attributes:
        column: The column it is, or is a part of.
        expression: What the server is asked for.
        raw: How the comparison sees it; its `sql` is filled in by the relation.
        scanned: The same as DuckDB asks the scanner for it; empty where the scanner would bend it.
        inside: It is a part of a document.
    """

    column: PostgresColumn
    expression: str
    raw: RawColumn
    scanned: str = ""
    inside: bool = False

    @property
    def name(self) -> str:
        """SQL of the column."""
        return quote_name(self.column.name)


def access(
    columns: Sequence[PostgresColumn], wanted: Wanted, *, timezone: str, version: int, by_key: bool = False
) -> Access | None:
    """How to read one wanted thing, or None where no column has it.

    Args:
        columns: All columns of the relation.
        wanted: What to read.
        timezone: IANA zone of columns without one, where the contract names none.
        version: The server's major version.
        by_key: For a few rows, where exactness is worth more than speed: NaN is not hidden.
    """
    zone = wanted.timezone or timezone
    kind = wanted.logical.kind if wanted.logical else None
    for column in columns:
        if column.name == wanted.path:
            return _whole(column, kind, zone, version=version, by_key=by_key)
    for column in columns:
        if wanted.path.startswith(f"{column.name}.") and column.base in DOCUMENTS and not column.array:
            return _inside(column, wanted.path[len(column.name) + 1 :], kind, zone)
    return None


def _whole(column: PostgresColumn, kind: Kind | None, zone: str, *, version: int, by_key: bool) -> Access:
    name = quote_name(column.name)
    if column.array:
        return Access(column, f"to_json({name})::text", RawColumn("", "VARCHAR", zone, exact=False))
    if column.base == "numeric":
        return _numeric(column, kind, by_key=by_key)
    if _as_text(column, kind):
        return Access(column, f"{name}::text", RawColumn("", "VARCHAR", zone, exact=kind is not Kind.DECIMAL))
    if column.base in _PLAIN:
        return _plain(column, kind, zone)
    return _exotic(column, kind, zone, version=version)


def _as_text(column: PostgresColumn, kind: Kind | None) -> bool:
    """Whether the contract calls for the server's own text of a value that is no text.

    A binary float is a decimal by its shortest text: 0.1 is 0.1, not the binary fraction next to it.
    """
    if kind in (Kind.TEXT, Kind.ENUM):
        return column.base in (*FLOATS, *STAMPS, "date", "time", "bytea", "interval", "money")
    return kind is Kind.DECIMAL and column.base in FLOATS


def _numeric(column: PostgresColumn, kind: Kind | None, *, by_key: bool) -> Access:
    name = quote_name(column.name)
    exact = kind in (None, Kind.INT, Kind.DECIMAL, Kind.FLOAT)
    digits = column.digits()
    if digits is None or by_key or kind in (Kind.TEXT, Kind.ENUM):
        return Access(column, f"{name}::text", RawColumn("", "VARCHAR", exact=exact))
    raw = RawColumn("", f"DECIMAL({digits[0]},{digits[1]})", exact=exact, nan_hidden=True)
    return Access(column, name, raw, scanned="" if column.domain else name)


def _plain(column: PostgresColumn, kind: Kind | None, zone: str) -> Access:
    name = quote_name(column.name)
    padded = column.base == "bpchar"
    # DuckDB's timestamps end in the year 294247, PostgreSQL's 30 years later; the scanner lets the rest wrap round.
    raw = RawColumn(
        "",
        _PLAIN[column.base],
        zone,
        exact=_finds_all(column, kind),
        char_padded=padded,
        wraps=column.base in STAMPS,
    )
    expression = f"{name}::text" if padded else name  # as text it has lost its padding
    # The scanner knows nothing of what a domain stands for.
    return Access(column, expression, raw, scanned="" if column.domain else name)


def _exotic(column: PostgresColumn, kind: Kind | None, zone: str, *, version: int) -> Access:
    name = quote_name(column.name)
    exact = _finds_all(column, kind)
    if column.base == "oid":
        return Access(column, f"{name}::int8", RawColumn("", "BIGINT", exact=exact))
    if column.base == "interval" and version < _INFINITE_INTERVALS_SINCE:
        return Access(column, name, RawColumn("", "INTERVAL", exact=False), scanned="" if column.domain else name)
    return _by_text(column, kind, RawColumn("", "VARCHAR", zone, exact=exact))


def _by_text(column: PostgresColumn, kind: Kind | None, text: RawColumn) -> Access:
    name = quote_name(column.name)
    if column.base == "money":
        return Access(column, f"{name}::numeric::text", text)
    if column.base not in TEXTS and (kind is Kind.JSON or (kind is None and column.base == "hstore")):
        return Access(column, f"to_json({name})::text", text)
    scanned = f"CAST({name} AS VARCHAR)" if column.labels else name if column.base in _TEXT_BY_SCANNER else ""
    return Access(column, f"{name}::text", text, scanned="" if column.domain else scanned)


def _inside(column: PostgresColumn, path: str, kind: Kind | None, zone: str) -> Access:
    """A value inside a document, its digits kept; a member whose own name has dots is found as well, and first."""
    name = quote_name(column.name)
    parts = path.split(".")
    paths = [[*parts[:i], ".".join(parts[i:])] for i in range(len(parts))]
    found = [f"{name} {'#>' if kind is Kind.JSON else '#>>'} {quote_text(array_literal(each))}" for each in paths]
    if kind is Kind.JSON:
        found = [f"nullif(({each})::text, 'null')" for each in found]
    expression = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
    exact = kind in (Kind.TEXT, Kind.ENUM)
    return Access(column, expression, RawColumn("", "VARCHAR", zone, exact=exact), inside=True)


def _finds_all(column: PostgresColumn, kind: Kind | None) -> bool:
    """Whether equality in the server finds every spelling of a value of this kind."""
    own = _LOGICAL.get(column.base)
    numbers, words = (Kind.INT, Kind.DECIMAL), (Kind.TEXT, Kind.ENUM)
    lawful: tuple[Kind, ...] = words  # compared as the server writes it
    if column.base in INTEGERS or column.base == "oid":
        lawful = (*numbers, Kind.FLOAT, *words)
    elif column.base == "money":
        lawful = numbers
    elif column.base in STAMPS:
        lawful = (Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL)
    elif column.base in ("uuid", "bool"):
        lawful = (_LOGICAL[column.base], *words)
    elif column.base in _PLAIN and own not in (None, Kind.JSON):
        lawful = (own, *words) if own is Kind.TEXT else (own,)
    return kind is None or kind in lawful


def array_literal(items: Sequence[str]) -> str:
    """A one-dimensional array as PostgreSQL reads it from text."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"
