"""What the conformance suite needs from a store."""

from __future__ import annotations

import abc
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from contracts.errors import AuditorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reconcilers.ports import Reader


class RefusedError(AuditorError):
    """The store, or the way that this spelling writes, cannot hold the value."""


def itself(text: str) -> str:
    """The value, written as its canonical text."""
    return text


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to keep values of a logical type.

    Attributes:
        kind: The store's type.
        write: Makes of a canonical text what the store's statements or files hold.
        refuses: Values that the store, or this way of writing, cannot hold: nothing goes in.
        changes: Values that the store itself keeps as another one, with what they become.
    """

    kind: Any
    write: Callable[[str], Any] = itself
    refuses: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)

    def expected(self, value: str) -> str:
        """What comes out of a reader that bends nothing; `refused` where nothing goes in."""
        return "refused" if value in self.refuses else self.changes.get(value, value)


class Store(abc.ABC):
    """One store that a reader reads."""

    name: ClassVar[str]
    spellings: ClassVar[Mapping[str, Mapping[str, Spelling]]]
    """Logical type, then a name for the way, to the way."""
    has_views: ClassVar[bool] = False
    has_keys: ClassVar[bool] = False
    """Whether it keeps keys unique itself and says so."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def spelled(self, logical: str) -> Spelling:
        """The most natural way."""
        return next(iter(self.spellings[logical].values()))

    def new_name(self) -> str:
        """A relation's name that is not taken."""
        return f"t{next(self._numbers)}"

    def close(self) -> None:  # noqa: B027  most have nothing to let go
        """Let everything go."""

    @abc.abstractmethod
    def make(
        self, relation: str, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]], key: Sequence[str] = ()
    ) -> str:
        """Make a relation; values are in canonical text, None for NULL.

        Returns:
            The relation as a contract names it.

        Raises:
            RefusedError: The store cannot hold a value.
        """

    @abc.abstractmethod
    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """The reader under test."""

    def view(self, relation: str) -> str:
        """A view of everything in a relation."""
        raise NotImplementedError

    def fill(self, relation: str, count: int) -> str:
        """A relation of `id` (from 1) and `v` (the same, as text), with an integer key."""
        columns = {"id": self.spelled("int"), "v": self.spelled("text")}
        return self.make(relation, columns, [(str(i), str(i)) for i in range(1, count + 1)], ["id"])


def as_json_values(text: str) -> str:
    """A canonical list of texts, with its numbers written as JSON's."""
    items = json.loads(text)
    return "[" + ",".join("null" if item is None else str(item) for item in items) + "]"
