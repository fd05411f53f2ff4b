"""How each type of MySQL and MariaDB is read, so that no value is bent; docs/types/mysql.md has the whole table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, RawColumn, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

DECIMAL_DIGITS_MAX = 38
"""DuckDB's widest decimal; MySQL has 65 digits."""

UUID_BYTES = 16

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
FLOATS = frozenset({"float", "double"})
TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
BINARIES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
GEOMETRIES = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)
NETWORK_ADDRESSES = frozenset({"inet4", "inet6"})

_PLAIN_LOGICAL = {
    **dict.fromkeys(INTEGERS, Kind.INT),
    **dict.fromkeys(FLOATS, Kind.FLOAT),
    **dict.fromkeys(TEXTS, Kind.TEXT),
    **dict.fromkeys(BINARIES, Kind.BYTES),
    **dict.fromkeys(GEOMETRIES, Kind.TEXT),
    **dict.fromkeys(NETWORK_ADDRESSES, Kind.TEXT),
    "year": Kind.INT,
    "date": Kind.DATE,
    "datetime": Kind.TIMESTAMP_LOCAL,
    "timestamp": Kind.TIMESTAMP,
    "time": Kind.TIME,
    "set": Kind.TEXT,
    "json": Kind.JSON,
    "uuid": Kind.UUID,
}
_ZONES = {"datetime": "local", "timestamp": "instant"}
_MEMBER = re.compile(r"'((?:[^']|'')*)'")
_WRITABLE_MEMBER = re.compile(r"[^\s,()](?:[^,()]*[^\s,()])?\Z")


@dataclass(frozen=True, slots=True)
class MySqlColumn:
    """One column as the server describes it.

    Attributes:
        base: The type's name alone, such as `decimal`.
        declared: The whole type, such as `decimal(10,2) unsigned`.
        digits: All digits of a decimal, bits of a BIT, bytes of a BINARY or VARBINARY; else 0.
        scale: Digits after the point of a decimal, else 0.
        charset: The character set of a text column; empty where it is not known.
        collation: How a text column compares; empty where it is not known.
        holds_json: The server checks that the text is JSON (MariaDB's JSON).
    """

    name: str
    base: str
    declared: str
    nullable: bool = True
    digits: int = 0
    scale: int = 0
    charset: str = ""
    collation: str = ""
    holds_json: bool = False

    @property
    def unsigned(self) -> bool:
        """Whether it has no negative values."""
        return "unsigned" in self.declared

    def described(self) -> Column:
        """The column as contracts and inference see it."""
        return Column(self.name, self.declared, self.nullable, self.logical(), _ZONES.get(self.base, ""))

    def logical(self) -> LogicalType | None:
        """The logical type that carries every value without loss."""
        if self.holds_json:
            return LogicalType(Kind.JSON)
        if self.base == "decimal":
            return LogicalType(Kind.DECIMAL, precision=self.digits, scale=self.scale)
        if self.base == "bit":
            return LogicalType(Kind.BOOL if self.digits == 1 else Kind.INT)
        if self.base == "enum":
            return self._enumerated()
        kind = _PLAIN_LOGICAL.get(self.base)
        return LogicalType(kind) if kind else None

    def _enumerated(self) -> LogicalType:
        members = tuple(member.replace("''", "'") for member in _MEMBER.findall(self.declared))
        if members and all(_WRITABLE_MEMBER.match(member) for member in members):
            return LogicalType(Kind.ENUM, members=members)
        return LogicalType(Kind.TEXT)  # a contract could not spell the members


@dataclass(frozen=True, slots=True)
class Access:
    """How one wanted thing is read.

    Attributes:
        column: The column it is, or is a part of.
        expression: What the server is asked for.
        binary: It arrives as bytes.
        cast: SQL that makes DuckDB's value of the arriving text; `{}` stands for the text.
        parsed: SQL of `RawColumn.parsed`, likewise; empty where there is none.
        raw: How the comparison sees it; its `sql` is filled in by the relation.
        inside: It is a part of a document.
        path: Where in a document that Python must take apart; empty where the server does it.
        logical: The contract's type, if it names one.
    """

    column: MySqlColumn
    expression: str
    raw: RawColumn
    binary: bool = False
    cast: str = "{}"
    parsed: str = ""
    inside: bool = False
    path: tuple[str, ...] = ()
    logical: LogicalType | None = None


