"""CSV files: looked through by `csv_check`, then read by DuckDB, every cell as text.

An unquoted empty cell is NULL, a quoted one is ''.  What a text means is the contract's affair.
"""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa

from auditor.readers.documents import inner_text
from auditor.readers.files.csv_check import AS_CSV, CsvFacts, check_csv
from auditor.readers.files.snapshot import FileSnapshot
from auditor.readers.native import quote_name, quote_text
from auditor.readers.suggestion import did_you_mean
from contracts.errors import StoreError
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, RawColumn, RawRelation, Shape, Wanted
from reconcilers.workspace import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from auditor.readers.files.directory import Files, States
    from reconcilers.workspace import Workspace

_LINE_BYTES_DEFAULT = 2_097_152
"""DuckDB's own limit of a line."""


class CsvReader:
    """Reads one CSV file, or one with tabs for commas.

    Args:
        files: The file.
        timezone: IANA zone of times that have none.
    """

    def __init__(self, files: Files, *, timezone: str = "UTC") -> None:
        self.files = files
        self.dataset = files.dataset
        self.timezone = timezone
        self._known: tuple[States, CsvFacts] | None = None

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`; the whole file is looked through."""
        path = self.files.one()
        facts = self.facts()
        columns = tuple(Column(name, "text", nullable=True, logical=LogicalType(Kind.TEXT)) for name in facts.header)
        return Shape(columns, estimated_rows=facts.rows, estimated_bytes=path.stat().st_size)

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[CsvSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        snapshot = CsvSnapshot(self, workspace)
        try:
            yield snapshot
        finally:
            snapshot.close()

    def facts(self) -> CsvFacts:
        """What looking through the file told; done again only when the file has changed."""
        states = self.files.states()
        if self._known is None or self._known[0] != states:
            self._known = (states, look_through(self.files, self.files.one()))
        return self._known[1]

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        return f"read {self.files.one()}, columns {', '.join(thing.path for thing in wanted)}"


class CsvSnapshot(FileSnapshot):
    """One CSV file as it is now."""

    def __init__(self, reader: CsvReader, workspace: Workspace) -> None:
        super().__init__(reader.files, workspace, reader.timezone)
        self._reader = reader

    @cached_property
    def _facts(self) -> CsvFacts:
        return self._reader.facts()

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        places = [self._place(thing.path) for thing in wanted]
        selected = ", ".join(f"{quote_name(f'v{column}')} AS c{i}" for i, (column, _) in enumerate(places))
        sql = f"(SELECT {selected or 'NULL'} FROM {self._counted_source})"
        if any(path for _, path in places):
            sql = self._opened_documents(sql, [path for _, path in places], wanted)
        columns = tuple(
            RawColumn(f"c{i}", "VARCHAR", timezone=thing.timezone or self.timezone) for i, thing in enumerate(wanted)
        )
        return RawRelation(sql, columns)

    @cached_property
    def _counted_source(self) -> str:
        """The table function, after a test that it finds as many rows as there are."""
        import duckdb

        try:
            row = self.cursor.execute(f"SELECT count(*) FROM {self._source}").fetchone()
        except duckdb.Error as error:
            raise StoreError(f"reading {self.dataset}: {first_line(error)}", hint=AS_CSV) from error
        found = row[0] if row else 0
        if found != self._facts.rows:
            raise StoreError(
                f"reading {self.dataset}: DuckDB found {found} rows where there are {self._facts.rows}",
                hint="this is a mistake of ours or of DuckDB's; export to Parquet meanwhile",
            )
        return self._source

    @property
    def _source(self) -> str:
        """The table function that reads the file; columns are called after their position."""
        facts = self._facts
        delimiter = _delimiter(self.files)
        columns = ", ".join(f"'v{i}': 'VARCHAR'" for i in range(len(facts.header)))
        options = {
            "auto_detect": "false",
            "header": "true",
            "delim": quote_text(delimiter),
            "quote": "'\"'",
            "escape": "'\"'",
            "nullstr": "''",
            "allow_quoted_nulls": "false",
            "strict_mode": "true",
            "null_padding": "false",
            "ignore_errors": "false",
            "compression": quote_text("gzip" if self.files.zipped else "none"),
            # threads look for a line to begin with, and a line end within quotes can deceive them
            "parallel": "false" if facts.quoted_newlines else "true",
            "max_line_size": str(max(_LINE_BYTES_DEFAULT, facts.longest + 2)),
            "columns": f"{{{columns}}}",
        }
        written = ", ".join(f"{name} = {value}" for name, value in options.items())
        return f"read_csv({quote_text(str(self.files.one()))}, {written})"

    def _place(self, path: str) -> tuple[int, tuple[str, ...]]:
        """The position of a column, and what of the path leads into its document."""
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in self._facts.header:
                return self._facts.header.index(name), tuple(parts[length:])
        hint = did_you_mean(path, self._facts.header) or "check the contract's fields"
        raise StoreError(f"reading {self.dataset}: there is no column {path!r}", hint=hint)

    def _opened_documents(self, sql: str, paths: Sequence[tuple[str, ...]], wanted: Sequence[Wanted]) -> str:
        """The same rows with documents opened at their paths, in Python: DuckDB's JSON loses digits."""
        schema = pa.schema([pa.field(f"c{i}", pa.string()) for i in range(len(wanted))])

        def batches() -> Iterator[pa.RecordBatch]:
            inner = self.cursor.cursor()
            try:
                for batch in inner.execute(f"SELECT * FROM {sql}").to_arrow_reader(8_192):
                    arrays = [
                        pa.array([inner_text(text, path, thing.logical) for text in column.to_pylist()], pa.string())
                        if path
                        else column.cast(pa.string())
                        for column, path, thing in zip(batch.columns, paths, wanted, strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            finally:
                inner.close()

        return self.relation(schema, batches)


def look_through(files: Files, path: Path) -> CsvFacts:
    """Everything about a file that must be known before it is read.

    Raises:
        StoreError: It is no CSV.
    """
    try:
        with path.open("rb") as file:
            content = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if files.zipped else file
            return check_csv(content, _delimiter(files), files.dataset)
    except (OSError, EOFError) as error:
        raise StoreError(f"reading {files.dataset}: {path} cannot be read: {error}", hint="check the file") from error


def _delimiter(files: Files) -> str:
    return "\t" if files.suffix == ".tsv" else ","
