"""JSON Lines: one object a line, every digit kept.

DuckDB's own reader makes doubles of decimals, so Python's parser reads the lines and leaves numbers as their text.
"""

from __future__ import annotations

import gzip
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa

from auditor.readers.arrow_rows import chunks
from auditor.readers.documents import NotJsonError, Repeated, at_path, parse_document, value_text
from auditor.readers.files.snapshot import FileSnapshot
from auditor.readers.native import quote_name
from contracts.errors import StoreError
from contracts.logical_types import Kind, LogicalType
from reconcilers.ports import Column, RawColumn, RawRelation, Shape, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from auditor.readers.files.directory import Files
    from reconcilers.workspace import Workspace

SAMPLE_LINES = 1_000
"""Lines that tell what members there are."""

_BOM = b"\xef\xbb\xbf"


class JsonLinesReader:
    """Reads one file of JSON Lines.

    Args:
        files: The file.
        timezone: IANA zone of times that have none.
    """

    def __init__(self, files: Files, *, timezone: str = "UTC") -> None:
        self.files = files
        self.dataset = files.dataset
        self.timezone = timezone

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader.shape`; the members are those of the first lines."""
        path = self.files.one()
        _check_not_empty(self.files, path)
        members: dict[str, set[str]] = {}
        sampled = list(itertools.islice(documents(self.files, path), SAMPLE_LINES))
        for document in sampled:
            for name, value in document.items():
                members.setdefault(name, set()).add(_kind(value))
        columns = tuple(
            Column(
                name,
                " or ".join(sorted(kinds - {"null"})) or "null",
                nullable=True,
                logical=_logical(kinds - {"null"}),
            )
            for name, kinds in members.items()
        )
        rows = len(sampled) if len(sampled) < SAMPLE_LINES else None
        return Shape(columns, estimated_rows=rows, estimated_bytes=path.stat().st_size)

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[JsonLinesSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        _check_not_empty(self.files, self.files.one())
        snapshot = JsonLinesSnapshot(self.files, workspace, self.timezone)
        try:
            yield snapshot
        finally:
            snapshot.close()

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        return f"read {self.files.one()}, members {', '.join(thing.path for thing in wanted)}"


class JsonLinesSnapshot(FileSnapshot):
    """One file of JSON Lines as it is now."""

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        schema = pa.schema(
            [pa.field(f"c{i}", pa.string()) for i in range(len(wanted))] or [pa.field("none", pa.null())]
        )
        name = self.relation(schema, lambda: self._batches(schema, wanted))
        columns = tuple(
            RawColumn(quote_name(f"c{i}"), "VARCHAR", timezone=thing.timezone or self.timezone, exact=True)
            for i, thing in enumerate(wanted)
        )
        return RawRelation(name, columns)

    def _batches(self, schema: pa.Schema, wanted: Sequence[Wanted]) -> Iterator[pa.RecordBatch]:
        rows = documents(self.files, self.files.one())
        paths = [(thing.path, tuple(thing.path.split(".")), thing.logical) for thing in wanted]
        for some in chunks(lambda count: list(itertools.islice(rows, count)), _size_of):
            arrays = [_column(_values(some, name, path), logical) for name, path, logical in paths]
            yield pa.RecordBatch.from_arrays(arrays or [pa.nulls(len(some))], schema=schema)


def _values(rows: Sequence[dict[str, Any]], name: str, path: Sequence[str]) -> list[Any]:
    """What stands at a path in each row; a member whose own name has the dots wins."""
    if len(path) == 1:
        return [row.get(name) for row in rows]
    return [row[name] if name in row else at_path(row, path) for row in rows]


_PLAIN = {str, bytes, type(None)}


def _column(values: list[Any], logical: LogicalType | None) -> pa.Array:
    """Values as text; Arrow takes strings and digits as they are, what has another form is written first."""
    if set(map(type, values)) <= _PLAIN and (logical is None or logical.kind is not Kind.JSON):
        try:
            return pa.array(values, pa.string())
        except UnicodeEncodeError:  # half a surrogate pair
            pass
    return pa.array([value_text(value, logical) for value in values], pa.string())


def documents(files: Files, path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file; blank lines are passed over.

    Raises:
        StoreError: A line is no object; the message names it.
    """
    with _open(files, path) as file:
        try:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(_BOM) if number == 1 else line
                if text.strip():
                    yield _document(files, number, text)
        except (OSError, EOFError) as error:
            raise StoreError(
                f"reading {files.dataset}: {path} cannot be read: {error}", hint="check the file"
            ) from error


@contextmanager
def _open(files: Files, path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if files.zipped else file


def _document(files: Files, number: int, line: bytes) -> dict[str, Any]:
    try:
        document = parse_document(line.decode())
    except UnicodeDecodeError as error:
        raise _line_error(files, number, f"byte {error.start + 1} is no UTF-8") from None
    except NotJsonError as error:
        raise _line_error(files, number, str(error)) from None
    if isinstance(document, Repeated):
        names = [name for name, _ in document.pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _line_error(files, number, f"the name {twice!r} stands there twice; which one counts nobody can say")
    if not isinstance(document, dict):
        raise _line_error(files, number, f"found a JSON {_kind(document)}, expected an object")
    return document


def _line_error(files: Files, number: int, what: str) -> StoreError:
    return StoreError(
        f"reading {files.dataset}: line {number} is no JSON object: {what}",
        hint="JSON Lines is one object a line, in UTF-8",
    )


def _check_not_empty(files: Files, path: Path) -> None:
    if path.stat().st_size == 0:
        raise StoreError(
            f"reading {files.dataset}: {path} is empty, it has not even one line",
            hint="see whether its export went through",
        )


def _kind(value: Any) -> str:
    if isinstance(value, bytes):
        return "integer" if value.lstrip(b"-").isdigit() else "number"
    if value is None:
        return "null"
    return {bool: "boolean", str: "string", list: "array"}.get(type(value), "object")


def _logical(kinds: set[str]) -> LogicalType | None:
    """The type that carries every value seen; numbers with a fraction may be decimals or floats: none is proposed."""
    single = {"integer": Kind.INT, "boolean": Kind.BOOL, "string": Kind.TEXT, "object": Kind.JSON, "array": Kind.JSON}
    return LogicalType(single[next(iter(kinds))]) if len(kinds) == 1 and kinds <= single.keys() else None


def _size_of(rows: Sequence[dict[str, Any]]) -> int:
    """Roughly the bytes of some rows, from a few of them."""
    some = rows[:: max(1, len(rows) // 16)]
    return sum(len(str(row)) for row in some) * len(rows) // len(some)
