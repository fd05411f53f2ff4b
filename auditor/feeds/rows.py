"""From decoded structs to rows of cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from auditor.feeds.cells import WRAPS, CellContext, cell_reader, note_of, null_cell, value_reader
from auditor.feeds.hints import MYSQL, NO_HINT, NO_MODES, ColumnHint, Modes, refined, shape_for
from auditor.feeds.shape import BadValueError, Carrier, CellReader, Shape
from reconcilers.change import Cell, DefaultOrNull, Lack
from reconcilers.flaws import WRAPPED_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a topic's columns beside what its records say.

    Attributes:
        columns: Hints by column.
        modes: How the connector is set.
    """

    columns: Mapping[str, ColumnHint] = field(default_factory=dict)
    modes: Modes = NO_MODES

    def hint(self, column: str) -> ColumnHint:
        """The hint for a column, perhaps an empty one."""
        return self.columns.get(column, NO_HINT)


NOTHING_KNOWN = Known()

EVERY_COLUMN = "*"
"""Stands for all columns of a topic in notes."""

DEFAULTS_UNTOLD = "NULL may arrive as a column's default, which JSON without a schema does not tell"


class StructReader:
    """Reads the structs of one schema.

    Attributes:
        members: The columns with what is known of their types, in the schema's order.
        context: What else decides how they are read.
        names: The columns, in the schema's order.
        notes: What is to be known of a column's values, by column.
    """

    def __init__(self, shape: Shape, context: CellContext, known: Known = NOTHING_KNOWN) -> None:
        members = tuple(
            (name, refined(member, known.hint(name), known.modes, context.connector)) for name, member in shape.fields
        )
        self.members, self.context = members, context
        self._columns: tuple[tuple[str, CellReader], ...] = tuple(
            (name, value_reader(member, context)) for name, member in members
        )
        self._null_lacks = {name: lack for name, member in members if (lack := null_cell(member, context)) is not None}
        self.names = tuple(name for name, _ in self._columns)
        self.notes = {name: note for name, member in members if (note := note_of(member, context))}
        self._is_json = context.carrier is Carrier.JSON
        self._known = frozenset(self.names)
        self._required = frozenset(name for name, member in members if not member.optional)

    def row(self, struct: Any) -> Row:
        """The cells of a struct, by column.

        Raises:
            BadValueError: A value is none of its type; the message names the column.
        """
        try:
            row = self._row_of_json(struct) if self._is_json else self._row_of_avro(struct)
        except BadValueError as error:
            raise BadValueError(self._place(struct, error)) from None
        for name, lack in self._null_lacks.items():
            if row[name] is None:
                row[name] = lack
        return row

    def _row_of_avro(self, struct: Any) -> Row:
        """Avro's structs come in the order of the schema."""
        return {
            name: None if value is None else read(value)
            for (name, read), value in zip(self._columns, struct.values(), strict=True)
        }

    def _row_of_json(self, struct: Any) -> Row:
        if not isinstance(struct, dict) or not self._required <= struct.keys() <= self._known:
            raise BadValueError("the fields are not those of the schema")
        for name in self._required:
            if struct[name] is None:
                raise BadValueError(f"column {name}: NULL in a column that is declared NOT NULL")
        return {name: None if (value := struct.get(name)) is None else read(value) for name, read in self._columns}

    def _place(self, struct: Any, error: BadValueError) -> str:
        """The error with the column that it is about."""
        if isinstance(struct, dict):
            for name, read in self._columns:
                try:
                    if (value := struct.get(name)) is not None:
                        read(value)
                except BadValueError as found:
                    return f"column {name}: {found}"
        return str(error)


class SchemalessReader:
    """Reads JSON objects that bring no schema; columns that nothing is known of are unreadable.

    Attributes:
        notes: What is to be known of a column's values, by column, as far as they were seen.
    """

    def __init__(self, context: CellContext, known: Known) -> None:
        self._context, self._known = context, known
        self._readers: dict[tuple[str, type, object], CellReader] = {}
        self._nulls: dict[str, Cell] = {}
        self.notes: dict[str, str] = {} if context.nulls_kept else {EVERY_COLUMN: DEFAULTS_UNTOLD}

    def row(self, struct: Any) -> Row:
        """The cells of an object, by member.

        Raises:
            BadValueError: A value is none of the type that its column is known to have.
        """
        if not isinstance(struct, dict):
            raise BadValueError("expected an object")
        return {name: self.cell(name, value) for name, value in struct.items()}

    def cell(self, name: str, value: Any) -> Cell:
        """The cell of one member."""
        if value is None:
            return self._null(name)
        try:
            cell = self._reader(name, value)(value)
        except BadValueError as error:
            raise BadValueError(f"column {name}: {error}") from None
        default = self._known.hint(name).default
        if default is not None and not self._context.nulls_kept and isinstance(cell, str) and _is_same(cell, default):
            return DefaultOrNull(cell)
        return cell

    def _null(self, name: str) -> Cell:
        """What NULL means; bytes in base64 that were left as they were come as NULL, too."""
        modes = self._known.modes
        if name not in self._nulls:
            shape = refined(Shape("string", optional=True), self._known.hint(name), modes, self._context.connector)
            self._nulls[name] = None if modes.binary == "bytes" else null_cell(shape, self._context)
            if self._nulls[name] is not None and (note := self._note(shape)):
                self.notes[name] = note
        return self._nulls[name]

    def _reader(self, name: str, value: Any) -> CellReader:
        mark = next((item.__class__ for item in value if item is not None), None) if isinstance(value, list) else None
        place = (name, value.__class__, mark)
        if (reader := self._readers.get(place)) is None:
            shape = shape_for(self._known.hint(name), value, self._known.modes, self._context.connector)
            reader = self._readers[place] = self._made(shape)
            notes = (self._note(shape), WRAPS if self._may_wrap(name, value, shape) else "")
            if note := "; ".join(filter(None, dict.fromkeys(notes))):
                self.notes[name] = note
        return reader

    def _made(self, shape: Shape) -> CellReader:
        if shape.kind != "unknown":
            return cell_reader(shape, self._context)
        kept = self._context.placeholder

        def unreadable(value: object) -> Cell:
            whole = value == kept.text or (isinstance(value, list | dict) and bool(value) and kept.is_in(value))
            return Lack.KEPT if whole or value == kept.items[2][0] else Lack.UNREADABLE

        return unreadable

    def _may_wrap(self, name: str, value: object, shape: Shape) -> bool:
        """Whether an integer may be MySQL's unsigned one, also where the contract takes it for a decimal or a float."""
        hint = self._known.hint(name)
        if self._context.connector not in MYSQL or hint.store_type or hint.logical is None or shape.kind == "unknown":
            return False
        return isinstance(value, int) and not isinstance(value, bool) and hint.logical.kind in WRAPPED_KINDS

    def _note(self, shape: Shape) -> str:
        if shape.kind == "unknown":
            return "unreadable: JSON without a schema does not tell its type (see `schemaless` in the settings)"
        return note_of(shape, self._context)


def _is_same(text: str, default: str) -> bool:
    """Whether a value is the default, in whatever spelling of a number."""
    if text == default:
        return True
    try:
        return Decimal(text) == Decimal(default)
    except ArithmeticError:
        return False
