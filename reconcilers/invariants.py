"""What is wrong at the owner itself: values that their type cannot hold, broken rules, references to nothing.

The scan flags suspicious rows (`issue`), these are fetched by key and told apart here; references are a join of the
referring values with the keys of the referenced entity's owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.canonical import text_of
from reconcilers.finding import Divergence, FieldDifference, Finding, KeyText, Verdict
from reconcilers.open_condition import hidden_sql, is_hidden
from reconcilers.projection import TEXT_KEYS, Projection, Side, invariant_sql, key_sql, live_filter, open_invariant_sql
from reconcilers.row_keys import READ_AT_ONCE, key_text, key_texts
from reconcilers.row_stage import UNKNOWN_VALUE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import duckdb

    from contracts.contract import Contract

TYPE_RULE = "type"

_LISTS = 4
"""Columns of `issue_rows` between the key and the texts."""


def issue_rows(contract: Contract, side: Side) -> str:
    """SELECT that tells, for each row of a relation with something wrong in it, what it is.

    Columns: one key text a part, the list of bad fields' positions, the list of broken invariants' positions, that of
    those of which it is not known, the list of the positions of fields that are not told for certain, one text a field.
    """
    names = list(contract.fields)
    keys = [_key_text(contract, side, name) for name in contract.key]
    bad = [f"CASE WHEN {side.of(name).bad} THEN {i} END" for i, name in enumerate(names) if side.of(name).bad]
    broken = [f"CASE WHEN {invariant_sql(rule.holds, side)} THEN {i} END" for i, rule in enumerate(contract.invariants)]
    rules = [open_invariant_sql(rule.holds, side) for rule in contract.invariants]
    is_open = [f"CASE WHEN {sql} THEN {i} END" for i, sql in enumerate(rules) if sql]
    raw = [side.columns[name] for name in names]
    hidden = [f"CASE WHEN {hidden_sql(one)} THEN {i} END" for i, one in enumerate(raw) if is_hidden(one)]
    columns = [f'{key} AS "k{i}"' for i, key in enumerate(keys)]
    columns += [f"{_present(bad)} AS bad", f"{_present(broken)} AS broken"]
    columns += [f"{_present(is_open)} AS open", f"{_present(hidden)} AS hidden"]
    columns += [f'{side.of(name).text} AS "t{i}"' for i, name in enumerate(names)]
    rows = f"SELECT {', '.join(columns)} FROM {side.relation.sql}{live_filter(contract, None, side)}"
    return f"SELECT * FROM ({rows}) WHERE len(bad) + len(broken) + len(open) > 0"


def _key_text(contract: Contract, side: Side, name: str) -> str:
    logical = contract.fields[name].type
    key = key_sql(logical, side.of(name))
    return key if logical.kind in TEXT_KEYS else text_of(logical, key)


def _present(conditions: Sequence[str]) -> str:
    return f"list_filter([{', '.join(conditions)}], lambda x: x IS NOT NULL)" if conditions else "CAST([] AS INTEGER[])"


def issue_findings(cursor: duckdb.DuckDBPyConnection, contract: Contract, table: str) -> list[Finding]:
    """Findings of a table made from `issue_rows`: one for all bad values of a row, one for each broken invariant.

    Where it is not known whether an invariant is broken, the fields that are not told are noted so.
    """
    names, parts = list(contract.fields), len(contract.key)
    findings: list[Finding] = []
    for row in cursor.execute(f'SELECT * FROM "{table}"').fetchall():
        key = key_text(contract, row[:parts])
        if any(text is None for _, text in key):
            continue  # its key is NULL or bad: a finding of its own, nothing is reported beside it
        bad, broken, is_open, hidden = row[parts : parts + _LISTS]
        texts = dict(zip(names, row[parts + _LISTS :], strict=True))
        if bad:
            findings.append(_owner_finding(contract, key, TYPE_RULE, {names[i]: texts[names[i]] for i in bad}))
        for i in (*broken, *is_open):
            rule = contract.invariants[i]
            used = {name: texts[name] for name in names if name in rule.holds.names}
            untold = {names[place] for place in hidden} if i in is_open else set()
            findings.append(_owner_finding(contract, key, rule.name, used, untold))
    return findings


def _owner_finding(
    contract: Contract, key: KeyText, rule: str, values: dict[str, str | None], untold: Collection[str] = ()
) -> Finding:
    fields = tuple(
        FieldDifference(name, value, None, UNKNOWN_VALUE if name in untold else "") for name, value in values.items()
    )
    return Finding(contract.entity, None, key, Divergence.INVARIANT, Verdict.SUSPECT, rule=rule, fields=fields)


def reference_findings(
    cursor: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: str,
    projection: Projection,
    field: str,
    referenced: str,
) -> Iterator[tuple[Finding, bool]]:
    """Findings for non-null values of a field that are no key of the referenced entity, as they are asked for.

    Each comes with whether the referenced owner's feed leaves it open if there is such a key.

    Args:
        cursor: Of the workspace.
        contract: The referring entity's.
        table: The workspace's table of its owner's projection.
        projection: What stands in that table.
        field: The referring field.
        referenced: The table with the referenced owner's keys: `k0`, and `doubted` where only that is known of it that
            it was told of.
    """
    column = projection.references[field]
    logical = contract.fields[field].type
    text = f"o.{column}" if logical.kind in TEXT_KEYS else text_of(logical, f"o.{column}")
    gone = " AND NOT o.gone" * projection.gone + " AND NOT o.outside" * projection.outside
    result = cursor.execute(
        f'SELECT {text}, coalesce(r.doubted, false), {", ".join(key_texts(contract, "o."))} FROM "{table}" o '
        f'LEFT JOIN (SELECT k0, bool_and(doubted) AS doubted FROM "{referenced}" GROUP BY k0) r ON o.{column} = r.k0 '
        f"WHERE o.{column} IS NOT NULL AND coalesce(r.doubted, true) AND o.k0 IS NOT NULL{gone}"
    )
    while rows := result.fetchmany(READ_AT_ONCE):
        for row in rows:
            value, is_doubted, *key = row
            finding = Finding(
                contract.entity, None, key_text(contract, key), Divergence.REFERENCE, Verdict.SUSPECT, rule=field,
                fields=(FieldDifference(field, value, None),),
            )  # fmt: skip
            yield finding, is_doubted
