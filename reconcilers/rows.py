"""The comparison of one owner with one replica, on their projections.

The model.  Each side was scanned once into a projection (`reconcilers.projection`): key, hash of the compared
fields, flags.  Here the two meet:

1. Keys that stand several times among a side's live rows, keys with a NULL part and keys that are no value of their
   type are set aside (`reconcilers.key_checks`).  They become findings of their own and are not compared: there is no
   telling which row would be meant.
2. Where rows are compared by their hashes alone, both sides are first summed up in buckets of keys, and buckets with
   the same sums on both sides are left out (`_differing_buckets`): a sum costs a third of a join.
3. The owner's rows that this replica is to hold (not deleted, in scope of `where`) are joined with the replica's live
   rows (after `select`, not flagged) by FULL OUTER JOIN on the canonical key.  What has only one side is missing or an
   orphan; what has both is a candidate when the hashes differ, a side has no hash, or a value leaves its tolerance.
4. The full rows of the candidates are fetched by key and compared field by field (`reconcilers.row_stage`), by the
   same canonical SQL.  Step 3 may call equal rows different, step 4 then clears them; it never calls different rows
   equal (but for a 64-bit hash that two different rows of the *same key*, or the sums of two different buckets, would
   have to share: 2^-64 for each differing row).

What follows from it: the order of rows, segments and threads does not matter; a row is never dropped, only set aside
by name; the owner's state decides alone, a flagged row counts as deleted on both sides.

What it cannot see: fields that the contract does not compare; rows that `select` hides; two live sides are read at
different moments, so a difference found here is only a suspect (`reconcilers.recheck`).

Limits: candidates are fetched in batches of FETCH_KEYS_MAX keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconcilers.equality_sql import within
from reconcilers.fetch import FETCH_KEYS_MAX
from reconcilers.frequent import Frequent
from reconcilers.projection import compared_fields
from reconcilers.row_keys import count_live, duplicates_of, key_text, key_texts, live, number, without_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import KeyText
    from reconcilers.projection import Projection


BUCKETS = 4096
"""In which a few hundred differences are a small part of the rows, and whose sums take no memory to speak of."""

BUCKETS_WORTHWHILE = BUCKETS // 2
"""Beyond so many that differ, choosing their rows costs more than it saves."""


FREQUENT_TEXTS_MAX = 1000
"""Texts of a redacted column that a segment remembers: a redacted column has one, and a few mistakes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two projections of one comparison and the workspace's tables that hold them.

    Attributes:
        constants: SQL literal of the constant of each redacted field, from `redacted_constants`; of one that is not
            named it is not known, and every text may be wrong.
    """

    contract: Contract
    replica: Replica
    owner_table: str
    owner: Projection
    replica_table: str
    copy: Projection
    constants: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one comparison.

    Attributes:
        owner_rows: The owner's rows that the replica is to hold.
        replica_rows: The replica's live rows.
        compared_rows: Distinct keys of both sides that get a verdict.
        kept: Orphans that the replica lawfully keeps.
    """

    owner_rows: int
    replica_rows: int
    compared_rows: int
    kept: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One key that may differ.

    Attributes:
        key: In canonical text.
        kind: `missing`, `orphan` or `mismatch`.
        owner_spelling: The key as the owner's store spells it, where that matters; else empty.
        replica_spelling: The same of the replica's store.
        owner_digest: Hash of the compared fields at the owner, empty where there is no row or no hash.
        replica_digest: The same of the replica.
        owner_state: Of an orphan `deleted` or `out_of_scope` where the owner still has a row, else empty.
    """

    key: KeyText
    kind: str
    owner_spelling: tuple[str | None, ...] = ()
    replica_spelling: tuple[str | None, ...] = ()
    owner_digest: str = ""
    replica_digest: str = ""
    owner_state: str = ""


def compare(cursor: duckdb.DuckDBPyConnection, pair: Pair, target: str) -> Counts:
    """Join the two projections; what is not plainly equal goes into the table `target`.

    Duplicates must have been looked for first (`row_keys.find_duplicates`), their tables are picked up by name.
    """
    owner, copy = _owner_rows(cursor, pair), _replica_rows(cursor, pair)
    among = "" if _compares_more_than_hashes(pair) else _differing_buckets(cursor, pair, owner, copy)
    columns = [f"coalesce(o.{key}, r.{key}) AS {key}" for key in pair.owner.keys]
    columns += [f"o.{part} AS o{part}" for part in pair.owner.spellings]
    columns += [f"r.{part} AS r{part}" for part in pair.copy.spellings]
    kind = "CASE WHEN r.k0 IS NULL THEN 'missing' WHEN o.k0 IS NULL THEN 'orphan' ELSE 'mismatch' END"
    on = " AND ".join(f"o.{key} = r.{key}" for key in pair.owner.keys)
    cursor.execute(
        f'CREATE OR REPLACE TABLE "{target}" AS SELECT {", ".join(columns)}, {kind} AS kind, o.h AS oh, r.h AS rh '
        f"FROM ({owner}{among}) o FULL OUTER JOIN ({copy}{among}) r ON {on} "
        f"WHERE o.k0 IS NULL OR r.k0 IS NULL OR {_may_differ(pair)}"
    )
    return _counts(cursor, pair, owner, target, _drop_outside(cursor, pair, target))


def _compares_more_than_hashes(pair: Pair) -> bool:
    return bool(pair.owner.tolerances[pair.replica.name] or pair.copy.constants)


def _differing_buckets(cursor: duckdb.DuckDBPyConnection, pair: Pair, owner: str, copy: str) -> str:
    """Condition that leaves out most of what is the same on both sides; empty where that saves nothing.

    Sums, never XOR: a key that stands twice would vanish.  The hash of a hash, since DuckDB's hash of several columns
    is an XOR of theirs: rows that exchange their values would too often have the same sum.
    """
    bucket = f"hash({', '.join(pair.owner.keys)}) % {BUCKETS}"
    sums = [
        f"SELECT {bucket} AS b, sum(hash(hash({', '.join(pair.owner.keys)}, h))) AS s, count(*) AS n, "
        f"bool_or(h IS NULL) AS u FROM ({rows}) GROUP BY b"
        for rows in (owner, copy)
    ]
    found = cursor.execute(
        f"SELECT b FROM ({sums[0]}) o FULL OUTER JOIN ({sums[1]}) r USING (b) "
        "WHERE o.s IS DISTINCT FROM r.s OR o.n IS DISTINCT FROM r.n OR coalesce(o.u, true) OR coalesce(r.u, true)"
    ).fetchall()
    if len(found) > BUCKETS_WORTHWHILE:
        return ""
    return f" AND {bucket} IN ({', '.join(str(row[0]) for row in found)})" if found else " AND false"


def _owner_rows(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    """SELECT of the owner's rows that the replica is to hold."""
    name = pair.replica.name
    columns = [*pair.owner.keys, *pair.owner.spellings, *set(pair.owner.tolerances[name].values())]
    scope = f" AND {pair.owner.scopes[name]}" if name in pair.owner.scopes else ""
    return (
        f'SELECT {", ".join(columns)}, {pair.owner.hashes[name]} AS h FROM "{pair.owner_table}" '
        f"WHERE {live(pair.owner)}{scope}{_never_twice(cursor, pair)}"
    )


