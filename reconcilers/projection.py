"""What is selected from each side while it is scanned: the key, a hash of the compared fields, and a few flags.

One scan of the owner serves all its replicas: each distinct set of compared fields has a hash column of its own.

Columns of an owner's projection (a replica's has the same without `w…`, and `live` only after its `select`):

| column | meaning |
|---|---|
| `k0`, `k1`, … | the key in canonical form; NULL where a part is NULL or is no value of its type |
| `s0`, … | the key as the store spells it (text), where the canonical form does not determine it |
| `kb` | some key part is not NULL but is no value of its type |
| `gone` | flagged as deleted |
| `outside` | the row fails the run's own filter (`--where`) |
| `d<i>` | why it is not known whether the row counts, for its feed does not tell a value; NULL where it is known |
| `issue` | a field holds no value of its type, or an invariant does not hold, or may not (owner only) |
| `w<i>` | the row is in scope of replica i (its `where` is true, or may be) |
| `h<i>` | hash of the i-th set of compared fields; NULL: compare this row by text |
| `x<i>` | a value compared with a tolerance |
| `f<i>` | the value of the i-th reference |
| `c<i>` | text of a redacted column (replica only) |
| `z` | a decimal is 0 that may be NaN at the store |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.expression import Expression, TypedSql
from contracts.logical_types import Kind, LogicalType
from reconcilers.canonical import Canonical, canonical, is_narrow
from reconcilers.equality_sql import mapped, replica_type
from reconcilers.open_condition import Cell, Condition, hidden_sql, is_hidden, open_sql, reason, why_sql
from reconcilers.ports import RawColumn, RawRelation, Shape, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contracts.contract import Contract, FieldMap, Replica
    from contracts.equality import Equality, Within

TEXT_KEYS = frozenset({Kind.DECIMAL, Kind.FLOAT, Kind.TIME, Kind.INTERVAL, Kind.JSON, Kind.LIST, Kind.BYTES})
"""Key types joined by canonical text: their DuckDB type lacks some values, or has no cheaper form."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to read from one side, and the type it is read under.  `logical` None: a flag, in its natural type."""

    name: str
    wanted: Wanted

    @property
    def logical(self) -> LogicalType | None:
        """The type it is read under."""
        return self.wanted.logical


@dataclass(frozen=True, slots=True)
class Compared:
    """One compared field of one replica."""

    name: str
    logical: LogicalType
    """The declared type."""
    equality: Equality

    @property
    def within(self) -> Within | None:
        """The tolerance, if there is one."""
        return self.equality.within


def owner_items(contract: Contract) -> list[Item]:
    """Everything that is read of an owner: all declared fields, then flags that are no declared field."""
    items = [Item(name, Wanted(name, declared.type)) for name, declared in contract.fields.items()]
    soft = contract.owner.soft_delete
    if soft is not None:
        items.append(Item(_flag(soft.field), Wanted(soft.field, None)))
    return items


def replica_items(contract: Contract, replica: Replica, shape: Shape) -> list[Item]:
    """Everything that is read of a replica: its key, its compared fields, its flag and what `select` names."""
    items = [_replica_item(contract, field_map) for field_map in (*replica.key, *compared_maps(replica))]
    if replica.deletes.column is not None:
        items.append(Item(_flag(replica.deletes.column), Wanted(replica.deletes.column, None)))
    names = replica.select.names if replica.select else frozenset()
    items += [
        Item(_selected(name), Wanted(name, select_type(contract, replica, shape, name))) for name in sorted(names)
    ]
    return items


def _replica_item(contract: Contract, field_map: FieldMap) -> Item:
    logical = replica_type(contract.fields[field_map.field].type, field_map.equality)
    return Item(field_map.field, Wanted(field_map.path, logical, field_map.timezone))


def select_type(contract: Contract, replica: Replica, shape: Shape, name: str) -> LogicalType:
    """The type of a replica's column in `select`: as mapped, else as the store declares it, else text."""
    for field_map in (*replica.key, *replica.fields):
        if field_map.path == name:
            return replica_type(contract.fields[field_map.field].type, field_map.equality)
    column = shape.column(name)
    return column.logical if column is not None and column.logical is not None else LogicalType(Kind.TEXT)


_COMPARED = frozenset({"compared", "redacted", "once_held"})


def compared_maps(replica: Replica) -> list[FieldMap]:
    """The maps of the fields that are really compared."""
    return [field_map for field_map in replica.fields if field_map.equality.mode in _COMPARED]


