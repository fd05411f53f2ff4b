"""What kinds of records there are, and how the values of each are read: one plan a topic and schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from auditor.feeds.cells import CellContext
from auditor.feeds.debezium import envelope, flattened, mongodb
from auditor.feeds.debezium.aside import SIGNAL_COLUMNS, aside, is_signal, kind_by_form, kind_by_schema
from auditor.feeds.debezium.envelope import MYSQL, Told
from auditor.feeds.decoded import Aside, AsideKind
from auditor.feeds.retyping import keeps_values, kind_of
from auditor.feeds.rows import NOTHING_KNOWN, Known, Row, SchemalessReader, StructReader
from auditor.feeds.shape import BadValueError, Carrier, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.messages import Schema
    from auditor.feeds.options import DecodingOptions
    from auditor.feeds.placeholder import Placeholder
    from auditor.feeds.record import Record

_PLANS_MAX = 4096
_CONNECTOR_HEADER = "__debezium.context.connectorName"
_SOURCE = "io.debezium.connector."
_CLOUD_EVENT = "specversion"
_CAME_OR_WENT = "not in every version of the schema: rows that were not written since lack it"
RETYPED = (
    "its type changed: rows that were not written since have a value of the older column, and which ones those are is "
    "not kept"
)


@dataclass(frozen=True, slots=True)
class EnvelopeRows:
    """How the rows in envelopes of one schema are read.

    Attributes:
        connector: The kind of the database.
        rows: Reads them; a default may stand for NULL, unless `source.snapshot` comes as NULL.
        is_whole: The row before a change is read, too.
    """

    connector: str
    rows: StructReader
    is_whole: bool


@dataclass(frozen=True, slots=True)
class ValuePlan:
    """How the values of one topic and schema are read.

    Attributes:
        form: `aside`, `envelope`, `flattened`, `rewritten` (flattened, with deletes as rows) or `other`.
        read: What a value is; raises `BadValueError`.
        rows: Of an envelope with a schema, how its rows are read.
    """

    form: str
    read: Callable[[Any, Told], Decoded]
    rows: EnvelopeRows | None = None


class Values:
    """Reads values; remembers a plan for each topic and schema.

    Args:
        options: How the feed's records are to be understood.
        unavailable: What stands for a value that the connector leaves out.
        known: What is known of columns, by topic.
        kinds: What an earlier `kinds` has told.
        tables: Topics that are known to be those of tables: no row there is a signal, whatever it looks like.
    """

    def __init__(
        self,
        options: DecodingOptions,
        unavailable: Placeholder,
        known: Mapping[str, Known],
        kinds: Mapping[str, Mapping[str, str]],
        tables: Container[str],
    ) -> None:
        self._options, self._unavailable, self._known, self._tables = options, unavailable, known, tables
        self._plans: dict[tuple[str, Schema], ValuePlan] = {}
        self._schemaless: dict[tuple[str, str, bool], SchemalessReader] = {}
        self._notes: dict[str, dict[str, str]] = {}
        self._kinds: dict[str, dict[str, str]] = {topic: dict(some) for topic, some in kinds.items() if some}

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        """What is to be known of columns' values, by topic and column."""
        found = {topic: dict(notes) for topic, notes in self._notes.items()}
        for (topic, _, _), reader in self._schemaless.items():
            found.setdefault(topic, {}).update(reader.notes)
        return {topic: notes for topic, notes in found.items() if notes}

    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        """The latest type of each column that schemas have told of, by topic and column."""
        return self._kinds

    def plan(self, record: Record, schema: Schema, value: Any, key: Any) -> ValuePlan:
        """How to read a value."""
        if schema.shape is None:
            return self._by_form(record, value, key)
        if schema.shape.kind == "struct" and not isinstance(value, dict):
            raise BadValueError("expected a struct")
        plan = self._plans.get((record.topic, schema))
        if plan is None:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            plan = self._plans[record.topic, schema] = self._by_schema(record, schema.shape, schema.carrier)
        return plan

    def envelope(self, topic: str, schema: Schema) -> EnvelopeRows | None:
        """How the rows of a topic's envelopes are read, once one of them was; None for other values."""
        plan = self._plans.get((topic, schema))
        return None if plan is None else plan.rows

    def _by_schema(self, record: Record, shape: Shape, carrier: Carrier) -> ValuePlan:
        if (kind := kind_by_schema(shape.name)) is not None:
            return ValuePlan("aside", lambda value, told: aside(kind, value, told.place))
        if shape.kind != "struct":
            return _OTHER
        members = {name for name, _ in shape.fields}
        if shape.name.endswith(".Envelope") or members >= envelope.MEMBERS:
            return self._envelope(record, shape, carrier)
        return self._flat(record, shape, carrier)

    def _envelope(self, record: Record, shape: Shape, carrier: Carrier) -> ValuePlan:
        after, source = shape.member("after"), shape.member("source")
        connector = _connector(source.name if source else "") or self._connector(record)
        if after is None or connector == "mongodb" or after.kind != "struct":
            return _document_plan()
        told_as = self._structs(record.topic, after, carrier, connector)
        is_whole = connector in MYSQL or record.topic in self._options.whole_before
        signals = record.topic not in self._tables and set(told_as[False].names) == SIGNAL_COLUMNS

        def read(value: Any, told: Told) -> Decoded:
            source = value.get("source")
            reader = told_as[isinstance(source, dict) and source.get("snapshot") is None]
            change = envelope.change(value, told, reader.row, reader.row if is_whole else None)
            return _signal(change, told) if signals and is_signal(change.row) else change

        rows = None if signals else EnvelopeRows(connector, told_as[False], is_whole)
        return ValuePlan("envelope", read, rows)

    def _structs(self, topic: str, shape: Shape, carrier: Carrier, connector: str) -> dict[bool, StructReader]:
        """Readers of rows by whether the converter is seen to write NULL as NULL.

        It is where `source.snapshot`, which has a default itself, comes as NULL.
        """
        known = self._known.get(topic, NOTHING_KNOWN)
        readers = {
            kept: StructReader(shape, self._context(carrier, connector, nulls_kept=kept), known)
            for kept in (False, True)
        }
        notes = self._notes.setdefault(topic, {})
        notes.update(readers[False].notes)
        notes.update(self._changed(topic, shape))
        return readers

    def _changed(self, topic: str, shape: Shape) -> dict[str, str]:
        """What a further schema of a topic says otherwise than those before it."""
        members = {name: kind_of(member) for name, member in shape.fields}
        seen = self._kinds.setdefault(topic, {})
        notes = {}
        if seen:
            notes = dict.fromkeys(seen.keys() ^ members.keys(), _CAME_OR_WENT)
            retyped = [name for name in seen.keys() & members.keys() if not keeps_values(seen[name], members[name])]
            notes.update(dict.fromkeys(retyped, RETYPED))
        seen.update(members)
        return notes

    def _context(self, carrier: Carrier, connector: str, *, nulls_kept: bool) -> CellContext:
        return CellContext(carrier, connector, self._unavailable, nulls_kept or self._options.nulls_kept)

    def _flat(self, record: Record, shape: Shape, carrier: Carrier) -> ValuePlan:
        prefix, connector = self._options.prefix, self._connector(record)
        columns = Shape("struct", fields=tuple(entry for entry in shape.fields if not entry[0].startswith(prefix)))
        reader = self._structs(record.topic, columns, carrier, connector)[False]

        def read(value: Any, told: Told) -> Decoded:
            meta, row = _parted(value, prefix)
            return flattened.change(meta, reader.row(row), told, connector)

        return ValuePlan("rewritten" if shape.member(f"{prefix}deleted") else "flattened", read)

    def _by_form(self, record: Record, value: Any, key: Any) -> ValuePlan:
        if (kind := kind_by_form(value, key)) is not None:
            return ValuePlan("aside", lambda value, told: aside(kind, value, told.place))
        if not isinstance(value, dict) or _CLOUD_EVENT in value:
            return _OTHER
        if value.keys() >= envelope.MEMBERS or _is_document(value):
            return self._schemaless_envelope(record, value)
        if len(value.keys() & envelope.MEMBERS) > 1:
            return _OTHER  # half an envelope
        return self._schemaless_flat(record, value)

    def _schemaless_envelope(self, record: Record, value: dict[str, Any]) -> ValuePlan:
        source = value.get("source")
        if not isinstance(source, dict):
            return _OTHER
        connector = str(source.get("connector") or self._connector(record))
        if connector == "mongodb":
            return _document_plan()
        reader = self._schemaless_reader(record.topic, connector, nulls_kept=source.get("snapshot") is None)
        is_whole = connector in MYSQL or record.topic in self._options.whole_before
        signals = record.topic not in self._tables

        def read(value: Any, told: Told) -> Decoded:
            if signals and is_signal(value.get("after")):
                return _signal(envelope.change(value, told, lambda row: row, None), told)
            return envelope.change(value, told, reader.row, reader.row if is_whole else None)

        return ValuePlan("envelope", read)

    def _schemaless_flat(self, record: Record, value: dict[str, Any]) -> ValuePlan:
        connector = self._connector(record)
        reader = self._schemaless_reader(record.topic, connector, nulls_kept=False)
        prefix = self._options.prefix

        def read(value: Any, told: Told) -> Decoded:
            meta, row = _parted(value, prefix)
            return flattened.change(meta, reader.row(row), told, connector)

        return ValuePlan("rewritten" if f"{prefix}deleted" in value else "flattened", read)

    def _schemaless_reader(self, topic: str, connector: str, *, nulls_kept: bool) -> SchemalessReader:
        place = (topic, connector, nulls_kept)
        if (reader := self._schemaless.get(place)) is None:
            if len(self._schemaless) >= _PLANS_MAX:
                self._schemaless.clear()
            context = self._context(Carrier.JSON, connector, nulls_kept=nulls_kept)
            reader = self._schemaless[place] = SchemalessReader(context, self._known.get(topic, NOTHING_KNOWN))
        return reader

    def _connector(self, record: Record) -> str:
        """The kind of the database, from the settings or from the headers that newer connectors add."""
        if self._options.connector:
            return self._options.connector
        for name, value in record.headers:
            if name == _CONNECTOR_HEADER and value is not None:
                return value.decode("ascii", "replace").strip('"')
        return ""


def _no_change(_value: Any, _told: Told) -> Decoded:
    raise BadValueError("the value is no envelope and no row")


_OTHER = ValuePlan("other", _no_change)


def _is_document(value: dict[str, Any]) -> bool:
    """Whether it is an envelope of MongoDB: older ones have no `before`."""
    source = value.get("source")
    return {"op", "after"} <= value.keys() and isinstance(source, dict) and source.get("connector") == "mongodb"


def _document_plan() -> ValuePlan:
    return ValuePlan("document", mongodb.change)


def _connector(source: str) -> str:
    """The kind of the database from the name of the schema of `source`."""
    return source.removeprefix(_SOURCE).partition(".")[0] if source.startswith(_SOURCE) else ""


def _parted(value: dict[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The added fields, without their prefix, and the columns."""
    meta = {name.removeprefix(prefix): item for name, item in value.items() if name.startswith(prefix)}
    return meta, {name: item for name, item in value.items() if not name.startswith(prefix)}


def _signal(change: Any, told: Told) -> Aside:
    facts: Row = change.row
    return Aside(
        told.place,
        AsideKind.SIGNAL,
        position=change.position,
        happened_at=change.committed_at,
        facts={"id": str(facts["id"]), "type": str(facts["type"])},
    )
