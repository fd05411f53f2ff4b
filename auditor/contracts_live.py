"""`audit contracts check --live`: contracts held against what the stores say about themselves.

Nothing is read but descriptions of relations.  Errors are what a run would stumble over; warnings what it survives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, Place, Problem
from contracts.logical_types import Kind, LogicalType
from contracts.suggestion import did_you_mean
from reconcilers.equality_sql import replica_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from contracts.contract import Contract, DatasetRef, FieldMap, QueryRef, Replica
    from reconcilers.ports import Column, Reader, Shape

LARGE_ROWS = 100_000
"""A replica with more rows needs an index on its key: below, a scan for each recheck is not felt."""

_NUMBERS = frozenset({Kind.INT, Kind.DECIMAL, Kind.FLOAT})
_TIMES = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMP_LOCAL, Kind.DATE})
_OWN_FORMS = {
    Kind.INT: _NUMBERS | {Kind.BOOL},
    Kind.DECIMAL: _NUMBERS,
    Kind.FLOAT: _NUMBERS,
    Kind.BOOL: frozenset({Kind.BOOL}) | _NUMBERS,
    Kind.UUID: frozenset({Kind.UUID, Kind.BYTES}),
    Kind.DATE: _TIMES,
    Kind.TIMESTAMP: _TIMES,
    Kind.TIMESTAMP_LOCAL: _TIMES,
    Kind.BYTES: frozenset({Kind.BYTES, Kind.UUID}),
    Kind.JSON: frozenset({Kind.JSON, Kind.LIST}),
    Kind.LIST: frozenset({Kind.JSON, Kind.LIST}),
}
"""For a declared type: the types of columns that can hold its values; text can hold all, and all is some text."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What settings tell of a connection.

    Attributes:
        zone_declared: They say in which zone columns without one are.
        keeps_keys: The store can keep keys unique and have indexes.
    """

    zone_declared: bool
    keeps_keys: bool


@dataclass(frozen=True, slots=True)
class Held:
    """One contract field as one side holds it.

    Attributes:
        name: In the contract.
        path: The column, or a path into a document.
        logical: The declared type.
        zoned: The contract says in which zone the column is.
        tolerant: Compared within a tolerance, so that it may be rounded.
    """

    name: str
    path: str
    logical: LogicalType
    zoned: bool = False
    tolerant: bool = False


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a contract.

    Attributes:
        who: For messages, such as `replica search (read_model/orders)`.
        keys: The key's fields as this side holds them.
        place: Where the contract speaks of it.
    """

    who: str
    shape: Shape
    facts: Facts
    keys: tuple[Held, ...]
    fields: tuple[Held, ...]
    place: Place
    replica: Replica | None = None


def check_live(
    contracts: Iterable[Contract],
    reader: Callable[[DatasetRef | QueryRef], Reader],
    facts: Callable[[str], Facts],
) -> list[Problem]:
    """Everything in which contracts and real schemas do not agree.

    Args:
        contracts: Whose datasets are looked at.
        reader: Makes the reader of a dataset.
        facts: What else is known of a connection, by its name.
    """
    return sorted(problem for contract in contracts for problem in _check(contract, reader, facts))


def _check(
    contract: Contract,
    reader: Callable[[DatasetRef | QueryRef], Reader],
    facts: Callable[[str], Facts],
) -> Iterator[Problem]:
    reference = contract.owner.dataset or contract.owner.query
    if reference is not None:
        who = f"owner ({reference})"
        held = {name: Held(name, name, field.type) for name, field in contract.fields.items()}
        keys = tuple(held.pop(name) for name in contract.key)
        shape = _shape(reference, reader, who, contract.place)
        if isinstance(shape, Problem):
            yield shape
        else:
            side = _Side(who, shape, facts(reference.connection), keys, tuple(held.values()), contract.place)
            yield from _check_side(side)
            yield from _marks_exist(contract, shape, who)
    for replica in contract.replicas:
        if replica.dataset is not None:
            yield from _check_replica(contract, replica, replica.dataset, reader, facts)


def _check_replica(
    contract: Contract,
    replica: Replica,
    reference: DatasetRef,
    reader: Callable[[DatasetRef | QueryRef], Reader],
    facts: Callable[[str], Facts],
) -> Iterator[Problem]:
    who = f"replica {replica.name} ({reference})"
    shape = _shape(reference, reader, who, replica.place)
    if isinstance(shape, Problem):
        yield shape
        return
    keys, fields = (tuple(held_by(contract, mapped) for mapped in maps) for maps in (replica.key, replica.fields))
    side = _Side(who, shape, facts(reference.connection), keys, fields, replica.place, replica)
    yield from _check_side(side)
    yield from _selected_exist(side)


def held_by(contract: Contract, mapped: FieldMap) -> Held:
    """A contract field as a replica is to hold it."""
    declared = contract.fields[mapped.field].type
    tolerant = mapped.equality.within is not None
    if not tolerant:  # a copy that holds a digest or a mask holds text
        declared = replica_type(declared, mapped.equality)
    return Held(mapped.field, mapped.path, declared, mapped.timezone is not None, tolerant)


