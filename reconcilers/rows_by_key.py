"""Both rows of many keys, read by key as they are now: what compensations are made of.

The keys' table is made before any snapshot begins, whose transaction would not see it.  Both sides go through the
projections and the row comparison of a whole run, so that a difference here is a difference there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.equality import Equality, Hashed, Mask, Truncated, TruncatedTo
from reconcilers.canonical import text_of
from reconcilers.compensation import CopyRow, OwnerRow
from reconcilers.equality_sql import TEXT, mapped
from reconcilers.open_condition import reason
from reconcilers.ports import Keys
from reconcilers.projection import (
    compared_fields,
    compile_side,
    gone_sql,
    issue_sql,
    key_sql,
    owner_conditions,
    owner_items,
    replica_items,
    scope_sql,
    select_filter,
)
from reconcilers.row_keys import key_text, key_texts
from reconcilers.row_stage import Fetched, differences, row_stage
from reconcilers.sight import Suspects
from reconcilers.suspect_keys import SuspectKeys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.contract import Contract, FieldMap, Replica
    from contracts.equality import Step
    from contracts.logical_types import LogicalType
    from reconcilers.finding import FieldDifference, KeyText
    from reconcilers.ports import Reader, Snapshot
    from reconcilers.projection import Item, Side
    from reconcilers.workspace import Workspace

_OWNER_MAPS = (Mask, Hashed, TruncatedTo)


@dataclass(frozen=True, slots=True)
class Rows:
    """What both sides hold under some keys; a key that neither has is in none of these.

    Attributes:
        differing: The differing fields of each key that is live at the owner and in the replica, flagged or not.
    """

    owner: Mapping[KeyText, OwnerRow]
    copy: Mapping[KeyText, CopyRow]
    differing: Mapping[KeyText, Sequence[FieldDifference]]


class RowsByKey:
    """Reads both rows of some keys.

    Args:
        workspace: Where rows meet.
        contract: The entity's.
        replica: Whose copies are read.
        keys: At most `fetch.FETCH_KEYS_MAX`.
        name: Begins the names of tables.
    """

    def __init__(
        self, workspace: Workspace, contract: Contract, replica: Replica, keys: Sequence[KeyText], name: str
    ) -> None:
        workspace.know_functions()
        self._workspace = workspace
        self._contract = contract
        self._replica = replica
        self._name = name
        self._cursor = workspace.cursor()
        self._keys = SuspectKeys(self._cursor, contract, Suspects(keys), f"{name}_keys")

    def read(self, owner: Reader, replica: Reader) -> Rows:
        """Read both sides and compare them.

        Raises:
            StoreError: A store failed while it was read.
        """
        copies, copy_side = self._copies(replica)
        owners, owner_side = self._owners(owner)
        rows = (Fetched(self._live_owner(), owner_side), Fetched(f"{self._name}_copy", copy_side))
        return Rows(owners, copies, differences(self._cursor, self._contract, self._replica, rows, {}))

    def copies(self, replica: Reader) -> Mapping[KeyText, CopyRow]:
        """The replica's rows once more."""
        return self._copies(replica)[0]

    def _live_owner(self) -> str:
        name = f"{self._name}_owner"
        self._cursor.execute(f'CREATE OR REPLACE VIEW "{name}_live" AS SELECT * FROM "{name}" WHERE NOT gone')
        return f"{name}_live"

    # -- the owner ---------------------------------------------------------------------------------------------------

    def _owners(self, reader: Reader) -> tuple[dict[KeyText, OwnerRow], Side]:
        contract, items = self._contract, owner_items(self._contract)
        with reader.snapshot(self._workspace) as snapshot:
            side = self._side(snapshot, items)
            self._load(snapshot, side, "owner", self._owner_columns(side))
        written = [field_map.field for field_map in _written_maps(self._replica)]
        texts = len(contract.fields)
        owners: dict[KeyText, OwnerRow] = {}
        for key, row in self._rows("owner", texts, [f"m{i}" for i in range(len(written))] + ["inside", "broken"]):
            gone, *rest = row
            if gone:
                owners.setdefault(key, OwnerRow())
                continue
            if key in owners:
                owners[key] = OwnerRow(owners[key].count + 1)
                continue
            owners[key] = OwnerRow(
                1,
                in_scope=bool(rest[-2]),
                broken=bool(rest[-1]),
                texts=dict(zip(contract.fields, rest, strict=False)),
                written=dict(zip(written, rest[texts:-2], strict=True)),
            )
        return owners, side

    def _owner_columns(self, side: Side) -> list[str]:
        contract, replica = self._contract, self._replica
        soft = contract.owner.soft_delete
        extra = [f'{gone_sql(side, soft.field if soft else None)} AS "gone"']
        extra += [f'{side.of(name).text} AS "w{i}"' for i, name in enumerate(contract.fields)]
        maps = _written_maps(replica)
        extra += [f'{_written_sql(contract, side, field_map)} AS "m{i}"' for i, field_map in enumerate(maps)]
        extra.append(f'{scope_sql(replica.where, side)} AS "inside"')
        why = reason(owner_conditions(contract, side, replica)) or "NULL"
        extra.append(f'({issue_sql(contract, side) or "false"} OR {why} IS NOT NULL) AS "broken"')
        return extra

    # -- the replica -------------------------------------------------------------------------------------------------

    def _copies(self, reader: Reader) -> tuple[dict[KeyText, CopyRow], Side]:
        contract, replica = self._contract, self._replica
        items = replica_items(contract, replica, reader.shape())
        with reader.snapshot(self._workspace) as snapshot:
            side = self._side(snapshot, items)
            extra = [f'{gone_sql(side, replica.deletes.column)} AS "gone"']
            names = [compared.name for compared in compared_fields(contract, replica)]
            extra += [f'{side.of(name).text} AS "w{i}"' for i, name in enumerate(names)]
            extra += [f'CAST({side.columns[name].sql} AS VARCHAR) AS "s{i}"' for i, name in enumerate(contract.key)]
            self._load(snapshot, side, "copy", extra)
        copies: dict[KeyText, CopyRow] = {}
        for key, row in self._rows("copy", len(names), [f"s{i}" for i in range(len(contract.key))]):
            gone, *rest = row
            known = copies.get(key, CopyRow())
            counts = (known.count + (not gone), known.gone + bool(gone))
            if known.count and gone:
                copies[key] = CopyRow(*counts, known.texts, known.spelled)
                continue
            copies[key] = CopyRow(*counts, dict(zip(names, rest, strict=False)), tuple(rest[len(names) :]))
        return copies, side

    # -- both --------------------------------------------------------------------------------------------------------

    def _side(self, snapshot: Snapshot, items: Sequence[Item]) -> Side:
        """The side compiled for a lookup of these keys, in the spelling that the store has them in."""
        wanted = {item.name: item.wanted for item in items}
        columns = tuple(wanted[name] for name in self._contract.key)
        side = compile_side(items, snapshot.scan(list(wanted.values())))
        sought = self._keys.sought(columns)
        if not self._keys.found_by_key(side):
            parts = [item for item in items if item.name in self._contract.key]
            sought = Keys(columns, self._spellings(snapshot, parts))
        return compile_side(items, snapshot.lookup(list(wanted.values()), sought))

    def _spellings(self, snapshot: Snapshot, items: Sequence[Item]) -> list[tuple[tuple[str, ...], ...]]:
        """How the store spells these keys: a scan of nothing but the key."""
        side = compile_side(items, snapshot.scan([item.wanted for item in items]))
        types = self._contract.fields
        among = self._keys.among([key_sql(types[name].type, side.of(name)) for name in self._contract.key])
        columns = [f'CAST({side.columns[name].sql} AS VARCHAR) AS "s{i}"' for i, name in enumerate(self._contract.key)]
        table = f"{self._name}_spellings"
        snapshot.load(f"SELECT DISTINCT {', '.join(columns)} FROM {side.relation.sql} WHERE {among}", table)
        return [tuple((part,) for part in row) for row in self._cursor.execute(f'SELECT * FROM "{table}"').fetchall()]

    def _load(self, snapshot: Snapshot, side: Side, name: str, extra: Sequence[str]) -> None:
        contract = self._contract
        conditions = []
        if name == "copy" and (selected := select_filter(self._replica, side)):
            conditions.append(f"({selected.removeprefix(' WHERE ')})")
        parts = [key_sql(contract.fields[part].type, side.of(part)) for part in contract.key]
        conditions.append(self._keys.among(parts))
        fields = [compared.name for compared in compared_fields(contract, self._replica)]
        snapshot.load(
            row_stage(contract, side, fields, f" WHERE {' AND '.join(conditions)}", extra), f"{self._name}_{name}"
        )

    def _rows(self, name: str, texts: int, further: Sequence[str]) -> list[tuple[KeyText, tuple[Any, ...]]]:
        """The loaded rows by key: whether flagged, the texts, then further columns; live ones first."""
        keys = key_texts(self._contract)
        columns = ["gone", *(f"w{i}" for i in range(texts)), *further]
        found = self._cursor.execute(
            f'SELECT {", ".join([*keys, *columns])} FROM "{self._name}_{name}" ORDER BY gone'
        ).fetchall()
        parts = len(keys)
        return [(key_text(self._contract, row[:parts]), row[parts:]) for row in found]


