"""A ledger is made, upgraded or refused, each with one clear message, and nothing of others is touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import auditor.ledger.migrations
from auditor.ledger import database
from auditor.ledger.hash_key import ledger_hash_key
from auditor.ledger.ledger import Ledger
from auditor.ledger.tables import METADATA
from auditor.ledger.version import SCHEMA_VERSION, VERSION_TABLE
from contracts.errors import LedgerError
from tests.unit.ledger.documents import finding, findings, report

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(url: str, *, read_only: bool = False) -> str:
    with pytest.raises(LedgerError) as failure:
        Ledger.open(url, read_only=read_only)
    return str(failure.value)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_migrations_lead_to_the_tables_that_the_program_knows(url: str) -> None:
    Ledger.open(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_the_newest_migration_is_the_version_that_the_program_expects() -> None:
    scripts = ScriptDirectory(str(Path(auditor.ledger.migrations.__file__).parent))
    assert scripts.get_current_head() == SCHEMA_VERSION
    assert all(each.revision.isdigit() for each in scripts.walk_revisions())


def test_a_ledger_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """So are the files that SQLite keeps beside it; one that is there stays as its owner wants it."""
    path = tmp_path / "auditor.db"
    before = os.umask(0o022)
    try:
        with contextlib.closing(Ledger.open(f"sqlite:///{path}")):
            made = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert made["auditor.db"] == 0o600
    assert set(made.values()) == {0o600}
    path.chmod(0o640)
    Ledger.open(f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "auditor.db").touch()
    with Ledger.open(f"sqlite:///{tmp_path}/auditor.db") as ledger:
        ledger.record(report("a"), [finding()])
        assert ledger.status().runs == 1


def test_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.ledger import schema

    def fail(_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(schema, "_make_hash_key", fail)
    with pytest.raises(RuntimeError):
        Ledger.open(f"sqlite:///{tmp_path}/auditor.db")
    monkeypatch.undo()
    with sqlite3.connect(tmp_path / "auditor.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
    connection.close()
    Ledger.open(f"sqlite:///{tmp_path}/auditor.db").close()


def test_a_newer_ledger_is_refused_unchanged(url: str, tmp_path: Path) -> None:
    Ledger.open(url).close()
    connection = sqlite3.connect(tmp_path / "auditor.db")
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = digest(tmp_path / "auditor.db")
    for read_only in (False, True):
        assert "has schema 9999, made by a newer auditor; this one knows schemas up to 0006" in refusal(
            url, read_only=read_only
        )
    assert digest(tmp_path / "auditor.db") == before
    with pytest.raises(LedgerError, match="made by a newer auditor"):
        ledger_hash_key(url)


def test_a_database_of_others_is_refused_untouched(url: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "auditor.db")
    connection.executescript("CREATE TABLE orders (id int); INSERT INTO orders VALUES (1); CREATE TABLE items (id int)")
    connection.close()
    before = digest(tmp_path / "auditor.db")
    assert "is no ledger: it holds other tables (items, orders), and none of them will be touched" in refusal(url)
    assert digest(tmp_path / "auditor.db") == before


def test_a_server_s_database_of_others_is_refused(postgres: object) -> None:
    from tests.services import PostgreSQL

    assert isinstance(postgres, PostgreSQL)
    url = postgres.fresh_database("strangers")
    postgres.admin("CREATE TABLE orders (id int)", database=url)
    assert "is no ledger: it holds other tables (orders)" in refusal(url)


def test_a_schema_of_its_own_beside_others_is_enough(postgres: object) -> None:
    from tests.services import PostgreSQL

    assert isinstance(postgres, PostgreSQL)
    url = postgres.fresh_database("shared")
    postgres.admin("CREATE TABLE orders (id int); CREATE SCHEMA audit", database=url)
    with Ledger.open(f"{url}?options=-csearch_path%3Daudit") as ledger:
        ledger.record(report("a"), [finding()])
    assert postgres.admin("SELECT count(*) FROM audit.runs", database=url) == [(1,)]


def _words(path: Path) -> None:
    path.write_text("just some words, and more of them than a header has, so that it cannot be an empty database" * 9)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_words, "the file is no SQLite database"),
        (Path.mkdir, "that is a directory; expected a SQLite file, or none yet"),
    ],
)
def test_what_stands_in_the_way_is_told(url: str, tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    make(tmp_path / "auditor.db")
    assert told in refusal(url)
    assert told in refusal(url, read_only=True)
    with pytest.raises(LedgerError, match=told):
        ledger_hash_key(url)


def test_places_where_no_ledger_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"there is no directory {tmp_path}/none" in refusal(f"sqlite:///{tmp_path}/none/auditor.db")
    assert f"there is no directory {tmp_path}/file" in refusal(f"sqlite:///{tmp_path}/file/auditor.db")
    assert "it cannot be opened" in refusal("sqlite:////proc/auditor.db")
    assert "File name too long" in refusal(f"sqlite:///{tmp_path}/{'x' * 5000}.db")
    assert "unknown URL scheme `nosuch`" in refusal("nosuch://h/d")
    assert "expected a path" in refusal("sqlite://")


def test_a_server_that_does_not_answer_and_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal("postgresql://auditor:c4n4ry@127.0.0.1:1/d")
    assert told.startswith("cannot open the ledger postgresql://auditor@127.0.0.1:1/d: ")
    assert "c4n4ry" not in told
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'consistency-auditor[postgresql]'" in refusal("postgresql://auditor@127.0.0.1:1/d")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a frozen one does; without a limit a run would never begin, and say nothing."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://u:p@127.0.0.1:{silent.getsockname()[1]}/ledger"
        began = time.monotonic()
        with pytest.raises(LedgerError, match="cannot open the ledger"):
            Ledger.open(address)
        assert time.monotonic() - began < 10


def test_a_wrong_password_is_not_told(postgres: object) -> None:
    from tests.services import PostgreSQL

    assert isinstance(postgres, PostgreSQL)
    told = refusal(f"postgresql://{postgres.user}:c4n4ry@{postgres.host}:{postgres.port}/postgres")
    assert "password authentication failed" in told
    assert "c4n4ry" not in told


def test_reading_only_makes_nothing(url: str, tmp_path: Path) -> None:
    told = refusal(url, read_only=True)
    assert "there is no such file" in told
    assert "a first `audit reconcile` makes it" in told
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "auditor.db").touch()
    assert "is empty; expected schema 0006" in refusal(url, read_only=True)
    assert (tmp_path / "auditor.db").stat().st_size == 0


def test_reading_only_reads_and_does_not_write(ledger: Ledger, url: str) -> None:
    ledger.record(report("a"), [finding()])
    with Ledger.open(url, read_only=True) as reader:
        assert len(reader.report()["findings"]) == 1
        with pytest.raises(LedgerError, match=r"cannot record the run in the ledger .*: it may not be written"):
            reader.record(report("b"), [])
    assert ledger.status().runs == 1


def test_a_damaged_file_is_told(url: str, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.record(report("a"), findings(2000))
    path = tmp_path / "auditor.db"
    content = bytearray(path.read_bytes())
    content[4096 * 24 : -4096] = b"\xff" * (len(content) - 4096 * 25)
    path.write_bytes(content)
    with Ledger.open(url) as ledger, pytest.raises(LedgerError, match="the file is damaged"):
        ledger.report()


def test_a_full_disk_records_nothing_and_says_so(url: str) -> None:
    """A limit on the size of files stands for the disk: nothing else fails a write as root."""
    with Ledger.open(url) as ledger:
        ledger.record(report("a"), findings(10))
    program = (
        "import sys\n"
        "from auditor.ledger.ledger import Ledger\n"
        "from contracts.errors import LedgerError\n"
        "from tests.unit.ledger.documents import findings, report\n"
        "with Ledger.open(sys.argv[1]) as ledger:\n"
        "    try:\n"
        "        ledger.record(report('b', 1), findings(5_000))\n"
        "    except LedgerError as failure:\n"
        "        print(failure)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    done = subprocess.run(
        [sys.executable, "-c", program, url], check=True, capture_output=True, text=True, preexec_fn=limit
    )
    assert done.stdout.startswith("cannot record the run in the ledger sqlite:///")
    assert "disk" in done.stdout
    with Ledger.open(url) as ledger:
        assert (ledger.status().runs, ledger.status().observations) == (1, 10)


def test_a_locked_ledger_is_told_after_the_wait(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.open(url).close()
    monkeypatch.setattr(database, "LOCK_WAIT_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "auditor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Ledger.open(url) as ledger:
        assert ledger.runs() == [], "reading does not wait"
        with pytest.raises(LedgerError, match="another process has been writing to it for more than"):
            ledger.record(report("a"), [])
    other.close()


def test_the_hash_key_is_made_once_and_stays(url: str, tmp_path: Path) -> None:
    first = ledger_hash_key(url)
    assert len(first) == 32
    assert ledger_hash_key(url) == first
    with Ledger.open(url) as ledger:
        assert ledger.hash_key() == first
    other = ledger_hash_key(f"sqlite:///{tmp_path}/other.db")
    assert other != first


def test_the_hash_key_is_in_no_text(url: str) -> None:
    from auditor.secrets import scrub

    with Ledger.open(url) as ledger:
        key = ledger.hash_key()
        assert key.hex() not in scrub(f"{ledger!r} {ledger.status()} INSERT … {key.hex()}")


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import auditor.ledger, auditor.settings, auditor.masking, auditor.clock", {"sqlalchemy", "alembic"}),
        (
            "from auditor.ledger.hash_key import ledger_hash_key; ledger_hash_key(sys.argv[1])",
            {"sqlalchemy", "alembic"},
        ),
        (
            "from auditor.ledger.ledger import Ledger; Ledger.open(sys.argv[1]).close()",
            {"alembic", "mako", "sqlalchemy.dialects.mysql"},
        ),
    ],
)
def test_what_is_slow_to_import_is_imported_only_where_it_is_needed(url: str, code: str, unwanted: set[str]) -> None:
    Ledger.open(url).close()
    program = f"import sys\n{code}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program, url], check=True, capture_output=True, text=True)
    assert unwanted.isdisjoint(done.stdout.split())
