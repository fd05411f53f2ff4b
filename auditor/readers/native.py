"""What the readers share that DuckDB scans itself: extensions, quoting, one open transaction."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from contracts.errors import StoreError
from reconcilers.workspace import ARROW_BATCH_ROWS, carry, carry_few, first_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconcilers.workspace import Workspace

_LOADING = threading.Lock()
"""Of scanners: two sides of a comparison that are opened at once would each check its 40 MB, an eighth of a second."""


def load_scanner(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one of DuckDB's scanner extensions (`postgres`, `mysql`, `sqlite`) from its installed package.

    Nothing is downloaded: the signed binary ships as an ordinary package, pinned to its DuckDB.  Its signature is
    checked once for each workspace: whoever asks for it meanwhile waits.

    Raises:
        StoreError: Neither the package nor an installed extension is there.
    """
    extension = f"{name}_scanner"
    packaged = _packaged(extension)
    try:
        with _LOADING:
            cursor.execute(f"LOAD {quote_text(str(packaged))}" if packaged else f"LOAD {extension}")
    except duckdb.Error as error:
        raise StoreError(
            f"loading DuckDB's {extension} extension failed: {first_line(error)}",
            hint=f"install duckdb-extension-{name}-scanner=={duckdb.__version__}",
        ) from error


def _packaged(extension: str) -> Path | None:
    """The signed extension file of the installed package that fits this DuckDB, or None."""
    spec = importlib.util.find_spec(f"duckdb_extension_{extension}")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    return path if path.exists() else None


def quote_name(name: str) -> str:
    """An identifier for DuckDB, PostgreSQL and SQLite, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text literal for DuckDB, PostgreSQL (standard_conforming_strings) and SQLite."""
    return "'" + text.replace("'", "''") + "'"


class NativeSnapshot:
    """The part of a snapshot that is the same wherever DuckDB does the scanning.

    Args:
        workspace: Where results go.
        dataset: The dataset, as reports and errors name it.

    Attributes:
        watch: Told of rows while they come, under the dataset's name.
        batch_rows: How many of them come at once where DuckDB reads them.
        weigh: Told of their bytes, where the reader knows them.
    """

    def __init__(self, workspace: Workspace, dataset: str) -> None:
        self.cursor = workspace.cursor()
        self._writing = workspace.cursor()
        self._few = workspace.few
        self.watch = workspace.watch
        self.batch_rows = ARROW_BATCH_ROWS
        self.weigh: Callable[[float], None] | None = None
        self.dataset = dataset

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot.load`."""
        if self._few:
            return carry_few(self.cursor, sql, self._writing, table, what=self.dataset)
        rows = self.batch_rows
        return carry(self.cursor, sql, self._writing, table, what=self.dataset, watch=self._carried, batch_rows=rows)

    def _carried(self, dataset: str, rows: int) -> None:
        """Rows have come through DuckDB."""
        if self.watch is not None:
            self.watch(dataset, rows)

    def close(self) -> None:
        """End the transaction and let the store go."""
        self.cursor.close()
        self._writing.close()
