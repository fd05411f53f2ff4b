"""An incremental run beside a whole one: PostgreSQL or MariaDB on each side, the owner's changes on a real broker.

One row in a thousand has changed, on both sides.  Each incremental run is the same night, the second after a whole
run: its ledger is put back before.  The first of some thirty nights cuts the entity into segments, once for all.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import orders
from benchmarks.process import Contender, Run, median
from benchmarks.process import run as run_once
from benchmarks.servers import audit, fill_mariadb, fill_postgresql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.services import Kafka, MariaDB, PostgreSQL

CHANGED_ONE_IN = 1000
SHARE_MAX = 0.1
"""Of a whole run's time that an incremental one may take."""

SMALLEST = 1000

MARIADB_PAGES = 4 * 1024**3
"""Bytes of memory for MariaDB's pages, which it reads past the system's: it has as much as PostgreSQL has there."""

TOPIC = "shop.public.orders"
POSTGRESQL_SOURCE = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "orders", "txId": 700,
                     "snapshot": "false"}  # fmt: skip
MARIADB_SOURCE = {"connector": "mariadb", "name": "shop", "db": "shop", "table": "orders", "file": "binlog.000001",
                  "row": 0, "server_id": 1, "snapshot": "false"}  # fmt: skip

_UNITS = (("wall", "s"), ("cpu", "s of our processor"), ("cpu_with_server", "s of the processor, PostgreSQL's too"))


@dataclass(frozen=True, slots=True)
class Stores:
    """The servers of the owner and of its replica: MariaDB where one is given, else PostgreSQL."""

    postgresql: PostgreSQL
    owner: MariaDB | None = None
    replica: MariaDB | None = None

    @property
    def names(self) -> str:
        """Both, as a title says it."""
        return " against ".join("PostgreSQL" if one is None else "MariaDB" for one in (self.owner, self.replica))


@dataclass(frozen=True, slots=True)
class _Table:
    """One side's, filled."""

    postgresql: PostgreSQL
    mariadb: MariaDB | None
    url: str

    @classmethod
    def filled(cls, stores: Stores, name: str, rows: int, *, wide: bool) -> _Table:
        """Make it in a database of its own."""
        mariadb: MariaDB | None = getattr(stores, name)
        if mariadb is None:
            url = stores.postgresql.fresh_database(name)
            fill_postgresql(stores.postgresql, url, rows, wide=wide)
        else:
            url = mariadb.fresh_database(name)
            mariadb.admin(f"SET GLOBAL innodb_buffer_pool_size = {MARIADB_PAGES}")
            fill_mariadb(mariadb, url, rows, wide=wide)
        return cls(stores.postgresql, mariadb, url)

    @property
    def relation(self) -> str:
        return "public.orders" if self.mariadb is None else "orders"

    def change(self) -> None:
        """Have some rows changed."""
        changed = f"UPDATE orders SET status = 'changed' WHERE id % {CHANGED_ONE_IN} = 1"
        if self.mariadb is None:
            self.postgresql.admin(changed, "VACUUM ANALYZE orders", database=self.url)
        else:
            self.mariadb.admin(changed, database=self.mariadb.database_name(self.url))


