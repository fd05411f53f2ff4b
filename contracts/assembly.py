"""Makes a contract of a checked document: defaults applied, texts read, everything in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from contracts.contract import (
    LAG_BOUND_DEFAULT,
    AppliedBy,
    ChangedAt,
    Contract,
    FeedRef,
    Field,
    FieldMap,
    Invariant,
    Owner,
    QueryRef,
    Replica,
    SoftDelete,
)
from contracts.document import FeedDocument, OwnerDocument, ReplicaDocument, ReplicaFieldDocument
from contracts.equality import EXACT, Equality
from contracts.equality_text import parse_equality
from contracts.errors import ContractError, Place, Problem
from contracts.expression import Expression, parse_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contracts.draft import Draft

_HOLDS_ALWAYS = "TRUE"


@dataclass(frozen=True, slots=True)
class Assembled:
    """A contract with where it came from; `problems` are those of its texts (equalities, expressions)."""

    contract: Contract
    draft: Draft
    problems: tuple[Problem, ...] = field(default=())


def assemble(draft: Draft, expand: Callable[[str], str] | None = None) -> Assembled:
    """Make a contract of a draft.

    Args:
        draft: A file whose shape is right.
        expand: Puts in what `${NAME}` in a salt stands for; a ValueError of it is reported at the salt.
    """
    assembly = _Assembly(draft, expand)
    contract = assembly.contract()
    return Assembled(contract, draft, tuple(assembly.problems))


class _Assembly:
    def __init__(self, draft: Draft, expand: Callable[[str], str] | None) -> None:
        self._draft = draft
        self._expand = expand
        self._document = draft.document
        self.problems: list[Problem] = []

    def contract(self) -> Contract:
        document = self._document
        fields = {name: self._field(name) for name in document.fields}
        return Contract(
            entity=document.entity,
            version=document.version,
            owner=_owner(document.owner, self._feed(document.owner.feed, "owner", "feed")),
            key=tuple(document.key),
            fields=MappingProxyType(fields),
            replicas=tuple(self._replica(index, replica, fields) for index, replica in enumerate(document.replicas)),
            invariants=tuple(self._invariant(index) for index in range(len(document.invariants))),
            description=document.description,
            team=document.team,
            place=self._draft.place("entity"),
            text=self._draft.text.text,
        )

    def _field(self, name: str) -> Field:
        written = self._document.fields[name]
        return Field(
            name=name,
            type=written.type,
            equality=self._equality(written.equality, EXACT, "fields", name, "equality"),
            references=written.references,
            meaning=written.meaning,
            critical=written.critical,
            sensitive=written.sensitive,
            place=self._draft.place("fields", name),
        )

    def _equality(self, value: Any, default: Equality, *location: str | int) -> Equality:
        if value is None:
            return default
        try:
            return parse_equality(value, self._expand)
        except ValueError as error:
            name = next(str(step) for step in reversed(location) if step != "equality")
            message = f"the equality of `{name}` cannot be read: {error}"
            self.problems.append(Problem(self._draft.place(*location), message))
            return default

    def _expression(self, text: str, *location: str | int) -> Expression:
        place = self._draft.place(*location)
        try:
            return parse_expression(text, place)
        except ContractError as error:
            self.problems += error.problems
            return parse_expression(_HOLDS_ALWAYS, place)

    def _invariant(self, index: int) -> Invariant:
        written = self._document.invariants[index]
        return Invariant(written.name, self._expression(written.holds, "invariants", index, "holds"))

    def _replica(self, index: int, written: ReplicaDocument, fields: Mapping[str, Field]) -> Replica:
        location = ("replicas", index)
        return Replica(
            name=written.name or written.service,
            service=written.service,
            dataset=written.dataset,
            key=self._key(index, written, fields),
            fields=self._compared(index, written, fields),
            feed=self._feed(written.feed, *location, "feed"),
            lag_bound=written.lag_bound or written.ttl or LAG_BOUND_DEFAULT,
            deletes=written.deletes,
            completeness=written.completeness,
            where=None if written.where is None else self._expression(written.where, *location, "where"),
            select=None if written.select is None else self._expression(written.select, *location, "select"),
            applied_by=None
            if written.applied_by is None
            else AppliedBy(written.applied_by.feed, written.applied_by.group_id),
            format=written.format,
            ttl=written.ttl,
            place=self._place_of_replica(index),
        )

    def _feed(self, written: FeedDocument | None, *location: str | int) -> FeedRef | None:
        return FeedRef(written.name, written.topic, self._draft.place(*location)) if written else None

    def _place_of_replica(self, index: int) -> Place:
        return self._draft.place("replicas", index)

    def _key(self, index: int, written: ReplicaDocument, fields: Mapping[str, Field]) -> tuple[FieldMap, ...]:
        maps = []
        for name in self._document.key:
            group = "key" if name in (written.key or {}) else "fields"
            mapped = (getattr(written, group) or {}).get(name, ReplicaFieldDocument())
            maps.append(self._map(name, mapped, fields, "replicas", index, group, name))
        return tuple(maps)

    def _compared(self, index: int, written: ReplicaDocument, fields: Mapping[str, Field]) -> tuple[FieldMap, ...]:
        mapped = written.fields if written.fields is not None else {name: ReplicaFieldDocument() for name in fields}
        return tuple(
            self._map(name, where, fields, "replicas", index, "fields", name)
            for name, where in mapped.items()
            if name not in self._document.key
        )

    def _map(
        self, name: str, written: ReplicaFieldDocument, fields: Mapping[str, Field], *location: str | int
    ) -> FieldMap:
        default = fields[name].equality if name in fields else EXACT
        equality = self._equality(written.equality, default, *location)
        return FieldMap(name, written.path if written.path is not None else name, equality, written.timezone)


def _owner(written: OwnerDocument, feed: FeedRef | None) -> Owner:
    changed_at, soft_delete, query = written.changed_at, written.soft_delete, written.query
    return Owner(
        service=written.service,
        dataset=written.dataset,
        query=QueryRef(query.connection, query.sql) if query else None,
        feed=feed,
        changed_at=ChangedAt(changed_at.field, changed_at.maintained_by) if changed_at else None,
        soft_delete=SoftDelete(soft_delete.field, soft_delete.retention) if soft_delete else None,
        may_be_empty=written.may_be_empty,
    )
