"""CSV, JSON Lines and Parquet in the conformance suite."""

from __future__ import annotations

import abc
import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.readers.files.reader import file_reader
from tests.conformance.stores.sql import refuse
from tests.conformance.stores.store import RefusedError, Spelling, Store, as_json_values
from tests.conformance.values import (
    AS_SINGLE,
    BEYOND_SIGNED,
    BEYOND_UNSIGNED,
    INFINITE,
    OUTSIDE_NANOSECONDS,
    SPECIAL,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from reconcilers.ports import Reader

OUTSIDE_NANOSECONDS_LOCAL = tuple(value.removesuffix("Z") for value in OUTSIDE_NANOSECONDS)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class FileStore(Store, abc.ABC):
    """A directory of files."""

    suffix: str

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory / self.name
        self.directory.mkdir()

    def reader(self, relation: str, *, timezone: str = "UTC") -> Reader:
        """See `Store.reader`."""
        return file_reader(f"{self.name}/{relation}", self.directory, relation, timezone=timezone)

    def make(
        self,
        relation: str,
        columns: Mapping[str, Spelling],
        rows: Sequence[Sequence[Any]],
        key: Sequence[str] = (),  # noqa: ARG002  files have no keys
    ) -> str:
        """See `Store.make`."""
        written = [
            [
                None if value is None else spelling.write(value)
                for value, spelling in zip(row, columns.values(), strict=True)
            ]
            for row in rows
        ]
        self.write(self.directory / (relation + self.suffix), columns, written)
        return relation + self.suffix

    @abc.abstractmethod
    def write(self, path: Path, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]]) -> None:
        """Write a file of rows as the spellings made them."""


def _texts() -> dict[str, dict[str, Spelling]]:
    """Stores without a type of their own: every type in its canonical text, some in others too."""
    text = Spelling("text")
    return {
        "int": {"text": text, "zeros": Spelling("text", lambda v: v.replace("-", "-00") if v < "0" else f"00{v}")},
        "decimal(10,2)": {"text": text, "exponent": Spelling("text", lambda v: f"{v}e0" if v[-1].isdigit() else v)},
        "decimal(38,30)": {"text": text},
        "decimal(60,20)": {"text": text},
        "float": {"text": text},
        "text": {"text": text},
        "bool": {
            "text": text,
            "t/f": Spelling("text", lambda v: v[0]),
            "1/0": Spelling("text", lambda v: str(int(v == "true"))),
            "upper": Spelling("text", str.upper),
        },
        "uuid": {
            "text": text,
            "upper": Spelling("text", str.upper),
            "bare": Spelling("text", lambda v: v.replace("-", "")),
        },
        "date": {"text": text},
        "time": {
            "text": text,
            "short": Spelling("text", lambda v: v.removesuffix(".000000")),
        },
        "timestamp": {
            "Z": text,
            "blank": Spelling("text", lambda v: v.replace("T", " ")),
            "offset": Spelling("text", lambda v: v.replace("Z", "+00:00")),
            "without": Spelling("text", lambda v: v.replace("Z", "")),
        },
        "timestamp(local)": {"text": text},
        "interval": {"text": text},
        "bytes": {"hex": text, "\\x": Spelling("text", lambda v: f"\\x{v}")},
        "json": {"text": text},
        "list<int>": {"texts": text, "numbers": Spelling("text", as_json_values)},
        "list<text>": {"text": text},
        "list<decimal(9,2)>": {"texts": text, "numbers": Spelling("text", as_json_values)},
        "enum(open,shipped)": {"text": text},
    }


class Csv(FileStore):
    """CSV files."""

    name = "csv"
    suffix = ".csv"
    spellings: ClassVar = _texts()

    def write(self, path: Path, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]]) -> None:
        """See `FileStore.write`."""
        lines = [[*columns], *rows]
        path.write_bytes("".join(",".join(map(_csv_cell, line)) + "\n" for line in lines).encode())


def _csv_cell(value: str | None) -> str:
    if value is None:
        return ""
    quoted = value == "" or any(sign in value for sign in '",\r\n')
    return '"' + value.replace('"', '""') + '"' if quoted else value


def _as_string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _quoted(spelling: Spelling) -> Callable[[str], str]:
    return lambda value: _as_string(spelling.write(value))


def _as_number(value: str) -> str:
    return value if value[-1].isdigit() else _as_string(value)


class JsonLines(FileStore):
    """JSON Lines files."""

    name = "jsonl"
    suffix = ".jsonl"
    spellings: ClassVar = {
        logical: {way: Spelling("text", _quoted(spelling)) for way, spelling in ways.items()}
        for logical, ways in _texts().items()
    } | {
        "int": {"number": Spelling("number"), "string": Spelling("string", _as_string)},
        "decimal(10,2)": {"number": Spelling("number", _as_number), "string": Spelling("string", _as_string)},
        "decimal(38,30)": {"number": Spelling("number")},
        "decimal(60,20)": {"number": Spelling("number")},
        "float": {"number": Spelling("number", _as_number), "string": Spelling("string", _as_string)},
        "bool": {"boolean": Spelling("boolean"), "string": Spelling("string", _as_string)},
        "json": {"document": Spelling("document")},
        "list<int>": {"numbers": Spelling("array", as_json_values), "strings": Spelling("array")},
        "list<text>": {"strings": Spelling("array")},
        "list<decimal(9,2)>": {"numbers": Spelling("array", as_json_values), "strings": Spelling("array")},
    }

    def write(self, path: Path, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]]) -> None:
        """See `FileStore.write`; a NULL is written as `null` and left out, in turn."""
        lines = []
        for number, row in enumerate(rows):
            cells = [
                f"{_as_string(name)}: {'null' if value is None else value}"
                for name, value in zip(columns, row, strict=True)
                if value is not None or number % 2
            ]
            lines.append("{" + ", ".join(cells) + "}\n")
        path.write_bytes(("".join(lines) or "\n").encode())