def compare(stores: Stores, kafka: Kafka, directory: Path, *, rows: int, rounds: int, wide: bool = False) -> bool:
    """Whole and incremental runs in turn.

    Wide rows are orders with their addresses, of twenty-four columns.

    Demanded is the share beyond what any run takes; that of whole processes is shown, and judged, beside it.
    """
    postgresql = stores.postgresql
    owner, replica = (_Table.filled(stores, name, rows, wide=wide) for name in ("owner", "replica"))
    topic = kafka.fresh_topic(TOPIC, 6)
    feed = f"{{type: kafka, bootstrap_servers: ['{kafka.url}']}}"
    contract = orders.WIDE_CONTRACT if wide else orders.CONTRACT
    settings = orders.project(
        directory, owner=owner.url, replica=replica.url, tables=(owner.relation, replica.relation),
        contract=contract.replace(TOPIC, topic), feed=feed,
    )  # fmt: skip
    whole = replace(audit(settings), name="whole", codes=(0,))
    run_once(whole, directory / "first.log")
    incremental = [*audit(settings).command, "--incremental"]
    source = POSTGRESQL_SOURCE if stores.owner is None else MARIADB_SOURCE
    _tell(kafka, topic, range(1, 2), source)
    run_once(Contender("cutting", incremental, (0,)), directory / "cutting.log")
    owner.change()
    replica.change()
    _tell(kafka, topic, range(1, rows + 1, CHANGED_ONE_IN), source)
    ledger, kept = directory / "auditor.db", directory / "kept.db"
    shutil.copy(ledger, kept)
    partly = Contender("incremental", incremental, (0,), before=lambda: _put_back(kept, ledger))
    small = _smallest(postgresql, directory / "smallest", topic, feed)
    a_database = postgresql.fresh_database("asked")
    runs = _in_turn([whole, partly, small], directory, rounds, postgresql, a_database)
    report = json.loads((directory / "report.json").read_text())
    told = report["entities"][0]["owner"]["coverage"].get("incremental")
    if told is None or told["changed_keys"] != rows // CHANGED_ONE_IN:
        raise RuntimeError(f"the incremental run was none: {report['entities'][0]['owner']['coverage']}")
    read = sum(int(load["rows"] or 0) for load in report["loads"].values())
    columns = orders.WIDE_CONTRACT.count("{{type:") if wide else len(orders.COLUMNS)
    changed_rows = rows // CHANGED_ONE_IN
    print(f"\n## Incremental: {stores.names}, {rows:,} rows of {columns}, {changed_rows:,} changed\n")
    met = True
    for figure, unit in _UNITS:
        one, other, fixed = (median(runs[name], figure) for name in ("whole", "incremental", "smallest"))
        share, beyond = other / one, (other - fixed) / (one - fixed)
        met &= beyond <= SHARE_MAX
        judged = [f"{part:.3f} {'ok' if part <= SHARE_MAX else 'NOT MET'}" for part in (share, beyond)]
        print(f"  {other:.2f} of {one:.2f} {unit}, whole processes: {judged[0]}, at most {SHARE_MAX}")
        print(f"    beyond a run over {SMALLEST} rows, which takes {fixed:.2f}: {judged[1]}")
    done = told["segments"] - told["runs_left"]
    print(f"  {read:,} rows read of {2 * rows:,}: {read / (2 * rows):.3f}; {done} of {told['segments']} segments")
    return met


def _smallest(postgresql: PostgreSQL, directory: Path, topic: str, feed: str) -> Contender:
    """What any run costs: start-up, ledger, connections to the stores and the broker."""
    sides = [postgresql.fresh_database(name) for name in ("few_owned", "few_copied")]
    for url in sides:
        fill_postgresql(postgresql, url, SMALLEST)
    settings = orders.project(
        directory, owner=sides[0], replica=sides[1], tables=("public.orders", "public.orders"),
        contract=orders.CONTRACT.replace(TOPIC, topic), feed=feed,
    )  # fmt: skip
    return replace(audit(settings), name="smallest", codes=(0,))


@dataclass(frozen=True, slots=True)
class _Costs(Run):
    """A finished process, with what it cost PostgreSQL beside."""

    cpu_with_server: float


def _in_turn(
    contenders: Sequence[Contender], directory: Path, rounds: int, server: PostgreSQL, url: str
) -> dict[str, list[_Costs]]:
    runs: dict[str, list[_Costs]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            before = _server_seconds(server, url)
            one = run_once(contender, directory / f"{contender.name}-{number}.log")
            spent = one.cpu + _server_seconds(server, url) - before
            runs[contender.name].append(_Costs(one.wall, one.cpu, one.peak, one.code, spent))
    return runs


def _server_seconds(server: PostgreSQL, url: str) -> float:
    """Processor seconds of the server and of its sessions that have ended; all but ours must have."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    while server.admin(others, database=url)[0][0]:
        pass
    parent = int((server.data / "postmaster.pid").read_text().split()[0])
    fields = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _put_back(kept: Path, ledger: Path) -> None:
    for rest in ledger.parent.glob(f"{ledger.name}-*"):
        rest.unlink()
    shutil.copy(kept, ledger)


def _tell(kafka: Kafka, topic: str, keys: range, source: Mapping[str, object]) -> None:
    """An update of each of these keys, committed now; `source`: what the connector says of all of them."""
    moment = int(time.time() * 1000)
    with closing(kafka.producer(linger_ms=20)) as producer:
        for number, key in enumerate(keys):
            place = {"lsn": 1_000 + number, "pos": 1_000 + number, "ts_ms": moment}
            value = {
                "before": None,
                "after": {"id": key, "status": "changed"},
                "source": {**source, **place},
                "op": "u",
            }
            producer.send(topic, key=json.dumps({"id": key}).encode(), value=json.dumps(value).encode())
        producer.flush()
