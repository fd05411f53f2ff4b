"""Encryption and passwords, as the settings have them, shown at servers with certificates of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from auditor.settings import load_settings
from auditor.wiring import Wiring
from contracts.contract import DatasetRef
from contracts.errors import StoreError
from tests.kindness.night import CREATE, settings_of, things
from tests.services import MariaDB, MySQL
from tests.services.authority import Authority
from tests.services.deadline import wait_until
from tests.services.program import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import PostgreSQL


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    program("openssl")
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def guarded(postgres: PostgreSQL, authority: Authority) -> Iterator[str]:
    """PostgreSQL with TLS, and a role that it admits with a certificate of the authority's only."""
    certificate, key = authority.sign("localhost", "-addext", "subjectAltName=DNS:localhost")
    for source, name in ((certificate, "guard.crt"), (key, "guard.key"), (authority.certificate, "guard_ca.crt")):
        target = postgres.data / name
        target.write_bytes(source.read_bytes())
        postgres.account.own(target)
        target.chmod(0o600)
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    guard = "hostssl all guarded_cert all scram-sha-256 clientcert=verify-full\nhost all guarded_cert all reject\n"
    rules.write_text(guard + before)
    database = postgres.fresh_database("guarded")
    postgres.admin(
        "DROP ROLE IF EXISTS guarded_cert",
        f"CREATE ROLE guarded_cert LOGIN PASSWORD '{postgres.password}'",
        CREATE,
        things("a"),
        "GRANT SELECT ON things TO guarded_cert",
        database=database,
    )
    postgres.admin("ALTER SYSTEM SET ssl_cert_file = 'guard.crt'", "ALTER SYSTEM SET ssl_key_file = 'guard.key'")
    postgres.admin("ALTER SYSTEM SET ssl_ca_file = 'guard_ca.crt'", "ALTER SYSTEM SET ssl = on")
    postgres.admin("SELECT pg_reload_conf()")
    wait_until(lambda: postgres.admin("SHOW ssl") == [("on",)], seconds=10, what="TLS at the server")
    yield database
    rules.write_text(before)
    for name in ("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file"):
        postgres.admin(f"ALTER SYSTEM RESET {name}")
    postgres.admin("SELECT pg_reload_conf()")


def columns(directory: Path, connection: str, environment: dict[str, str] | None = None) -> list[str]:
    """What a reader of these settings sees, or a `StoreError`."""
    (directory / "auditor.yaml").write_text(f"contracts: contracts\nconnections:\n  db: {connection}\n")
    settings = load_settings(directory / "auditor.yaml", environment or {})
    return [column.name for column in Wiring(settings).scanner(DatasetRef("db", "things")).shape().columns]


def test_a_client_certificate_proves_who_we_are(
    postgres: PostgreSQL, guarded: str, authority: Authority, tmp_path: Path
) -> None:
    url = f"postgresql://guarded_cert@localhost:{postgres.port}/{postgres.database_name(guarded)}"
    certificate, key = authority.sign("guarded_cert")
    tls = {"mode": "verify-full", "ca": str(authority.certificate), "cert": str(certificate), "key": str(key)}
    (tmp_path / "password").write_text(postgres.password + "\n")
    from_file = settings_of(url, password=f"${{file:{tmp_path / 'password'}}}", tls=tls)
    assert columns(tmp_path, from_file) == ["id", "name"]
    in_url = settings_of(url.replace("@", ":${PG_PASSWORD}@"), tls=tls)
    assert columns(tmp_path, in_url, {"PG_PASSWORD": postgres.password}) == ["id", "name"]
    for wrong in (
        {"mode": "verify-full", "ca": str(authority.certificate)},  # no certificate of ours
        {**tls, "ca": str(Authority(tmp_path, "theirs").certificate)},
        {"mode": "disable"},
    ):
        with pytest.raises(StoreError) as refused:
            columns(tmp_path, settings_of(url, password=postgres.password, tls=wrong))
        assert postgres.password not in str(refused.value)


