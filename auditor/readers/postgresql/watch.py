"""Somebody who looks, beside a long read of PostgreSQL, whether it stands in anybody's way.

A SELECT locks its table against ALTER TABLE, TRUNCATE and the like only.  But one of those that waits for us makes
everybody else wait behind it: an application stands still because an audit reads.  So when a session has waited for us
for two seconds, we let go: our own backend is ended, and with it every lock of ours.  The read is tried again later.

The look-out needs a connection of its own, which counts as one of `limits.connections`; where a single one is allowed
it is not there, and only the end of a run before its time makes a short connection, to end what would go on reading.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from auditor.readers.postgresql.session import PostgresSession
from contracts.errors import StoreError

if TYPE_CHECKING:
    from auditor.readers.connection import ConnectionParts

YIELD_SECONDS = 2.0
"""How long somebody may wait for us: applications have begun to queue behind him by then, and few have given up."""

LOOK_SECONDS = 0.5
"""Between two looks, and before the first: shorter reads are in nobody's way."""

_WAITED_FOR = """
SELECT EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted AND pg_blocking_pids(l.pid) && ARRAY(
  SELECT a.pid FROM pg_stat_activity a JOIN pg_stat_activity ours ON ours.pid = {pid}
  WHERE (a.datid, a.usesysid, a.application_name) = (ours.datid, ours.usesysid, ours.application_name)
    AND a.client_addr IS NOT DISTINCT FROM ours.client_addr)) AS waited_for
"""
_LET_GO = "SELECT pg_terminate_backend({pid}) AS gone"
"""Of our own backend; every role may do that to its own sessions."""


class Watch:
    """Watches over one session's transaction, from a thread of its own.

    Args:
        session: Whose main backend is watched over.
        pid: Of that backend.
        parts: The connection, as the settings have it.
    """

    def __init__(self, session: PostgresSession, pid: int, parts: ConnectionParts) -> None:
        self._session = session
        self._pid = pid
        self._parts = replace(parts, connections=1, lock_timeout=None)
        self._looks = parts.connections != 1
        self._wake = threading.Event()
        self._over = False
        self._halted = False
        self._cursor = session.cursor.cursor()  # of the same DuckDB, which knows the scanner already
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._over = True
        self._wake.set()
        self._thread.join()
        self._cursor.close()

    def end(self) -> None:
        """Let go at once, since the run is to end; from any thread."""
        self._halted = True
        self._wake.set()

    def _watch(self) -> None:
        self._wake.wait(LOOK_SECONDS if self._looks else None)
        if self._over:
            return
        # Who cannot look cannot be asked to let go; reading itself tells what is wrong.
        with suppress(StoreError), closing(self._connect()) as looking:
            self._look(looking)

    def _connect(self) -> PostgresSession:
        return PostgresSession(self._cursor, self._parts, self._session.dataset)

    def _look(self, looking: PostgresSession) -> None:
        since: float | None = None
        while not self._over:
            if self._halted:
                looking.ask(_LET_GO.format(pid=self._pid))
                return
            ((waited_for,),) = looking.ask(_WAITED_FOR.format(pid=self._pid))
            now = time.monotonic()
            since = (since or now) if waited_for else None
            if since is not None and now - since >= YIELD_SECONDS:
                self._session.yielded = True
                looking.ask(_LET_GO.format(pid=self._pid))
                self._session.cursor.interrupt()  # what has been sent already is not waited for
                return
            self._wake.wait(LOOK_SECONDS)
