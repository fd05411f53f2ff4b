"""The scratch database of one run: a DuckDB database that spills to disk and is thrown away.

Each side of a comparison runs on a cursor of its own, with its own transaction; results are carried into shared tables
as a stream of Arrow batches, so that a store's snapshot can stay open while the tables are already visible to
everybody.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb

from contracts.errors import StoreError, WorkspaceError
from reconcilers import value_text
from reconcilers.batch_table import BATCH
from reconcilers.halt import Halt
from reconcilers.private_directory import make_private_directory
from reconcilers.single_scan import single_scan
from reconcilers.spill import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from contracts.errors import AuditorError

ARROW_BATCH_ROWS = 122_880
"""Rows a batch carried between cursors: DuckDB's own row group, so that batches map to groups one to one."""

SHARED_BYTES = 64_000_000
"""By so much at a time disk is taken from what DuckDB may spill, and given to the file of what differs."""

_PREFIX, _LOCK = "run-", "auditor.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
"""What a file system without locks says."""

Watch = Callable[[str, int], None]
"""Told the name of a dataset and how many more of its rows were read; from any thread."""


class Workspace:
    """A private DuckDB database with a memory limit and a spill directory of its own.

    Args:
        directory: Where to spill; made if missing.
        memory_limit: As DuckDB spells it, such as `1GB`.
        threads: Worker threads.
        max_disk: Most bytes that may be spilled, rows and findings together.
        on_disk: Keep tables in a file instead of in memory: slower, and flat in memory for very large tables.
        few: Only a few rows will be read: carry them as values, which spares loading Arrow (a sixth of a second).

    Raises:
        WorkspaceError: The directory cannot be made or written.
    """

    def __init__(
        self,
        directory: Path,
        *,
        memory_limit: str = "1GB",
        threads: int = 2,
        max_disk: int = 100_000_000_000,
        on_disk: bool = False,
        few: bool = False,
    ) -> None:
        self.few = few
        self._threads = threads
        self.halt = Halt()
        self.closing: list[Callable[[], None]] = []
        """What is let go with the workspace: feeds that were opened for the run."""
        self.watch: Watch | None = None
        self._functions_known = False
        self._registering = threading.Lock()
        self._listing = threading.Lock()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._private = _PrivateDirectory(directory)
        self.directory = self._private.path
        self._max_disk, self._shared_at = max_disk, 0
        self.overflow = Overflow(directory, grow=self._share_disk)
        """What differs, beyond what memory should hold; it outlives the workspace."""
        self._path = str(self.directory / "workspace.duckdb") if on_disk else ":memory:"
        config: dict[str, str | int | bool | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(self.directory / "spill"),
            "preserve_insertion_order": False,
            "arrow_lossless_conversion": True,  # else what is carried turns UUID into text and HUGEINT into a decimal
            "autoinstall_known_extensions": False,  # an auditor in a locked-down network downloads no code at run time
            "autoload_known_extensions": False,
        }
        try:
            self._connection = duckdb.connect(self._path, config=config)
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
            self._connection.execute(f"ATTACH ':memory:' AS {BATCH}")
            # DuckDB 1.5 takes this limit from the configuration and does not keep to it; set so, it does.
            self._connection.execute("SET GLOBAL max_temp_directory_size = ?", [f"{max_disk}B"])
        except duckdb.Error as error:
            self._private.remove()
            raise WorkspaceError(
                f"opening the workspace in {directory} failed: {error}", hint="check workspace: in the settings file"
            ) from error

    def _share_disk(self, size: int) -> None:
        """Leave DuckDB so much less to spill as findings take.

        Raises:
            WorkspaceError: Together they would take more than they may.
        """
        if size <= self._shared_at:
            return
        left = self._max_disk - size - _bytes_in(self.directory / "spill")
        if left < 0:
            raise WorkspaceError(
                f"what differs did not fit the workspace: with what is compared it takes more than {self._max_disk} "
                "bytes of disk",
                hint="raise workspace.max_disk in the settings file, or narrow the run",
            )
        step = min(SHARED_BYTES, left)
        self._shared_at = size + step
        with contextlib.suppress(duckdb.ConnectionException):  # the workspace is closed: nothing else is spilled
            self._connection.cursor().execute(
                "SET GLOBAL max_temp_directory_size = ?", [f"{self._max_disk - self._shared_at}B"]
            )

    def know_functions(self) -> None:
        """Make `reconcilers.value_text`'s functions known to every cursor.

        They are registered on the first connection: DuckDB keeps a Python function only as long as the connection that
        it came by.
        """
        with self._registering:
            if not self._functions_known:
                value_text.register(self._connection, few=self.few)
                self._functions_known = True

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """While only little is read: each statement is worked on by the thread that asks for it, and by no other.

        Where a worker of DuckDB's waits for a store, whoever has asked does not wait, but looks for work without a
        pause: an answer that takes the store a second costs us a second of processor time.  For one thread at a time.
        """
        self._connection.cursor().execute("SET GLOBAL threads = 1")
        try:
            yield
        finally:
            with contextlib.suppress(duckdb.ConnectionException):  # the workspace is closed
                self._connection.cursor().execute("SET GLOBAL threads = ?", [self._threads])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new cursor with its own transaction; each thread needs its own."""
        cursor = self._connection.cursor()
        with self._listing:
            self._cursors.add(cursor)
        return cursor

    def interrupt(self, reason: AuditorError | None = None) -> None:
        """End the run: every statement that is running now ends with an error; from any thread.

        One that begins a moment later does not: DuckDB forgets what it was told between two statements.

        Args:
            reason: What whoever works for the run is to be told.
        """
        self.halt.stop(reason)
        with self._listing:
            cursors = list(self._cursors)
        for cursor in cursors:
            with contextlib.suppress(duckdb.Error):  # closed already
                cursor.interrupt()

    def close(self) -> None:
        """Drop everything, files too."""
        self.let_go()
        self._connection.close()
        self._private.remove()

    def let_go(self) -> None:
        """Close what was opened for the run."""
        while self.closing:
            self.closing.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _bytes_in(directory: Path) -> int:
    """What the files of a directory take; some may go meanwhile."""
    size = 0
    for file in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


@contextmanager
def workspace_errors(doing: str, halt: Halt) -> Iterator[None]:
    """Tell what DuckDB could not hold as an error of the workspace, and what was ended as ended.

    Args:
        doing: What is being done, such as `comparing order`.
        halt: Whether the run is to end.

    Raises:
        WorkspaceError: Memory or disk are full.
        AuditorError: The run is to end.
    """
    try:
        yield
    except duckdb.InterruptException:
        halt.check()
        raise
    except StoreError:
        halt.check()  # it is no store's fault then
        raise
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise _full(doing, error) from error


def _full(doing: str, error: duckdb.Error) -> WorkspaceError:
    return WorkspaceError(
        f"{doing} did not fit the workspace: {first_line(error)}",
        hint="raise workspace.max_disk or workspace.memory_limit in the settings file, or make room on the disk",
    )


class _PrivateDirectory:
    """A fresh directory of this run below another, so that two runs never share a spill file.

    It is locked as long as the run lives; what a killed run has left behind is not, and the next run takes it away.
    """

    def __init__(self, parent: Path) -> None:
        try:
            make_private_directory(parent)
            _sweep(parent)
            self.path, self._lock = _locked_directory(parent)
        except OSError as error:
            raise WorkspaceError(
                f"making the workspace directory below {parent} failed: {error.strerror or error}",
                hint="set workspace.directory to a directory that can be written",
            ) from error

    def remove(self) -> None:
        """Take it away."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(parent: Path) -> None:
    """Take away what killed runs have left: directories that hold a lock which nobody has."""
    for left in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):  # it is in use, went meanwhile, or is somebody else's
            lock = _locked(left, os.O_RDWR)
            try:
                shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(lock)


