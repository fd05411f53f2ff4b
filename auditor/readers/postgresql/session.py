"""One attached PostgreSQL server and its one read-only transaction, through DuckDB's own scanner.

Everything is asked over the transaction's main connection (`postgres_query`), or by a parallel scan whose further
connections share its exported snapshot.  Nothing is ever committed: the transaction ends in ROLLBACK, so that even a
function that writes past `READ ONLY` (large objects, before PostgreSQL 16) leaves nothing behind.
"""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb

from auditor.readers.native import load_scanner, quote_name, quote_text
from auditor.readers.postgresql.errors import place, store_error
from contracts.errors import InterruptedReadError, StoreError

if TYPE_CHECKING:
    from auditor.readers.connection import ConnectionParts

CONNECTIONS_DEFAULT = 2
"""Connections over which a large table is scanned, where the settings do not say: more gain little on few cores."""

CONNECT_SECONDS = 10
"""A server that has not answered by then counts as down."""

IDLE_MILLISECONDS = 3_600_000
"""After an hour without a statement the server ends our transaction: a forgotten snapshot holds back its vacuum."""

APPLICATION = "consistency-auditor"

LOCK_SECONDS_DEFAULT = 5
"""How long to wait for a lock, where the settings do not say: an ALTER TABLE that takes longer is tried again after."""

_SETTINGS = {
    "default_transaction_read_only": "on",
    "row_security": "off",  # a policy that would hide rows becomes an error
    "idle_in_transaction_session_timeout": str(IDLE_MILLISECONDS),
    "jit": "off",  # compiling costs more than reading saves
    # What values look like as text, whatever the role's or the database's defaults are.
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
}

_KNOWN_OPTIONS = frozenset({
    "application_name", "channel_binding", "connect_timeout", "gssencmode", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname",
    "load_balance_hosts", "options", "passfile", "require_auth", "requirepeer", "service",
    "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcrl", "sslcrldir",
    "sslkey", "sslmode", "sslnegotiation", "sslrootcert", "sslsni", "target_session_attrs",
    "tcp_user_timeout",
})  # fmt: skip
"""What may stand behind the question mark of a URL, in libpq's words."""

_NUMBERS = itertools.count(1)


@cache
def own_database() -> duckdb.DuckDBPyConnection:
    """A DuckDB database for looking at servers outside of any run, one for the whole process."""
    never = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}  # nothing is downloaded
    return duckdb.connect(config={"threads": 1, **never})


