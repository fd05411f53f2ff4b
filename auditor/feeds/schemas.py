"""Where the schemas come from that records name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from auditor.feeds.shape import BadValueError
from contracts.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from auditor.feeds.wire import SchemaName


class UnknownSchemaError(BadValueError):
    """The registry has no such schema, and never will have: whoever wrote the record used another one."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema as its registry has it.

    Attributes:
        definition: Parsed from its JSON.
        language: `AVRO`, `JSON` or `PROTOBUF`.
        references: The schemas that it refers to, each before those that refer to it.
    """

    definition: Any
    language: str = "AVRO"
    references: tuple[Any, ...] = ()


class SchemaSource(Protocol):
    """Knows schemas by the names that records have for them."""

    def schema(self, name: SchemaName) -> WriterSchema:
        """The schema of that name.

        Raises:
            UnknownSchemaError: There is none.
            PausedFeedError: It cannot be had now.
            FeedError: It cannot be had with these settings.
        """
        ...


class RecordedSchemas:
    """Schemas from a file that maps each registry id to its schema, as a recorded feed has it."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    @classmethod
    def read(cls, path: Path) -> RecordedSchemas:
        """Read the file.

        Raises:
            FeedError: It cannot be read, or is no such file.
        """
        try:
            definitions = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
            raise FeedError(
                f"The schemas of a recorded feed could not be read from {path}: {reason}",
                hint="`schemas` names a JSON file that maps each registry id to its Avro schema",
            ) from None
        if not isinstance(definitions, dict):
            raise FeedError(f"{path} is a list, expected an object that maps each registry id to its Avro schema")
        return cls(definitions)

    def schema(self, name: SchemaName) -> WriterSchema:
        """The schema of that name."""
        definition = self._definitions.get(name.text)
        if definition is None:
            raise UnknownSchemaError(f"the recorded schemas have none with {name}")
        if isinstance(definition, str):  # an Avro schema may be kept as the text that a registry answers with
            definition = _parsed(definition)
        return WriterSchema(definition)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # the name of a primitive type
