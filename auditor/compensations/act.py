"""One proposal as statements of the replica's dialect: the act, its precondition, its inverse, its risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.compensations.columns import TargetColumn, UnwritableError
from auditor.compensations.dialect import Written
from auditor.compensations.spelling import is_spelled_in_one_way
from auditor.compensations.statement import NULL, Literal, Secret, Slot, Statement, Value, joined, slot_name, sql
from contracts.equality import Hashed, Mask, Truncated, TruncatedTo
from contracts.expression_tree import Comparison, Connection, Name, Text
from contracts.logical_types import Kind, LogicalType
from reconcilers.compensation import Change
from reconcilers.rows_by_key import certain_steps, written_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from auditor.compensations.target import Image, Target
    from contracts.contract import Contract, FieldMap, Replica
    from contracts.expression_tree import Node
    from reconcilers.compensation import OwnerRow, Proposal
    from reconcilers.finding import KeyText

_TEXT = LogicalType(Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be run, and what undoes it."""

    statement: Statement
    precondition: Statement
    inverse: Statement
    risk: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The row that an act is about.

    Attributes:
        owner: The owner's row as it is now.
        image: The replica's row as it is now; None where there is none.
        zone: Of the replica's columns without one, where the contract names none.
    """

    key: KeyText
    owner: OwnerRow
    image: Image | None
    zone: str
    now: datetime


class ActWriter:
    """Writes the acts of one replica.

    Args:
        contract: The entity's.
        replica: The replica.
        target: Its table.
    """

    def __init__(self, contract: Contract, replica: Replica, target: Target) -> None:
        self._contract = contract
        self._replica = replica
        self._target = target
        self._dialect = target.dialect
        self._table = target.dialect.table(target.relation)
        self._owner = str(contract.owner.reference)
        self._copy = str(replica.dataset)

    def write(self, proposal: Proposal, subject: Subject) -> Act:
        """The act of a proposal.

        Raises:
            UnwritableError: It cannot be written with certainty; says why.
        """
        if self._target.table.kind != "table":
            raise UnwritableError(f"{self._copy} is a {self._target.table.kind}, which is not written to")
        if proposal.change is Change.INSERT:
            return self._insert(proposal, subject)
        if subject.image is None:
            raise UnwritableError("the row went away while it was read")
        if proposal.change is Change.DELETE:
            return self._delete(subject, subject.image)
        return self._update(proposal, subject, subject.image)

    # -- the three shapes --------------------------------------------------------------------------------------------

    def _insert(self, proposal: Proposal, subject: Subject) -> Act:
        values = self._key_values(subject) | self._new_values(proposal, subject, skip_generated=True)
        values |= self._selecting()
        values |= self._needed_flag(values, subject)
        left = self._left_to_defaults(values)
        self._require_one_spelling(subject)
        keys = [self._absent(column, values[column]) for column in self._columns_of(self._replica.key)]
        absent = joined(" AND ", [*keys, *(self._dialect.is_still(c, slot) for c, slot in self._selecting().items())])
        statement = self._dialect.insert(self._table, values, absent)
        present = [self._dialect.is_key(column, values[column]) for column in self._columns_of(self._replica.key)]
        held = [
            self._dialect.is_still(column, slot)
            for column, slot in values.items()
            if isinstance(slot.value, Literal) and column.name not in self._key_columns()
        ]
        inverse = self._dialect.delete(self._table, joined("\n    AND ", [*present, *held]))
        risk = "adds one row; triggers of the replica run as for any write"
        if self._replica.select is not None:
            risk += (
                "; where the table holds a row with this key that `select` leaves out, and the key is unique there, "
                "the statement fails and changes nothing"
            )
        if left:
            risk += f"; columns of no contract keep their defaults: {', '.join(left)}"
        return Act(statement, sql(f"NOT EXISTS (SELECT 1 FROM {self._table} WHERE ", absent, ")"), inverse, risk)

    def _update(self, proposal: Proposal, subject: Subject, image: Image) -> Act:
        values = self._new_values(proposal, subject)
        if proposal.change in (Change.FLAG, Change.REVIVE):
            values |= self._flag(subject, deleted=proposal.change is Change.FLAG)
        before = self._still(image)
        conditions = [before]
        if all(isinstance(slot.value, Secret) for slot in values.values()):  # the old image says nothing about those
            differs = [self._dialect.differs(column, slot) for column, slot in values.items()]
            conditions.append(sql("(", joined(" OR ", differs), ")"))
        condition = joined("\n    AND ", conditions)
        statement = self._dialect.update(self._table, values, condition)
        olds = {column: Slot(slot_name("before", column.name), self._old(column, image, subject)) for column in values}
        inverse = self._dialect.update(self._table, olds, self._still(image, values))
        names = ", ".join(column.name for column in values)
        risk = f"sets {names} of one row and nothing else; triggers of the replica run as for any write"
        return Act(statement, condition, inverse, risk)

    def _delete(self, subject: Subject, image: Image) -> Act:
        condition = self._still(image)
        statement = self._dialect.delete(self._table, condition)
        olds = {
            column: Slot(slot_name("before", column.name), self._old(column, image, subject))
            for column in self._target.table.columns
            if not column.generated
        }
        olds = {column: slot for column, slot in olds.items() if not (slot.value.is_null and not column.filled)}
        keys = [sql(self._dialect.is_key(column, olds[column])) for column in self._columns_of(self._replica.key)]
        inverse = self._dialect.insert(self._table, olds, joined(" AND ", keys))
        risk = "removes one row, and what the replica's own constraints and triggers remove with it"
        kept = [slot.value.field for slot in olds.values() if isinstance(slot.value, Secret)]
        if kept:
            where = condition.for_people(self._dialect.variable).replace("\n   ", "")
            risk += (
                f"; this plan does not hold what stands in {', '.join(kept)}, which the inverse needs: keep it first, "
                f"SELECT * FROM {self._table} WHERE {where}"
            )
        return Act(statement, condition, inverse, risk)

    # -- conditions --------------------------------------------------------------------------------------------------

    def _still(self, image: Image, instead: Mapping[TargetColumn, Slot] | None = None) -> Statement:
        """The row is as it was read; or, with `instead`, as it is once these values are written."""
        keys: list[Statement] = []
        others: list[Statement] = []
        for column in self._target.shown_columns:
            slot = (instead or {}).get(column) or Slot(
                slot_name("was", column.name), self._dialect.kept(column, image.shown[column.name])
            )
            is_key = column.name in self._key_columns()
            (keys if is_key else others).append(
                (self._dialect.is_key if is_key else self._dialect.is_still)(column, slot)
            )
        for column in self._target.hidden_columns:
            if column.name in self._sensitive_columns() and column not in (instead or {}):
                there = image.hidden[column.name]
                others.append(sql(f"{self._dialect.quoted(column.name)} IS {'NOT ' * there}NULL"))
        return joined("\n    AND ", [*keys, *others])

    def _require_one_spelling(self, subject: Subject) -> None:
        """Have a statement know a key that is kept as text in whatever way a row that came meanwhile spells it.

        Raises:
            UnwritableError: The rows there are spelled in several ways, or in one that is not known.
        """
        for key in self._replica.key:
            logical, column = self._contract.fields[key.field].type, self._column(key.path)
            if logical.kind is Kind.UUID or not self._dialect.is_text(column):
                continue  # of a uuid all spellings are asked for
            sample = self._dialect.texts(column, self._target.samples.get(column.name, ()))
            if not is_spelled_in_one_way(logical, sample, key.timezone or subject.zone):
                raise UnwritableError(
                    f"{column.name} keeps {logical} as text, and not in one way that could be told: a row with this "
                    "key that came meanwhile would not be noticed"
                )

    def _absent(self, column: TargetColumn, slot: Slot) -> Statement:
        """No other spelling of a uuid kept as text is there either."""
        field = next(m.field for m in self._replica.key if m.path == column.name)
        value = slot.value
        if self._contract.fields[field].type.kind is not Kind.UUID or not isinstance(value, Literal):
            return self._dialect.is_key(column, slot)
        if not self._dialect.is_text(column):
            return self._dialect.is_key(column, slot)
        text = dict(self._key_of(slot))[field]
        forms = dict.fromkeys((text, text.upper(), text.replace("-", ""), text.replace("-", "").upper()))
        listed = ", ".join(self._dialect.text(form) for form in forms)
        return sql(f"{self._dialect.quoted(column.name)} IN ({listed})")

    def _key_of(self, slot: Slot) -> Iterator[tuple[str, str]]:
        for field in self._contract.key:
            if slot_name("key", field) == slot.name and isinstance(slot.value, Literal):
                bare = (slot.value.text or "").strip("{}").replace("-", "").lower()
                yield field, "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))

    # -- values ------------------------------------------------------------------------------------------------------

    def _key_columns(self) -> set[str]:
        return {m.path for m in self._replica.key}

    def _sensitive_columns(self) -> set[str]:
        maps = (*self._replica.key, *self._replica.fields)
        return {m.path for m in maps if self._contract.fields[m.field].sensitive}

    def _columns_of(self, maps: Sequence[FieldMap]) -> list[TargetColumn]:
        return [self._column(field_map.path) for field_map in maps]

    def _column(self, path: str) -> TargetColumn:
        column = self._target.table.column(path)
        if column is None:
            raise UnwritableError(f"{path} lies inside a document of {self._copy}, which no statement here writes")
        return column

    def _key_values(self, subject: Subject) -> dict[TargetColumn, Slot]:
        texts = dict(subject.key)
        return {
            self._column(m.path): Slot(slot_name("key", m.field), self._literal(m, texts[m.field], subject))
            for m in self._replica.key
        }

    def _new_values(
        self, proposal: Proposal, subject: Subject, *, skip_generated: bool = False
    ) -> dict[TargetColumn, Slot]:
        maps = {m.field: m for m in self._replica.fields}
        values: dict[TargetColumn, Slot] = {}
        for name in proposal.fields:
            column = self._column(maps[name].path)
            if column.generated and skip_generated:
                continue
            if column.generated:
                raise UnwritableError(f"column {column.name} is computed by the replica itself")
            values[column] = Slot(slot_name("", name), self._new(maps[name], column, subject))
        return values

    def _new(self, field_map: FieldMap, column: TargetColumn, subject: Subject) -> Value:
        declared, text = self._contract.fields[field_map.field], subject.owner.written[field_map.field]
        if text is None:
            if not column.nullable:
                raise UnwritableError(f"the owner's {field_map.field} is NULL, and column {column.name} may not be")
            return NULL
        literal = self._literal(field_map, text, subject)
        return self._secret(field_map, column, literal, subject) if declared.sensitive else literal

    def _literal(self, field_map: FieldMap, text: str | None, subject: Subject) -> Literal:
        column = self._column(field_map.path)
        if text is None:
            return NULL
        logical = written_type(self._contract.fields[field_map.field].type, field_map.equality)
        sample = self._target.samples.get(column.name, ())
        return self._dialect.written(column, Written(text, logical, field_map.timezone or subject.zone, sample))

    def _secret(self, field_map: FieldMap, column: TargetColumn, literal: Literal, subject: Subject) -> Secret:
        """What whoever applies the plan fills in: the owner's own value, which the statement itself derives from."""
        bind = literal.bind or "{}"
        steps = [step for step in certain_steps(field_map.equality) if not isinstance(step, Truncated)]
        for step in steps:
            derived = self._dialect.derived(step) if isinstance(step, (Mask, Hashed, TruncatedTo)) else ""
            if not derived:
                raise UnwritableError(
                    f"{field_map.field} is sensitive, and {self._dialect.title} cannot make of it what the copy holds"
                )
            bind = derived if bind == "{}" else ""
        text = subject.owner.texts[field_map.field] or ""
        if not steps and literal.text != text:
            bind = self._dialect.same_value(column, self._contract.fields[field_map.field].type, text, literal)
        if not bind:
            raise UnwritableError(f"{field_map.field} is sensitive, and takes another form in column {column.name}")
        return Secret("from_owner", self._owner, field_map.field, dict(subject.key), bind)

    def _old(self, column: TargetColumn, image: Image, subject: Subject) -> Value:
        if column.name in image.shown:
            return self._dialect.kept(column, image.shown[column.name])
        if not image.hidden[column.name]:
            return NULL
        return Secret("from_replica", self._copy, column.name, dict(subject.key))

    def _flag(self, subject: Subject, *, deleted: bool) -> dict[TargetColumn, Slot]:
        if self._replica.deletes.column is None:
            raise UnwritableError("the replica has no column that flags deleted rows")
        column = self._column(self._replica.deletes.column)
        sample = self._target.samples.get(column.name, ())
        value = self._dialect.flag(column, sample, deleted=deleted, now=subject.now)
        return {column: Slot(slot_name("flag", column.name), value)}

    def _selecting(self) -> dict[TargetColumn, Slot]:
        """The columns by which `select` knows its rows, where it says so by plain equality."""
        if self._replica.select is None:
            return {}
        mapped = {m.path for m in (*self._replica.key, *self._replica.fields)}
        found: dict[TargetColumn, Slot] = {}
        for name, text in _equalities(self._replica.select.tree):
            if name not in mapped:
                column = self._column(name)
                value = self._dialect.written(column, Written(text, _TEXT))
                found[column] = Slot(slot_name("select", name), value)
        return found

    def _needed_flag(self, values: Mapping[TargetColumn, Slot], subject: Subject) -> dict[TargetColumn, Slot]:
        """The flag of a live row, where the store does not set it."""
        name = self._replica.deletes.column
        column = None if name is None else self._column(name)
        if column is None or column in values or column.nullable or column.filled:
            return {}
        return self._flag(subject, deleted=False)

    def _left_to_defaults(self, values: Mapping[TargetColumn, Slot]) -> list[str]:
        """Columns that a new row gets from the store.

        Raises:
            UnwritableError: One of them must have a value, and nobody says which.
        """
        left = [column for column in self._target.table.columns if column not in values and not column.generated]
        if missing := [column.name for column in left if not (column.nullable or column.filled)]:
            raise UnwritableError(
                f"a new row needs a value for {', '.join(missing)}, of which the contract says nothing certain"
            )
        return [column.name for column in left]


def _equalities(tree: Node) -> Iterator[tuple[str, str]]:
    """Columns and the texts that they must equal.

    Raises:
        UnwritableError: The condition says something else as well.
    """
    match tree:
        case Connection("AND", parts):
            for part in parts:
                yield from _equalities(part)
        case Comparison("=", Name(name), Text(value)) | Comparison("=", Text(value), Name(name)):
            yield name, value
        case _:
            raise UnwritableError("what a new row needs for the replica's `select` to hold is not certain")