def _replica_rows(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    """SELECT of the replica's live rows."""
    name = pair.replica.name
    tolerances, constants = set(pair.copy.tolerances[name].values()), pair.copy.constants.values()
    columns = [*pair.copy.keys, *pair.copy.spellings, *tolerances, *constants]
    return (
        f'SELECT {", ".join(columns)}, {pair.copy.hashes[name]} AS h FROM "{pair.replica_table}" '
        f"WHERE {live(pair.copy)}{_never_twice(cursor, pair)}"
    )


def _never_twice(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> str:
    """Condition that leaves out the keys that stand several times on either side."""
    return without_duplicates(cursor, pair.owner_table, pair.owner) + without_duplicates(
        cursor, pair.replica_table, pair.copy
    )


def _may_differ(pair: Pair) -> str:
    name = pair.replica.name
    conditions = ["o.h IS NULL", "r.h IS NULL", "o.h <> r.h"]
    for compared in compared_fields(pair.contract, pair.replica):
        if compared.within is not None:
            left = f"o.{pair.owner.tolerances[name][compared.name]}"
            right = f"r.{pair.copy.tolerances[name][compared.name]}"
            conditions.append(f"NOT {within(left, right, compared.logical, compared.within)}")
    for field, column in pair.copy.constants.items():
        conditions.append(
            f"(r.{column} IS NOT NULL AND r.{column} IS DISTINCT FROM {pair.constants.get(field, 'NULL')})"
        )
    return " OR ".join(f"({condition})" for condition in conditions)


def redacted_constants(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection) -> dict[str, str]:
    """SQL literal of the constant in each redacted field: its most frequent non-null text (the least of equals).

    Only a replica's whole projection tells; among the suspects of a recheck, the wrong text may be the most frequent.
    """
    literals = {}
    for field, column in projection.constants.items():
        row = cursor.execute(
            f'SELECT {column} FROM "{table}" WHERE {live(projection)} AND {column} IS NOT NULL '
            f"GROUP BY ALL ORDER BY count(*) DESC, {column} LIMIT 1"
        ).fetchone()
        literals[field] = constant_literal(None if row is None else str(row[0]))
    return literals


def constant_literal(text: str | None) -> str:
    """SQL literal of a redacted field's constant; None: every text is NULL."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def frequent_texts(cursor: duckdb.DuckDBPyConnection, table: str, projection: Projection) -> dict[str, Frequent]:
    """The most frequent texts of each redacted field, so that those of several segments can be counted together."""
    found = {}
    for field, column in projection.constants.items():
        rows = cursor.execute(
            f'SELECT {column}, count(*) AS n FROM "{table}" WHERE {live(projection)} AND {column} IS NOT NULL '
            f"GROUP BY ALL ORDER BY n DESC, {column} LIMIT {FREQUENT_TEXTS_MAX + 1}"
        ).fetchall()
        rest = rows[FREQUENT_TEXTS_MAX][1] if len(rows) > FREQUENT_TEXTS_MAX else 0
        found[field] = Frequent(dict(rows[:FREQUENT_TEXTS_MAX]), rest)
    return found


def _drop_outside(cursor: duckdb.DuckDBPyConnection, pair: Pair, target: str) -> int:
    """Take out the orphans that the run's own filter leaves out; returns how many.

    Where the owner has a row, its values decide; else the replica's own.
    """
    if not pair.owner.outside:
        return 0
    keys = ", ".join(pair.owner.keys)
    left_out = f'({keys}) IN (SELECT ({keys}) FROM "{pair.owner_table}" WHERE outside)'
    if pair.copy.outside:
        left_out += f' OR ({keys}) IN (SELECT ({keys}) FROM "{pair.replica_table}" WHERE outside)'
    return number(cursor, f"DELETE FROM \"{target}\" WHERE kind = 'orphan' AND ({left_out})")


def _counts(cursor: duckdb.DuckDBPyConnection, pair: Pair, owner: str, target: str, outside: int) -> Counts:
    scope = pair.owner.scopes.get(pair.replica.name)
    extra = number(cursor, f"SELECT count(*) FROM \"{target}\" WHERE kind = 'orphan'")
    held = number(cursor, f"SELECT count(*) FROM ({owner})")
    return Counts(
        owner_rows=count_live(cursor, pair.owner_table, pair.owner, scope),
        replica_rows=count_live(cursor, pair.replica_table, pair.copy) - outside,
        compared_rows=held + extra + _duplicated(cursor, pair),
        kept=extra if pair.replica.deletes.mode == "keep" else 0,
    )


def _duplicated(cursor: duckdb.DuckDBPyConnection, pair: Pair) -> int:
    """Distinct keys that stand several times on either side."""
    keys = ", ".join(pair.owner.keys)
    tables = [duplicates_of(cursor, table) for table in (pair.owner_table, pair.replica_table)]
    parts = [f'SELECT {keys} FROM "{table}"' for table in tables if table is not None]
    return number(cursor, f"SELECT count(*) FROM ({' UNION '.join(parts)})") if parts else 0


def candidates(cursor: duckdb.DuckDBPyConnection, pair: Pair, table: str) -> Iterator[list[Candidate]]:
    """The candidates of `compare`, in batches of at most FETCH_KEYS_MAX.

    Rows that are lawful whatever they hold are left out: rows missing from a partial replica, orphans of one that
    keeps.
    """
    unlawful = ["kind <> 'missing'"] if pair.replica.completeness == "partial" else []
    unlawful += ["kind <> 'orphan'"] if pair.replica.deletes.mode == "keep" else []
    where = f" WHERE {' AND '.join(unlawful)}" if unlawful else ""
    spellings = [*(f"o{part}" for part in pair.owner.spellings), *(f"r{part}" for part in pair.copy.spellings)]
    columns = ["kind", "oh", "rh", *key_texts(pair.contract), *spellings]
    states = _owner_states(pair, table)
    source = f'"{table}"' if states is None else f'"{table}" LEFT JOIN ({states}) USING ({", ".join(pair.owner.keys)})'
    columns.append("''" if states is None else "coalesce(owner_state, '')")
    result = cursor.cursor().execute(f"SELECT {', '.join(columns)} FROM {source}{where}")
    while rows := result.fetchmany(FETCH_KEYS_MAX):
        yield [_candidate(pair, row) for row in rows]


def _candidate(pair: Pair, row: tuple[Any, ...]) -> Candidate:
    kind, owner_hash, replica_hash, *texts, owner_state = row
    owner_from = len(pair.contract.key)
    replica_from = owner_from + len(pair.owner.spellings)
    return Candidate(
        key_text(pair.contract, texts[:owner_from]),
        kind,
        tuple(texts[owner_from:replica_from]),
        tuple(texts[replica_from:]),
        _digest(owner_hash),
        _digest(replica_hash),
        owner_state,
    )


def _digest(value: int | None) -> str:
    return "" if value is None else f"{value:016x}"


def _owner_states(pair: Pair, table: str) -> str | None:
    """SELECT of the keys of the orphans in `table` of which the owner still has a row, and what became of it."""
    scope = pair.owner.scopes.get(pair.replica.name)
    if not pair.owner.gone and scope is None:
        return None
    state = "CASE WHEN gone THEN 'deleted' ELSE 'out_of_scope' END" if pair.owner.gone else "'out_of_scope'"
    keys = ", ".join(pair.owner.keys)
    return (
        f'SELECT {keys}, max({state}) AS owner_state FROM "{pair.owner_table}" '
        f"SEMI JOIN (SELECT {keys} FROM \"{table}\" WHERE kind = 'orphan') USING ({keys}) GROUP BY {keys}"
    )