class PostgresSession:
    """A server attached to a DuckDB database under a name of its own.

    Args:
        cursor: The DuckDB cursor whose transaction holds the server's.
        parts: Where the server is.
        dataset: What is read, for messages.

    Attributes:
        standby: The server replays another one's changes.
        yielded: We have let go of what we read, since somebody waited for it.

    Raises:
        StoreError: The server cannot be reached, or refuses us.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, parts: ConnectionParts, dataset: str) -> None:
        self.cursor = cursor
        self.parts = parts
        self.dataset = dataset
        self.standby = False  # until the server says so
        self.yielded = False
        self.name = f"postgres_{next(_NUMBERS)}"
        load_scanner(cursor, "postgres")
        for setting in ("pg_experimental_filter_pushdown = false", "pg_use_ctid_scan = true"):
            cursor.execute(f"SET SESSION {setting}")
        cursor.execute(f"SET SESSION pg_pool_max_connections = {parts.connections or CONNECTIONS_DEFAULT}")
        self._attach()

    def begin(self) -> None:
        """Open a transaction; the server's snapshot is taken by the first statement in it."""
        self.cursor.execute("BEGIN TRANSACTION")

    def end(self) -> None:
        """Leave the transaction, whatever state it is in."""
        try:
            self.cursor.execute("ROLLBACK")
        except duckdb.Error:
            return  # none was open, or the server is gone and with it the transaction

    def close(self) -> None:
        """Leave the transaction and the server."""
        self.end()
        self.cursor.execute(f"DETACH DATABASE IF EXISTS {quote_name(self.name)}")

    def relation(self, statement: str) -> str:
        """One statement's rows as DuckDB can select from them, to be written after FROM."""
        return f"postgres_query({quote_text(self.name)}, {quote_text(statement)})"

    def ask(self, statement: str, *, doing: str = "") -> list[tuple[Any, ...]]:
        """Run one small statement in the transaction.

        Raises:
            StoreError: The server refuses.
        """
        return self.run(f"SELECT * FROM {self.relation(statement)}", doing=doing)

    def pid(self) -> int:
        """The number of the backend that holds our transaction."""
        ((number,),) = self.ask("SELECT pg_backend_pid() AS pid")
        return int(number)

    def ask_json(self, expression: str, *, doing: str = "") -> Any:
        """The value of one JSON expression or scalar subquery."""
        rows = self.ask(f"SELECT ({expression})::text AS answer", doing=doing)
        return json.loads(rows[0][0]) if rows[0][0] is not None else None

    def run(self, sql: str, *, doing: str = "") -> list[tuple[Any, ...]]:
        """Run SQL of DuckDB's that reads from the server."""
        self.parts.meter.add(queries=1)
        try:
            return self.cursor.execute(sql).fetchall()
        except duckdb.Error as error:
            raise self.failed(error, doing) from None

    def failed(self, error: BaseException, doing: str = "") -> StoreError:
        """What an error of DuckDB's means; to be raised `from None`: the original holds the statement and its keys."""
        if self.yielded:
            return InterruptedReadError(
                f"reading {self.dataset} at {place(self.parts)} was broken off: another session has waited for us "
                "to let go of the table, as ALTER TABLE does",
                hint="run again when nobody changes the table",
            )
        return store_error(error, doing=doing or f"reading {self.dataset}", parts=self.parts, standby=self.standby)

    def _attach(self) -> None:
        secret = f"{self.name}_secret"
        given = ", ".join(f"{name} {quote_text(value)}" for name, value in self._connection_options().items())
        try:
            self.cursor.execute(f"CREATE TEMPORARY SECRET {secret} (TYPE postgres, {given})")
        except duckdb.Error:
            raise StoreError(f"connecting to {place(self.parts)} failed: its URL cannot be understood") from None
        try:
            self.cursor.execute(
                # No table of secrets: the scanner is not to look for one of its own in the server.
                f"ATTACH '' AS {quote_name(self.name)} "
                f"(TYPE postgres, READ_ONLY, SECRET {secret}, SECRET_STORAGE_TABLE '')"
            )
        except duckdb.Error as error:
            raise self.failed(error, f"connecting for {self.dataset}") from None
        finally:
            self.cursor.execute(f"DROP TEMPORARY SECRET {secret}")

    def _connection_options(self) -> dict[str, str]:
        parts = self.parts
        unknown = sorted(set(parts.options) - _KNOWN_OPTIONS)
        if unknown:
            raise StoreError(
                f"connecting to {place(parts)}: its URL has an unknown option {unknown[0]!r}",
                hint=f"known are {', '.join(sorted(_KNOWN_OPTIONS))}",
            )
        given = {"connect_timeout": str(CONNECT_SECONDS), "application_name": APPLICATION} | dict(parts.options)
        if parts.tls is not None:
            tls = {
                "sslmode": parts.tls.mode,
                "sslrootcert": parts.tls.ca,
                "sslcert": parts.tls.cert,
                "sslkey": parts.tls.key,
            }
            given |= {name: value for name, value in tls.items() if value}
        given |= {
            "host": parts.host,
            "port": str(parts.port or ""),
            "user": parts.user,
            "password": parts.password,
            "dbname": parts.database,
            "client_encoding": "UTF8",
            "options": f"{given.get('options', '')} {self._settings()}".strip(),
        }
        return {name: value for name, value in given.items() if value}

    def _settings(self) -> str:
        """Server settings in the way that reaches every connection of a parallel scan."""
        settings = dict(_SETTINGS)
        if self.parts.statement_timeout is not None:
            settings["statement_timeout"] = str(round(self.parts.statement_timeout * 1000))
        lock_timeout = LOCK_SECONDS_DEFAULT if self.parts.lock_timeout is None else self.parts.lock_timeout
        settings["lock_timeout"] = str(round(lock_timeout * 1000))
        return " ".join(f"-c {name}={value}" for name, value in settings.items())
