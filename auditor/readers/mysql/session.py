"""One connection to a MySQL or MariaDB server, its settings, and its one consistent view.

PyMySQL connects and authenticates; results of any size are read by `mysql_rows` from the same connection.

Why not DuckDB's MySQL scanner: its transaction is a plain `START TRANSACTION READ ONLY`, its pool resets the session
before each use, and no setting of it reaches the isolation level.  Under a server default of READ COMMITTED every
statement would see another moment.  Here the view is one `START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY` under
REPEATABLE READ, whatever the default.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import pymysql
from pymysql.constants import COMMAND, CR, ER
from pymysql.protocol import FieldDescriptorPacket

from auditor.readers.lifeline import cut
from auditor.readers.mysql.cells import ServerError
from auditor.readers.mysql.errors import store_error
from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from auditor.readers.connection import ConnectionParts
    from auditor.readers.meter import Meter
    from auditor.readers.mysql.cells import ReadInto

Part = TypeVar("Part")
TakeApart: TypeAlias = "Callable[[ReadInto], Iterator[Part]]"

DRIVER_BUFFER_BYTES = 1 << 20
"""More than PyMySQL's own buffer ever holds."""

CONNECT_SECONDS = 10
"""A server that has not answered by then counts as down."""

LOCK_SECONDS_DEFAULT = 5
"""How long to wait for a lock, where the settings do not say: an ALTER TABLE that takes longer is tried again after."""

STALL_SECONDS = 86_400
"""How long the server waits for us: we pause reading while the workspace spills or the other side catches up, and the
usual 60 seconds (`net_write_timeout`) would break the result off in the middle."""

_KNOWN_OPTIONS = frozenset({"charset", "unix_socket"})

_SESSION = (
    "SET SESSION time_zone = '+00:00'",
    # No PAD_CHAR_TO_FULL_LENGTH, no ANSI_QUOTES, and zero dates compare without an error.
    "SET SESSION sql_mode = ''",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
    f"SET SESSION net_write_timeout = {STALL_SECONDS}",
    f"SET SESSION wait_timeout = {STALL_SECONDS}",
)
_MYSQL_SESSION = (
    # Statistics come fresh from the engine; reading cached ones would write the cache.
    "SET SESSION information_schema_stats_expiry = 0",
    # A list of 20,000 keys is answered by 20,000 index look-ups, not by a scan.
    "SET SESSION range_optimizer_max_mem_size = 0",
)
_MARIADB_SESSION = (
    # A long list of keys is otherwise turned into a join with a temporary table, without the index.
    "SET SESSION in_predicate_conversion_threshold = 0",
)


