"""PostgreSQL 13 and later: tables, views and queries, each read in one consistent read-only transaction.

`postgresql_session` attaches the server to DuckDB; `postgresql_catalog` asks it what there is; `postgresql_columns`
decides how each type is read; `postgresql_snapshot` reads; `postgresql_keys` finds rows by key; `postgresql_query`
looks into owners' queries; `store_hash` has the server hash what need not be brought.

Reading holds the lock that every SELECT holds until the snapshot is let go: an ALTER TABLE or TRUNCATE waits for it.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from auditor.readers.postgresql.catalog import describe_server, find_query, find_relation, shape_of
from auditor.readers.postgresql.plan import Plan
from auditor.readers.postgresql.query import reading_only
from auditor.readers.postgresql.session import PostgresSession, own_database
from auditor.readers.postgresql.snapshot import PostgresSnapshot
from auditor.readers.postgresql.watch import Watch
from contracts.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from auditor.readers.connection import ConnectionParts
    from reconcilers.ports import RawColumn, Shape, Wanted
    from reconcilers.workspace import Workspace


T = TypeVar("T")


class PostgresReader:
    """Reads one table, view or query of a PostgreSQL server.

    Args:
        dataset_name: The dataset, as reports name it.
        connection: Where the server is.
        relation: `table` or `schema.table`, letter by letter; None for a query.
        query: An owner's SELECT, wrapped and never changed; None for a relation.

    Raises:
        StoreError: There is no query in the query.
    """

    def __init__(
        self, dataset_name: str, connection: ConnectionParts, relation: str | None = None, query: str | None = None
    ) -> None:
        if (relation is None) == (query is None):
            raise StoreError(f"reading {dataset_name}: expected either a relation or a query")
        self._dataset = dataset_name
        self._parts = connection
        self._relation = relation
        self._query = reading_only(query, dataset_name) if query is not None else None

    @property
    def dataset(self) -> str:
        """See `reconcilers.ports.Reader.dataset`."""
        return self._dataset

    def shape(self, workspace: Workspace | None = None) -> Shape:
        """See `reconcilers.ports.Reader.shape`.

        Args:
            workspace: Saves loading the scanner into a database of our own, which takes a tenth of a second.
        """
        with self._planned(workspace) as (session, plan):
            return shape_of(session, plan.relation)

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[PostgresSnapshot]:
        """See `reconcilers.ports.Reader.snapshot`."""
        with self._snapshot(workspace, lambda *_: None) as (snapshot, _):
            yield snapshot

    @contextmanager
    def shaped_snapshot(self, workspace: Workspace) -> Iterator[tuple[PostgresSnapshot, Shape]]:
        """See `reconcilers.ports.ShapedReader.shaped_snapshot`."""
        with self._snapshot(workspace, lambda session, plan: shape_of(session, plan.relation)) as shaped:
            yield shaped

    @contextmanager
    def _snapshot(
        self, workspace: Workspace, first: Callable[[PostgresSession, Plan], T]
    ) -> Iterator[tuple[PostgresSnapshot, T]]:
        """A snapshot, and what is asked in the transaction before it, whose locks are let go."""
        with closing(PostgresSnapshot(workspace, self._dataset)) as snapshot:
            session = PostgresSession(snapshot.cursor, self._scanning(), self._dataset)
            with closing(session):
                session.begin()
                plan = self._plan(session)
                found = first(session, plan)
                session.end()
                snapshot.take(session, plan)
                with self._watched(session, workspace):
                    yield snapshot, found

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader.dry_run`."""
        with self._planned(None) as (_, plan):
            return plan.select(plan.accesses(wanted))

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...]:
        """See `reconcilers.ports.StoreHashingReader.described`."""
        with self._planned(None) as (_, plan):
            return tuple(replace(access.raw, sql=access.name) for access in plan.accesses(wanted))

    def dry_run_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> str:
        """See `reconcilers.ports.StoreHashingReader.dry_run_hashed`."""
        with self._planned(None) as (_, plan):
            return plan.select(plan.accesses(wanted), plan.hashes(hashed))

    def _scanning(self) -> ConnectionParts:
        """The connection of a scan: one of those allowed is left to the watch."""
        limit = self._parts.connections
        return self._parts if limit is None else replace(self._parts, connections=max(limit - 1, 1))

    @contextmanager
    def _watched(self, session: PostgresSession, workspace: Workspace) -> Iterator[None]:
        """Let go of what is read where somebody waits for us."""
        if session.standby or workspace.few:  # a standby cancels us by itself; few rows are in nobody's way
            yield
            return
        watch = Watch(session, session.pid(), self._parts)
        watch.start()
        try:
            with workspace.halt.ending(watch.end):
                yield
        finally:
            watch.stop()

    @contextmanager
    def _planned(self, workspace: Workspace | None) -> Iterator[tuple[PostgresSession, Plan]]:
        """The dataset, described within a transaction that is still open."""
        cursor = workspace.cursor() if workspace is not None else own_database().cursor()
        with closing(cursor), closing(PostgresSession(cursor, self._parts, self._dataset)) as session:
            session.begin()
            yield session, self._plan(session)

    def _plan(self, session: PostgresSession) -> Plan:
        server = describe_server(session)
        found = find_query(session, self._query) if self._query else find_relation(session, self._relation or "")
        return Plan(self._dataset, self._parts, server, found)
