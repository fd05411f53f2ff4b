"""Which reader a file gets: its suffix says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.readers.files.directory import PARQUET, Files
from contracts.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from reconcilers.ports import Reader


CSV = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson", ".json")


def file_reader(dataset: str, directory: Path, relation: str, *, timezone: str = "UTC") -> Reader:
    """The reader for one relation of a `file:` connection; nothing is opened yet.

    Args:
        dataset: As reports name it.
        directory: The connection's.
        relation: A path below it.
        timezone: IANA zone of times that have none.

    Raises:
        StoreError: The suffix says nothing, or the path leads out of the directory.
    """
    files = Files(dataset, directory, relation)
    suffix = files.suffix
    if suffix in PARQUET:
        from auditor.readers.files.parquet_file import ParquetReader

        return ParquetReader(files, timezone=timezone)
    if suffix in CSV:
        from auditor.readers.files.csv_file import CsvReader

        return CsvReader(files, timezone=timezone)
    if suffix in JSON_LINES:
        from auditor.readers.files.json_lines import JsonLinesReader

        return JsonLinesReader(files, timezone=timezone)
    known = ", ".join((*PARQUET, *CSV, *JSON_LINES))
    raise StoreError(
        f"reading {dataset}: {relation!r} does not say what kind of file it is",
        hint=f"a file's name ends in one of {known}, text also with .gz after it; a directory holds Parquet",
    )
