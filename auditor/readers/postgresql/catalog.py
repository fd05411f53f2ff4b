"""What the server says about itself and about one relation or query, in few questions.

Each question is one SELECT that answers with one JSON value, since a round trip costs more than the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from auditor.readers.native import quote_name, quote_text
from auditor.readers.postgresql.columns import PostgresColumn, array_literal
from auditor.readers.postgresql.errors import place
from auditor.readers.postgresql.query import HARMLESS, called_names
from auditor.readers.postgresql.store_hash import ENCODING, KNOWN, PROBE, PROBED
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from reconcilers.ports import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.readers.postgresql.session import PostgresSession

VERSION_MIN = 13
"""The oldest PostgreSQL that was still maintained when this was written, and the first with `pg_current_snapshot`."""

SUGGESTED_FROM_MAX = 5000
"""Names among which the one that was meant is looked for."""

_KINDS = "('r', 'v', 'm', 'f', 'p')"
_FIRST_USER_OID = 16_384

_SERVER = f"""
json_build_object(
  'standby', pg_is_in_recovery(),
  'position', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text ELSE pg_current_wal_lsn()::text END,
  'replayed', to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
  'can_hash', {KNOWN})
"""

_RELATION = f"""
SELECT json_build_object(
  'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'pages', c.relpages,
  'parent', c.relhassubclass, 'usable', has_schema_privilege(n.oid, 'USAGE'), 'policies', row_security_active(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = {{name}} AND c.relkind IN {_KINDS} AND {{schema}}
ORDER BY array_position(current_schemas(false), n.nspname) NULLS LAST LIMIT 1
"""

_WIDTHS = """
SELECT json_agg(s.avg_width * (1 - s.null_frac))
FROM pg_stats s JOIN pg_class c ON c.relname = s.tablename
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
WHERE c.oid = {oid} AND NOT s.inherited AND s.attname = ANY ({names}::name[])
"""
_ROW_BYTES, _CELL_BYTES = 2, 4
"""What binary COPY sends beside the values: how many there are, and how long each is."""

_NAMES = f"""
SELECT json_agg(CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END)
FROM (SELECT * FROM pg_class WHERE relkind IN {_KINDS} AND oid >= {_FIRST_USER_OID} LIMIT {SUGGESTED_FROM_MAX}) c
JOIN pg_namespace n ON n.oid = c.relnamespace
"""

_TABLE_ITEMS = """
SELECT a.attnum::int AS number, a.attname AS name, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS filled,
  has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable, a.attcollation AS collated
FROM pg_attribute a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
"""

# Domains are followed down to what they stand for; an array is described by its element.
_COLUMNS = """
WITH RECURSIVE item AS ({items}),
  below AS (
    SELECT number, type, modifier, filled, false AS domain FROM item
    UNION ALL
    SELECT below.number, t.typbasetype, t.typtypmod, below.filled OR t.typnotnull, true
    FROM below JOIN pg_type t ON t.oid = below.type WHERE t.typtype = 'd')
SELECT json_agg(json_build_object(
  'number', item.number, 'name', item.name, 'declared', format_type(item.type, item.modifier),
  'base', coalesce(e.typname, t.typname), 'sql', format_type(coalesce(e.oid, t.oid), NULL), 'modifier', below.modifier,
  'nullable', NOT below.filled, 'array', e.oid IS NOT NULL, 'domain', below.domain, 'readable', item.readable,
  'bytewise', coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = item.collated), true),
  'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = coalesce(e.oid, t.oid)))
  ORDER BY item.number)
FROM item JOIN below USING (number) JOIN pg_type t ON t.oid = below.type AND t.typtype <> 'd'
LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
"""

_INDEXES = """
SELECT json_agg(json_build_object('unique', i.indisunique AND i.indpred IS NULL, 'parts', i.indnkeyatts, 'columns', (
    SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.place <= i.indnkeyatts),
  'whole', i.indpred IS NULL) ORDER BY i.indisprimary DESC, i.indexrelid)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
WHERE i.indrelid = {oid} AND i.indisvalid AND m.amname IN ('btree', 'hash')
"""

_FAMILY = """
WITH RECURSIVE family(oid) AS (
  {seed} UNION SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.oid)
"""

_SIZES = (
    _FAMILY
    + """
SELECT json_build_object(
  'rows', sum(c.reltuples::float8) FILTER (WHERE c.reltuples > 0 OR (c.reltuples = 0 AND c.relpages > 0)),
  'analysed', coalesce(bool_or(c.reltuples >= 0 AND (c.relpages > 0 OR pg_relation_size(c.oid) = 0)), false),
  'bytes', sum(pg_total_relation_size(c.oid)))
FROM family JOIN pg_class c USING (oid) WHERE c.relkind IN ('r', 'm')
"""
)

# The file that holds a table is another one after TRUNCATE and after DDL that rewrites it; neither is MVCC-safe: an
# older snapshot finds the new file empty.  `pg_relation_filenode` and `pg_partition_tree` look past our snapshot, at
# what is there now.
_FILES = (
    _FAMILY
    + """, files AS (
  SELECT oid FROM family
  UNION SELECT p.relid FROM family JOIN pg_class c USING (oid), pg_partition_tree(c.oid) p WHERE c.relkind = 'p')
SELECT json_object_agg(oid::text, pg_relation_filenode(oid)) FROM files
"""
)

_LOCKED = f"""
SELECT relation FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.oid >= {_FIRST_USER_OID} AND c.relkind IN {_KINDS}
"""

# A column that was dropped has no privileges, neither granted nor denied; this too looks past our snapshot.
_GONE = """
SELECT coalesce(bool_or(has_column_privilege({oid}::oid, n::int2, 'SELECT') IS NULL), false)
FROM unnest({numbers}::int[]) n
"""

_SIDE_EFFECTS = """
SELECT json_agg(DISTINCT proname) FROM pg_proc
WHERE proname = ANY ({names}::text[]) AND provolatile = 'v'
  AND NOT (pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ({harmless}::text[]))
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What the server says about itself.

    Attributes:
        version: Its major version.
        standby: It replays another server's changes.
        position: Where in the write-ahead log it stands, for people.
        encoding: The server's own name of the database's encoding.
        hashes: It hashes values as `store_hash` expects.
    """

    version: int
    standby: bool
    position: str
    encoding: str
    hashes: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, a view or a query, as the server describes it.

    Attributes:
        source: What to write after FROM.
        columns: In the server's order.
        oid: The server's number of it; 0 for a query.
        schema: Empty for a query.
        name: Empty for a query.
        kind: As in `pg_class.relkind`; empty for a query.
        pages: Pages at the last ANALYZE.
        files: The file of every table that it reads from, by the table's number.
    """

    source: str
    columns: tuple[PostgresColumn, ...]
    oid: int = 0
    schema: str = ""
    name: str = ""
    kind: str = ""
    parent: bool = False
    pages: int = 0
    files: Mapping[str, int | None] = field(default_factory=lambda: MappingProxyType({}))


def describe_server(session: PostgresSession) -> Server:
    """What the server is.

    Raises:
        StoreError: It is too old, or refuses to say.
    """
    doing = f"connecting for {session.dataset}"
    ((text, number),) = session.ask(
        "SELECT current_setting('server_version') AS text, current_setting('server_version_num')::int AS number",
        doing=doing,
    )
    if number < VERSION_MIN * 10_000:
        raise StoreError(
            f"reading {session.dataset} failed at {place(session.parts)}: the server is PostgreSQL {text}; "
            f"expected {VERSION_MIN} or newer",
            hint="upgrade the server, or read a copy of it",
        )
    said = session.ask_json(_SERVER, doing=doing)
    session.standby = said["standby"]
    if session.parts.standby and not session.standby:
        raise StoreError(
            f"connecting for {session.dataset} at {place(session.parts)}: this is to be a standby, and it is not one",
            hint="check `standby` of the connection; a server that takes changes is scanned as `url` only",
        )
    position = said["position"] or ""
    if session.standby:  # what it shows is no newer than the last change that it has replayed
        position = f"{position} on a standby, replayed to {said['replayed'] or 'its beginning'}"
    hashes = said["can_hash"] and said["encoding"] == ENCODING and session.ask_json(PROBE, doing=doing) == PROBED
    return Server(number // 10_000, said["standby"], position, said["encoding"], hashes)


def find_relation(session: PostgresSession, relation: str) -> Relation:
    """A table, view, materialised view, partitioned or foreign table.

    Args:
        session: The server.
        relation: `schema.table`, or `table` alone, which the search path and then `public` have.

    Raises:
        StoreError: There is none, or this role may not read it.
    """
    schema, dot, name = relation.partition(".")
    if not dot:
        schema, name = "", relation
    among = f"n.nspname = {quote_text(schema)}" if dot else "n.nspname = ANY (current_schemas(false) || 'public'::name)"
    said = session.ask_json(f"({_RELATION.format(name=quote_text(name), schema=among)})")
    if said is None:
        raise _missing(session, relation)
    columns = _columns(session, _TABLE_ITEMS.format(oid=said["oid"]))
    _require_access(session, relation, said, columns)
    source = f"{quote_name(said['schema'])}.{quote_name(said['name'])}"
    if said["kind"] == "v":  # preparing a statement locks the tables below a view: that tells which they are
        session.run(f"DESCRIBE SELECT * FROM {session.relation(f'SELECT 1 AS one FROM {source}')}")
    files = _files(session, f"SELECT {said['oid']}::oid UNION {_LOCKED}")
    known = {key: said[key] for key in ("oid", "schema", "name", "kind", "parent", "pages")}
    return Relation(source, columns, files=files, **known)


def find_query(session: PostgresSession, query: str) -> Relation:
    """An owner's query.

    Raises:
        StoreError: It is more than one SELECT, or does more than read.
    """
    doing = f"reading the query of {session.dataset}"
    described = session.run(f"DESCRIBE SELECT * FROM {session.relation(query)}", doing=doing)  # prepared, never run
    _refuse_side_effects(session, query)
    source = f"(\n{query}\n) AS q"
    types = ", ".join(f"pg_typeof(q.{quote_name(name)})::oid::int8" for name, *_ in described)
    # No row of the query is ever asked for: the join's condition is false.
    oids = session.ask_json(
        f"(SELECT json_build_array({types}) FROM (SELECT 1) AS one LEFT JOIN {source} ON false)", doing=doing
    )
    items = " UNION ALL ".join(
        f"SELECT {number} AS number, {quote_text(name)} AS name, {oid}::oid AS type, {_modifier(arrives)} AS modifier, "
        "false AS filled, true AS readable, 0::oid AS collated"
        for number, ((name, arrives, *_), oid) in enumerate(zip(described, oids, strict=True), 1)
    )
    return Relation(source, _columns(session, items), files=_files(session, _LOCKED))


def shape_of(session: PostgresSession, relation: Relation) -> Shape:
    """The relation as contracts and inference see it."""
    described = tuple(column.described() for column in relation.columns)
    if not relation.oid:
        return Shape(described)
    indexes = session.ask_json(f"({_INDEXES.format(oid=relation.oid)})") or []
    sizes = session.ask_json(f"({_SIZES.format(seed=f'SELECT {relation.oid}::oid')})")
    stored = relation.kind in ("r", "m", "p")
    return Shape(
        described,
        unique_keys=_unique_keys(relation, indexes),
        indexed=tuple(dict.fromkeys(columns for index in indexes if index["whole"] and (columns := _leading(index)))),
        estimated_rows=round(sizes["rows"] or 0) if stored and sizes["analysed"] else None,
        estimated_bytes=int(sizes["bytes"] or 0) if stored else None,
    )


def row_width(session: PostgresSession, relation: Relation, names: Sequence[str]) -> float | None:
    """Bytes of a row with these columns as the server sends it, by its own statistics; None where it has none."""
    if not relation.oid:
        return None
    listed = quote_text(array_literal(sorted(set(names))))
    widths = session.ask_json(f"({_WIDTHS.format(oid=relation.oid, names=listed)})")
    return None if widths is None else _ROW_BYTES + sum(_CELL_BYTES + width for width in widths)


def changes_since(session: PostgresSession, before: Relation) -> str:
    """What befell the relation since it was described, as far as it harms a reader with an older snapshot; else empty.

    Asked within the reader's transaction, whose locks keep everything as it is from the first read on.
    """
    now = _files(session, f"SELECT unnest({quote_text(array_literal(list(before.files)))}::oid[])")
    if now != before.files:
        return "the table was truncated or rewritten while it was read"
    numbers = array_literal([str(column.number) for column in before.columns if column.number])
    if before.oid and session.ask_json(f"to_json(({_GONE.format(oid=before.oid, numbers=quote_text(numbers))}))"):
        return "columns of the table were dropped while it was read"
    return ""


def _columns(session: PostgresSession, items: str) -> tuple[PostgresColumn, ...]:
    said = session.ask_json(f"({_COLUMNS.format(items=items)})") or []
    return tuple(PostgresColumn(**{**column, "labels": tuple(column["labels"] or ())}) for column in said)


def _files(session: PostgresSession, tables: str) -> Mapping[str, int | None]:
    """The files of these tables, and of their partitions and children."""
    files: dict[str, int | None] = session.ask_json(f"({_FILES.format(seed=f'({tables})')})") or {}
    return files


def _unique_keys(relation: Relation, indexes: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Keys that the server keeps unique over everything that the relation shows.

    A parent of inheritance shows its children's rows, which its own indexes know nothing of.
    """
    if relation.kind == "r" and relation.parent:
        return ()
    filled = {column.name for column in relation.columns if not column.nullable}
    keys = (tuple(index["columns"]) for index in indexes if index["unique"])
    return tuple(dict.fromkeys(key for key in keys if all(name in filled for name in key)))


def _leading(index: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns of an index up to its first expression."""
    names = index["columns"]
    return tuple(names[: names.index(None)] if None in names else names)


def _modifier(arrives: str) -> int:
    """The modifier of a numeric that the scanner calls DECIMAL(p,s): the protocol tells it, `pg_typeof` does not."""
    if not arrives.startswith("DECIMAL("):
        return -1
    precision, scale = map(int, arrives[8:-1].split(","))
    return (precision << 16 | scale) + 4 if scale <= precision else -1


def _missing(session: PostgresSession, relation: str) -> StoreError:
    names = session.ask_json(f"({_NAMES})") or []
    return StoreError(
        f"reading {session.dataset} failed at {place(session.parts)}: there is no table or view {relation}",
        hint=did_you_mean(relation, names) or "check the relation in the contract, letter by letter",
    )


def _require_access(
    session: PostgresSession, relation: str, said: Mapping[str, Any], columns: Sequence[PostgresColumn]
) -> None:
    what = f"reading {session.dataset} failed at {place(session.parts)}: the role may not"
    role = quote_name(session.parts.user or "ROLE")
    if not said["usable"]:
        raise StoreError(
            f"{what} look into schema {said['schema']}",
            hint=f"GRANT USAGE ON SCHEMA {quote_name(said['schema'])} TO {role}",
        )
    if columns and not any(column.readable for column in columns):
        table = f"{quote_name(said['schema'])}.{quote_name(said['name'])}"
        raise StoreError(f"{what} read {relation}", hint=f"GRANT SELECT ON {table} TO {role}")
    if said["policies"]:
        raise StoreError(
            f"reading {session.dataset} failed at {place(session.parts)}: "
            f"a row-level security policy of {relation} would hide rows from this role without a word",
            hint="give the role BYPASSRLS, or audit as the owner of the table",
        )


def _refuse_side_effects(session: PostgresSession, query: str) -> None:
    """Functions that may do more than read: a read-only transaction alone stops most of them, but not all."""
    names = sorted(called_names(query))
    if not names:
        return
    harmless = quote_text(array_literal(sorted(HARMLESS)))
    sql = _SIDE_EFFECTS.format(names=quote_text(array_literal(names)), harmless=harmless)
    if found := session.ask_json(f"({sql})"):
        raise StoreError(
            f"reading the query of {session.dataset} was refused: it calls {found[0]}(), which may do more than read "
            "(PostgreSQL has it as VOLATILE)",
            hint="leave the function out; one of your own that only reads can be declared STABLE",
        )