def compared_fields(contract: Contract, replica: Replica) -> list[Compared]:
    """The compared fields, in contract order of the replica's maps."""
    return [Compared(m.field, contract.fields[m.field].type, m.equality) for m in compared_maps(replica)]


def _flag(name: str) -> str:
    return f"\0flag {name}"  # cannot be the name of a contract field


def _selected(name: str) -> str:
    return f"\0select {name}"


@dataclass(frozen=True, slots=True)
class Side:
    """One side's columns, compiled: how each item arrives and its canonical form."""

    relation: RawRelation
    items: Sequence[Item]
    columns: Mapping[str, RawColumn]
    canonicals: Mapping[str, Canonical]
    hashes: Mapping[tuple[str, ...], str] = field(default_factory=lambda: MappingProxyType({}))
    """Fields that the store hashed together, to the column of their hash."""

    def of(self, name: str) -> Canonical:
        """The canonical form of one item."""
        return self.canonicals[name]

    def typed(self, names: Iterable[str], *, selected: bool = False) -> dict[str, TypedSql]:
        """The columns an expression may use, with their types."""
        types = {item.name: item.logical for item in self.items}
        typed = {}
        for name in names:
            item = _selected(name) if selected else name
            if (logical := types[item]) is not None:
                typed[name] = TypedSql(self.canonicals[item].value, logical)
        return typed

    def cells(self, names: Iterable[str], *, selected: bool = False) -> dict[str, Cell]:
        """The same columns, with how they arrive."""
        return {
            name: Cell(self.columns[_selected(name) if selected else name], value)
            for name, value in self.typed(names, selected=selected).items()
        }


def compile_side(
    items: Sequence[Item],
    relation: RawRelation,
    narrow: frozenset[str] = frozenset(),
    hashed: Sequence[tuple[str, ...]] = (),
) -> Side:
    """Compile every item of one side.

    Args:
        items: In the order in which they were wanted.
        relation: What the reader offers for them.
        narrow: Int fields that arrive in at most 64 bits on every side.
        hashed: Groups of fields that the store hashed, in the order of the relation's hashes.
    """
    columns = {item.name: column for item, column in zip(items, relation.columns, strict=True)}
    canonicals = {
        item.name: canonical(item.logical, columns[item.name], narrow=item.name in narrow)
        for item in items
        if item.logical is not None
    }
    return Side(relation, items, columns, canonicals, dict(zip(hashed, relation.hashes, strict=True)))


def narrow_ints(contract: Contract, sides: Sequence[tuple[Sequence[Item], RawRelation]]) -> frozenset[str]:
    """The int fields that every side delivers in at most 64 bits."""
    wide = {
        item.name
        for items, relation in sides
        for item, column in zip(items, relation.columns, strict=True)
        if not is_narrow(column)
    }
    return frozenset(
        name for name, declared in contract.fields.items() if declared.type.kind is Kind.INT and name not in wide
    )


@dataclass(slots=True)
class Projection:
    """SQL of one side's projection, and what it has in it."""

    sql: str
    key_parts: int
    spelled: bool
    bad_keys: bool
    gone: bool
    issues: bool
    zeros: bool
    outside: bool = False
    of_owner: bool = False
    hashes: dict[str, str] = field(default_factory=dict)
    """Replica name to the owner's hash column."""
    scopes: dict[str, str] = field(default_factory=dict)
    """Replica name to the owner's scope column, where it has a `where`."""
    tolerances: dict[str, dict[str, str]] = field(default_factory=dict)
    """Replica name, then field, to the column of a value compared with a tolerance."""
    references: dict[str, str] = field(default_factory=dict)
    """Referring field to its column."""
    constants: dict[str, str] = field(default_factory=dict)
    """Redacted field to its column (replica only)."""
    doubts: dict[str, str] = field(default_factory=dict)
    """Replica name to the column that says why it is not known whether the row counts; of an owner also under an empty
    name, whatever its replicas are to hold.  Empty where it is known of every row."""
    filter_doubt: str = ""
    """The same with the run's own filter, which a replica's row is to pass where its owner has none (replica only)."""

    @property
    def keys(self) -> list[str]:
        """Names of the key columns."""
        return [f"k{i}" for i in range(self.key_parts)]

    @property
    def spellings(self) -> list[str]:
        """Names of the columns with the key as the store spells it."""
        return [f"s{i}" for i in range(self.key_parts)] if self.spelled else []