def _shape(
    reference: DatasetRef | QueryRef, reader: Callable[[DatasetRef | QueryRef], Reader], who: str, place: Place
) -> Shape | Problem:
    try:
        return reader(reference).shape()
    except AuditorError as error:
        return Problem(place, f"{who}: {error.message}")


def _check_side(side: _Side) -> Iterator[Problem]:
    for held in (*side.keys, *side.fields):
        column = _column(side.shape, held.path)
        if column is None:
            meant = did_you_mean(held.path, [column.name for column in side.shape.columns])
            yield Problem(side.place, f"{side.who}: there is no column {held.path} to hold {held.name}{meant}")
        else:
            yield from _fits(side, held, column)
    yield from _key_is_kept(side)


def _column(shape: Shape, path: str) -> Column | None:
    """The column of a path; of a path into a document the column that holds the document."""
    return shape.column(path) or (shape.column(path.partition(".")[0]) if "." in path else None)


def _fits(side: _Side, held: Held, column: Column) -> Iterator[Problem]:
    inside = column.name != held.path
    if inside:
        return  # what a document holds only its rows tell
    about = f"{side.who}: column {column.name} ({column.store_type})"
    if not _can_carry(column, held, is_copy=side.replica is not None):
        yield Problem(side.place, f"{about} cannot carry {held.name}, which is {held.logical}")
    if held.logical.kind is Kind.TIMESTAMP and column.zone == "local" and not (side.facts.zone_declared or held.zoned):
        message = f"{about} has no time zone, and none is declared for it; it is read as UTC"
        yield Problem(side.place, message, severity="warning")


def _can_carry(column: Column, held: Held, *, is_copy: bool) -> bool:
    """Whether the column can hold values of the declared type; an owner's may be narrower, since it decides."""
    carries, declared = column.logical, held.logical
    if carries is None or carries.kind in (Kind.TEXT, Kind.ENUM) or declared.kind in (Kind.TEXT, Kind.ENUM):
        return True
    if is_copy and carries.kind is Kind.DECIMAL and declared.kind is Kind.DECIMAL:
        digits = declared.precision - declared.scale
        return carries.precision - carries.scale >= digits and (held.tolerant or carries.scale >= declared.scale)
    return carries.kind in _OWN_FORMS.get(declared.kind, frozenset({declared.kind}))


def _key_is_kept(side: _Side) -> Iterator[Problem]:
    """Somebody should keep the key unique and whole, and a large relation should find rows by it; files cannot."""
    if not side.facts.keeps_keys:
        return
    columns = [held.path for held in side.keys]
    if not any(set(unique) <= set(columns) for unique in side.shape.unique_keys):
        yield Problem(side.place, f"{side.who}: {_what_nobody_keeps(side, columns)}", severity="warning")
    rows = side.shape.estimated_rows
    if rows is None or rows < LARGE_ROWS or not side.shape.columns:
        return
    if not any(set(index[: len(columns)]) == set(columns) for index in side.shape.indexed):
        message = f"{side.who}: no index begins with the key ({', '.join(columns)}), and it has about {rows:,} rows"
        yield Problem(side.place, f"{message}; looking again at single rows will scan it", severity="warning")


def _what_nobody_keeps(side: _Side, columns: Sequence[str]) -> str:
    key = ", ".join(columns)
    nullable = [name for name in columns if (column := _column(side.shape, name)) is not None and column.nullable]
    if any(set(unique) <= set(columns) for unique in side.shape.nullable_keys):
        message = f"the key ({key}) is unique there, but {', '.join(nullable)} may be NULL"
        return f"{message}; each run will look for rows without a key"
    beside = f", and {', '.join(nullable)} may be NULL" if nullable else ""
    return f"nothing keeps the key ({key}) unique there{beside}; each run will look for duplicates and gaps"


def _marks_exist(contract: Contract, shape: Shape, who: str) -> Iterator[Problem]:
    """What tells of a row that it was deleted, or changed, may be no field: then it is a column."""
    soft, changed = contract.owner.soft_delete, contract.owner.changed_at
    if soft is not None and _column(shape, soft.field) is None:
        yield Problem(contract.place, f"{who}: there is no column {soft.field}, which is to flag deleted rows")
    if changed is not None and changed.field not in contract.fields and _column(shape, changed.field) is None:
        yield Problem(contract.place, f"{who}: there is no column {changed.field}, which is to tell when a row changed")


def _selected_exist(side: _Side) -> Iterator[Problem]:
    replica = side.replica
    if replica is None:
        return
    if replica.deletes.column is not None and _column(side.shape, replica.deletes.column) is None:
        yield Problem(
            side.place, f"{side.who}: there is no column {replica.deletes.column}, which is to flag deleted rows"
        )
    for name in sorted(replica.select.names) if replica.select is not None else ():
        if _column(side.shape, name) is None:
            yield Problem(side.place, f"{side.who}: there is no column {name}, which `select` asks for")
