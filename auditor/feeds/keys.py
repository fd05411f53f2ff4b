"""Keys of records, and the other key that a change of key names in a header."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from auditor.feeds import connect_json, strict_json
from auditor.feeds.cells import CellContext, cell_reader
from auditor.feeds.messages import SCHEMALESS, Messages, Schema
from auditor.feeds.rows import NOTHING_KNOWN, Known, Row, SchemalessReader, StructReader
from auditor.feeds.shape import BadValueError, Carrier, Shape
from reconcilers.change import Lack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from auditor.feeds.options import DecodingOptions
    from auditor.feeds.placeholder import Placeholder
    from auditor.feeds.record import Record
    from auditor.feeds.wire import Headers
    from reconcilers.change import Cell

BARE = ""
"""The name of a key that is one value and no struct."""

ROUTED = "__dbz__"
"""How fields of a key begin that a router of logical tables added; they are no columns."""

_PLANS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """A record's key.

    Attributes:
        row: Its cells by column; empty where there is no key.
        raw: As it was decoded.
        schema: What it was decoded with.
    """

    row: Row
    raw: Any = None
    schema: Schema = SCHEMALESS


class Keys:
    """Reads keys; remembers a plan for each topic and schema."""

    def __init__(
        self, messages: Messages, options: DecodingOptions, unavailable: Placeholder, known: Mapping[str, Known]
    ) -> None:
        self._messages, self._options, self._unavailable, self._known = messages, options, unavailable, known
        self._plans: dict[tuple[str, Schema, Carrier], Callable[[Any], Row]] = {}

    def read(self, record: Record, headers: Headers) -> Key:
        """The key of a record.

        Raises:
            BadValueError: Its bytes cannot be understood.
        """
        if record.key is None:
            return Key({})
        if self._options.text_keys:
            return _text_key(record.key)
        raw, schema = self._messages.read(record.key, headers, "key", record.topic)
        if raw is None:
            return Key({})
        try:
            return Key(self._plan(record.topic, schema, schema.carrier)(raw), raw, schema)
        except BadValueError as error:
            raise BadValueError(f"the key: {error}") from None

    def other(self, value: bytes, key: Key, topic: str) -> Row:
        """A key from a header, which is JSON whatever the key itself is; its cells are unreadable where it is not."""
        try:
            raw = strict_json.parse(value)
            if connect_json.is_with_schema(raw):
                raw = raw["payload"]
            return self._plan(topic, key.schema, Carrier.JSON)(raw)
        except BadValueError:
            return dict.fromkeys(key.row, Lack.UNREADABLE)

    def struct(self, topic: str, schema: Schema) -> StructReader | None:
        """What reads the keys of a schema; None where they are no structs, or have fields that are no columns."""
        if schema.shape is None or schema.shape.kind != "struct":
            return None
        reader = StructReader(schema.shape, self._context(schema.carrier), self._known.get(topic, NOTHING_KNOWN))
        return None if any(name.startswith(ROUTED) for name in reader.names) else reader

    def _context(self, carrier: Carrier) -> CellContext:
        return CellContext(carrier, self._options.connector, self._unavailable, self._options.nulls_kept)

    def _plan(self, topic: str, schema: Schema, carrier: Carrier) -> Callable[[Any], Row]:
        plan = self._plans.get((topic, schema, carrier))
        if plan is None:
            plan = _plan(schema.shape, self._context(carrier), self._known.get(topic, NOTHING_KNOWN))
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            self._plans[topic, schema, carrier] = plan
        return plan


def _text_key(key: bytes) -> Key:
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise BadValueError("the key is no text in UTF-8") from None
    return Key({BARE: text}, text)


def _plan(shape: Shape | None, context: CellContext, known: Known) -> Callable[[Any], Row]:
    if shape is None:
        schemaless = SchemalessReader(context, known)
        return lambda raw: _without_routing(schemaless.row(raw)) if isinstance(raw, dict) else {BARE: _bare(raw)}
    if shape.kind != "struct":
        read = cell_reader(shape, context)
        return lambda raw: {BARE: read(raw)}
    struct = StructReader(shape, context, known)
    if any(name.startswith(ROUTED) for name in struct.names):
        return lambda raw: _without_routing(struct.row(raw))
    return struct.row


def _without_routing(row: Row) -> Row:
    return {name: cell for name, cell in row.items() if not name.startswith(ROUTED)}


def is_routed(raw: Any) -> bool:
    """Whether a key, as it was decoded, has what a router adds: the table that its row is of."""
    return isinstance(raw, dict) and any(isinstance(name, str) and name.startswith(ROUTED) for name in raw)


def _bare(raw: Any) -> Cell:
    """A bare JSON value is its own text: whoever keyed by it wrote what it stands for."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str | int | Decimal):
        return str(raw)
    raise BadValueError("expected an object, a text or a number")
