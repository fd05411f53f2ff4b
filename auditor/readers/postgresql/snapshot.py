"""One consistent view of a PostgreSQL relation, held open.

A large table is read by the scanner's own table scan: ranges of pages over several connections, which share the main
connection's exported snapshot.  Everything else is one statement over the main connection, in the same transaction and
so in the same snapshot.

When the scanner may not read in parallel (its build for DuckDB 1.5.5 then reads without a common snapshot and says
nothing; all measured): on a standby, on a server with settings of Amazon's (`rds…`), where `pg_export_snapshot` fails.
Nor in a statement of DuckDB's that scans several times: there each scan's first connection misses the snapshot.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from auditor.readers.native import NativeSnapshot, quote_name, quote_text
from auditor.readers.postgresql.catalog import changes_since, row_width, shape_of
from auditor.readers.postgresql.keys import conditions
from auditor.readers.postgresql.ranges import condition, divided_by_statistics, is_cut_by, sample
from contracts.errors import InterruptedReadError, StoreError
from reconcilers.ports import Keys, RawColumn, RawRelation, Wanted
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.readers.postgresql.columns import Access
    from auditor.readers.postgresql.plan import Plan
    from auditor.readers.postgresql.session import PostgresSession
    from reconcilers.workspace import Workspace

PARALLEL_PAGES_MIN = 2000
"""Pages of a table that is worth several connections: two of the scanner's ranges, 16 MB."""

HASH_BYTES = 8
"""Of a hash that the server makes."""

PARALLEL_VERSION_MIN = 14
"""Before, a range of pages was found by reading the whole table."""

_ONE_MOMENT = """
SELECT pg_current_snapshot()::text AS position, now()::text AS told, {log} AS log,
  current_setting('transaction_read_only') AS read_only, current_setting('transaction_isolation') AS isolation
"""

# The first part is what the scanner itself asks: its further connections get the snapshot where that is answered.
# DuckDB does not tell "Orders" from "orders": where there are both, it may take the other one.
_SCANS_IN_PARALLEL = """
SELECT NOT pg_is_in_recovery() AND pg_export_snapshot() IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver)
  AND NOT EXISTS (SELECT FROM pg_settings WHERE name LIKE 'rds%')
  AND (SELECT count(*) = 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE lower(n.nspname) = lower({schema}) AND lower(c.relname) = lower({name})) AS scans
"""


def open_moment(session: PostgresSession, plan: Plan) -> Watermark:
    """Take the snapshot and stamp it.

    Raises:
        StoreError: The server does not give a read-only transaction with one snapshot.
    """
    read_at, monotonic = datetime.now(UTC), time.monotonic()
    session.begin()
    log = "NULL::text" if plan.server.standby else "pg_current_wal_insert_lsn()::text"  # of a standby nobody asks
    ((position, told, log, read_only, isolation),) = session.ask(_ONE_MOMENT.format(log=log))
    if (read_only, isolation) != ("on", "repeatable read"):
        raise StoreError(
            f"reading {session.dataset}: the transaction is {isolation}, and read-only is {read_only}; "
            "expected repeatable read and on",
            hint="connect to PostgreSQL itself, past any pooler that changes transactions",
        )
    return Watermark(
        dataset=session.dataset,
        read_at=read_at,
        monotonic=monotonic,
        store_time=datetime.fromisoformat(told).astimezone(UTC),
        position=position,
        display=plan.server.position,
        taken_by=time.monotonic(),
        behind=plan.server.standby,
        log=log or "",
    )