class _Builder:
    """Collects the columns of one projection."""

    def __init__(self, contract: Contract, side: Side) -> None:
        self.contract = contract
        self.side = side
        self.selected: list[str] = []
        self.known: dict[str, str] = {}

    def add(self, name: str, sql: str) -> None:
        self.selected.append(f'{sql} AS "{name}"')

    def shared(self, prefix: str, sql: str) -> str:
        """A column for this SQL, made once however often it is asked for."""
        if sql not in self.known:
            self.known[sql] = f"{prefix}{len(self.known)}"
            self.add(self.known[sql], sql)
        return self.known[sql]

    def key(self) -> tuple[bool, bool]:
        """Add the key columns; returns whether spellings and bad keys can occur."""
        forms = [self.side.of(name) for name in self.contract.key]
        for i, (name, form) in enumerate(zip(self.contract.key, forms, strict=True)):
            self.add(f"k{i}", key_sql(self.contract.fields[name].type, form))
        bad = " OR ".join(form.bad for form in forms if form.bad)
        inexact = any(not self.side.columns[name].exact for name in self.contract.key)
        spelled = bool(bad) or inexact
        if spelled:
            for i, name in enumerate(self.contract.key):
                column = self.side.columns[name]
                self.add(f"s{i}", self.side.of(name).text if column.wraps else f"CAST({column.sql} AS VARCHAR)")
        if bad:
            self.add("kb", f"({bad})")
        return spelled, bool(bad)

    def gone(self, column: str | None) -> bool:
        if column is None:
            return False
        self.add("gone", flag_sql(self.side.columns[_flag(column)]))
        return True

    def outside(self, where: Expression | None, *, owner: bool) -> bool:
        """Add the run's own filter.  A replica's row is outside only when its own values say so beyond doubt."""
        known = {item.name for item in self.side.items if item.logical is not None}
        if where is None or not where.names <= known:
            return False
        self.add("outside", f"NOT {_filter(where, self.side, owner=owner).passes}")
        return True

    def doubt(self, conditions: Sequence[Condition]) -> str:
        """The column of why it is not known whether a row counts; empty where it is known of every row."""
        why = reason(conditions)
        return self.shared("d", why) if why else ""

    def zeros(self) -> bool:
        hidden = [item.name for item in self.side.items if self.side.columns[item.name].nan_hidden]
        if hidden:
            self.add(
                "z", "(" + " OR ".join(f"coalesce({self.side.columns[name].sql} = 0, false)" for name in hidden) + ")"
            )
        return bool(hidden)

    def hash(self, fields: Sequence[Compared], stored: tuple[str, ...], *, owner: bool) -> str:
        """SQL of the hash of all fields compared by a map; NULL where one of them is odd, so that text decides.

        Args:
            fields: The compared fields.
            stored: Those of them that the stores have hashed already.
            owner: Whether this is the owner's side.
        """
        values, odd = [self.side.hashes[stored]] if stored else [], []
        for compared in fields:
            if compared.name in stored:
                continue
            form = self.side.of(compared.name)
            if form.odd:
                odd.append(form.odd)
            if self.side.columns[compared.name].unknown:
                odd.append(self.side.columns[compared.name].unknown)
            if compared.within is None and compared.equality.mode != "redacted":
                logical = compared.logical if owner else replica_type(compared.logical, compared.equality)
                values.append(mapped(form.value, logical, compared.equality, owner=owner))
        hashed = f"hash({', '.join(values)})" if values else "CAST(0 AS UBIGINT)"
        return f"CASE WHEN {' OR '.join(odd)} THEN NULL ELSE {hashed} END" if odd else hashed


def key_sql(logical: LogicalType, form: Canonical) -> str:
    """SQL of a key part as keys are joined; NULL where the part is NULL or bad."""
    if logical.kind not in TEXT_KEYS:
        return form.value
    return f"CASE WHEN {form.bad} THEN NULL ELSE {form.text} END" if form.bad else form.text


def flag_sql(column: RawColumn) -> str:
    """SQL of a deletion flag: a true boolean, a number other than 0, or a non-null time; false where it is not told."""
    shown = _shown_flag_sql(column)
    return f"({shown} AND NOT {hidden_sql(column)})" if is_hidden(column) else shown


def _shown_flag_sql(column: RawColumn) -> str:
    raw, arrives = column.sql, column.duckdb_type.upper()
    if arrives == "BOOLEAN":
        return f"coalesce({raw}, false)"
    if arrives == "VARCHAR":  # a store without types: false in all its spellings is no deletion, a time is one
        return f"coalesce(lower({raw}) NOT IN ('false', 'f', '0', ''), false)"
    if "INT" in arrives or arrives.startswith("DECIMAL") or arrives in ("FLOAT", "DOUBLE"):
        return f"coalesce({raw} <> 0, false)"
    return f"({raw} IS NOT NULL)"


