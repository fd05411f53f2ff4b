"""Looks at everything that a run will need, changes nothing, and says what is wrong with it.

Connections are tried with a SELECT of their own, or by looking at their directory.  Servers also tell what our user may
do there: a user who may write is a warning, since the auditor never does.  Of feeds, topics and registry are looked at.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from auditor.examined import ERROR, OK, WARNING, Examined
from auditor.grants import named_connections
from auditor.reports.words import counted
from auditor.wiring import Wiring, unserved_settings
from contracts.contract import QueryRef
from contracts.errors import AuditorError, ContractError, OlderLedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from auditor.settings import Connection, Settings
    from reconcilers.workspace import Workspace

# What our user may do, as one row: as whom it is there, whether it may write anything, and the store's time in seconds
# since 1970.
_POSTGRESQL = """
SELECT current_user::text AS who, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
      OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')))
  OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND has_schema_privilege(n.oid, 'CREATE'))
  OR has_database_privilege(current_database(), 'CREATE') AS writes,
  extract(epoch FROM clock_timestamp())::numeric(20, 3)::text AS time
"""
_MYSQL = """
SELECT current_user() AS who, EXISTS (
  SELECT 1 FROM (
    SELECT privilege_type FROM information_schema.user_privileges
    UNION ALL SELECT privilege_type FROM information_schema.schema_privileges
    UNION ALL SELECT privilege_type FROM information_schema.table_privileges
    UNION ALL SELECT privilege_type FROM information_schema.column_privileges) p
  WHERE privilege_type NOT IN ('USAGE', 'SELECT', 'SHOW VIEW', 'SHOW DATABASES', 'PROCESS', 'REPLICATION CLIENT',
    'BINLOG MONITOR', 'SLAVE MONITOR', 'REPLICA MONITOR', 'LOCK TABLES')) AS writes,
  CAST(unix_timestamp(now(3)) AS CHAR) AS time
"""
_PRIVILEGES = {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MYSQL}
_PING = {"oracle": "SELECT 1 AS one FROM dual"}

CLOCKS_APART_MAX_SECONDS = 5.0
"""How far a store's clock may be from ours, beside the time that the question took.

