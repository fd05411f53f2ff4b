"""How a feed's records are to be understood: what its settings say, in the form that the decoder needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from auditor.feeds.hints import NO_MODES, ColumnHint, Modes
from auditor.feeds.placeholder import DEFAULT_PLACEHOLDER
from auditor.feeds.rows import Known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.wire import Format

RecordForm = Literal["auto", "envelope", "flattened", "outbox"]


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to read a feed's records.

    Attributes:
        wire: How payloads name their schema; None where there is no registry.
        form: What the records are; `auto` looks at each.
        placeholder: The connector's `unavailable.value.placeholder`.
        prefix: Of the fields that a flattened record has beside its columns.
        text_keys: Keys are bare text.
        whole_before: Topics whose `before` is the whole row (PostgreSQL: REPLICA IDENTITY FULL).
        nulls_kept: The converter writes NULL as NULL in columns with a default.
        connector: The kind of the database, where records do not tell it.
        modes: How the connector is set.
        columns: Types of columns in the owner's store, by topic and column.
    """

    wire: Format | None = None
    form: RecordForm = "auto"
    placeholder: str = DEFAULT_PLACEHOLDER
    prefix: str = "__"
    text_keys: bool = False
    whole_before: frozenset[str] = frozenset()
    nulls_kept: bool = False
    connector: str = ""
    modes: Modes = NO_MODES
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def known(self, topic: str, hints: Mapping[str, ColumnHint]) -> Known:
        """What is known of a topic's columns; what the settings say of a column's type wins."""
        columns = dict(hints)
        for name, store_type in self.columns.get(topic, {}).items():
            hint = columns.get(name, ColumnHint())
            columns[name] = ColumnHint(hint.logical, store_type, hint.default)
        return Known(columns, self.modes)
