"""Bad input: one clear message that names the place, exit code 2, nothing changed, no traceback, no secret."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.shop import CONTRACT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop
    from tests.services import MariaDB, PostgreSQL

PASSWORD = "hunter2-s3cr3t"
NOW = ("reconcile", "--recheck-after", "0s", "--format", "json")


@pytest.fixture
def refuses(shop: Shop, audit: Callable[..., Outcome]) -> Callable[..., str]:
    """Run a command that must fail as every failure should, and return what it says."""

    def check(*arguments: str, says: tuple[str, ...] = (), code: int = 2) -> str:
        before = shop.files()
        done = audit(*(arguments or NOW))
        assert done.code == code
        assert done.out == "", "stdout carries results alone"
        assert "Traceback" not in done.err
        assert "internal error" not in done.err
        assert PASSWORD not in done.err
        assert shop.files() == before, "nothing changed"
        for words in says:
            assert words in done.err
        return done.err

    return check


@pytest.mark.parametrize("command", [NOW, ("contracts", "infer", "shop/orders"), ("contracts", "check", "--live")])
def test_a_result_that_can_go_nowhere_is_told_before_any_work(
    shop: Shop, refuses: Callable[..., str], command: tuple[str, ...]
) -> None:
    """No run is made, no ledger, no empty file."""
    refuses(*command, "--out", "nowhere/report.json", says=("nowhere/report.json failed", "--out"))
    refuses(*command, "--out", "export", says=("it is a directory", "--out"))
    assert not (shop.directory / "auditor.db").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_stdout_is_one_message(
    shop: Shop, audit: Callable[..., Outcome], audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    """In every format, where the last bytes leave when the program ends too."""
    assert audit("reconcile").code == 0
    assert shop.settings.exists()
    with Path("/dev/full").open("w") as full:
        formats = ("terminal", "json", "markdown", "html", "junit", "csv")
        reports = [audit_process("report", "--format", form, stdout=full) for form in formats]
        for report in reports:
            _, said = report.communicate(timeout=60)
            assert report.returncode == 2
            assert said.splitlines()[0] == "audit: writing failed: No space left on device"
            assert len(said.splitlines()) == 2


def test_a_run_that_fails_leaves_the_file_of_its_result_as_it_was(shop: Shop, refuses: Callable[..., str]) -> None:
    """Whether there was one or not."""
    (shop.directory / "old.json").write_text("of yesterday")
    shop.replace("dataset: shop/orders", "dataset: shop/ordrs")
    refuses(*NOW, "--out", "old.json", says=("nothing could be compared",))
    refuses(*NOW, "--out", "new.json", says=("nothing could be compared",))
    assert not (shop.directory / "new.json").exists()


# Settings


def test_no_settings(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.settings.unlink()
    refuses(says=("auditor.yaml", "there is no such file", "audit init"))


def test_settings_that_are_a_directory(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.settings.unlink()
    shop.settings.mkdir()
    refuses(says=("auditor.yaml", "directory"))


@pytest.mark.parametrize("text", ["connections: [", "a: b: c", "\tx: 1", "x: 'open"])
def test_settings_that_are_no_yaml(shop: Shop, refuses: Callable[..., str], text: str) -> None:
    shop.settings.write_text(f"version: 1\n{text}\n")
    refuses(says=("auditor.yaml:", "not valid YAML"))


def test_an_unknown_setting_is_told_with_what_was_meant(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace_settings("connections:", "conections:")
    refuses(says=("auditor.yaml:3", "conections", "did you mean `connections`"))


def test_every_wrong_setting_is_told_at_once(shop: Shop, refuses: Callable[..., str]) -> None:
    with shop.settings.open("a") as settings:
        settings.write("workspace: {threads: many, memory_limit: 5}\nreprot: {}\n")
    refuses(says=("workspace.threads", "workspace.memory_limit", "reprot"))


def test_a_variable_that_is_not_set_is_named(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace_settings('"sqlite:///shop.db"', '"sqlite:///${AUDIT_TEST_UNSET}.db"')
    refuses(says=("auditor.yaml:4", "AUDIT_TEST_UNSET"))


def test_an_unknown_scheme(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace_settings('"sqlite:///shop.db"', f'"postgrse://u:{PASSWORD}@db/x"')
    refuses(says=("auditor.yaml:4", "postgrse", "postgresql"))


def test_a_store_that_this_version_cannot_read(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace_settings('"sqlite:///shop.db"', f'"mongodb://u:{PASSWORD}@127.0.0.1/x"')
    refuses(says=("shop", "mongodb", "nothing could be compared"))


# Contracts


def test_no_contracts(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.contract.unlink()
    refuses(says=("contracts", "holds no contract"))


def test_a_contract_that_is_no_yaml(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.contract.write_text("entity: order\nfields: {a: [\n")
    refuses(says=("order.yaml:",))


def test_every_wrong_line_of_a_contract_is_told_at_once(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace("type: int}", "type: integer}")
    shop.replace("lag_bound: 1s", "lag_bound: soon")
    shop.replace("total >= 0", "totl >= 0")
    refuses(says=("order.yaml:8", "integer", "soon", "totl"))


@pytest.mark.parametrize(
    "expression",
    [
        "total >= 0; DROP TABLE orders",
        "(SELECT count(*) FROM orders) > 0",
        "pg_sleep(10) IS NULL",
        "total >= 0 -- ",
        "read_text('/etc/passwd') <> ''",
        "load_extension('x')",
        "total >= (WITH x AS (DELETE FROM orders RETURNING 1) SELECT 1)",
        "",
        "(" * 3000,
    ],
)
def test_no_expression_can_smuggle_anything(shop: Shop, refuses: Callable[..., str], expression: str) -> None:
    shop.contract.write_text(shop.contract.read_text().replace('"total >= 0"', f'"{expression}"'))
    refuses(says=("order.yaml:1",))
    shop.contract.write_text(CONTRACT)
    refuses(*NOW, "--where", expression, says=("--where",))


@pytest.mark.parametrize("expression", ["total >", "1; DROP TABLE orders", "totl > 1", "total", ""])
def test_a_where_that_is_none(refuses: Callable[..., str], expression: str) -> None:
    refuses(*NOW, "--where", expression, says=("--where",))


# Names


def test_an_unknown_entity(refuses: Callable[..., str]) -> None:
    refuses("reconcile", "ordr", says=("ordr", "order"))
    refuses("entity", "ordr", "1", says=("ordr", "order"))


def test_an_unknown_replica(refuses: Callable[..., str]) -> None:
    refuses("reconcile", "--replica", "serach", says=("serach", "search"))


def test_an_unknown_connection(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace("dataset: shop/orders", "dataset: shp/orders")
    refuses(says=("shp",))


@pytest.mark.parametrize(
    "arguments", [(), ("frobnicate",), ("reconcile", "--frobnicate"), ("contracts",), ("report", "a", "b")]
)
def test_bad_usage(refuses: Callable[..., str], arguments: tuple[str, ...]) -> None:
    refuses(*(arguments or ("--quiet",)), says=("audit", "--help"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("reconcile", "--format", "yaml"),
        ("entity", "order", "1", "--format", "html"),
        ("reconcile", "--max-wait", "10"),
        ("reconcile", "--recheck-after", "soon"),
        ("reconcile", "--fail-on", "nothing"),
        ("reconcile", "--limit-findings", "-1"),
        ("runs", "--limit", "none"),
    ],
)
def test_options_with_values_that_are_none(refuses: Callable[..., str], arguments: tuple[str, ...]) -> None:
    option = next(word for word in arguments if word.startswith("--"))
    refuses(*arguments, says=(option,))


@pytest.mark.parametrize(
    "relation",
    [
        "orders; DROP TABLE orders",
        'orders"; DROP TABLE orders; --',
        "orders' OR '1'='1",
        "../../etc/passwd",
        "main.sqlite_master.x",
        "\\\\x00",
        "ор\u0434еrs",
        "pragma_table_info('orders')",
    ],
)
def test_hostile_relations_are_names_and_nothing_else(shop: Shop, refuses: Callable[..., str], relation: str) -> None:
    shop.contract.write_text(
        shop.contract.read_text().replace("dataset: shop/orders,", f"dataset: {quoted('shop/' + relation)},")
    )
    refuses(says=("shop/", "nothing could be compared"))


def test_hostile_columns_are_names_and_nothing_else(shop: Shop, audit: Callable[..., Outcome]) -> None:
    hostile = 'state"; DROP TABLE order_search; --'
    shop.contract.write_text(shop.contract.read_text().replace("status: state", f"status: {quoted(hostile)}"))
    done = audit(*NOW)
    assert done.code == 2
    assert done.json["exit_reasons"] == ["unreadable"]
    assert "order_search" in done.err
    escaped = hostile.replace('"', '""')
    shop.search(f'ALTER TABLE order_search RENAME COLUMN state TO "{escaped}"')
    assert audit(*NOW).code == 0


def quoted(text: str) -> str:
    """A text in YAML, whatever it holds."""
    return json.dumps(text)


# Stores


def test_a_file_that_is_not_there(shop: Shop, refuses: Callable[..., str]) -> None:
    (shop.directory / "shop.db").unlink()
    refuses(says=("shop.db", "nothing could be compared"))
    assert not (shop.directory / "shop.db").exists(), "SQLite makes what it does not find, unless told not to"


def test_a_relation_that_is_not_there(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.replace("dataset: shop/orders", "dataset: shop/ordrs")
    refuses(says=("shop/ordrs", "orders"))


def test_a_column_that_is_not_there(shop: Shop, refuses: Callable[..., str]) -> None:
    shop.owner("ALTER TABLE orders RENAME COLUMN status TO state")
    refuses(says=("shop/orders", "status"))


def test_a_file_that_is_no_database(shop: Shop, refuses: Callable[..., str]) -> None:
    (shop.directory / "shop.db").write_bytes(b"this is no database at all, but long enough to be one" * 40)
    refuses(says=("shop", "database"))


def test_a_file_that_is_no_parquet(shop: Shop, audit: Callable[..., Outcome]) -> None:
    (shop.directory / "export" / "orders.parquet").write_bytes(b"PAR1 and nothing that follows from it")
    shop.replace("export/orders.csv", "export/orders.parquet")
    done = audit(*NOW)
    assert (done.code, done.json["exit_reasons"]) == (2, ["unreadable"])
    assert "export/orders.parquet" in done.err
    assert "Traceback" not in done.err


def test_a_csv_that_is_none(shop: Shop, audit: Callable[..., Outcome]) -> None:
    (shop.directory / "export" / "orders.csv").write_bytes(b'id,status,total\n1,"paid,1.50\n2,paid,2.50\n')
    done = audit(*NOW)
    assert done.code == 2
    assert "export/orders.csv" in done.err


def test_a_server_that_is_down(shop: Shop, refuses: Callable[..., str]) -> None:
    for scheme in ("postgresql", "mysql"):
        shop.settings.write_text(
            "contracts: contracts\nconnections:\n"
            f'  shop: {{url: "{scheme}://auditor@127.0.0.1:9/shop", password: {PASSWORD}}}\n'
            '  read_model: {url: "sqlite:///read_model.db"}\n  export: {url: "file:./export"}\n'
        )
        refuses(says=("shop/orders", "127.0.0.1:9", "nothing could be compared"))


def test_a_wrong_password_of_postgresql(shop: Shop, refuses: Callable[..., str], postgres: PostgreSQL) -> None:
    url = f"postgresql://{postgres.user}:{PASSWORD}@{postgres.host}:{postgres.port}/postgres"
    shop.replace_settings('"sqlite:///shop.db"', f'"{url}"')
    refuses(says=("shop/orders", postgres.user))


def test_a_wrong_password_of_mariadb(shop: Shop, refuses: Callable[..., str], mariadb: MariaDB) -> None:
    url = f"mariadb://{mariadb.user}:{PASSWORD}@{mariadb.host}:{mariadb.port}/mysql"
    shop.replace_settings('"sqlite:///shop.db"', f'"{url}"')
    refuses(says=("shop/orders", mariadb.user))


# Our own files


def test_a_workspace_that_cannot_be_written(shop: Shop, refuses: Callable[..., str]) -> None:
    Path("blocked").write_text("a file where a directory should be")
    with shop.settings.open("a") as settings:
        settings.write("workspace: {directory: blocked/spill}\n")
    refuses(says=("blocked/spill", "workspace.directory"))


@pytest.mark.parametrize(
    "command", [("findings",), ("runs",), ("report",), ("ledger", "upgrade"), ("ledger", "status")]
)
def test_a_ledger_that_is_no_database(shop: Shop, refuses: Callable[..., str], command: tuple[str, ...]) -> None:
    (shop.directory / "auditor.db").write_bytes(b"this is no database at all, but long enough to be one" * 40)
    refuses(*command, says=("auditor.db",))


def test_init_overwrites_nothing(refuses: Callable[..., str]) -> None:
    refuses("init", says=("auditor.yaml", "there already"))


@pytest.mark.parametrize(
    "command", [("contracts", "diff", "contracts", "nowhere"), ("contracts", "infer", "shop/nothing")]
)
def test_contracts_of_what_is_not_there(refuses: Callable[..., str], command: tuple[str, ...]) -> None:
    refuses(*command, says=(command[-1],))


@pytest.mark.parametrize("dataset", ["orders", "/orders", "shop/", "nowhere/orders"])
def test_infer_of_no_dataset(refuses: Callable[..., str], dataset: str) -> None:
    refuses("contracts", "infer", dataset)


# Ctrl-C


def test_ctrl_c_ends_a_run_and_leaves_nothing_half_written(
    shop: Shop, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    shop.search("DELETE FROM order_search WHERE order_id = 3")
    before = shop.files()
    process = audit_process("reconcile", "--recheck-after", "1h", "--max-wait", "2h", "--out", "report.json")
    assert process.stderr is not None
    assert "looking again" in process.stderr.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert (process.returncode, out) == (2, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    assert shop.files() == before
    assert not list((shop.directory / ".auditor").iterdir())


@pytest.mark.usefixtures("shop")
def test_a_bug_is_one_line_without_verbose(audit: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError(f"connecting to postgresql://auditor:{PASSWORD}@db/orders")

    monkeypatch.setattr("auditor.runs.job.in_scope", broken)
    done = audit(*NOW)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert "run again with --verbose" in done.err
    told = audit(*NOW, "--verbose")
    assert "Traceback" in told.err
    assert PASSWORD not in done.err + told.err


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders RETURNING *",
        "UPDATE orders SET status = 'x' RETURNING *",
        "SELECT * FROM orders; DELETE FROM orders",
        "SELECT * FROM orders) x; DELETE FROM orders --",
        "PRAGMA user_version = 7",
        "ATTACH 'precious.db' AS p",
        "VACUUM INTO 'copy.db'",
        "",
    ],
)
def test_an_owners_query_cannot_write(shop: Shop, refuses: Callable[..., str], sql: str) -> None:
    shop.replace("dataset: shop/orders, changed_at: updated_at", f"query: {{connection: shop, sql: {quoted(sql)}}}")
    refuses(says=("order",))


def test_an_owners_query_is_wrapped_and_read(shop: Shop, audit: Callable[..., Outcome]) -> None:
    sql = "WITH o AS (SELECT * FROM orders) SELECT * FROM o -- and a comment"
    shop.replace("dataset: shop/orders, changed_at: updated_at", f"query: {{connection: shop, sql: {quoted(sql)}}}")
    done = audit(*NOW)
    assert done.code == 0, done.err
    assert done.json["entities"][0]["owner"]["rows"] == 20
