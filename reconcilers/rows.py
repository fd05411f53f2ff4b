"""The comparison of one owner with one replica, on their projections.

The model.  Each side was scanned once into a projection (`reconcilers.projection`): key, hash of the compared fields, flags.
Here the two meet:

1. Keys that stand several times among a side's live rows, keys with a NULL part and keys that are no value of their type are set
   aside.  They become findings of their own and are not compared: there is no telling which row would be meant.
2. The owner's rows that this replica is to hold (not deleted, in scope of `where`) are joined with the replica's live rows
   (after `select`, not flagged) by FULL OUTER JOIN on the canonical key.  What has only one side is missing or an orphan; what
   has both is a candidate when the hashes differ, a side has no hash, or a value leaves its tolerance.
3. The full rows of the candidates are fetched by key and compared field by field (`differences`), by the same
   canonical SQL.  Step 2 may call equal rows different, step 3 then clears them; it never calls different rows equal (but for
   a 64-bit hash that two different rows of the *same key* would have to share: 2^-64 for each differing row).

What follows from it: the order of rows, segments and threads does not matter; a row is never dropped, only set aside by name; the
owner's state decides alone, a flagged row counts as deleted on both sides.

What it cannot see: fields that the contract does not compare; rows that `select` hides; two live sides are read at different
moments, so a difference found here is only a suspect (`reconcilers.recheck`).

Limits: candidates are fetched in batches of FETCH_KEYS_MAX keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.logical_types import Kind
from reconcilers.canonical import text_of
from reconcilers.equality_sql import equal, within
from reconcilers.finding import FieldDifference, KeyText
from reconcilers.projection import _TEXT_KEYS, Compared, Projection, Side, compared_fields, invariant_sql, key_sql

if TYPE_CHECKING:
    from contracts.contract import Contract, Replica
    from collections.abc import Iterator, Sequence
    import duckdb

FETCH_KEYS_MAX = 10_000
"""Keys fetched from a store at a time: a few hundred kilobytes of statement, a few megabytes of rows."""

Cursor = "duckdb.DuckDBPyConnection"


@dataclass(frozen=True, slots=True)
class Pair:
    """The two projections of one comparison and where they are.

    Attributes:
        owner_unique, replica_unique: The store itself keeps the key unique and the canonical form does not merge spellings.
    """

    contract: Contract
    replica: Replica
    owner_table: str
    owner: Projection
    replica_table: str
    copy: Projection
    owner_unique: bool = False
    replica_unique: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one comparison."""

    owner_rows: int
    replica_rows: int
    compared_rows: int
    kept: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One key that may differ.

    Attributes:
        kind: `missing`, `orphan` or `mismatch`.
        owner_spelling, replica_spelling: The key as each store spells it, where that matters; else empty.
        owner_digest, replica_digest: Hash of the compared fields on each side, empty where there is no row or no hash.
        owner_state: For an orphan: `absent`, `deleted` or `out_of_scope`.
    """

    key: KeyText
    kind: str
    owner_spelling: tuple[str | None, ...] = ()
    replica_spelling: tuple[str | None, ...] = ()
    owner_digest: str = ""
    replica_digest: str = ""
    owner_state: str = ""


def live(projection: Projection) -> str:
    """SQL condition: the row counts, and its key is whole and lawful."""
    parts = [f"{key} IS NOT NULL" for key in projection.keys]
    if projection.gone:
        parts.append("NOT gone")
    if projection.outside and projection.of_owner:
        parts.append("NOT outside")
    return " AND ".join(parts)


def key_texts(contract: Contract, prefix: str = "") -> list[str]:
    """SQL of the canonical text of each key part of a projection's row."""
    texts = []
    for i, name in enumerate(contract.key):
        logical = contract.fields[name].type
        column = f"{prefix}k{i}"
        texts.append(column if logical.kind in _TEXT_KEYS else text_of(logical, column))
    return texts