class Guarded:
    """A server with TLS under certificates of ours."""

    files: ClassVar[dict[str, Path]] = {}

    def _options(self) -> list[str]:
        options: list[str] = super()._options()  # type: ignore[misc]
        for name, source in self.files.items():
            target: Path = self.directory / f"{name}.pem"  # type: ignore[attr-defined]
            target.write_bytes(source.read_bytes())
            self.account.own(target)  # type: ignore[attr-defined]
            options.append(f"--{name}={target}")
        return options


class GuardedMariaDB(Guarded, MariaDB):
    """MariaDB with TLS."""


class GuardedMySQL(Guarded, MySQL):
    """MySQL with TLS."""


@pytest.mark.parametrize("kind", [GuardedMariaDB, GuardedMySQL])
def test_mariadb_and_mysql_are_read_over_tls_that_is_checked(
    kind: type[GuardedMariaDB | GuardedMySQL], request: pytest.FixtureRequest, authority: Authority, tmp_path: Path
) -> None:
    """The authority, the name, and our certificate; what is not as it should be is refused by one side or the other."""
    request.getfixturevalue(kind.name)  # it can be had here, or this is skipped
    certificate, key = authority.sign(kind.name, "-addext", "subjectAltName=DNS:localhost")
    Guarded.files = {"ssl-cert": certificate, "ssl-key": key, "ssl-ca": authority.certificate}
    server = kind.start()
    try:
        database = server.fresh_database("guarded")
        server.admin(
            CREATE,
            f"CREATE USER guarded IDENTIFIED BY '{server.password}' REQUIRE X509",
            "GRANT SELECT ON *.* TO guarded",
            database=database,
        )
        url = f"{kind.scheme}://guarded@localhost:{server.port}/{server.database_name(database)}"
        own, own_key = authority.sign("client")
        tls = {"mode": "verify-full", "ca": str(authority.certificate), "cert": str(own), "key": str(own_key)}
        assert columns(tmp_path, settings_of(url, password=server.password, tls=tls)) == ["id", "name"]
        for wrong in (
            {"mode": "verify-full", "ca": str(authority.certificate)},  # no certificate of ours
            {**tls, "ca": str(Authority(tmp_path, "theirs").certificate)},
            {"mode": "disable"},
        ):
            with pytest.raises(StoreError) as refused:
                columns(tmp_path, settings_of(url, password=server.password, tls=wrong))
            assert server.password not in str(refused.value)
        by_address = url.replace("localhost", "127.0.0.1")  # not in the certificate
        with pytest.raises(StoreError, match="certificate"):
            columns(tmp_path, settings_of(by_address, password=server.password, tls=tls))
    finally:
        server.stop()


def test_no_password_is_seen_in_the_process_list_or_in_duckdb(postgres: PostgreSQL, tmp_path: Path) -> None:
    """The program's own arguments and environment are the user's; what we attach and keep says no password."""
    from auditor.readers.postgresql.session import PostgresSession, own_database
    from auditor.wiring import connection_parts

    database = postgres.fresh_database("secret")
    (tmp_path / "auditor.yaml").write_text(f"contracts: c\nconnections:\n  db: {settings_of(database)}\n")
    settings = load_settings(tmp_path / "auditor.yaml", {})
    with own_database().cursor() as cursor:
        session = PostgresSession(cursor, connection_parts(settings.connection("db")), "db/x")
        session.begin()
        session.ask("SELECT 1 AS one")
        shown = repr(cursor.execute("SELECT * FROM duckdb_databases()").fetchall())
        shown += repr(cursor.execute("SELECT * FROM duckdb_secrets()").fetchall())
        shown += repr(settings) + repr(settings.connection("db")) + repr(connection_parts(settings.connection("db")))
        session.close()
    shown += Path(f"/proc/{os.getpid()}/cmdline").read_text() if sys.platform == "linux" else ""
    assert postgres.password not in shown