def _written_maps(replica: Replica) -> list[FieldMap]:
    """The fields that a compensation may write."""
    return [m for m in replica.fields if m.equality.mode in ("compared", "at_creation")]


def certain_steps(equality: Equality) -> tuple[Step, ...]:
    """Of an equality what says how the replica's value is made of the owner's; the others let the owner's own pass.

    What stands before a mask, a digest or a cut says what these are made of.
    """
    made = max((i for i, step in enumerate(equality.steps) if isinstance(step, _OWNER_MAPS)), default=-1)
    return tuple(step for i, step in enumerate(equality.steps) if i <= made or isinstance(step, Truncated))


def written_type(logical: LogicalType, equality: Equality) -> LogicalType:
    """The type of what is written: text where it is made of the value's text."""
    made = any(isinstance(step, _OWNER_MAPS) for step in equality.steps)
    return TEXT if made else logical


def _written_sql(contract: Contract, side: Side, field_map: FieldMap) -> str:
    """SQL of the text that the replica is to hold."""
    logical, form = contract.fields[field_map.field].type, side.of(field_map.field)
    steps = certain_steps(field_map.equality)
    if not steps:
        return form.text
    made = mapped(form.value, logical, Equality(steps), owner=True)
    text = text_of(written_type(logical, field_map.equality), made)
    return f"CASE WHEN {form.odd} THEN {form.text} ELSE {text} END" if form.odd else text
