"""A streaming standby of a PostgreSQL server of ours."""

from __future__ import annotations

from typing import ClassVar, Self

from tests.services.availability import Unavailable
from tests.services.contained import ContainedPostgreSQL
from tests.services.deadline import wait_until
from tests.services.ports import LOOPBACK
from tests.services.postgresql import PostgreSQL
from tests.services.process import run_tool


class PostgreSQLStandby(PostgreSQL):
    """A hot standby: reads only, and is behind its primary by what it has not replayed yet.

    User, password and databases are the primary's.
    """

    name: ClassVar[str] = "postgres_standby"
    title: ClassVar[str] = "PostgreSQL standby"

    primary: PostgreSQL
    _owns_primary = False

    @classmethod
    def start(cls) -> Self:
        """Start a primary of its own and follow it; `stop` ends both."""
        primary = PostgreSQL.start()
        try:
            standby = cls.of(primary)
        except BaseException:
            primary.stop()
            raise
        standby._owns_primary = True
        return standby

    def stop(self) -> None:
        """Stop the standby, and its primary where it is its own."""
        super().stop()
        if self._owns_primary:
            self.primary.stop()

    @classmethod
    def of(cls, primary: PostgreSQL) -> Self:
        """Copy *primary* and follow it.

        Raises:
            Unavailable: The copy or the standby's start failed.
        """
        if isinstance(primary, ContainedPostgreSQL):
            raise Unavailable("its primary runs in a container; a standby needs PostgreSQL's programs on this machine")
        standby = cls(primary.account)
        standby.binaries = primary.binaries
        standby.primary = primary
        standby.password = primary.password
        try:
            standby._copy_primary()
            standby._launch(hot_standby="on")
        except BaseException:
            standby.stop()
            raise
        return standby

    def catch_up(self, seconds: float = 30) -> None:
        """Wait until everything that the primary has written by now is replayed here."""
        (position,) = self.primary.admin("SELECT pg_current_wal_flush_lsn()")[0]

        def replayed() -> bool:
            return self.admin(f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn") == [(True,)]

        wait_until(replayed, seconds=seconds, what=f"the standby's replay of {position}")

    def pause_replay(self) -> None:
        """Stop replaying, so that the standby falls behind; `resume_replay` goes on."""
        self.admin("SELECT pg_wal_replay_pause()")

        def paused() -> bool:
            return self.admin("SELECT pg_get_wal_replay_pause_state()") == [("paused",)]

        wait_until(paused, seconds=10, what="the standby's pause")

    def resume_replay(self) -> None:
        """Replay again after `pause_replay`."""
        self.admin("SELECT pg_wal_replay_resume()")

    def _copy_primary(self) -> None:
        source = f"host={LOOPBACK} port={self.primary.port} user={self.user} password={self.password}"
        options = ["--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"]
        run_tool(
            [self.binaries / "pg_basebackup", "--pgdata", self.data, "--dbname", source, *options],
            account=self.account,
            home=self.directory,
            what="copying the primary for a standby",
        )

    def _create_database(self, name: str) -> None:
        """Create the database on the primary and wait until it is here too."""
        self.primary.admin(f'CREATE DATABASE "{name}" TEMPLATE template0')
        self.catch_up()
