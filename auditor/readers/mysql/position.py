"""Where in a server's history a snapshot stands.

MariaDB says it exactly: within `START TRANSACTION WITH CONSISTENT SNAPSHOT` the status variables
`binlog_snapshot_file` and `binlog_snapshot_position` are the snapshot's own.  MySQL does not: there the position is
read before and after the snapshot is opened, and the snapshot stands somewhere in between (mostly both are the same).
Where the server has no binary log, or the user may not ask, the watermark has the server's time alone.

Of MariaDB the watermark also says what its log tells (`reconcilers.mariadb_log`): `0-1-7 0-1-9`, where everything up to
the first is in the snapshot, and nothing behind the second.  They differ by what was written while it was opened: with
`XA PREPARE` a transaction is in the log, has a GTID, and may be committed much later.  So it is asked whether one is
prepared, after the first place was read, and again in the snapshot; where one is, the log tells nothing.  ` alone`
stands behind them where the server has repeated no other one's transactions, as far as its log knows.

Nothing is told of several domains, which have no common order; of Galera, whose nodes number the same transaction each
for itself; and of MySQL.  There a set of GTIDs grows after the engine has committed, so that what it holds is visible,
and what `gtid_owned` held besides is all that may be; but whoever repeats it may write two transactions in another
order, and a record does not say whose log it was read from.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pymysql

from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from auditor.readers.mysql.session import MySqlSession

_ONE_GTID = re.compile(r"\d+-\d+-\d+\Z", re.ASCII)


def open_snapshot(session: MySqlSession, *, consistent: bool) -> Watermark:
    """Open the session's one consistent view and stamp it.

    Args:
        session: An open connection.
        consistent: The relation's engine shows one moment.

    Raises:
        StoreError: The server refuses.
    """
    server = _first(session, "SELECT @@server_id" if session.is_mariadb else "SELECT @@server_uuid")
    before = _gtid(session) or _log_position(session)
    read_at, monotonic = datetime.now(UTC), time.monotonic()
    written, alone = _written(session) if session.is_mariadb and consistent else ("", "")
    session.begin()
    store_time = session.ask("SELECT UTC_TIMESTAMP(6)")[0][0]
    exact = _mariadb_snapshot(session) if session.is_mariadb else ""
    after = exact or _gtid(session) or _log_position(session)
    before = exact or before
    known = bool(before and after)
    return Watermark(
        dataset=session.dataset,
        read_at=read_at,
        monotonic=monotonic,
        store_time=store_time.replace(tzinfo=UTC),
        position=json.dumps({"server": server, "before": before, "after": after}) if known else "",
        display=(after if before == after else f"{before} to {after}") if known else "",
        isolation="snapshot" if consistent else "none",
        taken_by=time.monotonic(),
        log=f"{written} {exact}{alone}" if written and _ONE_GTID.match(exact) and not _prepared(session) else "",
    )


def _gtid(session: MySqlSession) -> str:
    """The set of transactions the server has committed."""
    variable = "gtid_current_pos" if session.is_mariadb else "gtid_executed"
    return "".join(_first(session, f"SELECT @@global.{variable}").split())


def _written(session: MySqlSession) -> tuple[str, str]:
    """MariaDB's last transaction in the log, where it is one by which others can be told to be earlier or later.

    Returns:
        Its GTID, or an empty text; and ` alone` where the server has made all of its transactions itself.
    """
    if _first(session, "SELECT @@global.wsrep_on") not in ("", "0"):
        return "", ""
    gtid, state = (_first(session, f"SELECT @@global.{name}") for name in ("gtid_binlog_pos", "gtid_binlog_state"))
    if not _ONE_GTID.match(gtid) or _prepared(session):
        return "", ""
    made_all = _ONE_GTID.match(state) and state.rpartition("-")[0] == gtid.rpartition("-")[0]
    repeats = _first(session, "SELECT @@global.gtid_slave_pos <> ''") != "0"
    return gtid, " alone" if made_all and not repeats else ""


def _prepared(session: MySqlSession) -> bool:
    """Whether a transaction is in the log that may be committed later, or it is not told."""
    try:
        return bool(session.try_ask("XA RECOVER"))
    except pymysql.MySQLError:
        return True


def _log_position(session: MySqlSession) -> str:
    """File and place in the binary log; MySQL 8.4 has renamed the statement."""
    for statement in ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"):
        try:
            rows = session.try_ask(statement)
        except pymysql.MySQLError:  # not allowed, or not known here: a watermark can do without
            continue
        return f"{rows[0][0]}:{rows[0][1]}" if rows else ""
    return ""


def _mariadb_snapshot(session: MySqlSession) -> str:
    """The snapshot's own place in the binary log, as transactions where the user may ask."""
    status = {str(name).lower(): str(value) for name, value in session.ask("SHOW STATUS LIKE 'binlog_snapshot_%'")}
    file, place = status.get("binlog_snapshot_file", ""), status.get("binlog_snapshot_position", "")
    if not file or _first(session, "SELECT @@global.log_slave_updates OR @@global.gtid_slave_pos = ''") != "1":
        return ""  # a replica that logs nothing of what it applies stands still in its own log
    gtid = _first(session, f"SELECT BINLOG_GTID_POS('{file}', {int(place)})")
    return gtid or f"{file}:{place}"


def _first(session: MySqlSession, sql: str) -> str:
    """One value as text; empty where the server does not know it or does not tell."""
    try:
        value = session.try_ask(sql)[0][0]
    except pymysql.MySQLError:
        return ""
    return "" if value is None else str(value)