def count_live(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection, scope: str | None = None) -> int:
    """Live rows of a projection, those with NULL or bad keys included; in scope where `scope` names a column."""
    conditions = ["NOT gone"] * projection.gone + ["NOT outside"] * (projection.outside and projection.of_owner)
    conditions += [] if scope is None else [scope]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return _number(cursor, f'SELECT count(*) FROM "{table}"{where}')


def find_duplicates(
    cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection, *, unique: bool
) -> str | None:
    """Keys that stand several times among the live rows, as a new table (`k…`, `n` rows); None when there are none."""
    if unique:
        return None
    keys, target = ", ".join(projection.keys), f"{table}_duplicates"
    cursor.execute(
        f'CREATE OR REPLACE TABLE "{target}" AS SELECT {keys}, count(*) AS n FROM "{table}" '
        f"WHERE {live(projection)} GROUP BY {keys} HAVING count(*) > 1"
    )
    return target if _number(cursor, f'SELECT count(*) FROM "{target}"') else None


def duplicate_keys(cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str) -> list[tuple[KeyText, int]]:
    """The keys of a table made by `find_duplicates`, with how often each stands."""
    rows = cursor.execute(f'SELECT n, {", ".join(key_texts(contract))} FROM "{table}"').fetchall()
    return [(key_text(contract, row[1:]), row[0]) for row in rows]


def null_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, projection: Projection
) -> list[tuple[KeyText, int]]:
    """Live rows with a NULL key part: the key's other parts, and how many rows share them."""
    if projection.bad_keys or projection.spelled:
        parts = projection.spellings
        condition = " OR ".join(f"{part} IS NULL" for part in parts)
    else:
        parts = key_texts(contract)
        condition = " OR ".join(f"{key} IS NULL" for key in projection.keys)
    if projection.gone:
        condition = f"({condition}) AND NOT gone"
    rows = cursor.execute(
        f'SELECT count(*), {", ".join(parts)} FROM "{table}" WHERE {condition} GROUP BY ALL'
    ).fetchall()
    return [(key_text(contract, row[1:]), row[0]) for row in rows]


def bad_keys(
    cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str, projection: Projection
) -> list[tuple[KeyText, int]]:
    """Live rows whose key is no value of its type: the raw text, and how many rows share it."""
    if not projection.bad_keys:
        return []
    whole = " AND ".join(f"{part} IS NOT NULL" for part in projection.spellings)
    gone = " AND NOT gone" if projection.gone else ""
    rows = cursor.execute(
        f'SELECT count(*), {", ".join(projection.spellings)} FROM "{table}" WHERE kb AND {whole}{gone} GROUP BY ALL'
    ).fetchall()
    return [(key_text(contract, row[1:]), row[0]) for row in rows]


def key_text(contract: Contract, values: Sequence[str | None]) -> KeyText:
    """A key's texts with their field names."""
    return tuple(zip(contract.key, values, strict=True))


def compare(cursor: duckdb.DuckDBPyConnection, pair: Pair, target: str) -> Counts:
    """Join the two projections; what is not plainly equal goes into the table `target`.

    Duplicates must have been looked for first (`find_duplicates`), their tables are picked up by name.
    """
    owner, copy = _owner_rows(cursor, pair), _replica_rows(cursor, pair)
    on = " AND ".join(f"o.{key} = r.{key}" for key in pair.owner.keys)
    columns = [f"coalesce(o.{key}, r.{key}) AS {key}" for key in pair.owner.keys]
    columns += [f"o.{part} AS o{part}" for part in pair.owner.spellings] + [
        f"r.{part} AS r{part}" for part in pair.copy.spellings
    ]
    kind = "CASE WHEN r.k0 IS NULL THEN 'missing' WHEN o.k0 IS NULL THEN 'orphan' ELSE 'mismatch' END"
    cursor.execute(
        f'CREATE OR REPLACE TABLE "{target}" AS SELECT {", ".join(columns)}, {kind} AS kind, o.h AS oh, r.h AS rh '
        f"FROM ({owner}) o FULL OUTER JOIN ({copy}) r ON {on} "
        f"WHERE o.k0 IS NULL OR r.k0 IS NULL OR {_may_differ(cursor, pair)}"
    )
    return _counts(cursor, pair, owner, target, _drop_outside(cursor, pair, target))