def quote_name(name: str) -> str:
    """An identifier for MySQL, whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def access(
    columns: Sequence[MySqlColumn], wanted: Wanted, *, timezone: str, keeps_digits: bool = False
) -> Access | None:
    """How to read one wanted thing, or None where no column has it.

    Args:
        columns: All columns of the relation.
        wanted: What to read.
        timezone: IANA zone of columns without one, where the contract names none.
        keeps_digits: See `mysql_catalog.Table`.
    """
    zone = wanted.timezone or timezone
    kind = wanted.logical.kind if wanted.logical else None
    for column in columns:
        if column.name == wanted.path:
            return _whole(column, kind, zone)
    for column in columns:
        if wanted.path.startswith(f"{column.name}.") and (column.base == "json" or column.base in TEXTS):
            path = tuple(wanted.path[len(column.name) + 1 :].split("."))
            exact = (keeps_digits or column.base == "json") and not any(part.isdecimal() for part in path)
            return _inside(column, path, kind, zone) if exact else _inside_text(column, path, wanted.logical, zone)
    return None


def _whole(column: MySqlColumn, kind: Kind | None, zone: str) -> Access:
    name = quote_name(column.name)
    base = column.base
    if base in INTEGERS or base == "year":
        wide = "UBIGINT" if base == "bigint" and column.unsigned else "BIGINT"
        return Access(column, name, RawColumn("", wide), cast=f"CAST({{}} AS {wide})")
    if base == "bit":  # its text would be raw bytes
        return Access(column, f"{name} + 0", RawColumn("", "UBIGINT"), cast="CAST({} AS UBIGINT)")
    if base == "decimal":
        return _decimal(column, name)
    if base in FLOATS:  # FLOAT shows 6 digits, DOUBLE(M,D) shows D: as part of an expression all of them
        narrow = "FLOAT" if base == "float" else "DOUBLE"
        cast = "CAST(CAST({} AS DOUBLE) AS FLOAT)" if base == "float" else "CAST({} AS DOUBLE)"
        return Access(column, f"{name} + 0e0", RawColumn("", narrow, exact=base == "double"), cast=cast)
    if base in BINARIES:
        return _bytes(column, name, kind)
    return _geometry(column, name, kind) if base in GEOMETRIES else _text(column, name, kind, zone)


def _decimal(column: MySqlColumn, name: str) -> Access:
    if column.digits > DECIMAL_DIGITS_MAX:
        return Access(column, name, RawColumn("", "VARCHAR"))
    held = f"DECIMAL({column.digits},{column.scale})"
    return Access(column, name, RawColumn("", held), cast=f"CAST({{}} AS {held})")


def _bytes(column: MySqlColumn, name: str, kind: Kind | None) -> Access:
    if kind is Kind.UUID and not (column.base in ("binary", "varbinary") and column.digits == UUID_BYTES):
        # 16 bytes, or the text of one: which of them, only each value knows
        text = "coalesce(TRY(decode({0})), hex({0}))"
        cast = f"CASE WHEN octet_length({{0}}) = {UUID_BYTES} THEN lower(hex({{0}})) ELSE {text} END"
        return Access(column, name, RawColumn("", "VARCHAR", exact=False), binary=True, cast=cast)
    return Access(column, name, RawColumn("", "BLOB", exact=kind is not Kind.JSON), binary=True)


def _geometry(column: MySqlColumn, name: str, kind: Kind | None) -> Access:
    if kind is Kind.BYTES:
        return Access(column, f"ST_AsBinary({name})", RawColumn("", "BLOB", exact=False), binary=True)
    return Access(column, f"ST_AsText({name})", RawColumn("", "VARCHAR", exact=False))


def _text(column: MySqlColumn, name: str, kind: Kind | None, zone: str) -> Access:
    """What is text already.  Dates too: `0000-00-00` and `2024-02-00` are lawful here, and have no other form."""
    base = column.base
    if base == "uuid":
        return Access(column, name, RawColumn("", "UUID"), cast="CAST({} AS UUID)")
    if base in ("date", "time"):
        return Access(column, name, RawColumn("", "VARCHAR"))
    if base in ("datetime", "timestamp"):
        raw = RawColumn("", "VARCHAR", timezone="UTC" if base == "timestamp" else zone)
        return Access(column, name, raw, parsed="TRY_CAST({} AS TIMESTAMP)")  # the server always writes all digits
    if base == "set" and kind is Kind.LIST:
        cast = "CASE WHEN {0} = '' THEN '[]' ELSE CAST(to_json(string_split({0}, ',')) AS VARCHAR) END"
        return Access(column, name, RawColumn("", "VARCHAR", exact=False), cast=cast)
    known = base in TEXTS or base in ("enum", "set")
    expression = name if known or base in NETWORK_ADDRESSES or base == "json" else f"CAST({name} AS CHAR)"
    exact = known and kind in (None, Kind.TEXT, Kind.ENUM)
    raw = RawColumn("", "VARCHAR", timezone=zone, exact=exact, char_padded=base == "char")
    return Access(column, expression, raw)


def _inside(column: MySqlColumn, path: tuple[str, ...], kind: Kind | None, zone: str) -> Access:
    """A part of a document, as JSON text so that numbers keep their digits; a document that is no JSON shows itself.

    As in `documents.at_path`, a member whose own name has dots in it comes before members within members.
    """
    name = quote_name(column.name)
    places = [(*path[:depth], ".".join(path[depth:])) for depth in range(len(path))]
    parts = [f"JSON_EXTRACT({name}, {literal('$' + ''.join(map(_json_key, place)))})" for place in places]
    part = parts[0] if len(parts) == 1 else f"COALESCE({', '.join(parts)})"
    expression = part if column.base == "json" else f"IF(JSON_VALID({name}), {part}, {name})"
    cast = "nullif({0}, 'null')"
    if kind is not Kind.JSON:
        cast = f"CASE WHEN starts_with({{0}}, '\"') THEN coalesce(TRY({{0}}->>'$'), {{0}}) ELSE {cast} END"
    return Access(column, expression, RawColumn("", "VARCHAR", timezone=zone, exact=False), cast=cast, inside=True)


def _inside_text(column: MySqlColumn, path: tuple[str, ...], logical: LogicalType | None, zone: str) -> Access:
    """A part of a document that MySQL would bend (it reads 1.10 in a text as a binary number) or cannot find."""
    raw = RawColumn("", "VARCHAR", timezone=zone, exact=False)
    return Access(column, quote_name(column.name), raw, inside=True, path=path, logical=logical)


def _json_key(key: str) -> str:
    return '."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """A text literal for the server that no quoting rule can touch."""
    return f"_utf8mb4 x'{text.encode(errors='surrogatepass').hex()}'"