class PostgresSnapshot(NativeSnapshot):
    """See `reconcilers.ports.Snapshot`; `session` has been attached through this snapshot's cursor."""

    def __init__(self, workspace: Workspace, dataset: str) -> None:
        super().__init__(workspace, dataset)
        self._workspace = workspace
        self._scanner_types: Mapping[str, str] | None = None
        self._row_bytes: float | None = None
        self._part = ""

    def take(self, session: PostgresSession, plan: Plan) -> None:
        """Begin: from here on everything is read as of now."""
        self._session = session
        self._plan = plan
        self.watermark = open_moment(session, plan)

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot.scan`."""
        accesses = self._plan.accesses(wanted)
        self._weigh_rows(accesses)
        if not self._part and all(access.scanned for access in accesses) and self._scans_in_parallel(accesses):
            names = [f"{access.scanned} AS c{number}" for number, access in enumerate(accesses)]
            return _relation(f"SELECT {', '.join(names)} FROM {self._scanned_table()}", accesses)
        return self._statement(accesses, [self._plan.select(accesses) + self._part])

    def dividers(self, by: Wanted, rows: int) -> Sequence[str] | None:
        """See `reconcilers.ports.Cutting.dividers`."""
        relation, (column,) = self._plan.relation, self._plan.accesses([by])
        if relation.kind not in ("r", "m", "p") or by.logical is None:
            return None
        shape = shape_of(self._session, relation)
        leads = any(index[0] == column.column.name for index in shape.indexed)
        encoding = self._plan.server.encoding
        if not leads or not is_cut_by(self._session, relation, column, by.logical, encoding):
            return None
        parts = -(-(shape.estimated_rows or 0) // rows)
        if parts <= 1:
            return []
        found = divided_by_statistics(self._session, relation, column, parts)
        return found or self._session.ask_json(sample(relation, column, by.logical, parts)) or []

    def cut(self, by: Wanted, lower: str | None, upper: str | None) -> None:
        """See `reconcilers.ports.Cutting.cut`."""
        if by.logical is None:
            raise ValueError(f"{by.path} has no declared type to be cut by")
        (column,) = self._plan.accesses([by])
        self._part = f" WHERE {condition(column, by.logical, lower, upper)}"

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot.lookup`."""
        return self.lookup_hashed(wanted, keys, ())

    def described(self, wanted: Sequence[Wanted]) -> tuple[RawColumn, ...]:
        """See `reconcilers.ports.StoreHashing.described`."""
        return _relation("", self._plan.accesses(wanted)).columns

    def scan_hashed(self, wanted: Sequence[Wanted], hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """See `reconcilers.ports.StoreHashing.scan_hashed`."""
        accesses = self._plan.accesses(wanted)
        self._weigh_rows(accesses, len(hashed) * HASH_BYTES)
        every = self._plan.select(accesses, self._plan.hashes(hashed))
        return self._statement(accesses, [every + self._part], len(hashed))

    def lookup_hashed(self, wanted: Sequence[Wanted], keys: Keys, hashed: Sequence[Sequence[Wanted]]) -> RawRelation:
        """See `reconcilers.ports.StoreHashing.lookup_hashed`."""
        accesses = self._plan.accesses(wanted, by_key=True)
        key = self._plan.accesses(keys.columns, by_key=True)
        every = self._plan.select(accesses, self._plan.hashes(hashed))
        found = [f"{every} WHERE {each}" for each in conditions(key, keys.values, encoding=self._plan.server.encoding)]
        return self._statement(accesses, found or [f"{every} WHERE false"], len(hashed))

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:
        """See `reconcilers.ports.Snapshot.nan_keys`."""
        hidden = [access.name for access in self._plan.accesses(wanted) if access.raw.nan_hidden]
        if not hidden:
            return None
        key = self._plan.accesses(keys)
        is_nan = " OR ".join(f"{name} = 'NaN'" for name in hidden)
        return self._statement(key, [f"{self._plan.select(key)}{self._part or ' WHERE true'} AND ({is_nan})"])

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot.load`."""
        self._session.parts.meter.add(queries=1)
        try:
            self._share_no_connection_twice(sql)
            return super().load(sql, table)
        except InterruptedReadError:
            raise
        except StoreError as error:
            raise self._session.failed(error.__cause__ or error) from None

    def _carried(self, dataset: str, rows: int) -> None:
        """What the scanner receives nobody sees: bytes are the rows times their usual width."""
        super()._carried(dataset, rows)
        if self.weigh is not None and self._row_bytes is not None:
            self.weigh(rows * self._row_bytes)

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot.incomplete`."""
        return changes_since(self._session, self._plan.relation)

    def _weigh_rows(self, accesses: Sequence[Access], more: int = 0) -> None:
        if self.weigh is not None:
            names = [access.column.name for access in accesses]
            width = row_width(self._session, self._plan.relation, names)
            self._row_bytes = None if width is None else width + more

    def _statement(self, accesses: Sequence[Access], statements: Sequence[str], hashes: int = 0) -> RawRelation:
        hashed = [f"h{number}" for number in range(hashes)]
        names = [f"c{number}" for number in range(len(accesses))] + hashed
        parts = [f"SELECT {', '.join(names)} FROM {self._session.relation(each)}" for each in statements]
        return _relation(" UNION ALL ".join(parts), accesses, hashed)

    def _scans_in_parallel(self, accesses: Sequence[Access]) -> bool:
        """Whether the scanner may read this table in parallel, and sees its columns as we do."""
        if self._scanner_types is None:
            relation, server = self._plan.relation, self._plan.server
            worth_it = relation.kind in ("r", "m") and not relation.parent and relation.pages >= PARALLEL_PAGES_MIN
            able = server.version >= PARALLEL_VERSION_MIN and not server.standby and self._plan.parts.connections != 1
            self._scanner_types = self._ask_scanner() if worth_it and able else {}
        return all(_as_expected(access, self._scanner_types.get(access.column.name, "")) for access in accesses)

    def _ask_scanner(self) -> Mapping[str, str]:
        """The table's columns as the scanner sees them; none where it may not read in parallel.

        Asked over a connection beside ours, since a refusal ends the transaction.
        """
        relation = self._plan.relation
        question = _SCANS_IN_PARALLEL.format(schema=quote_text(relation.schema), name=quote_text(relation.name))
        with closing(self._workspace.cursor()) as cursor:
            try:
                cursor.execute("BEGIN TRANSACTION")
                ((scans,),) = cursor.execute(f"SELECT * FROM {self._session.relation(question)}").fetchall()
                described = cursor.execute(f"DESCRIBE {self._scanned_table()}").fetchall() if scans else []
                cursor.execute("ROLLBACK")
            except duckdb.Error:
                return {}
        return {name: arrives for name, arrives, *_ in described}

    def _scanned_table(self) -> str:
        return ".".join(map(quote_name, (self._session.name, self._plan.relation.schema, self._plan.relation.name)))

    def _share_no_connection_twice(self, sql: str) -> None:
        """Read over one connection where a statement scans several times."""
        if not self._scanner_types:
            return
        try:
            plan = "".join(str(line) for _, line in self.cursor.execute(f"EXPLAIN {sql}").fetchall())
            single = plan.count("POSTGRES_SCAN") + plan.count("POSTGRES_QUERY") > 1
            self.cursor.execute(f"SET SESSION pg_use_ctid_scan = {not single}")
        except duckdb.Error as error:
            raise StoreError("planning failed") from error


def _as_expected(access: Access, arrives: str) -> bool:
    return arrives == access.raw.duckdb_type or (bool(access.column.labels) and arrives.startswith("ENUM("))


def _relation(sql: str, accesses: Sequence[Access], hashes: Sequence[str] = ()) -> RawRelation:
    columns = tuple(replace(access.raw, sql=f"c{number}") for number, access in enumerate(accesses))
    return RawRelation(f"({sql})", columns, tuple(hashes))
