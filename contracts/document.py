"""The contract file as it is written, before any default: pydantic models of its keys.

They check the shape alone (which keys, which kinds of values); `contracts.lint` checks what the values mean together.
What the language has but this version cannot do yet is recognised in `contracts.draft` and never reaches the models.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from contracts.contract import DatasetRef, Deletes
from contracts.durations import parse_duration
from contracts.logical_types import LogicalType, parse_logical_type

NAME_CHARACTERS_MAX = 200
"""Longest name of an entity, field, service or replica."""


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected {wanted}, found {kind_of(value)}{_in_quotes(value)}")  # noqa: TRY004 - pydantic's way
    return value


def kind_of(value: Any) -> str:
    """What a value of YAML is, for messages; the value itself only where it is a number or a boolean."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "a text"
    return {list: "a list", dict: "a mapping", type(None): "nothing"}.get(type(value), "something else")


def _in_quotes(value: Any) -> str:
    return "; a text that looks like a number or boolean needs quotes" if isinstance(value, bool | int | float) else ""


def read_name(value: Any) -> str:
    """A name as contracts may use it.

    Raises:
        ValueError: It is no text, or one with invisible characters or white space at its ends.
    """
    text = _text(value, "a name")
    if not text.strip() or text != text.strip():
        raise ValueError(f"{text!r} is no name; expected one without white space at its ends")
    if len(text) > NAME_CHARACTERS_MAX:
        raise ValueError(f"the name has {len(text)} characters; expected {NAME_CHARACTERS_MAX} at most")
    hidden = next(
        (character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")), None
    )
    if hidden:
        raise ValueError(f"the name {text!r} holds the invisible character U+{ord(hidden):04X}")
    return text


def _path(value: Any) -> str:
    text = _text(value, "the name of a column or a path")
    if not text or "\0" in text:
        raise ValueError("the name of a column or a path is empty, or holds the character NUL")
    return text


def _sentence(value: Any) -> str:
    return _text(value, "a text")


def _duration(value: Any) -> timedelta:
    if isinstance(value, int | float) and not isinstance(value, bool):
        message = f"the duration {value} has no unit (ms, s, m, h, d); write {value:g}s for seconds"
        raise ValueError(message)  # noqa: TRY004 - pydantic's way
    return parse_duration(_text(value, "a duration such as 30s or 5m"))


def _dataset(value: Any) -> DatasetRef:
    text = _text(value, "a dataset as CONNECTION/RELATION")
    connection, slash, relation = text.partition("/")
    if not slash or not connection.strip() or not relation.strip() or "\0" in text:
        raise ValueError(f"{text!r} is no dataset; expected CONNECTION/RELATION, such as orders_db/public.orders")
    return DatasetRef(connection, relation)


def _type(value: Any) -> LogicalType:
    text = _text(value, "a type such as text or decimal(10,2)")
    if text.count("(") > text.count(")"):  # within {…} a comma ends the value: `{type: decimal(10,2)}`
        raise ValueError(f'{text!r} is cut off at its comma; a type with a comma needs quotes, as in "decimal(10,2)"')
    return parse_logical_type(text)


def _deletes(value: Any) -> Deletes:
    if value in ("propagate", "keep"):
        return Deletes(value)
    if value == "soft":
        raise ValueError("`soft` needs the replica's column that tells: write {soft: is_deleted}")
    if isinstance(value, Mapping) and set(value) == {"soft"}:
        return Deletes("soft", _path(value["soft"]))
    raise ValueError(f"expected propagate, keep or {{soft: COLUMN}}, found {value!r}")


def _changed_at(value: Any) -> Any:
    return {"field": value} if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """A list of names as the mapping of each to itself."""
    if not isinstance(value, list):
        return value
    names = [read_name(item) for item in value]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice:
        raise ValueError(f"the field `{twice}` stands twice in the list")
    return {name: {"path": name} for name in names}


def _mapped(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number of 1 or more, without quotes; found {kind_of(value)}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        found = f"the text {value!r}" if isinstance(value, str) else kind_of(value)
        raise ValueError(f"expected true or false, found {found}")  # noqa: TRY004 - pydantic's way
    return value


def _zone(value: Any) -> str:
    import zoneinfo

    text = _text(value, "the name of a time zone")
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if zoneinfo.available_timezones():  # a machine without any time zone data cannot tell
            raise ValueError(f"{text!r} is no time zone; expected an IANA name such as Europe/Berlin") from None
    return text


NameText = Annotated[str, BeforeValidator(read_name)]
PathText = Annotated[str, BeforeValidator(_path)]
SentenceText = Annotated[str, BeforeValidator(_sentence)]
DurationText = Annotated[InstanceOf[timedelta], BeforeValidator(_duration)]
DatasetText = Annotated[InstanceOf[DatasetRef], BeforeValidator(_dataset)]
TypeText = Annotated[InstanceOf[LogicalType], BeforeValidator(_type)]
DeletesValue = Annotated[InstanceOf[Deletes], BeforeValidator(_deletes)]
Version = Annotated[int, BeforeValidator(_whole)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Zone = Annotated[str, BeforeValidator(_zone)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class FeedDocument(_Document):
    """A topic of a configured feed."""

    name: NameText = Field(description="the feed's name in the settings")
    topic: NameText = Field(description="the topic that carries the changes")


class QueryDocument(_Document):
    """A SELECT that gives the owner's rows."""

    connection: NameText = Field(description="the connection that it runs on")
    sql: SentenceText = Field(description="one SELECT with every field as a column")


class ChangedAtDocument(_Document):
    """When an owner's row last changed."""

    field: NameText = Field(description="the field that tells when a row last changed")
    maintained_by: Literal["application", "database"] = Field(default="application", description="who keeps it right")


class SoftDeleteDocument(_Document):
    """How the owner flags a row as deleted."""

    field: NameText = Field(description="the field that flags a deleted row")
    retention: DurationText | None = Field(default=None, description="how long a flagged row stays")


class OwnerDocument(_Document):
    """The one dataset that decides."""

    service: NameText = Field(description="the service that owns the entity")
    dataset: DatasetText | None = Field(default=None, description="CONNECTION/RELATION")
    query: QueryDocument | None = Field(default=None, description="a SELECT in place of a dataset")
    feed: FeedDocument | None = Field(default=None, description="the owner's change stream")
    changed_at: Annotated[ChangedAtDocument | None, BeforeValidator(_changed_at)] = Field(
        default=None, description="the field that tells when a row last changed"
    )
    soft_delete: SoftDeleteDocument | None = Field(default=None, description="how the owner flags deleted rows")
    may_be_empty: Flag = Field(default=False, description="whether no row at all is lawful")


class FieldDocument(_Document):
    """One field, in the entity's own terms."""

    type: TypeText = Field(description="the field's logical type, such as text or decimal(10,2)")
    equality: Any = Field(default=None, description="when a copy counts as equal")
    references: NameText | None = Field(default=None, description="the entity whose key this is")
    meaning: SentenceText = Field(default="", description="what the field means to people")
    critical: Flag = Field(default=False, description="whether a difference here is serious")
    sensitive: Flag = Field(default=False, description="whether values are hashed in every output")


class InvariantDocument(_Document):
    """A rule that every owner row keeps."""

    name: NameText = Field(description="the rule's name in reports")
    holds: SentenceText = Field(description="the condition, in contract names")


class ReplicaFieldDocument(_Document):
    """Where a replica keeps one field."""

    path: PathText | None = Field(default=None, description="the replica's column or path")
    equality: Any = Field(default=None, description="when this copy counts as equal")
    timezone: Zone | None = Field(default=None, description="the zone of a column that has none")


class AppliedByDocument(_Document):
    """The consumer group that fills a replica."""

    feed: NameText = Field(description="the feed's name in the settings")
    group_id: NameText = Field(description="the consumer group that fills the replica")


ReplicaFields = Annotated[
    dict[NameText, Annotated[ReplicaFieldDocument, BeforeValidator(_mapped)]] | None, BeforeValidator(_named)
]


class ReplicaDocument(_Document):
    """One copy."""

    service: NameText = Field(description="the service that holds the copy")
    name: NameText | None = Field(default=None, description="the copy's name, where a service holds several")
    dataset: DatasetText | None = Field(default=None, description="CONNECTION/RELATION")
    feed: FeedDocument | None = Field(default=None, description="the copy's own change stream")
    key: ReplicaFields = Field(default=None, description="contract name: replica name")
    fields: ReplicaFields = Field(default=None, description="the fields that the copy holds")
    lag_bound: DurationText | None = Field(
        default=None, description="how long the copy may lawfully trail its owner, such as 5m"
    )
    deletes: DeletesValue = Field(
        default=Deletes(),
        description="what becomes of a row here when the owner's goes: propagate, keep or {soft: COLUMN}",
    )
    completeness: Literal["full", "partial"] = Field(
        default="full", description="full where every owner row must be here, partial where a missing row is lawful"
    )
    where: SentenceText | None = Field(
        default=None, description="which owner rows the copy is to hold, in contract names"
    )
    select: SentenceText | None = Field(
        default=None, description="which rows of the dataset are this copy, in replica names"
    )
    applied_by: AppliedByDocument | None = Field(default=None, description="the consumer group that fills the copy")
    format: Literal["json", "hash", "string"] = Field(default="json", description="how a key-value store holds a row")
    ttl: DurationText | None = Field(default=None, description="the longest time an entry may live")


class ContractDocument(_Document):
    """One contract file."""

    entity: NameText = Field(description="the entity's name, such as order")
    version: Version = Field(description="the contract's version, a whole number raised with every breaking change")
    description: SentenceText = Field(default="", description="what the entity is")
    team: SentenceText = Field(default="", description="who answers for the contract")
    owner: OwnerDocument = Field(description="the one dataset that decides the entity's values")
    key: list[NameText] = Field(min_length=1, description="the names of the key's fields")
    fields: dict[NameText, FieldDocument] = Field(min_length=1, description="the entity's fields with their types")
    invariants: list[InvariantDocument] = Field(default=[], description="rules that every owner row keeps")
    replicas: list[ReplicaDocument] = Field(default=[], description="the copies")
