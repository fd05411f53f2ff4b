"""What stands in the way of a connection to PostgreSQL: one clear message each, and never the password."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from auditor.readers.connection import ConnectionParts, TlsParts
from auditor.readers.postgresql import catalog as postgresql_catalog
from auditor.readers.postgresql.reader import PostgresReader
from contracts.errors import StoreError
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import parts, read, reader, wanted
from tests.services.deadline import wait_until
from tests.services.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import PostgreSQL

SECRET = "p%40ss'w\"o\\rd {x} = 1"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as space:
        yield space


def refusal(connection: ConnectionParts, workspace: Workspace) -> StoreError:
    with pytest.raises(StoreError) as caught:
        PostgresReader("db/t", connection, "t").shape(workspace)
    shown = f"{caught.value} {caught.value!r} {connection!r} {caught.value.__cause__!r}"
    assert not connection.password or connection.password not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.message.count("\n") == 0
    return caught.value


def test_a_password_of_odd_characters_works(postgres: PostgreSQL, workspace: Workspace) -> None:
    url = postgres.fresh_database("password")
    literal = SECRET.replace("'", "''")
    postgres.admin(
        "DROP ROLE IF EXISTS odd",
        f"CREATE ROLE odd LOGIN PASSWORD '{literal}'",
        "CREATE TABLE t AS SELECT 1 AS id",
        "GRANT SELECT ON t TO odd",
        database=url,
    )
    assert read(workspace, reader(url, "t", user="odd", password=SECRET), "id") == [("1",)]


@pytest.mark.parametrize("password", [SECRET, "", "wrong"])
def test_a_wrong_password(postgres: PostgreSQL, workspace: Workspace, password: str) -> None:
    error = refusal(parts(postgres.url, password=password), workspace)
    where = f"{postgres.host}:{postgres.port}/postgres (user postgres)"
    assert error.message.startswith(f"connecting for db/t failed at {where}: ")
    assert "password authentication failed" in error.message or "no password supplied" in error.message
    assert "password" in error.hint


def test_an_unknown_role_and_database(postgres: PostgreSQL, workspace: Workspace) -> None:
    error = refusal(parts(postgres.url, database="nowhere"), workspace)
    assert 'database "nowhere" does not exist' in error.message
    assert "check user and database" in error.hint
    assert "authentication failed" in refusal(parts(postgres.url, user="nobody"), workspace).message


def test_a_server_that_is_not_there(workspace: Workspace) -> None:
    port = free_port()
    error = refusal(ConnectionParts("postgresql", "127.0.0.1", port, "u", "secret-word", "d"), workspace)
    assert f"127.0.0.1:{port}/d (user u)" in error.message
    assert "Connection refused" in error.message
    assert "see whether the server is up" in error.hint


def test_an_unknown_host(workspace: Workspace) -> None:
    error = refusal(ConnectionParts("postgresql", "nowhere.invalid", 5432, "u", "secret-word", "d"), workspace)
    assert "nowhere.invalid" in error.message
    assert "check the host" in error.hint


def test_a_server_that_speaks_something_else(workspace: Workspace) -> None:
    """A port on which another program listens, and closes what it does not understand."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            with suppress(OSError):  # the listener is shut down
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        error = refusal(ConnectionParts("postgresql", "127.0.0.1", port, "u", "secret-word", "d"), workspace)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert f"127.0.0.1:{port}" in error.message


