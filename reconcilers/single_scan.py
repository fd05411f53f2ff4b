"""Arrow rows that DuckDB scans once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def single_scan(rows: pa.Table | pa.RecordBatchReader) -> object:
    """What to register for rows that one statement scans once; a second scan is an error.

    As a bare stream they pass as they are.  Of a table or a reader DuckDB would make a scanner of `pyarrow.dataset`,
    which takes a twentieth of a second to load.
    """
    return rows.__arrow_c_stream__()