def _decimal(value: str) -> Decimal:
    if not value[-1].isdigit():
        raise refuse(value)
    return Decimal(value)


def _date(value: str) -> dt.date:
    if value.endswith("infinity"):
        raise refuse(value)
    return dt.date.fromisoformat(value)


def _micros(value: str) -> int:
    if value.endswith("infinity"):
        raise refuse(value)
    moment = dt.datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=dt.UTC)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _nanos(value: str) -> int:
    return _micros(value) * 1000


def _clock(value: str) -> int:
    hours, minutes, seconds = value.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + int(seconds.replace(".", ""))


def _items(value: str) -> Any:
    return json.loads(value)


def _numbers(value: str) -> Any:
    return [None if item is None else Decimal(item) for item in json.loads(value)]


def _integers(value: str) -> Any:
    return [None if item is None else int(item) for item in json.loads(value)]


class Parquet(FileStore):
    """Parquet files."""

    name = "parquet"
    suffix = ".parquet"
    spellings: ClassVar = {
        "int": {
            "int64": Spelling(pa.int64(), int, BEYOND_SIGNED),
            "uint64": Spelling(pa.uint64(), int, BEYOND_UNSIGNED),
            "decimal(38,0)": Spelling(pa.decimal128(38, 0), Decimal),
            "string": Spelling(pa.string(), str),
        },
        "decimal(10,2)": {
            "decimal(10,2)": Spelling(pa.decimal128(10, 2), _decimal, SPECIAL),
            "decimal(38,10)": Spelling(pa.decimal128(38, 10), _decimal, SPECIAL),
            "decimal(50,10)": Spelling(pa.decimal256(50, 10), _decimal, SPECIAL),
            "double": Spelling(pa.float64(), float),
            "string": Spelling(pa.string(), str),
        },
        "decimal(38,30)": {"decimal(38,30)": Spelling(pa.decimal128(38, 30), _decimal)},
        "decimal(60,20)": {"decimal(60,20)": Spelling(pa.decimal256(60, 20), _decimal)},
        "float": {"double": Spelling(pa.float64(), float), "float": Spelling(pa.float32(), float, changes=AS_SINGLE)},
        "text": {"string": Spelling(pa.string(), str), "large": Spelling(pa.large_string(), str)},
        "bool": {
            "bool": Spelling(pa.bool_(), lambda v: v == "true"),
            "int8": Spelling(pa.int8(), lambda v: int(v == "true")),
        },
        "uuid": {
            "uuid": Spelling(pa.uuid(), lambda v: uuid.UUID(v).bytes),
            "binary(16)": Spelling(pa.binary(16), lambda v: uuid.UUID(v).bytes),
            "string": Spelling(pa.string(), str.upper),
        },
        "date": {"date32": Spelling(pa.date32(), _date, INFINITE), "string": Spelling(pa.string(), str)},
        "time": {
            "time64[us]": Spelling(pa.time64("us"), _clock),
            "time64[ns]": Spelling(pa.time64("ns"), lambda v: _clock(v) * 1000),
        },
        "timestamp": {
            "us UTC": Spelling(pa.timestamp("us", "UTC"), _micros, INFINITE),
            "us": Spelling(pa.timestamp("us"), _micros, INFINITE),
            "ns UTC": Spelling(pa.timestamp("ns", "UTC"), _nanos, (*OUTSIDE_NANOSECONDS, *INFINITE)),
            "ns": Spelling(pa.timestamp("ns"), _nanos, (*OUTSIDE_NANOSECONDS, *INFINITE)),
            "string": Spelling(pa.string(), str),
        },
        "timestamp(local)": {
            "us": Spelling(pa.timestamp("us"), _micros, INFINITE),
            "ns": Spelling(pa.timestamp("ns"), _nanos, (*OUTSIDE_NANOSECONDS_LOCAL, *INFINITE)),
        },
        "interval": {"string": Spelling(pa.string(), str)},
        "bytes": {"binary": Spelling(pa.binary(), bytes.fromhex)},
        "json": {"json": Spelling(pa.json_(), str), "string": Spelling(pa.string(), str)},
        "list<int>": {"list": Spelling(pa.list_(pa.int64()), _integers), "string": Spelling(pa.string(), str)},
        "list<text>": {"list": Spelling(pa.list_(pa.string()), _items)},
        "list<decimal(9,2)>": {"list": Spelling(pa.list_(pa.decimal128(9, 2)), _numbers)},
        "enum(open,shipped)": {"dictionary": Spelling(pa.dictionary(pa.int8(), pa.string()), str)},
    }

    def write(self, path: Path, columns: Mapping[str, Spelling], rows: Sequence[Sequence[Any]]) -> None:
        """See `FileStore.write`."""
        try:
            arrays = [pa.array([row[i] for row in rows], spelling.kind) for i, spelling in enumerate(columns.values())]
        except (pa.ArrowException, OverflowError, ValueError) as error:
            raise RefusedError(str(error)) from error
        pq.write_table(pa.table(arrays, list(columns)), path)