Verdicts are measured on our own monotonic clock; times of changes come from the stores, and are told to people.
"""


def examine(settings: Settings, now: Callable[[], float] = time.time) -> list[Examined]:
    """Look at everything.

    Args:
        settings: The settings.
        now: Our clock, in seconds since 1970.
    """
    wiring = Wiring(settings)
    found = [*_installation(), *_workspace(wiring), *_contracts(wiring), _ledger(wiring)]
    try:
        with wiring.workspace() as workspace:
            for name in settings.connections:
                found += _connection(settings.connection(name), wiring, workspace, now)
    except AuditorError:
        found.append(Examined("connections", ERROR, "not tried: there is no workspace to read into"))
    return [*found, *_feeds(wiring)]


def _installation() -> Iterator[Examined]:
    import duckdb

    from auditor.readers.native import load_scanner
    from auditor.release import version

    yield Examined("program", OK, f"audit {version()}, Python {sys.version.split()[0]}, DuckDB {duckdb.__version__}")
    with duckdb.connect(":memory:") as connection:
        yield _tried("PostgreSQL scanner", lambda: load_scanner(connection, "postgres"), "its extension loads")


def _tried(subject: str, attempt: Callable[[], object], message: str) -> Examined:
    try:
        attempt()
    except AuditorError as error:
        return Examined(subject, ERROR, str(error))
    return Examined(subject, OK, message)


def _workspace(wiring: Wiring) -> Iterator[Examined]:
    def attempt() -> None:
        wiring.workspace().close()

    directory = wiring.settings.workspace.directory
    yield _tried("workspace", attempt, f"{directory} can be written")


def _contracts(wiring: Wiring) -> Iterator[Examined]:
    try:
        catalog = wiring.catalog()
    except ContractError as error:
        yield Examined("contracts", ERROR, str(error))
        return
    entities = ", ".join(catalog.contracts)
    yield Examined("contracts", OK, f"{len(catalog.contracts)} without errors: {entities}")
    for connection, about in named_connections(catalog.contracts.values()).items():
        if connection not in wiring.settings.connections:
            known = ", ".join(wiring.settings.connections) or "none"
            message = f"{', '.join(about)} names it, but {wiring.settings.path} does not configure it; it has {known}"
            yield Examined(f"connection {connection}", ERROR, message)
    if catalog.warnings:
        yield Examined(
            "contracts", WARNING, f"{counted(len(catalog.warnings), 'warning')}; `audit contracts check` lists them"
        )


def _feeds(wiring: Wiring) -> Iterator[Examined]:
    if not wiring.settings.feeds:
        return
    from auditor.feeds.examination import examine_feeds

    try:
        contracts, complete = tuple(wiring.catalog().contracts.values()), True
    except ContractError:
        contracts, complete = (), False  # told already
    yield from examine_feeds(wiring.settings, contracts, complete=complete)


def _ledger(wiring: Wiring) -> Examined:
    url = wiring.settings.ledger.url
    if url.path is not None and not url.path.exists():
        return _ledger_to_be(url.path)
    try:
        with wiring.ledger(read_only=True) as ledger:
            status = ledger.status()
    except OlderLedgerError as error:
        return Examined("ledger", WARNING, f"{error.message}: the next run upgrades it")
    except AuditorError as error:
        return Examined("ledger", ERROR, str(error))
    if url.path is not None and not (os.access(url.path, os.W_OK) and os.access(url.path.parent, os.W_OK)):
        message = f"{url.path} may not be written by this user, nor files beside it; no run could be recorded"
        return Examined("ledger", ERROR, message)
    return Examined("ledger", OK, f"{status.place}, schema {status.schema_version}, {counted(status.runs, 'run')}")


def _ledger_to_be(path: Path) -> Examined:
    """A ledger that the first run makes, if it can."""
    if not path.parent.is_dir():
        return Examined("ledger", ERROR, f"{path} cannot be made: there is no directory {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return Examined("ledger", ERROR, f"{path} cannot be made: this user may not write in {path.parent}")
    return Examined("ledger", OK, f"{path} is not there yet; the first run makes it")


def _connection(
    connection: Connection, wiring: Wiring, workspace: Workspace, now: Callable[[], float]
) -> Iterator[Examined]:
    subject = f"connection {connection.name}"
    if connection.url.dialect == "file":
        yield _directory(connection, subject)
        return
    dialect = connection.url.dialect
    question = _PRIVILEGES.get(dialect)
    asked = now()
    try:
        row = _ask(QueryRef(connection.name, question or _PING.get(dialect, "SELECT 1 AS one")), wiring, workspace)
    except AuditorError as error:
        yield Examined(subject, ERROR, str(error))
        return
    for setting in unserved_settings(connection):
        yield Examined(subject, WARNING, f"`{setting}` has no effect: {dialect} has no such limit")
    where = connection.url_without_password
    if question is None:
        yield Examined(subject, OK, f"{where} answers")
        return
    who, writes, store_time = row
    yield Examined(subject, OK, f"{where} answers, as {who}")
    if str(writes).lower() in ("true", "1", "t"):
        message = f"{who} may write there; the auditor never does, so give it a user who may only SELECT"
        yield Examined(subject, WARNING, message)
    yield from _clock(subject, float(str(store_time)), asked, now())


def _clock(subject: str, store: float, asked: float, answered: float) -> Iterator[Examined]:
    """A warning where the store's clock was neither between our question and its answer, nor near."""
    apart = max(asked - store, store - answered)
    if apart > CLOCKS_APART_MAX_SECONDS:
        from auditor.reports.words import duration

        ahead = "behind" if store < asked else "ahead of"
        message = (
            f"its clock is {duration(apart)} {ahead} ours; expected at most {CLOCKS_APART_MAX_SECONDS:.0f} s: "
            "set both by NTP, or times in reports mislead"
        )
        yield Examined(subject, WARNING, message)


def _directory(connection: Connection, subject: str) -> Examined:
    path = connection.path
    if path is None or not path.is_dir():
        return Examined(subject, ERROR, f"there is no directory {path}")
    return Examined(subject, OK, f"{path} is a directory")


def _ask(question: QueryRef, wiring: Wiring, workspace: Workspace) -> tuple[object, ...]:
    """The one row of a query, read as any dataset is: in a read-only transaction."""
    from reconcilers.ports import Wanted

    reader = wiring.reader(question)
    names = [column.name for column in reader.shape().columns]
    with reader.snapshot(workspace) as snapshot:
        relation = snapshot.scan([Wanted(name, None) for name in names])
        columns = ", ".join(column.sql for column in relation.columns)
        snapshot.load(f"SELECT {columns} FROM {relation.sql}", "asked")
    rows = workspace.cursor().execute("SELECT * FROM asked").fetchall()
    return tuple(rows[0])
