"""A reader over rows in memory, with the DuckDB types that a test asks for."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from contracts.errors import StoreError
from reconcilers.canonical import canonical
from reconcilers.ports import Column, Keys, RawColumn, RawRelation, Shape, Wanted
from reconcilers.projection import key_sql
from reconcilers.watermark import Watermark
from reconcilers.workspace import Workspace, carry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from contracts.logical_types import LogicalType

_NUMBERS = count()


class MemoryReader:
    """Rows as text (None for NULL), cast to one DuckDB type a column.

    Args:
        rows: Column name to text; changing them between two looks is how a test lets time pass.
        types: Column name to DuckDB type.
    """

    def __init__(
        self,
        dataset: str,
        types: Mapping[str, str],
        rows: list[dict[str, str | None]],
        *,
        unique: tuple[str, ...] = (),
        exact: bool = True,
        logical: Mapping[str, LogicalType] | None = None,
    ) -> None:
        self._dataset = dataset
        self.types = types
        self.rows = rows
        self._unique = unique
        self.exact = exact
        self._logical = logical or {}
        self.monotonic: Callable[[], float] = monotonic
        self.store_time: Callable[[], datetime | None] = lambda: None
        self._failure = ""
        self.dividers: Sequence[str] | None = None
        """Where the rows can be cut; None: nowhere."""
        self.parts_asked: list[int] = []
        """Each time that this was asked: how many rows a part was to have."""
        self.sorts_as_text = False
        """The store sorts its keys otherwise than by their values."""

    def fail(self, why: str) -> None:
        """From now on the store cannot be read."""
        self._failure = why

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self._dataset

    def shape(self) -> Shape:
        """The declared columns."""
        columns = tuple(Column(name, kind, logical=self._logical.get(name)) for name, kind in self.types.items())
        return Shape(columns, (self._unique,) if self._unique else (), estimated_rows=len(self.rows))

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[MemorySnapshot]:
        """The rows as they are now."""
        if self._failure:
            raise StoreError(f"connecting to {self.dataset} failed: {self._failure}", hint="start it")
        yield MemorySnapshot(self, workspace)

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """Nothing is run anywhere."""
        return f"rows of {self._dataset}: {', '.join(w.path for w in wanted)}"


class MemorySnapshot:
    """The rows as they were when the snapshot was opened."""

    def __init__(self, reader: MemoryReader, workspace: Workspace) -> None:
        self._reader = reader
        self._cursor = workspace.cursor()
        self._writing = workspace.cursor()
        self._table = f"memory_{next(_NUMBERS)}"
        columns = ", ".join(f'"{name}" {kind}' for name, kind in reader.types.items())
        self._cursor.execute(f'CREATE TABLE "{self._table}" ({columns})')
        marks = ", ".join(f"CAST(? AS {kind})" for kind in reader.types.values())
        for row in reader.rows:
            self._cursor.execute(
                f'INSERT INTO "{self._table}" VALUES ({marks})', [row.get(name) for name in reader.types]
            )
        self.watermark = Watermark(reader.dataset, datetime.now(UTC), reader.monotonic(), reader.store_time())
        self._part = ""

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """All rows."""
        columns = tuple(
            RawColumn(f'"{w.path}"', self._reader.types[w.path], w.timezone or "UTC", exact=self._reader.exact)
            for w in wanted
        )
        return RawRelation(f'(SELECT * FROM "{self._table}"{self._part})', columns)

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """Wherever the test says."""
        del by
        self._reader.parts_asked.append(rows)
        return self._reader.dividers

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """By value, what is none after all that are some; or by text."""
        assert by.logical is not None
        raw = f'"{by.path}"'
        if self._reader.sorts_as_text:
            value, low, high = (f"CAST({sql} AS VARCHAR)" for sql in (raw, _quoted(lower or ""), _quoted(upper or "")))
        else:
            value, low, high = (
                key_sql(by.logical, canonical(by.logical, RawColumn(sql, kind)))
                for sql, kind in (
                    (raw, self._reader.types[by.path]),
                    (f"CAST({_quoted(lower or '')} AS VARCHAR)", "VARCHAR"),
                    (f"CAST({_quoted(upper or '')} AS VARCHAR)", "VARCHAR"),
                )
            )
        above = "true" if lower is None else f"coalesce({value} >= {low}, {raw} IS NOT NULL)"
        below = "true" if upper is None else f"coalesce({value} < {high}, {raw} IS NULL)"
        self._part = f" WHERE {above} AND {below}"

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """Rows with these keys, found as text."""
        relation = self.scan(wanted)  # for its columns: a look-up is not cut
        paths = [f'CAST("{w.path}" AS VARCHAR)' for w in keys.columns]
        parts = []
        for values in keys.values:
            alternatives = zip(paths, values, strict=True)
            parts.append(
                " AND ".join(f"{path} IN ({', '.join(_quoted(v) for v in some)})" for path, some in alternatives)
            )
        condition = " OR ".join(f"({part})" for part in parts) or "false"
        if self._reader.exact:
            condition = "true"  # more rows than asked for are lawful
        return RawRelation(f'(SELECT * FROM "{self._table}" WHERE {condition})', relation.columns)

    def load(self, sql: str, table: str) -> int:
        """Into the workspace."""
        return carry(self._cursor, sql, self._writing, table, what=self._reader.dataset)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:
        """Nothing is hidden."""
        del wanted, keys
        return None

    def drop(self) -> None:
        """Forget the rows: a workspace may see many snapshots."""
        self._cursor.execute(f'DROP TABLE "{self._table}"')

    def incomplete(self) -> str:
        """Always whole."""
        return ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