def test_unknown_options_of_the_url(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Options pass to libpq where they are known; what could replace the connection itself is not."""
    good = parts(
        postgres.url, options={"connect_timeout": "3", "options": "-c work_mem=8MB", "application_name": "mine"}
    )
    query = (
        "SELECT current_setting('work_mem') AS w, current_setting('application_name') AS a, current_setting('jit') AS j"
    )
    assert read(workspace, PostgresReader("db/q", good, query=query), "w", "a", "j") == [("8MB", "mine", "off")]
    for option in ("uri", "passwd", "host"):
        error = refusal(parts(postgres.url, options={option: "secret-word"}), workspace)
        assert f"unknown option {option!r}" in error.message
        assert "secret-word" not in str(error)


def test_our_settings_win_over_those_of_the_url(postgres: PostgreSQL, workspace: Workspace) -> None:
    """No option can make the session writable or let a policy hide rows."""
    mine = parts(postgres.url, options={"options": "-c default_transaction_read_only=off -c row_security=on"})
    query = "SELECT current_setting('default_transaction_read_only') AS r, current_setting('row_security') AS s"
    assert read(workspace, PostgresReader("db/q", mine, query=query), "r", "s") == [("on", "off")]


def test_tls_that_the_server_lacks(postgres: PostgreSQL, workspace: Workspace) -> None:
    error = refusal(parts(postgres.url, tls=TlsParts("require")), workspace)
    assert "server does not support SSL, but SSL was required" in error.message
    assert "tls: {mode: disable}" in error.hint


@pytest.fixture(scope="module")
def certificates(postgres: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The server with TLS, and a role that it admits with TLS alone."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = postgres.data / "server.key", postgres.data / "server.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    (directory / "ca.pem").write_bytes(certificate.read_bytes())
    for path in (key, certificate):
        postgres.account.own(path)
    key.chmod(0o600)
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"hostssl all guarded all scram-sha-256\nhost all guarded all reject\n{before}")
    postgres.admin(
        "DROP ROLE IF EXISTS guarded",
        f"CREATE ROLE guarded LOGIN PASSWORD '{postgres.password}'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    )
    wait_until(lambda: postgres.admin("SHOW ssl") == [("on",)], seconds=10, what="TLS at the server")
    yield directory
    rules.write_text(before)
    postgres.admin("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()")


def test_tls_is_used_and_checked(postgres: PostgreSQL, certificates: Path, workspace: Workspace) -> None:
    """The server's certificate is held against the authority, and its name against the host, as the mode says."""
    url = postgres.url
    query = "SELECT ssl AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    ca = str(certificates / "ca.pem")
    for host, tls in (
        (postgres.host, TlsParts("require")),
        (postgres.host, TlsParts("verify-ca", ca=ca)),
        ("localhost", TlsParts("verify-full", ca=ca)),
    ):
        source = PostgresReader("db/q", parts(url, user="guarded", host=host, tls=tls), query=query)
        assert read(workspace, source, "encrypted") == [("true",)]


def test_tls_that_is_not_as_it_should_be(postgres: PostgreSQL, certificates: Path, workspace: Workspace) -> None:
    ca = str(certificates / "ca.pem")
    for tls, said, hint in (
        (TlsParts("disable"), "pg_hba.conf rejects connection", "tls"),
        (TlsParts("verify-full", ca=ca), "server certificate for", "verify-ca"),
        (TlsParts("verify-ca", ca=str(certificates / "none.pem")), "root certificate file", "tls.ca"),
        (TlsParts("require", cert=ca, key=str(certificates / "none.key")), "private key file", "tls.key"),
    ):
        error = refusal(parts(postgres.url, user="guarded", tls=tls), workspace)
        assert said in error.message
        assert hint in error.hint
    foreign = certificates / "other.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"]
    subprocess.run(
        [*command, "-keyout", str(certificates / "o.key"), "-out", str(foreign)], check=True, capture_output=True
    )
    error = refusal(parts(postgres.url, user="guarded", tls=TlsParts("verify-ca", ca=str(foreign))), workspace)
    assert "certificate verify failed" in error.message
    assert "tls.ca" in error.hint


def test_a_server_that_is_too_old(postgres: PostgreSQL, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `pg_current_snapshot` nobody can say what a snapshot includes; the message names both versions."""
    monkeypatch.setattr(postgresql_catalog, "VERSION_MIN", 99)
    error = refusal(parts(postgres.url), workspace)
    assert f"the server is PostgreSQL {postgres.version}; expected 99 or newer" in error.message


def test_several_servers_are_attached_at_once_from_several_threads(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Readers share nothing but the workspace."""
    url = postgres.fresh_database("several")
    postgres.admin("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 1000) i", database=url)

    def count(number: int) -> int:
        with reader(url, "t").snapshot(workspace) as snapshot:
            relation = snapshot.scan(wanted("id"))
            return snapshot.load(f"SELECT * FROM {relation.sql}", f"rows_{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(24))) == [1000] * 24
