"""Which batches can be read at once, and with which plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.feeds.decoded import Poison
from auditor.feeds.shape import BadValueError
from auditor.feeds.wire import telling
from reconcilers.change import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auditor.feeds.bulk.batch import BatchPlan
    from auditor.feeds.decoded import Decoded
    from auditor.feeds.keys import Keys
    from auditor.feeds.messages import Messages
    from auditor.feeds.options import DecodingOptions
    from auditor.feeds.record import Record
    from auditor.feeds.values import Values
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.versions import Versions

_PREFIX_BYTES = {"confluent": 5, "apicurio-8byte": 9}
RECORDS_MIN = 64
"""Below, a batch costs more than its records do one by one."""

_PLANS_MAX = 1024


class BatchPlans:
    """Reads batches at once where that gives the same as record by record.

    Args:
        options: Of the feed.
        messages: Knows schemas.
        keys: Reads keys.
        values: Reads values.
        reference: Decodes one record.
    """

    def __init__(
        self,
        options: DecodingOptions,
        messages: Messages,
        keys: Keys,
        values: Values,
        reference: Callable[[Record], Decoded],
    ) -> None:
        self._options, self._messages, self._keys, self._values = options, messages, keys, values
        self._reference = reference
        self._plans: dict[tuple[str, bytes, bytes], BatchPlan | None] = {}
        self._prefix_bytes = _PREFIX_BYTES.get(options.wire or "", 0)

    def versions(self, records: Sequence[Record], table: StreamTable) -> Versions | None:
        """What the records of one topic tell; None where the reference is to read them."""
        if len(records) < RECORDS_MIN or not self._prefix_bytes or self._options.text_keys:
            return None
        if self._options.form not in ("auto", "envelope"):
            return None
        if _tells_in_headers(records):
            return None
        example = next((record for record in records if record.value is not None), None)
        if example is None or example.key is None or (plan := self._plan(example)) is None:
            return None
        from auditor.feeds.bulk.columns import columns_of
        from auditor.feeds.bulk.cursor import IrregularError

        try:
            return plan.versions(columns_of(records), table)
        except IrregularError:
            return None

    def _plan(self, example: Record) -> BatchPlan | None:
        assert example.key is not None  # noqa: S101
        assert example.value is not None  # noqa: S101
        place = (example.topic, example.key[: self._prefix_bytes], example.value[: self._prefix_bytes])
        if place not in self._plans:
            decoded = self._reference(example)  # it learns what it has to learn of the topic
            if isinstance(decoded, Poison):
                return None  # another record may be a better example
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            self._plans[place] = self._made(example) if isinstance(decoded, Change) else None
        return self._plans[place]

    def _made(self, example: Record) -> BatchPlan | None:
        from auditor.feeds.bulk.batch import BatchPlan, database_is_common
        from auditor.feeds.bulk.walk import UnwalkableError, walk_of

        assert example.key is not None  # noqa: S101
        assert example.value is not None  # noqa: S101
        try:
            key_avro, key_schema = self._messages.reader(example.key, "key")
            value_avro, value_schema = self._messages.reader(example.value, "value")
            key = self._keys.struct(example.topic, key_schema)
            value = self._values.envelope(example.topic, value_schema)
            if key is None or value is None or not database_is_common(value.connector):
                return None
            walks = walk_of(key_avro.schema, key_avro.named), walk_of(value_avro.schema, value_avro.named)
        except (UnwalkableError, BadValueError):
            return None
        return BatchPlan(
            (walks[0], key, example.key[: self._prefix_bytes]),
            (walks[1], value.rows, example.value[: self._prefix_bytes]),
            value.connector,
            is_whole=value.is_whole,
            nulls_kept=self._options.nulls_kept,
        )


def _tells_in_headers(records: Sequence[Record]) -> bool:
    """Whether some header says how its record is to be read; records side by side have none."""
    from auditor.feeds.bulk.columns import RecordColumns

    if isinstance(records, RecordColumns):
        return False
    return any(telling(record.headers) for record in records if record.headers)