class MySqlSession:
    """One read-only connection.

    Args:
        parts: Where, as whom, how.
        dataset: The dataset, for error messages.

    Raises:
        StoreError: The server cannot be reached or refuses.
    """

    def __init__(self, parts: ConnectionParts, dataset: str) -> None:
        self.dataset = dataset
        self._parts = parts
        self._lock = threading.RLock()
        self._reading: Result[Any] | None = None
        self._wire: Any = self._connect()
        _keep_alive(self._wire)
        try:
            self.version = str(self.ask("SELECT version()")[0][0])
            self._configure()
            self._require_standby()
            _patient(self._wire)
        except BaseException:
            self.close()
            raise

    @property
    def is_mariadb(self) -> bool:
        """MariaDB rather than MySQL."""
        return "mariadb" in self.version.lower()

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a small result.

        Raises:
            StoreError: The server refuses.
        """
        try:
            return self.try_ask(sql, parameters)
        except pymysql.MySQLError as error:
            raise self.error("reading", error) from error

    def try_ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The same, for callers that expect a refusal.

        Raises:
            pymysql.MySQLError: The server refuses.
        """
        with self._lock:
            self._let_go()
            self._parts.meter.add(queries=1)
            with self._wire.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return [tuple(row) for row in cursor.fetchall()]

    def describe(self, sql: str) -> list[FieldDescriptorPacket]:
        """The columns of a statement's result, which must be small.

        Raises:
            StoreError: The server refuses.
        """
        with self._lock:
            self._let_go()
            try:
                fields = self._send(sql)
                while not self._wire._read_packet().is_eof_packet():  # noqa: SLF001
                    pass
            except pymysql.MySQLError as error:
                raise self.error("reading", error) from error
            return fields

    def begin(self) -> None:
        """Open the one consistent view; everything read from now on shows this moment.

        Raises:
            StoreError: The server refuses.
        """
        self.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def results(self, statements: Iterable[str], take_apart: TakeApart[Part]) -> Iterator[Part]:
        """The rows of several statements with the same columns, one after the other.

        Another statement may start meanwhile: what is left of this result is then kept in memory first, since a
        connection has one result at a time.

        Args:
            statements: SELECTs.
            take_apart: Makes parts of the result's bytes.

        Raises:
            StoreError: The server breaks off.
        """
        for statement in statements:
            result = self._start(statement, take_apart)
            try:
                while (part := result.take()) is not None:
                    yield part
            finally:
                result.wanted = False

    def close(self) -> None:
        """End the view and the connection, at once, even in the middle of a result."""
        self._wire._force_close()  # noqa: SLF001 - `close` would first wait for the result

    def break_off(self) -> None:
        """Wake up whoever waits for the server; from any thread."""
        with contextlib.suppress(OSError, AttributeError):  # it is closed already
            cut(self._wire._sock)  # noqa: SLF001

    def error(self, doing: str, error: Exception) -> StoreError:
        """What went wrong, told so that a person can act on it."""
        return store_error(error, doing=f"{doing} {self.dataset}", parts=self._parts)

    def _start(self, statement: str, take_apart: TakeApart[Part]) -> Result[Part]:
        with self._lock:
            self._let_go()
            try:
                self._send(statement)
            except pymysql.MySQLError as error:
                raise self.error("reading", error) from error
            result = Result(take_apart(_following(self._wire, self._parts.meter)), self._lock, self.error)
            self._reading = result
            return result

    def _send(self, sql: str) -> list[FieldDescriptorPacket]:
        """Send a statement and read what its columns are; its rows come next."""
        wire = self._wire
        self._parts.meter.add(queries=1)
        wire._execute_command(COMMAND.COM_QUERY, sql.encode())  # noqa: SLF001 - PyMySQL's public way makes objects
        head = wire._read_packet()  # noqa: SLF001
        if head.is_ok_packet() or head.is_load_local_packet():
            self.close()
            raise StoreError(f"reading {self.dataset}: the statement gives no rows", hint="use a SELECT")
        fields = [wire._read_packet(FieldDescriptorPacket) for _ in range(head.read_length_encoded_integer())]  # noqa: SLF001
        wire._read_packet()  # noqa: SLF001 - the end of the columns
        return fields

    def _let_go(self) -> None:
        """Make the connection free for the next statement."""
        if self._reading is not None:
            reading, self._reading = self._reading, None
            reading.finish()

    def _configure(self) -> None:
        statement, lock = self._parts.statement_timeout, self._parts.lock_timeout
        for sql in _SESSION:
            self.ask(sql)
        self.ask(f"SET SESSION lock_wait_timeout = {max(1, round(LOCK_SECONDS_DEFAULT if lock is None else lock))}")
        for sql in self._optional(statement or 0):
            self._set_if_known(sql)

    def _require_standby(self) -> None:
        """Where a replica is to be scanned, scan nothing else: a server that takes changes is none."""
        if self._parts.standby and self.ask("SELECT @@global.read_only")[0][0] in (0, "0", "OFF"):
            raise StoreError(
                f"connecting for {self.dataset} at {self._parts.host}:{self._parts.port or 3306}: "
                "this is to be a standby, and it takes changes (read_only is OFF)",
                hint="check `standby` of the connection, or set read_only = ON at the replica",
            )

    def _optional(self, statement_timeout: float) -> tuple[str, ...]:
        """Settings of one of the two servers; 0 seconds are no limit."""
        if self.is_mariadb:
            return (*_MARIADB_SESSION, f"SET SESSION max_statement_time = {statement_timeout}")
        return (*_MYSQL_SESSION, f"SET SESSION max_execution_time = {round(statement_timeout * 1000)}")

    def _set_if_known(self, sql: str) -> None:
        """Set a variable that older versions lack."""
        try:
            self.try_ask(sql)
        except pymysql.MySQLError as error:
            if not error.args or error.args[0] != ER.UNKNOWN_SYSTEM_VARIABLE:
                raise self.error("preparing to read", error) from error

    def _connect(self) -> pymysql.Connection[Any]:
        parts = self._parts
        try:
            return _Wire(
                host=parts.host or "localhost",
                port=parts.port or 3306,
                user=parts.user or None,
                password=parts.password.encode(),  # as text it would have to be Latin-1
                database=parts.database or None,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=CONNECT_SECONDS,  # for the greeting, too: a server may take a connection and say nothing
                program_name="consistency-auditor",
                **_socket_options(parts.options),
                **_tls_options(parts),
            )
        except pymysql.MySQLError as error:
            raise self.error("connecting to", error) from error
        except (RuntimeError, OSError, ValueError) as error:  # a package is missing, a certificate cannot be read
            raise StoreError(
                f"connecting to {self.dataset} at {parts.host}:{parts.port or 3306} failed: {error}",
                hint="check tls: and the installed extra consistency-auditor[mysql]",
            ) from error


