"""What the SQL databases have in common, seen by the conformance suite."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from auditor.readers.connection import ConnectionParts
from tests.conformance.stores.store import RefusedError, Spelling, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

ROWS_A_STATEMENT = 5_000


def parts_of(url: str, *, timezone: str) -> ConnectionParts:
    """A server's URL as its reader takes it."""
    split = urlsplit(url)
    return ConnectionParts(
        split.scheme,
        split.hostname or "",
        split.port,
        unquote(split.username or ""),
        unquote(split.password or ""),
        unquote(split.path[1:]),
        timezone=timezone,
    )


class SqlStore(Store, abc.ABC):
    """A database that takes SQL."""

    has_views = True
    has_keys = True
    has_writers: ClassVar[bool] = False
    """Whether others can write while it is read; then `teller` is how."""
    quote = '"'

    def teller(self) -> AbstractContextManager[Callable[[list[str]], None]]:
        """A connection that runs several statements in one transaction."""
        raise NotImplementedError

    @abc.abstractmethod
    def execute(self, statement: str) -> None:
        """Run and commit one statement.

        Raises:
            RefusedError: The database refuses.
        """

    def quoted(self, name: str) -> str:
        """An identifier."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def literal(self, value: str) -> str:
        """A text literal."""
        return "'" + value.replace("'", "''") + "'"

    def written(self, spelling: Spelling, value: str | None) -> str:
        """SQL of a value; what a spelling writes as SQL already comes as a tuple."""
        if value is None:
            return "NULL"
        made = spelling.write(value)
        return made[0] if isinstance(made, tuple) else self.literal(made)

    def make(
        self, relation: str, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]], key: Sequence[str] = ()
    ) -> str:
        """See `Store.make`."""
        listed = [f"{self.quoted(name)} {spelling.kind}" for name, spelling in columns.items()]
        listed += [f"PRIMARY KEY ({', '.join(map(self.quoted, key))})"] if key else []
        self.execute(f"CREATE TABLE {self.quoted(relation)} ({', '.join(listed)})")
        for start in range(0, len(rows), ROWS_A_STATEMENT):
            values = ", ".join(
                "(" + ", ".join(self.written(s, value) for s, value in zip(columns.values(), row, strict=True)) + ")"
                for row in rows[start : start + ROWS_A_STATEMENT]
            )
            self.execute(f"INSERT INTO {self.quoted(relation)} VALUES {values}")
        return relation

    def view(self, relation: str) -> str:
        """See `Store.view`."""
        name = f"{relation}_seen"
        self.execute(f"CREATE VIEW {self.quoted(name)} AS SELECT * FROM {self.quoted(relation)}")
        return name


def sql(text: str) -> tuple[str]:
    """Marks a written value as SQL rather than as a text to be quoted."""
    return (text,)


def refuse(value: str) -> RefusedError:
    """What a spelling raises for a value that it has no way to write."""
    return RefusedError(f"{value!r} cannot be written this way")