def _drop_outside(cursor: duckdb.DuckDBPyConnection, pair: Pair, target: str) -> int:
    """Take out the orphans that the run's own filter leaves out: by the owner's row where there is one, else by their own."""
    if not pair.owner.outside:
        return 0
    keys = ", ".join(pair.owner.keys)
    left_out = f'({keys}) IN (SELECT ({keys}) FROM "{pair.owner_table}" WHERE outside)'
    if pair.copy.outside:
        left_out += f' OR ({keys}) IN (SELECT ({keys}) FROM "{pair.replica_table}" WHERE outside)'
    return _number(cursor, f"DELETE FROM \"{target}\" WHERE kind = 'orphan' AND ({left_out})")


def _may_differ(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    conditions = ["o.h IS NULL", "r.h IS NULL", "o.h <> r.h"]
    for compared in compared_fields(pair.contract, pair.replica):
        if compared.within is not None:
            left = f"o.{pair.owner.tolerances[pair.replica.name][compared.name]}"
            right = f"r.{pair.copy.tolerances[pair.replica.name][compared.name]}"
            conditions.append(f"NOT {within(left, right, compared.logical, compared.within)}")
    for column in pair.copy.constants.values():
        constant = redacted_constant(cursor, pair, column)
        conditions.append(f"(r.{column} IS NOT NULL AND r.{column} IS DISTINCT FROM {constant})")
    return " OR ".join(f"({condition})" for condition in conditions)


def redacted_constant(cursor: duckdb.DuckDBPyConnection, pair: Pair, column: str) -> str:
    """SQL literal of the constant that a redacted column holds: its most frequent non-null text (the least of equals)."""
    row = cursor.execute(
        f'SELECT {column} FROM "{pair.replica_table}" WHERE {live(pair.copy)} AND {column} IS NOT NULL '
        f"GROUP BY ALL ORDER BY count(*) DESC, {column} LIMIT 1"
    ).fetchone()
    return "NULL" if row is None else "'" + str(row[0]).replace("'", "''") + "'"


def _owner_rows(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    name = pair.replica.name
    columns = [*pair.owner.keys, *pair.owner.spellings, *set(pair.owner.tolerances[name].values())]
    condition = live(pair.owner)
    if name in pair.owner.scopes:
        condition += f" AND {pair.owner.scopes[name]}"
    return (
        f'SELECT {", ".join(columns)}, {pair.owner.hashes[name]} AS h FROM "{pair.owner_table}" '
        f"WHERE {condition}{without_duplicates(cursor, pair.owner_table, pair.owner)}{without_duplicates(cursor, pair.replica_table, pair.owner)}"
    )


def _replica_rows(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    name = pair.replica.name
    columns = [
        *pair.copy.keys,
        *pair.copy.spellings,
        *set(pair.copy.tolerances[name].values()),
        *pair.copy.constants.values(),
    ]
    return (
        f'SELECT {", ".join(columns)}, {pair.copy.hashes[name]} AS h FROM "{pair.replica_table}" WHERE {live(pair.copy)}'
        f"{without_duplicates(cursor, pair.replica_table, pair.copy)}{without_duplicates(cursor, pair.owner_table, pair.copy)}"
    )


def without_duplicates(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection) -> str:
    """Condition that leaves out a table's duplicated keys; empty where there are none."""
    duplicates = f"{table}_duplicates"
    if not _exists(cursor, duplicates):
        return ""
    keys = ", ".join(projection.keys)
    return f' AND ({keys}) NOT IN (SELECT ({keys}) FROM "{duplicates}")'


def _exists(cursor: duckdb.DuckDBPyConnection, table: str) -> bool:
    rows = cursor.execute(
        "SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND estimated_size > 0", [table]
    ).fetchall()
    return bool(rows)


def _counts(cursor: duckdb.DuckDBPyConnection, pair: Pair, owner: str, target: str, outside: int) -> Counts:
    scope = pair.owner.scopes.get(pair.replica.name)
    extra = _number(cursor, f"SELECT count(*) FROM \"{target}\" WHERE kind = 'orphan'")
    duplicated = _duplicated(cursor, pair)
    held = _number(cursor, f"SELECT count(*) FROM ({owner})")
    return Counts(
        owner_rows=count_live(cursor, pair.owner_table, pair.owner, scope),
        replica_rows=count_live(cursor, pair.replica_table, pair.copy) - outside,
        compared_rows=held + extra + duplicated,
        kept=extra if pair.replica.deletes.mode == "keep" else 0,
    )


def _duplicated(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> int:
    """Distinct keys that stand several times on either side."""
    keys = ", ".join(pair.owner.keys)
    parts = [
        f'SELECT {keys} FROM "{table}_duplicates"'
        for table in (pair.owner_table, pair.replica_table)
        if _exists(cursor, f"{table}_duplicates")
    ]
    return _number(cursor, f"SELECT count(*) FROM ({' UNION '.join(parts)})") if parts else 0


def candidates(cursor: duckdb.DuckDBPyConnection, pair: Pair, table: str) -> Iterator[list[Candidate]]:
    """The candidates of `compare`, in batches of at most FETCH_KEYS_MAX.

    Rows that are lawful whatever they hold are left out: rows missing from a partial replica, orphans of one that keeps.
    """
    unlawful = []
    if pair.replica.completeness == "partial":
        unlawful.append("kind <> 'missing'")
    if pair.replica.deletes.mode == "keep":
        unlawful.append("kind <> 'orphan'")
    where = f" WHERE {' AND '.join(unlawful)}" if unlawful else ""
    names = [
        *key_texts(pair.contract),
        *(f"o{s}" for s in pair.owner.spellings),
        *(f"r{s}" for s in pair.copy.spellings),
    ]
    result = cursor.cursor().execute(f'SELECT kind, oh, rh, {", ".join(names)} FROM "{table}"{where}')
    parts, spelled = len(pair.contract.key), 3 + len(pair.contract.key)
    owner_end = spelled + len(pair.owner.spellings)
    while rows := result.fetchmany(FETCH_KEYS_MAX):
        yield [
            Candidate(
                key_text(pair.contract, row[3 : 3 + parts]),
                row[0],
                row[spelled:owner_end],
                row[owner_end:],
                _digest(row[1]),
                _digest(row[2]),
            )
            for row in rows
        ]


def _digest(value: int | None) -> str:
    return "" if value is None else f"{value:016x}"


def owner_states(cursor: duckdb.DuckDBPyConnection, pair: Pair, table: str) -> dict[KeyText, str]:
    """For the orphans in `table`: `deleted` or `out_of_scope` where the owner still has a row; the rest is absent."""
    scope = pair.owner.scopes.get(pair.replica.name)
    if not pair.owner.gone and scope is None:
        return {}
    state = "CASE WHEN gone THEN 'deleted' ELSE 'out_of_scope' END" if pair.owner.gone else "'out_of_scope'"
    on = " AND ".join(f"o.{key} = d.{key}" for key in pair.owner.keys)
    rows = cursor.execute(
        f'SELECT {state}, {", ".join(key_texts(pair.contract, "o."))} FROM "{table}" d '
        f"JOIN \"{pair.owner_table}\" o ON {on} WHERE d.kind = 'orphan'"
    ).fetchall()
    return {key_text(pair.contract, row[1:]): row[0] for row in rows}


def row_stage(contract: Contract, side: Side, fields: Sequence[str], where: str = "", extra: Sequence[str] = ()) -> str:
    """SELECT of full rows for the row stage: the key, and canonical value, text, odd and bad of each field.

    Args:
        where: A WHERE clause, or empty.
        extra: Further columns, each as `sql AS name`.
    """
    columns = [f'{key_sql(contract.fields[name].type, side.of(name))} AS "k{i}"' for i, name in enumerate(contract.key)]
    for i, name in enumerate(fields):
        form = side.of(name)
        columns += [f'{form.value} AS "v{i}"', f'{_shown(contract, name, form.text)} AS "t{i}"']
        columns += [f'{form.odd or "false"} AS "o{i}"', f'{form.bad or "false"} AS "b{i}"']
    return f"SELECT {', '.join([*columns, *extra])} FROM {side.relation.sql}{where}"


def _shown(contract: Contract, name: str, text: str) -> str:
    """A decimal that was read with more digits than declared shows those beyond only where they are not zero."""
    declared = contract.fields[name].type
    if declared.kind is not Kind.DECIMAL:
        return text
    kept = f"[.][0-9]{{{declared.scale}}}" if declared.scale else "[.]"
    trimmed = rf"regexp_replace({text}, '({kept}[0-9]*?)0+$', '\1')"
    return trimmed if declared.scale else f"rtrim({trimmed}, '.')"


def differences(
    cursor: duckdb.DuckDBPyConnection,
    pair: Pair,
    owner_rows: str,
    replica_rows: str,
    owner: Side,
    replica: Side,
    constants: dict[str, str],
) -> dict[KeyText, tuple[FieldDifference, ...]]:
    """Compare fetched rows field by field; keys that stand in both tables only.

    Args:
        owner_rows, replica_rows: Workspace tables made from `row_stage`.
        constants: SQL literal of the constant of each redacted field.

    Returns:
        The differing fields of each key, empty where the rows are equal.
    """
    fields = compared_fields(pair.contract, pair.replica)
    columns = []
    for i, compared in enumerate(fields):
        same = same_sql(i, compared, owner, replica, constants)
        columns.append(f"CASE WHEN {same} THEN NULL ELSE {{'i': {i}, 'o': o.t{i}, 'r': r.t{i}}} END")
    on = " AND ".join(f"o.{key} = r.{key}" for key in pair.owner.keys)
    differing = f"list_filter([{', '.join(columns)}], lambda x: x IS NOT NULL)" if columns else "[]"
    rows = cursor.execute(
        f'SELECT {differing}, {", ".join(key_texts(pair.contract, "o."))} FROM "{owner_rows}" o JOIN "{replica_rows}" r ON {on}'
    ).fetchall()
    return {key_text(pair.contract, row[1:]): _field_differences(fields, row[0]) for row in rows}


def same_sql(i: int, compared: Compared, owner: Side, replica: Side, constants: dict[str, str]) -> str:
    """SQL condition, never NULL: the i-th field of two fetched rows counts as the same."""
    left, right = _fetched(f"o.%s{i}", owner, compared.name), _fetched(f"r.%s{i}", replica, compared.name)
    if compared.equality.mode == "redacted":
        return f"coalesce(r.t{i} IS NULL OR r.t{i} = {constants.get(compared.name, 'NULL')}, false)"
    return equal(left, right, compared.logical, compared.equality)


def _fetched(pattern: str, side: Side, name: str) -> Any:
    """The canonical form of a column that `row_stage` brought, under its new names."""
    from reconcilers.canonical import Canonical

    form = side.of(name)
    return Canonical(pattern % "v", pattern % "t", pattern % "o" if form.odd else "", pattern % "b" if form.bad else "")


def _field_differences(fields: Sequence[Compared], differing: list[dict[str, Any]]) -> tuple[FieldDifference, ...]:
    return tuple(FieldDifference(fields[item["i"]].name, item["o"], item["r"]) for item in differing)


def _number(cursor: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = cursor.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
