"""Makes the decoder of a feed from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.feeds.decoder import Decoder
from auditor.feeds.hints import Modes
from auditor.feeds.options import DecodingOptions
from auditor.feeds.schemas import RecordedSchemas
from auditor.settings import KafkaFeed, RecordedFeed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.schemas import SchemaSource
    from auditor.feeds.wire import Format


def decoder_of(
    name: str,
    feed: KafkaFeed | RecordedFeed,
    directory: Path,
    hints: Mapping[str, Mapping[str, ColumnHint]] | None = None,
    kinds: Mapping[str, Mapping[str, str]] | None = None,
) -> Decoder:
    """The decoder of a feed; nothing is asked of its schema registry until a record needs it.

    Args:
        name: Of the feed.
        feed: Its settings.
        directory: Of the workspace, where schemas are kept.
        hints: What contracts and stores say of columns, by topic and column.
        kinds: The types that columns had when the feed was last read, by topic and column.

    Raises:
        SettingsError: A certificate cannot be read.
        FeedError: The file of schemas cannot be read.
    """
    wire, schemas = schemas_of(name, feed, directory)
    return Decoder(_options(feed, wire), schemas, hints, kinds)


def schemas_of(name: str, feed: KafkaFeed | RecordedFeed, directory: Path) -> tuple[Format | None, SchemaSource | None]:
    """How a feed's records name their schemas, and who knows these; twice None for a feed that names no registry.

    Raises:
        SettingsError: A certificate cannot be read.
        FeedError: The file of schemas cannot be read.
    """
    if isinstance(feed, RecordedFeed):
        return (feed.format, RecordedSchemas.read(feed.schemas)) if feed.schemas else (None, None)
    settings = feed.schema_registry
    if settings is None:
        return None, None
    from auditor.feeds.registry import Registry, authorization
    from auditor.feeds.registry_connection import RegistryConnection
    from auditor.feeds.schema_store import SchemaStore

    connection = RegistryConnection(name, settings.urls, authorization(settings), settings.tls)
    return settings.format, Registry(name, connection, SchemaStore(directory, settings.urls[0]))


def _options(feed: KafkaFeed | RecordedFeed, wire: Format | None) -> DecodingOptions:
    debezium, schemaless = feed.debezium, feed.schemaless
    return DecodingOptions(
        wire,
        debezium.records,
        debezium.placeholder,
        debezium.prefix,
        debezium.keys == "text",
        frozenset(debezium.whole_before),
        debezium.nulls == "kept",
        debezium.connector or "",
        Modes(schemaless.time or "", schemaless.decimals or "", schemaless.binary or ""),
        schemaless.columns,
    )
