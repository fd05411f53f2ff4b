"""One key on one side, and the comparison of two such rows: what `audit entity` looks at.

It goes through the same canonical forms and the same row comparison as a whole run; only the scan is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from contracts.logical_types import Kind
from reconcilers.doubts import Doubts, flaws_of_side
from reconcilers.flaws import Flaw
from reconcilers.open_condition import reason
from reconcilers.padded_keys import KEY_PADDED
from reconcilers.ports import Keys, PartlyKnown
from reconcilers.projection import (
    compared_fields,
    compile_side,
    copy_conditions,
    gone_sql,
    owner_conditions,
    scope_sql,
    select_filter,
)
from reconcilers.row_stage import Fetched, differences, row_stage
from reconcilers.uncounted import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.finding import FieldDifference, KeyText
    from reconcilers.ports import RawRelation, Snapshot
    from reconcilers.projection import Item, Side
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class OneRow:
    """What one side holds under one key.

    Attributes:
        side: The side, compiled.
        table: The workspace's table with the live rows, made by `rows.row_stage` over `fields`.
        fields: Contract fields in the order of the table's columns.
        texts: Canonical text of each field of the row, of a live one before one that is flagged as deleted; empty where
            there is none.
        count: How many live rows have this key.
        gone: There are rows, and each is flagged as deleted.
        scopes: Of the owner's row: replica name to whether that replica is to hold it.
        absence: Why a row that is not shown may be there all the same; empty where it is not.
        flaws: What its feed cannot carry of fields, where the side is known by one.
        lacking: What of its feed could not be read, so that no row of it is known for certain; else empty.
        bad: Fields whose value their type cannot hold.
        uncounted: Replica name (of a replica's row its own) to why it is not known whether the row counts there, where
            it is not: a condition depends on a value that is not told.
    """

    side: Side
    table: str
    fields: tuple[str, ...]
    texts: Mapping[str, str | None]
    count: int
    gone: bool
    scopes: Mapping[str, bool]
    absence: str = ""
    flaws: Mapping[str, Mapping[Flaw, str]] = field(default_factory=dict)
    lacking: str = ""
    uncounted: Mapping[str, str] = field(default_factory=dict)
    bad: frozenset[str] = frozenset()

    @property
    def live(self) -> bool:
        """Whether there is a row that counts."""
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be read of one side.

    Attributes:
        items: Everything that is read of this side, as for a whole run.
        table: Name of the workspace's table for the rows.
        replica: Whose copy it is; None for the owner.
        bare: Parts of the key that are looked for without the blanks at their end.
    """

    contract: Contract
    items: Sequence[Item]
    key: KeyText
    table: str
    replica: Replica | None = None
    bare: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Of the owner all fields, of a replica those that are compared."""
        if self.replica is None:
            return tuple(self.contract.fields)
        return tuple(compared.name for compared in compared_fields(self.contract, self.replica))

    @property
    def flag(self) -> str | None:
        """The column that flags a row as deleted."""
        if self.replica is not None:
            return self.replica.deletes.column
        return self.contract.owner.soft_delete.field if self.contract.owner.soft_delete else None


def fetch(snapshot: Snapshot, workspace: Workspace, subject: Subject) -> OneRow:
    """Read one side's row: by key, and where that cannot find every spelling of it, by a scan.

    The workspace must know its functions before the snapshot begins, which would not see them otherwise.

    Raises:
        StoreError: The store failed while it was read.
    """
    wanted = {item.name: item.wanted for item in subject.items}
    names = subject.contract.key
    values = tuple((text or "",) for _, text in subject.key)
    keys = Keys(tuple(wanted[name] for name in names), [values])
    found = _read(snapshot, workspace, subject, snapshot.lookup(list(wanted.values()), keys))
    exact = all(found.side.columns[name].exact for name in names)
    if not (found.live or found.gone or exact):
        found = _read(snapshot, workspace, subject, snapshot.scan(list(wanted.values())))
    texts = [name for name in names if subject.contract.fields[name].type.kind is Kind.TEXT]
    padded = [name for name in texts if Flaw.PADDED in found.flaws.get(name, {})]
    if found.live or found.gone or found.absence or not padded:
        return found
    other = replace(subject, table=f"{subject.table}_padded", bare=tuple(padded))
    alike = _read(snapshot, workspace, other, snapshot.scan(list(wanted.values())))
    return replace(found, absence=KEY_PADDED) if alike.live or alike.gone else found


def _read(snapshot: Snapshot, workspace: Workspace, subject: Subject, relation: RawRelation) -> OneRow:
    contract, fields = subject.contract, subject.fields
    side = compile_side(subject.items, relation)
    replicas = contract.replicas if subject.replica is None else ()
    scopes = [f'{scope_sql(replica.where, side)} AS "w{i}"' for i, replica in enumerate(replicas)]
    gone = f'{gone_sql(side, subject.flag)} AS "gone"'
    reasons = _reasons(subject, side)
    whys = [f'{why} AS "y{i}"' for i, why in enumerate(reasons.values())]
    sql = row_stage(contract, side, fields, _matching(subject, side), [gone, *scopes, *whys])
    every = f"{subject.table}_every"
    snapshot.load(sql, every)
    cursor = workspace.cursor()
    cursor.execute(f'CREATE OR REPLACE VIEW "{subject.table}" AS SELECT * FROM "{every}" WHERE NOT gone')
    columns = [f"t{i}" for i in range(len(fields))] + [f"w{i}" for i in range(len(replicas))]
    columns += [f"y{i}" for i in range(len(reasons))] + [f"b{i}" for i in range(len(fields))]
    rows = cursor.execute(f'SELECT {", ".join(["gone", *columns])} FROM "{every}" ORDER BY ALL').fetchall()
    live = sum(1 for row in rows if not row[0])  # they come first
    texts = dict(zip(fields, rows[0][1:], strict=False)) if rows else {}
    names = [replica.name for replica in replicas] if rows else []
    first = 1 + len(fields)
    in_scope, why = (rows[0][first : first + len(names)], rows[0][first + len(names) :]) if rows else ((), ())
    bad = rows[0][-len(fields) :] if rows and fields else ()
    whose = "the owner" if subject.replica is None else subject.replica.name
    return OneRow(
        side, subject.table, fields, texts, live, bool(rows) and not live, dict(zip(names, in_scope, strict=True)),
        snapshot.absence_unknown() if isinstance(snapshot, PartlyKnown) else "",
        flaws_of_side(snapshot, contract, subject.replica),
        snapshot.incomplete() if isinstance(snapshot, PartlyKnown) else "",
        {name: sentence(whose, text) for name, text in zip(reasons, why, strict=False) if text},
        frozenset(name for name, is_bad in zip(fields, bad, strict=False) if is_bad),
    )  # fmt: skip


def _reasons(subject: Subject, side: Side) -> dict[str, str]:
    """By replica, SQL of why it is not known whether a row counts; those are left out of which it is always known."""
    contract, replica = subject.contract, subject.replica
    if replica is not None:
        conditions = {replica.name: copy_conditions(replica, side)}
    else:
        conditions = {one.name: owner_conditions(contract, side, one) for one in contract.replicas}
    return {name: why for name, some in conditions.items() if (why := reason(some))}


def _matching(subject: Subject, side: Side) -> str:
    """The WHERE clause: exactly this key, and within the replica's `select`."""
    conditions = [
        f"rtrim({side.of(name).text}, ' ') = {_literal((text or '').rstrip(' '))}"
        if name in subject.bare
        else f"{side.of(name).text} = {_literal(text or '')}"
        for name, text in subject.key
    ]
    selected = select_filter(subject.replica, side) if subject.replica is not None else ""
    if selected:
        conditions.append(f"({selected.removeprefix(' WHERE ')})")
    return f" WHERE {' AND '.join(conditions)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def compare_rows(
    workspace: Workspace, contract: Contract, replica: Replica, owner: OneRow, copy: OneRow
) -> tuple[FieldDifference, ...]:
    """The differing fields of two live rows, by the row comparison of a whole run.

    A redacted field counts as equal here unless it holds the owner's own value: see `reconcilers.redaction`.
    """
    cursor = workspace.cursor()
    aligned = _aligned(cursor, contract, owner, copy)
    passing = {name: text for name, text in copy.texts.items() if text != owner.texts.get(name)}
    constants = {name: _literal(text) for name, text in passing.items() if text is not None}
    rows = (Fetched(aligned, owner.side), Fetched(copy.table, copy.side))
    doubts = Doubts(("", ""), {}, owner.flaws, copy.flaws)
    found = next(iter(differences(cursor, contract, replica, rows, constants, doubts.disguise).values()), ())
    return tuple(doubts.excused(contract, replica, one) for one in found)


def _aligned(cursor: duckdb.DuckDBPyConnection, contract: Contract, owner: OneRow, copy: OneRow) -> str:
    """The owner's row with its fields in the order of the replica's, as the row comparison wants them."""
    place = {name: i for i, name in enumerate(owner.fields)}
    columns = [f"k{i}" for i in range(len(contract.key))]
    for i, name in enumerate(copy.fields):
        columns += [f"{kind}{place[name]} AS {kind}{i}" for kind in "vtobue"]
    view = f"{copy.table}_owner"
    cursor.execute(f'CREATE OR REPLACE VIEW "{view}" AS SELECT {", ".join(columns)} FROM "{owner.table}"')
    return view