def owner_projection(
    contract: Contract,
    side: Side,
    replicas: Sequence[Replica],
    where: Expression | None = None,
    stored: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Projection:
    """Compile what one scan of the owner brings for all these replicas.

    Args:
        contract: The entity's.
        side: The owner's.
        replicas: Those that are compared.
        where: The run's own filter.
        stored: Replica name to the fields that the stores have hashed already.
    """
    build = _Builder(contract, side)
    spelled, bad_keys = build.key()
    soft = contract.owner.soft_delete
    result = Projection(
        "",
        len(contract.key),
        spelled,
        bad_keys,
        build.gone(soft.field if soft else None),
        issues=False,
        zeros=build.zeros(),
    )
    result.outside, result.of_owner = build.outside(where, owner=True), True
    for replica in replicas:
        fields = compared_fields(contract, replica)
        result.hashes[replica.name] = build.shared("h", build.hash(fields, stored.get(replica.name, ()), owner=True))
        result.tolerances[replica.name] = {
            c.name: build.shared("x", _before_within(side, c, owner=True)) for c in fields if c.within
        }
        if replica.where is not None:
            result.scopes[replica.name] = build.shared("w", scope_sql(replica.where, side))
    for name, conditions in _owner_conditions(contract, side, replicas, where if result.outside else None).items():
        if column := build.doubt(conditions):
            result.doubts[name] = column
    for name in contract.references():
        result.references[name] = build.shared("f", reference_sql(contract.fields[name].type, side.of(name)))
    issue = issue_sql(contract, side)
    if issue:
        build.add("issue", issue)
        result.issues = True
    result.sql = f"SELECT {', '.join(build.selected)} FROM {side.relation.sql}"
    return result


def replica_projection(
    contract: Contract,
    side: Side,
    replica: Replica,
    where: Expression | None = None,
    stored: tuple[str, ...] = (),
) -> Projection:
    """Compile what the scan of one replica brings.

    Args:
        contract: The entity's.
        side: The replica's.
        replica: Whose copy it is.
        where: The run's own filter.
        stored: The fields that the stores have hashed already.
    """
    build = _Builder(contract, side)
    fields = compared_fields(contract, replica)
    spelled, bad_keys = build.key()
    result = Projection(
        "", len(contract.key), spelled, bad_keys, build.gone(replica.deletes.column), issues=False, zeros=build.zeros()
    )
    result.outside = build.outside(where, owner=False)
    result.hashes[replica.name] = build.shared("h", build.hash(fields, stored, owner=False))
    result.tolerances[replica.name] = {
        c.name: build.shared("x", _before_within(side, c, owner=False)) for c in fields if c.within
    }
    result.constants = {
        c.name: build.shared("c", side.of(c.name).text) for c in fields if c.equality.mode == "redacted"
    }
    if column := build.doubt(copy_conditions(replica, side)):
        result.doubts[replica.name] = column
    if where is not None and result.outside:
        result.filter_doubt = build.doubt([*copy_conditions(replica, side), _filter(where, side, owner=False)])
    result.sql = f"SELECT {', '.join(build.selected)} FROM {side.relation.sql}{select_filter(replica, side)}"
    return result


def select_filter(replica: Replica, side: Side) -> str:
    """The WHERE clause of a replica's `select`, or an empty string."""
    return "" if replica.select is None else f" WHERE {selected_sql(replica, side)}"


def live_filter(contract: Contract, replica: Replica | None, side: Side) -> str:
    """The WHERE clause of live rows: after `select`, not flagged as deleted; an empty string where every row is.

    Args:
        contract: The entity's.
        replica: The replica; None for the owner.
        side: The compiled side.
    """
    soft = contract.owner.soft_delete
    flag = (soft.field if soft else None) if replica is None else replica.deletes.column
    conditions = [f"NOT {gone_sql(side, flag)}"] if flag is not None else []
    if replica is not None and replica.select is not None:
        conditions.append(selected_sql(replica, side))
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def selected_sql(replica: Replica, side: Side) -> str:
    """SQL condition, never NULL: a row of the dataset is one of this replica's, or may be."""
    return "true" if replica.select is None else _expressed(replica.select, side, "`select`", selected=True).passes


def gone_sql(side: Side, column: str | None) -> str:
    """SQL condition, never NULL: the row is flagged as deleted; not where that is not told."""
    return "false" if column is None else flag_sql(side.columns[_flag(column)])


def scope_sql(where: Expression | None, side: Side) -> str:
    """SQL condition, never NULL: a replica with this `where` is to hold the owner's row, or may be."""
    return "true" if where is None else _expressed(where, side, "`where`").passes


# -- whether a row counts ----------------------------------------------------------------------------------------------


def owner_conditions(contract: Contract, side: Side, replica: Replica | None) -> list[Condition]:
    """On what it depends whether an owner's row counts, and whether a replica is to hold it."""
    soft = contract.owner.soft_delete
    conditions = [] if soft is None else [_unflagged(side, soft.field, "`soft_delete`")]
    if replica is not None and replica.where is not None:
        conditions.append(_expressed(replica.where, side, "`where`"))
    return conditions


def copy_conditions(replica: Replica, side: Side) -> list[Condition]:
    """On what it depends whether a replica's row counts."""
    flag = replica.deletes.column
    conditions = [] if flag is None else [_unflagged(side, flag, "`deletes`")]
    if replica.select is not None:
        conditions.append(_expressed(replica.select, side, "`select`", selected=True))
    return conditions


def _owner_conditions(
    contract: Contract, side: Side, replicas: Sequence[Replica], where: Expression | None
) -> dict[str, list[Condition]]:
    """The same of each replica and, under an empty name, of the owner alone; the run's own filter is among them."""
    among = [] if where is None else [_filter(where, side, owner=True)]
    conditions = {"": owner_conditions(contract, side, None) + among}
    return conditions | {one.name: owner_conditions(contract, side, one) + among for one in replicas}


def _unflagged(side: Side, column: str, what: str) -> Condition:
    raw = side.columns[_flag(column)]
    alive = f"NOT {flag_sql(raw)}"
    if not is_hidden(raw):
        return Condition(alive)
    maybe = [raw.unknown] if raw.unknown else []
    maybe += [f"({raw.or_null} AND {_shown_flag_sql(raw)})"] if raw.or_null else []  # NULL is no deletion either
    return Condition(alive, f"({' OR '.join(maybe)})", why_sql({column: raw}, what))


def _filter(where: Expression, side: Side, *, owner: bool) -> Condition:
    return _expressed(where, side, "`--where`", otherwise=not owner)


def _expressed(
    expression: Expression, side: Side, what: str, *, selected: bool = False, otherwise: bool = False
) -> Condition:
    """An expression that a row is to meet; `otherwise` is what counts where it is NULL."""
    cells = side.cells(expression.names, selected=selected)
    met = f"coalesce({expression.to_sql({name: cell.value for name, cell in cells.items()})}, {str(otherwise).lower()})"
    is_open = open_sql(expression, cells)
    if not is_open:
        return Condition(met)
    why = why_sql({name: cell.column for name, cell in cells.items()}, what)
    return Condition(f"({met} OR {is_open})", is_open, why)


def _before_within(side: Side, compared: Compared, *, owner: bool) -> str:
    return mapped(side.of(compared.name).value, compared.logical, compared.equality, owner=owner)


def condition_sql(expression: Expression, side: Side) -> str:
    """SQL condition, never NULL: what an expression in contract names says of a row of this side."""
    return f"coalesce({expression.to_sql(side.typed(expression.names))}, false)"


def reference_sql(logical: LogicalType, form: Canonical) -> str:
    """SQL of a referring value as it is joined with the referenced keys: wide ints, everything else as keys are."""
    return key_sql(logical, form)


def invariant_sql(holds: Expression, side: Side) -> str:
    """SQL condition, never NULL: the row breaks the rule, whatever is not known of it."""
    broken = f"coalesce(NOT ({holds.to_sql(side.typed(holds.names))}), false)"
    is_open = open_invariant_sql(holds, side)
    return f"({broken} AND NOT {is_open})" if is_open else broken


def open_invariant_sql(holds: Expression, side: Side) -> str:
    """SQL condition, never NULL: whether the row breaks the rule is not known; empty where it is of every row."""
    return open_sql(holds, side.cells(holds.names), negated=True)


def issue_sql(contract: Contract, side: Side) -> str:
    """SQL condition, never NULL: the row holds a bad value or breaks an invariant, or may; empty where none can."""
    bad = [side.of(name).bad for name in contract.fields if name in side.canonicals and side.of(name).bad]
    rules = [invariant.holds for invariant in contract.invariants]
    broken = [
        condition for holds in rules for condition in (invariant_sql(holds, side), open_invariant_sql(holds, side))
    ]
    return " OR ".join(f"({condition})" for condition in (*bad, *broken) if condition)