class _Wire(pymysql.Connection):
    """PyMySQL's connection; where it encrypts without being told how, it checks no certificate, and loads none here."""

    def _create_ssl_ctx(self, given: ssl.SSLContext | dict[str, str]) -> ssl.SSLContext:
        return given if isinstance(given, ssl.SSLContext) else _unchecked()


class Result(Generic[Part]):
    """The rows of one statement, which must all be read before the connection can do anything else."""

    def __init__(
        self, parts: Iterator[Part], lock: AbstractContextManager[Any], error: Callable[[str, Exception], StoreError]
    ) -> None:
        self._parts = parts
        self._lock = lock
        self._error = error
        self._kept: deque[Part] = deque()
        self.wanted = True

    def take(self) -> Part | None:
        """The next part, or None after the last."""
        with self._lock:
            return self._kept.popleft() if self._kept else self._next()

    def finish(self) -> None:
        """Read to the end, and keep what somebody still wants."""
        while (part := self._next()) is not None:
            if self.wanted:
                self._kept.append(part)

    def _next(self) -> Part | None:
        try:
            return next(self._parts, None)
        except ServerError as broken:
            raise self._error("reading", _error_of(broken.packet)) from broken
        except (EOFError, OSError) as broken:
            lost = pymysql.OperationalError(CR.CR_SERVER_LOST, "the connection was lost in the middle of the result")
            raise self._error("reading", lost) from broken


def _patient(wire: Any) -> None:
    """From now on a statement may think for as long as it needs; `break_off` wakes up who waits."""
    wire._read_timeout = None  # noqa: SLF001 - PyMySQL has no other way


def _keep_alive(wire: Any) -> None:
    """Let the connection end when the server's machine is gone, rather than wait for its next word for hours."""
    connected: socket.socket = wire._sock  # noqa: SLF001
    if connected.family == socket.AF_UNIX:
        return
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, option):  # not every system lets itself be told
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _following(wire: Any, meter: Meter) -> ReadInto:
    """What reads on behind the driver's last packet: first what its buffer holds already, then the socket itself.

    Its own `readinto1` will not do: with room to spare it waits for more although it has something to give.
    """
    file = wire._rfile  # noqa: SLF001
    held: bytes | None = None

    def metered_read(room: memoryview) -> int:
        count = read_into(room)
        meter.add(size=count)
        return count

    def read_into(room: memoryview) -> int:
        nonlocal held
        if held is None:
            held = file.read1(DRIVER_BUFFER_BYTES)
        if not held:
            return file.raw.readinto(room) or 0
        count = min(len(held), len(room))
        room[:count] = held[:count]
        held = held[count:]
        return count

    return metered_read


def _error_of(packet: bytes) -> pymysql.MySQLError:
    try:
        pymysql.err.raise_mysql_exception(packet)
    except pymysql.MySQLError as error:
        return error


def _socket_options(options: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(options) - _KNOWN_OPTIONS)
    if unknown:
        raise StoreError(
            f"the URL has the option {unknown[0]}, which means nothing here;"
            f" known are {', '.join(sorted(_KNOWN_OPTIONS))}",
            hint="encryption is set under `tls`, time-outs under `limits`",
        )
    return {"unix_socket": options["unix_socket"]} if "unix_socket" in options else {}


def _tls_options(parts: ConnectionParts) -> dict[str, Any]:
    """PyMySQL's arguments; without settings it encrypts where the server can."""
    tls = parts.tls
    if tls is None or tls.mode in ("allow", "prefer"):
        return {}
    if tls.mode == "disable":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cafile=tls.ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # MySQL's own self-made certificates do not pass it
    context.check_hostname = tls.mode == "verify-full"
    context.verify_mode = ssl.CERT_NONE if tls.mode == "require" else ssl.CERT_REQUIRED
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return {"ssl": context}


def _unchecked() -> ssl.SSLContext:
    """Encryption, whoever is at the other end: the machine's authorities take a twentieth of a second to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
