"""The decoder: from raw records to changes, records beside the changes, and poison.

A record that cannot be understood never raises: it comes out as `Poison`, with its bytes.  What raises is a schema
registry that does not answer (`PausedFeedError`: the same records are decoded again later) or that refuses us
(`FeedError`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from auditor.feeds import strict_json
from auditor.feeds.bulk.plans import BatchPlans
from auditor.feeds.debezium import flattened, mongodb, outbox
from auditor.feeds.debezium.envelope import Told
from auditor.feeds.decoded import Aside, AsideKind, Decoded, Poison
from auditor.feeds.keys import Key, Keys, is_routed
from auditor.feeds.messages import Messages
from auditor.feeds.placeholder import placeholder
from auditor.feeds.shape import BadRowError, BadValueError
from auditor.feeds.values import Values
from auditor.feeds.wire import header, telling
from reconcilers.change import Change, Lack, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.options import DecodingOptions
    from auditor.feeds.record import Record
    from auditor.feeds.rows import Row
    from auditor.feeds.schemas import SchemaSource
    from auditor.feeds.wire import Headers
    from reconcilers.change import Cell
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Versions

_NEW_KEY, _OLD_KEY = "__debezium.newkey", "__debezium.oldkey"
_EVENT_ID = "id"
_UUID = re.compile(rb'"?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"?')


class Decoder:
    """Decodes the records of one feed; keeps what it learnt of schemas, and nothing of records.

    Args:
        options: How the feed's records are to be understood.
        schemas: Where schemas are looked up; None where records bring theirs, or have none.
        hints: What is known of columns, by topic and column.  A topic that is named here, be it without a column, is
            that of a table: its rows are rows, even where they look like those of a connector's own table of signals.
        kinds: What an earlier decoder's `kinds` have told.
    """

    def __init__(
        self,
        options: DecodingOptions,
        schemas: SchemaSource | None = None,
        hints: Mapping[str, Mapping[str, ColumnHint]] | None = None,
        kinds: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._options = options
        unavailable = placeholder(options.placeholder)
        known = {
            topic: options.known(topic, (hints or {}).get(topic, {})) for topic in {*(hints or {}), *options.columns}
        }
        self._named = {topic: frozenset(one.columns) for topic, one in known.items()}
        """By topic, the columns that contracts name."""
        self._messages = Messages(options.wire, schemas)
        self._keys = Keys(self._messages, options, unavailable, known)
        self._values = Values(options, unavailable, known, kinds or {}, frozenset(hints or ()))
        self._batches = BatchPlans(options, self._messages, self._keys, self._values, self._decoded)
        self._documents = {topic for topic, one in known.items() if "_id" in one.columns and "id" not in one.columns}
        """Topics of MongoDB, whose keys have the document's `_id` as a text named `id`."""
        self._flattened: set[str] = set()
        """Topics where a record without a value is a delete."""
        self._enveloped: set[str] = set()
        """Topics where a delete is told before the record without a value that may follow."""

    def decode(self, records: Sequence[Record]) -> list[Decoded]:
        """What each record turns out to be, in their order.

        Raises:
            PausedFeedError: A schema cannot be had now; decode the same records again later.
            FeedError: The schema registry refuses us, or is none.
        """
        if self._options.form == "auto":
            self._learn_forms(records)
        return [self._decoded(record) for record in records]

    def key(self, record: Record) -> Mapping[str, Cell] | None:
        """A record's key alone, by column; None where it has none, or where it takes all of the record to tell it.

        Raises:
            PausedFeedError: A schema cannot be had now.
            FeedError: The schema registry refuses us, or is none.
        """
        if record.key is None or telling(record.headers):
            return None
        try:
            return self._row(record, self._keys.read(record, ())) or None
        except (BadValueError, RecursionError):
            return None

    def versions(self, records: Sequence[Record], table: StreamTable) -> Versions | None:
        """What records of one topic tell, all at once; the same as `decode` and `Intake` make of them.

        Returns:
            None where some record is not of the common kind: then `decode` is to be called.

        Raises:
            PausedFeedError: A schema cannot be had now; decode the same records again later.
            FeedError: The schema registry refuses us, or is none.
        """
        return None if table.topic in self._documents else self._batches.versions(records, table)

    def notes(self) -> Mapping[str, Mapping[str, str]]:
        """What is to be known of columns' values, by topic and column, as far as records were seen."""
        return self._values.notes()

    def kinds(self) -> Mapping[str, Mapping[str, str]]:
        """The latest type of each column that schemas have told of, by topic and column: the next process goes on."""
        return self._values.kinds()

    def _decoded(self, record: Record) -> Decoded:
        headers = telling(record.headers)
        row: Row | None = None
        try:
            key = self._keys.read(record, headers)
            row = self._row(record, key) or None
            other = self._other_key(record, headers, key) if headers else None
            told = Told(Place(record.topic, record.partition, record.offset), row or {}, other, key.raw)
            if record.value is None:
                return self._without_value(record, told)
            value, schema = self._messages.read(record.value, headers, "value", record.topic)
            if headers and self._is_outbox(headers):
                return _event(value, told, headers)
            plan = self._values.plan(record, schema, value, key.raw)
            self._know_form(plan.form, record.topic)
            return self._identified(plan.read(value, told), record.topic, routed=is_routed(key.raw))
        except RecursionError:
            return Poison(record, "nested too deeply", row)
        except BadRowError as error:
            return Poison(record, str(error), error.key)
        except BadValueError as error:
            return Poison(record, str(error), None if row and Lack.UNREADABLE in row.values() else row)

    def _row(self, record: Record, key: Key) -> Row:
        """A record's key by column, as the rows of its topic name them."""
        return mongodb.key_row(key.raw, key.row) if record.topic in self._documents else key.row

    def _know_form(self, form: str, topic: str) -> None:
        """Remember what a topic's records are: it decides what one without a value means.

        Raises:
            BadValueError: A record is a bare row where others of its topic are envelopes.
        """
        if form == "document":
            self._documents.add(topic)
        if form in ("envelope", "document", "rewritten"):
            self._enveloped.add(topic)
            self._flattened.discard(topic)
        elif form == "flattened":
            if topic in self._enveloped and self._options.form == "auto":
                raise BadValueError("the value is no envelope, as others of its topic are")
            self._flattened.add(topic)

    def _other_key(self, record: Record, headers: Headers, key: Key) -> Row | None:
        text = header(headers, _NEW_KEY) or header(headers, _OLD_KEY)
        return None if text is None else self._keys.other(text, key, record.topic)

    def _identified(self, decoded: Decoded, topic: str, *, routed: bool) -> Decoded:
        """A change whose key is known: an unreadable one would be taken for every other unreadable one.

        Raises:
            BadValueError: A column of the key cannot be read.
        """
        if isinstance(decoded, Change):
            for name, cell in decoded.key.items():
                if cell.__class__ is Lack:
                    raise BadValueError(f"column {name} of the key is unreadable: {self._untyped(name, topic)}")
            return replace(decoded, routed=True) if routed else decoded
        return decoded

    def _untyped(self, name: str, topic: str) -> str:
        """Why nobody knows what a column's values mean."""
        named = self._named.get(topic, frozenset())
        if name in named or not named:
            return "its type is not told, or lost (see `schemaless` in the settings of feeds)"
        alike = next((one for one in sorted(named) if _bare(one) == _bare(name)), None)
        known = (
            f"`{alike}` is named, and names have to be the same" if alike else f"named are {', '.join(sorted(named))}"
        )
        return f"no contract names it, and the record does not tell its type ({known})"

    def _without_value(self, record: Record, told: Told) -> Decoded:
        form = self._options.form
        if form == "flattened" or (form == "auto" and record.topic in self._flattened):
            return flattened.deletion(told)
        return Aside(told.place, AsideKind.TOMBSTONE, told.key)

    def _is_outbox(self, headers: Headers) -> bool:
        if self._options.form != "auto":
            return self._options.form == "outbox"
        event_id = header(headers, _EVENT_ID)
        return event_id is not None and _UUID.fullmatch(event_id) is not None

    def _learn_forms(self, records: Sequence[Record]) -> None:
        """Look ahead for what a topic's records are, where its first one here has no value to tell."""
        unknown = {record.topic for record in records if record.value is None} - self._flattened - self._enveloped
        for record in records:
            if record.topic in unknown and record.value is not None:
                self._decoded(record)
                unknown.discard(record.topic)


def _bare(name: str) -> str:
    """A name without what databases and serializers change in names."""
    return name.replace("-", "_").casefold()


def _event(value: Any, told: Told, headers: Headers) -> Decoded:
    """An outbox event; a payload that is not expanded comes as a text with JSON in it."""
    if isinstance(value, str):
        try:
            value = strict_json.parse(value.encode())
        except BadValueError:
            value = {"payload": value}
    return outbox.change(value, told, _header_text(headers, _EVENT_ID), _header_text(headers, "eventType", "type"))


def _header_text(headers: Headers, *names: str) -> str:
    for name in names:
        if (value := header(headers, name)) is not None:
            return value.decode("utf-8", "replace").strip('"')
    return ""
