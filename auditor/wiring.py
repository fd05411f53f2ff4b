"""Which class does what: the only place that knows them.

A reader is found by the scheme of its connection's URL.  Readers of other distributions announce themselves under the
entry point group `consistency_auditor.readers`: the name is the scheme, the object is called with the dataset's name,
the `auditor.settings.Connection`, and a relation or a query (the other is None).
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from contracts.contract import DatasetRef, FeedRef, QueryRef
from contracts.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.feeds.feeds import Feeds
    from auditor.feeds.monitored import MonitoredFeeds
    from auditor.ledger.ledger import Ledger
    from auditor.quantities import Window
    from auditor.readers.connection import ConnectionParts
    from auditor.readers.metered import Account
    from auditor.settings import Connection, Limits, Settings
    from contracts.catalog import Catalog
    from contracts.configured import Configured
    from contracts.contract import AppliedBy, Contract, Reference
    from reconcilers.ports import Load, Reader
    from reconcilers.segments import SegmentLimits
    from reconcilers.workspace import Workspace

DUCKDB_SHARE = 0.6
"""Of `workspace.memory_limit`: what DuckDB may hold by its own count.

The rest is for what it does not count (drivers' buffers, batches on their way) and for Python: with 512MB and five
million rows a side the process peaked at 592 MB, with all of it for DuckDB at 720 MB.
"""

READERS_GROUP = "consistency_auditor.readers"
"""Entry point group of readers in other distributions."""


@dataclass(frozen=True, slots=True)
class Plug:
    """How the reader of one family of stores is made.

    Attributes:
        make: Module and name of a function of (dataset name, connection, relation, query), within `auditor`.
        driver: The module that must be importable, or an empty string.
        extra: Which of our extras installs it.
    """

    make: str
    driver: str = ""
    extra: str = ""


_SERVERS = {
    "postgresql": Plug("auditor.wiring:_postgresql"),  # DuckDB's scanner brings its own client
    "mysql": Plug("auditor.wiring:_mysql", "pymysql", "mysql"),
    "mariadb": Plug("auditor.wiring:_mysql", "pymysql", "mariadb"),
    "sqlite": Plug("auditor.wiring:_sqlite"),
    "file": Plug("auditor.wiring:_files"),
    "duckdb": Plug("auditor.wiring:_duckdb"),
    "mssql": Plug("auditor.wiring:_sqlalchemy", "pymssql", "mssql"),
    "oracle": Plug("auditor.wiring:_sqlalchemy", "oracledb", "oracle"),
}
"""By the scheme without a driver."""

_WITH_TIMEOUTS = frozenset({"postgresql", "mysql", "mariadb", "sqlite"})
_COUNTING = frozenset({"postgresql", "mysql", "mariadb"})
"""Stores whose sessions count every statement; for the others each read counts as one."""

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
"""Where servers are that a URL names no port of."""

_LATER = frozenset(
    {
        "mongodb",
        "redis",
        "rediss",
        "elasticsearch",
        "opensearch",
        "influxdb",
        "cassandra",
        "dynamodb",
        "couchdb",
        "solr",
        "clickhouse",
    }
)
"""Stores of the interface that this version does not read yet."""


class Wiring:
    """Makes what a command works with, from the settings.

    Args:
        settings: The settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._accounts: dict[str, Account] = {}
        self._feeds: Feeds | None = None
        self.say: Callable[[str], None] = lambda _text: None
        """Told one sentence for people when something about a feed is worth knowing."""
        self._at_once: Counter[str] = Counter()

    def scanner(self, reference: Reference) -> Reader:
        """The reader of a dataset for scans: on the connection's standby where it has one; on account.

        Raises:
            UsageError: There is no such connection.
            StoreError: Nothing here reads that kind of store.
        """
        if isinstance(reference, FeedRef):
            return self.feeds.reader(reference)
        connection = self.settings.connection(reference.connection)
        if connection.standby is None:
            return self.confirmer(reference)
        return self._metered(reference, connection.at_standby(), f"{connection.name} (standby)")

    def confirmer(self, reference: Reference) -> Reader:
        """The reader of a dataset for looking again at single keys: where changes are made; on account.

        Raises:
            UsageError: There is no such connection.
            StoreError: Nothing here reads that kind of store.
        """
        if isinstance(reference, FeedRef):
            return self.feeds.reader(reference)
        connection = self.settings.connection(reference.connection)
        return self._metered(reference, connection, connection.name)

    @property
    def feeds(self) -> Feeds:
        """The feeds of the settings."""
        from auditor.feeds.feeds import Feeds

        if self._feeds is None:
            self._feeds = Feeds(self.settings, self._tell)
        return self._feeds

    def _tell(self, text: str) -> None:
        self.say(text)

    def applied(self, group: AppliedBy, feed: FeedRef) -> Mapping[int, int]:
        """How far a consumer group has come in each partition of a topic; a recorded feed has no groups.

        Raises:
            FeedError: The broker cannot be asked.
        """
        from auditor.settings import KafkaFeed

        settings = self.settings.feed(group.feed)
        if not isinstance(settings, KafkaFeed):
            return {}
        from auditor.feeds.kafka.broker import Broker
        from auditor.feeds.kafka.groups import committed_offsets

        committed = committed_offsets(Broker.of(group.feed, settings), group.group_id)
        return {part: offset for (topic, part), offset in committed.items() if topic == feed.topic}

    def unreadable(self, references: Collection[FeedRef]) -> Mapping[FeedRef, str]:
        """Of some change streams that nobody has read, those that cannot be read now, each with the reason."""
        return self.feeds.unreadable(references) if references else {}

    def monitor(self, contracts: Iterable[Contract], scope: Iterable[Contract], member: str = "") -> MonitoredFeeds:
        """Have the feeds of some contracts followed by a monitor from now on; returns them.

        Args:
            contracts: Every contract.
            scope: Those that are monitored.
            member: The name of this monitor among those who share the work as one consumer group; empty: it is alone.

        Raises:
            UsageError: Some of it cannot be shared.
        """
        from auditor.feeds.monitored import MonitoredFeeds

        self._feeds = monitored = MonitoredFeeds(self.settings, contracts, scope, member)
        monitored.say = self._tell
        return monitored

    def scanned_connection(self, reference: Reference) -> str:
        """The name of the connection at which a dataset is scanned, as loads have it; of a feed: its own."""
        if isinstance(reference, FeedRef):
            return reference.name
        found = self.settings.connections.get(reference.connection)
        return f"{reference.connection} (standby)" if found is not None and found.standby else reference.connection

    def loads(self) -> dict[str, Load]:
        """What was asked of each connection so far, by its name."""
        return {name: account.meter.load for name, account in sorted(self._accounts.items())}

    def held_too_long(self) -> list[str]:
        """What is to be said of snapshots that were held too long since this was asked last, a sentence each."""
        return [said for name, account in sorted(self._accounts.items()) for said in account.held_too_long(name)]

    def expect(self, contracts: Iterable[Contract], every: Mapping[str, Contract]) -> list[str]:
        """Prepare for looks at entities, so that `limits.connections` holds for all datasets of a store together.

        Args:
            contracts: What is looked at, one entity after the other.
            every: All contracts, by entity: the owners that are referred to are read too.

        Returns:
            One sentence for each connection that needs more than its limit.
        """
        told = []
        for contract in contracts:
            for name, count in _datasets(contract, every).items():
                self._at_once[name] = max(self._at_once[name], count)
        for name, count in sorted(self._at_once.items()):
            found = self.settings.connections.get(name)
            limit = found.limits.connections if found is not None else None
            if limit is not None and count > limit:
                told.append(
                    f"{count} datasets of {name} are read at once, each over a connection of its own: "
                    f"limits.connections of {limit} is not enough"
                )
        return told

    def windows(self, name: str) -> Sequence[Window]:
        """When a connection may be read; empty: always, or there is no such connection."""
        found = self.settings.connections.get(name)
        return found.limits.windows if found is not None else ()

    def segments(self, connections: Iterable[str]) -> SegmentLimits:
        """How much is read at a time of an entity whose datasets these connections have."""
        from reconcilers.segments import SegmentLimits

        found = [self.settings.connections[name].limits for name in connections if name in self.settings.connections]
        wanted = self.settings.workspace
        room = wanted.max_disk + int(wanted.memory_limit * DUCKDB_SHARE)
        limits = [_segments(each) for each in found]
        default = SegmentLimits()
        return SegmentLimits(
            min((each.large for each in limits), default=default.large),
            min((each.rows for each in limits), default=default.rows),
            room,
        )

    def _metered(self, reference: DatasetRef | QueryRef, connection: Connection, name: str) -> Reader:
        from auditor.readers.metered import Metered

        account = self._account(connection, name)
        limits = connection.limits
        if limits.connections is not None:  # what is left for one dataset, when each of the others has one
            left = limits.connections - self._at_once[connection.name] + 1
            limits = limits.model_copy(update={"connections": max(left, 1)})
        return Metered(_reader(reference, replace(connection, limits=limits, meter=account.meter)), account)

    def _account(self, connection: Connection, name: str) -> Account:
        from auditor.readers.meter import Meter
        from auditor.readers.metered import Account
        from auditor.readers.throttle import Throttle

        if name not in self._accounts:
            rate = connection.limits.rows_per_second
            throttle = Throttle(rate) if rate is not None else None
            counts = connection.url.dialect in _COUNTING
            port = connection.url.port or _PORTS.get(connection.url.dialect)
            longest = connection.limits.longest_snapshot.total_seconds()
            self._accounts[name] = Account(Meter(), throttle, counts, connection.is_standby, port, longest)
        return self._accounts[name]

    def reader(self, reference: Reference) -> Reader:
        """The reader of a dataset where changes are made; nothing is opened.

        Raises:
            UsageError: There is no such connection.
            StoreError: Nothing here reads that kind of store.
        """
        if isinstance(reference, FeedRef):
            return self.feeds.reader(reference)
        return _reader(reference, self.settings.connection(reference.connection))

    def catalog(self, *, complete: bool = False) -> Catalog:
        """Every contract.

        Args:
            complete: A connection or feed that the settings lack is an error too; a run takes it for a store that
                cannot be read, and compares the rest.

        Raises:
            ContractError: With every error of every file.
        """
        from contracts.catalog import load_catalog

        catalog = load_catalog(self.settings.contracts, self._expand, self._configured(complete=complete))
        self._follow(catalog.contracts.values())
        return catalog

    def _follow(self, contracts: Iterable[Contract]) -> None:
        """Let feeds know what contracts need of them."""
        named = [one for one in contracts if one.owner.feed or any(copy.feed for copy in one.replicas)]
        if named:
            self.feeds.want(named)

    def _configured(self, *, complete: bool) -> Configured:
        from auditor.dataset_identity import dataset_identity
        from contracts.configured import Configured

        settings = self.settings
        return Configured(
            partial(dataset_identity, settings),
            frozenset(settings.connections) if complete else None,
            frozenset(settings.feeds) if complete else None,
            str(settings.path),
        )

    def contract(self, entity: str) -> Contract:
        """The contract of one entity, without its invariants, sooner than the whole catalog.

        Raises:
            ContractError: With every error of every file, where this contract is wrong.
            UsageError: There is none.
        """
        from contracts.catalog import load_contract

        found = load_contract(self.settings.contracts, entity, self._expand)
        if found is None:
            return self.catalog().contract(entity)
        self._follow([found])
        return found

    def _expand(self, text: str) -> str:
        """What `${NAME}` in a contract stands for; it is a secret, or it would stand there itself."""
        from auditor.interpolation import Interpolation
        from auditor.secrets import remember

        expanded = Interpolation(os.environ, self.settings.path.absolute().parent).expand(text)
        if expanded != text:
            remember(expanded)
        return expanded

    def workspace(self, *, few: bool = False) -> Workspace:
        """The scratch database of a run.

        Args:
            few: Only a few rows will be read.

        Raises:
            WorkspaceError: The directory cannot be made or written.
        """
        from reconcilers.workspace import Workspace

        wanted = self.settings.workspace
        return Workspace(
            wanted.directory,
            memory_limit=f"{int(wanted.memory_limit * DUCKDB_SHARE)}B",
            threads=wanted.threads,
            max_disk=wanted.max_disk,
            few=few,
        )

    @contextmanager
    def loading_scanners(self, workspace: Workspace) -> Iterator[None]:
        """Have DuckDB check and load what it reads the expected stores with, while Python works on other things.

        What fails here fails again where a store is opened, and is told then.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:  # its end waits: DuckDB must outlive its threads
            pool.submit(self._load_scanners, workspace, self._at_once)
            yield

    def _load_scanners(self, workspace: Workspace, names: Iterable[str]) -> None:
        from auditor.readers.native import load_scanner

        found = self.settings.connections
        dialects = {found[name].url.dialect for name in names if name in found}
        if "postgresql" in dialects:
            load_scanner(workspace.cursor(), "postgres")

    @contextmanager
    def workspace_at_hand(self) -> Iterator[Callable[[], Workspace]]:
        """Make a workspace for a few rows while other things are done; what the context gives waits for it.

        DuckDB checks the signature of a scanner for a sixth of a second, in which contracts can be read and modules
        imported.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(self._warm_workspace)
            try:
                yield made.result
            finally:
                if made.exception() is None:
                    _leave(made.result())

    def _warm_workspace(self) -> Workspace:
        workspace = self.workspace(few=True)
        try:
            self._load_scanners(workspace, self.settings.connections)
        except BaseException:
            workspace.close()
            raise
        return workspace

    def ledger(self, *, read_only: bool = False, must_exist: bool = False) -> Ledger:
        """The ledger, open.

        Args:
            read_only: Nothing is made, upgraded or written.
            must_exist: None is made where there is none.

        Raises:
            LedgerError: It cannot be opened.
        """
        from auditor.ledger.ledger import Ledger

        return Ledger.open(self.settings.ledger.url_with_password(), read_only=read_only, must_exist=must_exist)


_LEFT_OPEN: list[Workspace] = []
"""Workspaces whose DuckDB is left to the end of the process: it must outlive every thread that may still use it."""


ROWS_A_SECOND_PRESUMED = 50_000
"""How fast a store is read that nothing is known of: what a slow driver does.  It says how long a snapshot would be
held, and whether it is worth cutting."""


def _segments(limits: Limits) -> SegmentLimits:
    """What one connection allows."""
    from reconcilers.segments import LARGE_ROWS, SEGMENT_ROWS, SegmentLimits

    rate = limits.rows_per_second or ROWS_A_SECOND_PRESUMED
    most = max(int(limits.longest_snapshot.total_seconds() * rate), 1)
    if limits.segment_rows is not None:
        rows = min(limits.segment_rows, most)
        return SegmentLimits(rows, rows)
    return SegmentLimits(min(LARGE_ROWS, most), min(SEGMENT_ROWS, most))


def _leave(workspace: Workspace) -> None:
    """Take its files away and leave its DuckDB open.

    A store that did not answer in time leaves a thread behind, and DuckDB closed under a thread ends in a crash.
    """
    _LEFT_OPEN.append(workspace)
    workspace.halt.stop()
    workspace.let_go()
    shutil.rmtree(workspace.directory, ignore_errors=True)


def _datasets(contract: Contract, every: Mapping[str, Contract]) -> Counter[str]:
    """How many datasets a look at an entity holds open at once, by connection; what it refers to is read in turn."""
    owner = contract.owner.dataset or contract.owner.query
    held = [owner, *(replica.dataset for replica in contract.replicas)]
    counted = Counter(reference.connection for reference in held if reference is not None)
    others = (every[entity].owner for entity in set(contract.references().values()) if entity in every)
    in_turn = {reference.connection for other in others if (reference := other.dataset or other.query) is not None}
    return counted + Counter(in_turn)


def _reader(reference: DatasetRef | QueryRef, connection: Connection) -> Reader:
    make = reader_factory(connection)
    if isinstance(reference, QueryRef):
        return make(str(reference), connection, None, reference.sql)
    return make(str(reference), connection, reference.relation, None)


ReaderFactory = Callable[["str", "Connection", "str | None", "str | None"], "Reader"]


def reader_factory(connection: Connection) -> ReaderFactory:
    """What makes readers for a connection.

    Raises:
        StoreError: Nothing here reads that kind of store, or its driver is not installed.
    """
    plug = _SERVERS.get(connection.url.dialect)
    if plug is None:
        return _foreign(connection)
    if plug.driver and not _is_installed(plug.driver):
        raise StoreError(
            f"reading {connection.name} needs the package {plug.driver}, which is not installed",
            hint=f"pip install 'consistency-auditor[{plug.extra}]'",
        )
    module, _, name = plug.make.partition(":")
    factory: ReaderFactory = getattr(import_module(module), name)
    return factory


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _foreign(connection: Connection) -> ReaderFactory:
    """A reader that another distribution brings, else SQLAlchemy's dialect, else a clear refusal."""
    from importlib.metadata import entry_points

    scheme = connection.scheme
    for entry in entry_points(group=READERS_GROUP):
        if entry.name in (scheme, connection.url.dialect):
            loaded: ReaderFactory = entry.load()
            return loaded
    if connection.url.dialect in _LATER:
        raise StoreError(
            f"reading {connection.name}: this version does not read {connection.url.dialect} stores yet",
            hint=f"it reads {', '.join(_SERVERS)}",
        )
    return _sqlalchemy


def unserved_settings(connection: Connection) -> list[str]:
    """Settings of a connection that its kind of store has no counterpart for, so that they have no effect."""
    given = {
        "limits.statement_timeout": connection.limits.statement_timeout is not None,
        "limits.lock_timeout": connection.limits.lock_timeout is not None,
    }
    return [name for name, is_given in given.items() if is_given and connection.url.dialect not in _WITH_TIMEOUTS]


def connection_parts(connection: Connection) -> ConnectionParts:
    """A connection as the readers of servers take it."""
    from auditor.readers.connection import ConnectionParts, TlsParts
    from auditor.readers.meter import Meter

    tls = connection.tls
    limits = connection.limits
    return ConnectionParts(
        scheme=connection.scheme,
        host=connection.host,
        port=connection.port,
        user=connection.user or "",
        password=connection.password.get_secret_value() if connection.password else "",
        database=connection.database,
        options=dict(connection.query),
        tls=TlsParts(tls.mode, *(str(path) if path else None for path in (tls.ca, tls.cert, tls.key))) if tls else None,
        timezone=connection.timezone,
        statement_timeout=limits.statement_timeout.total_seconds() if limits.statement_timeout else None,
        lock_timeout=limits.lock_timeout.total_seconds() if limits.lock_timeout else None,
        connections=limits.connections,
        standby=connection.is_standby,
        meter=connection.meter or Meter(),
    )


def _postgresql(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    from auditor.readers.postgresql.reader import PostgresReader

    return PostgresReader(name, connection_parts(connection), relation, query)


def _mysql(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    from auditor.readers.mysql.reader import MySqlReader

    return MySqlReader(name, connection_parts(connection), relation, query)


def _sqlite(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    from auditor.readers.sqlite.reader import SqliteReader

    statement_timeout, lock_timeout = connection.limits.statement_timeout, connection.limits.lock_timeout
    return SqliteReader(
        name,
        _path(connection),
        relation or "",
        timezone=connection.timezone,
        lock_timeout=lock_timeout.total_seconds() if lock_timeout else None,
        statement_timeout=statement_timeout.total_seconds() if statement_timeout else None,
        query=query or "",
    )


def _path(connection: Connection) -> Path:
    if connection.path is None:
        raise StoreError(
            f"{connection.name}: expected a URL with a path, found {connection.url}",
            hint=f"write one such as {connection.url.scheme}:///path under `connections` in the settings",
        )
    return connection.path


def _files(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    from auditor.readers.files.reader import file_reader

    if query is not None:
        raise StoreError(
            f"reading {name}: a directory of files takes no query", hint="name a file as the owner's `dataset` instead"
        )
    return file_reader(name, _path(connection), relation or "", timezone=connection.timezone)


def _duckdb(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    from auditor.readers.duckdb_file import DuckDbReader

    return DuckDbReader(name, _path(connection), relation or "", timezone=connection.timezone, query=query or "")


_DRIVERS = {"mssql": "mssql+pymssql", "oracle": "oracle+oracledb"}
"""Which driver SQLAlchemy is to use where the URL names none: the one that our extra installs."""


def _sqlalchemy(name: str, connection: Connection, relation: str | None, query: str | None) -> Reader:
    """The way that always works: any dialect of SQLAlchemy, as a stream of rows."""
    from auditor.readers.sqlalchemy.reader import SqlAlchemyReader

    scheme, colon, rest = connection.url.with_password().partition(":")
    url = f"{_DRIVERS.get(scheme, scheme)}{colon}{rest}"
    return SqlAlchemyReader(name, url, relation or "", timezone=connection.timezone, query=query or "")