def _locked_directory(parent: Path) -> tuple[Path, int | None]:
    """A new directory and its lock; None where the file system knows no locks: then nobody sweeps there either."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = _locked(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except BlockingIOError:
            continue  # another run sweeps it up: it came between the file and its lock
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return made, None
            raise
        if made.exists():
            return made, lock
        os.close(lock)  # as above


def _locked(file: Path, flags: int) -> int:
    """Open a file and lock it, for as long as the number that is returned stays open.

    Raises:
        OSError: It is gone, locked, or cannot be locked.
    """
    number = os.open(file, flags, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        raise
    return number


def carry(  # noqa: PLR0913 - a reading end, a writing end, and how
    reading: duckdb.DuckDBPyConnection,
    sql: str,
    writing: duckdb.DuckDBPyConnection,
    table: str,
    *,
    what: str,
    watch: Watch | None = None,
    batch_rows: int = ARROW_BATCH_ROWS,
) -> int:
    """Run `sql` on one cursor and keep its result as a new table through another, as a stream.

    The reading cursor's transaction stays open, so the store's snapshot outlives the statement.

    Args:
        reading: The cursor that sees the store.
        sql: The SELECT.
        writing: Another cursor of the same workspace.
        table: The table's name; one that is there already is replaced.
        what: The dataset, for the error message.
        watch: Told of rows as they pass, under the dataset's name.
        batch_rows: Rows of a batch.

    Returns:
        Rows carried.

    Raises:
        StoreError: The store failed while it was read.
        WorkspaceError: The rows do not fit.
    """
    try:
        batches = reading.execute(sql).to_arrow_reader(batch_rows)
        if watch is not None:
            batches = _watched(batches, what, watch)
        writing.register("carried", single_scan(batches))
        try:
            writing.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT * FROM carried')
        finally:
            writing.unregister("carried")
        row = writing.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    except duckdb.OutOfMemoryException as error:
        raise _full(f"reading {what}", error) from error
    except duckdb.Error as error:
        raise StoreError(
            f"reading {what} failed: {first_line(error)}",
            hint="see whether the store is up and let the run be repeated",
        ) from error
    return int(row[0]) if row else 0


def _watched(batches: Any, what: str, watch: Watch) -> Any:
    """The same stream, with somebody told of every batch that passes."""
    import pyarrow as pa

    def passing() -> Iterator[Any]:
        for batch in batches:
            watch(what, batch.num_rows)
            yield batch

    return pa.RecordBatchReader.from_batches(batches.schema, passing())


def carry_few(
    reading: duckdb.DuckDBPyConnection, sql: str, writing: duckdb.DuckDBPyConnection, table: str, *, what: str
) -> int:
    """The same for a few rows, as values: each as the text that DuckDB makes of it, which reads back without loss."""
    try:
        columns = [(name, kind) for name, kind, *_ in reading.execute(f"DESCRIBE {sql}").fetchall()]
        texts = ", ".join(f'CAST("{name}" AS VARCHAR)' for name, _ in columns)
        rows = reading.execute(f"SELECT {texts} FROM ({sql})").fetchall()
        row = f"({', '.join('?' * len(columns))})"
        given = ", ".join([row] * len(rows)) or f"({', '.join(['NULL'] * len(columns))})"
        back = ", ".join(f'CAST(c{i} AS {kind}) AS "{name}"' for i, (name, kind) in enumerate(columns))
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        writing.execute(
            f'CREATE OR REPLACE TABLE "{table}" AS SELECT {back} FROM (VALUES {given}) given({names})'
            + ("" if rows else " LIMIT 0"),
            [text for values in rows for text in values],
        )
    except duckdb.Error as error:
        raise StoreError(
            f"reading {what} failed: {first_line(error)}",
            hint="see whether the store is up and look again",
        ) from error
    return len(rows)


def first_line(error: BaseException) -> str:
    """The first line of an error's message: what went wrong without the statement that it happened in."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
