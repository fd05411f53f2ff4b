"""`audit contracts` and the first steps: init, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Outcome
    from tests.acceptance.shop import Shop
    from tests.services import MariaDB, PostgreSQL


@pytest.mark.usefixtures("shop")
def test_contracts_without_errors_pass_with_their_warnings(audit: Callable[..., Outcome]) -> None:
    done = audit("contracts", "check")
    assert done.code == 0
    assert "1 contract" in done.out


def test_every_error_is_in_the_result_with_its_line(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace("type: int}", "type: integer}")
    shop.replace("total >= 0", "totl >= 0")
    done = audit("contracts", "check", "--format", "json")
    assert done.code == 2
    errors = [one for one in done.json["problems"] if one["severity"] == "error"]
    assert {one["line"] for one in errors} == {8, 14}
    assert all(one["file"].endswith("order.yaml") for one in errors)


def live(audit: Callable[..., Outcome]) -> tuple[int, list[tuple[str, str]]]:
    """Exit code, severities and messages of a live check."""
    done = audit("contracts", "check", "--live", "--format", "json")
    return done.code, [(one["severity"], one["message"]) for one in done.json["problems"]]


def test_what_the_settings_lack_is_an_error_with_its_line(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """A connection or a feed that no settings name; one that no contract names is nobody's business."""
    shop.replace("export/orders.csv", "exports/orders.csv")
    shop.replace('    where: "status', '    applied_by: {feed: shopp, group_id: g}\n    where: "status')
    done = audit("contracts", "check")
    assert done.code == 2
    assert (
        "order.yaml:22: error: the connection `exports` is not configured; did you mean `export`? auditor.yaml has "
        "export, read_model, shop" in done.out
    )
    assert "order.yaml:24: error: the feed `shopp` is not configured; auditor.yaml has none" in done.out
    shop.replace_settings("connections:\n", "feeds:\n  shop: {type: recorded, path: r.jsonl}\nconnections:\n")
    only = audit("contracts", "check").out
    assert "the feed `shopp` is not configured; did you mean `shop`?\n" in only, "the only one is not named twice"
    shop.replace("exports/orders.csv", "export/orders.csv")
    shop.replace("    applied_by: {feed: shopp, group_id: g}\n", "")
    shop.replace_settings("connections:\n", 'connections:\n  other: {url: "sqlite:///other.db"}\n')
    assert audit("contracts", "check").code == 0


@pytest.mark.parametrize("dataset", ["shop/orders", "shop/main.orders", "shop/Orders", "again/orders"])
def test_the_owners_own_dataset_is_no_replica_under_whatever_name(
    shop: Shop, audit: Callable[..., Outcome], dataset: str
) -> None:
    """It would agree with itself for ever; a run refuses it as well as the check does."""
    shop.replace_settings("connections:\n", 'connections:\n  again: {url: "sqlite:///./shop.db"}\n')
    shop.replace("dataset: read_model/order_search", f"dataset: {dataset}")
    done = audit("contracts", "check")
    assert done.code == 2
    assert "order.yaml:17: error: the replica `search`" in done.out
    assert "is the owner's own dataset shop/orders" in done.out
    assert audit("reconcile").code == 2


def test_one_column_of_one_table_is_claimed_once_under_whatever_name(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.replace("dataset: export/orders.csv", "dataset: read_model/Order_Search\n    key: {id: order_id}")
    shop.replace("fields: [status, total]", "fields: {status: state}")
    done = audit("contracts", "check")
    assert "both claim the column `state` of read_model/Order_Search" in done.out
    assert done.code == 2


def test_a_type_that_its_comma_cuts_off_is_told_once_with_what_it_needs(
    shop: Shop, audit: Callable[..., Outcome]
) -> None:
    """Within braces a comma ends the value."""
    shop.replace('type: "decimal(10,2)"', "type: decimal(10,2)")
    done = audit("contracts", "check")
    assert """`type`: 'decimal(10' is cut off at its comma; a type with a comma needs quotes""" in done.out
    assert "1 error" in done.out


def test_diff_reads_files_as_check_does(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """No larger ones, with the same words, and with what to do next."""
    large = shop.directory / "large.yaml"
    large.write_text(shop.contract.read_text() + "# " + "x" * 2**20)
    done = audit("contracts", "diff", str(shop.contract), str(large))
    assert (done.code, done.out) == (2, "")
    assert "large.yaml: error: is larger than" in done.err
    assert "next:" in done.err
    large.write_bytes("entity: é".encode("latin-1"))
    assert "large.yaml:1: error: is not UTF-8" in audit("contracts", "diff", str(shop.contract), str(large)).err
    (shop.directory / "empty").mkdir()
    assert (
        "empty holds no contract" in audit("contracts", "diff", str(shop.contract), str(shop.directory / "empty")).err
    )


def test_live_holds_contracts_against_real_schemas(shop: Shop, audit: Callable[..., Outcome]) -> None:
    code, problems = live(audit)
    assert code == 0
    assert [severity for severity, _ in problems] == ["warning"]
    assert "nothing keeps the key (order_id) unique" in problems[0][1]
    shop.search("ALTER TABLE order_search RENAME COLUMN state TO status")
    shop.owner("ALTER TABLE orders RENAME COLUMN email TO mail")
    code, problems = live(audit)
    assert code == 2
    errors = [message for severity, message in problems if severity == "error"]
    assert len(errors) == 2
    assert any("no column email" in message for message in errors)
    assert any("no column state" in message for message in errors)


def test_live_looks_for_the_column_that_tells_when_a_row_changed(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """It need be no field; but one that is not there is a mistake in its name."""
    shop.replace("changed_at: updated_at", "changed_at: touched")
    (told,) = (message for severity, message in live(audit)[1] if severity == "error")
    assert told == "owner (shop/orders): there is no column touched, which is to tell when a row changed"
    shop.owner("ALTER TABLE orders ADD COLUMN touched TIMESTAMP")
    assert live(audit)[0] == 0


def test_live_reports_a_store_that_cannot_be_read(shop: Shop, audit: Callable[..., Outcome]) -> None:
    shop.search("DROP TABLE order_search")
    code, problems = live(audit)
    assert code == 2
    assert any("order_search" in message for severity, message in problems if severity == "error")


def test_live_knows_what_the_types_of_servers_can_carry(
    shop: Shop, audit: Callable[..., Outcome], postgres: PostgreSQL, mariadb: MariaDB
) -> None:
    """A type that cannot carry the declared one is an error; a missing zone, key or index a warning."""
    owner, copy = postgres.fresh_database("live"), mariadb.fresh_database("live")
    postgres.admin(
        "CREATE TABLE orders (id int PRIMARY KEY, status text, email text, total numeric(10,2), updated_at timestamp)",
        database=owner,
    )
    mariadb.admin(
        "CREATE TABLE order_search (order_id int, state date, email text, amount decimal(6,2))",
        "INSERT INTO order_search SELECT seq, NULL, NULL, NULL FROM seq_1_to_150000",
        "ANALYZE TABLE order_search",
        database=copy,
    )
    shop.replace_settings('"sqlite:///shop.db"', f'"{owner}"')
    shop.replace_settings('"sqlite:///read_model.db"', f'"{copy}"')
    shop.replace("dataset: shop/orders", "dataset: shop/public.orders")
    shop.replace("status:     {type: text}", "status:     {type: bool}")
    shop.replace("status <> 'draft'", "status")
    code, problems = live(audit)
    assert code == 2
    told = "\n".join(f"{severity}: {message}" for severity, message in problems)
    for expected in (
        "error: replica search (read_model/order_search): column state (date) cannot carry status, which is bool",
        "error: replica search (read_model/order_search): column amount (decimal(6,2)) cannot carry total",
        "warning: owner (shop/public.orders): column updated_at (timestamp without time zone) has no time zone",
        "warning: replica search (read_model/order_search): nothing keeps the key (order_id) unique there",
        "warning: replica search (read_model/order_search): no index begins with the key (order_id)",
    ):
        assert expected in told
    assert len(problems) == 5


@pytest.mark.usefixtures("shop")
def test_infer_writes_a_contract_that_asks_for_what_only_people_know(audit: Callable[..., Outcome]) -> None:
    inferred = audit("contracts", "infer", "shop/orders", "--replica", "read_model/order_search")
    assert inferred.code == 0
    assert "entity: order" in inferred.out
    assert "user1@example.com" not in inferred.out, "samples never reach the text"
    Path("contracts/order.yaml").write_text(inferred.out)
    asked = audit("contracts", "check")
    assert asked.code == 2
    for blank in ("lag_bound", "deletes", "completeness"):
        assert blank in asked.out
    filled = inferred.out
    for blank, value in (("lag_bound", "5m"), ("deletes", "propagate"), ("completeness", "full")):
        filled = filled.replace(f"{blank}:  #", f"{blank}: {value}  #")
    Path("contracts/order.yaml").write_text(filled)
    assert audit("contracts", "check").code == 0
    assert audit("reconcile", "--recheck-after", "0s", "--format", "json").code == 0


def test_infer_tells_from_the_rows_what_a_copy_keeps(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """By key, whatever the columns are called and the order the rows come in; and comparing with it works."""
    ids = [f"7f1c00{number:02x}-00ab-4000-8000-0000000000ff" for number in range(40)]
    moments = [f"2025-01-{1 + number % 28:02}T10:11:{number:02}.{number:02}3456Z" for number in range(40)]
    shop.owner(
        "CREATE TABLE people (id TEXT PRIMARY KEY, phone TEXT, city TEXT, seen_at TEXT, ssn TEXT)",
        *(
            f"INSERT INTO people VALUES ('{one}', '0190{number:06}', 'City {number}', '{moments[number]}', 's{number}')"
            for number, one in enumerate(ids)
        ),
    )
    shop.search(
        "CREATE TABLE humans (whose TEXT, contact TEXT, town TEXT, last_seen TEXT, ssn TEXT)",
        *(
            f"INSERT INTO humans VALUES ('{one.upper()}', '******{number:04}', 'City {number}', "
            f"'{moments[number][:19].replace('T', ' ')}', 'gone')"
            for number, one in reversed(list(enumerate(ids)))
        ),
    )
    done = audit("contracts", "infer", "shop/people", "--replica", "read_model/humans")
    assert done.code == 0
    for line in (
        "key: [id]  # unique there, but the store lets it be NULL",
        "id: {type: uuid}  # kept as TEXT; all 40 values seen are",
        "id: whose",
        'phone: {path: contact, equality: {mask: "*", keep_last: 4}}',
        "city: town",
        "seen_at: {path: last_seen, equality: truncated s}",
        "ssn: {path: ssn, equality: redacted}  # 40 of 40 sampled rows agree; one constant there",
    ):
        assert line in done.out
    assert "0190000007" not in done.out, "no value of a sample reaches the text"
    text = done.out.replace("lag_bound:  #", "lag_bound: 1s  #").replace("deletes:  #", "deletes: keep  #")
    shop.contract.write_text(text.replace("completeness:  #", "completeness: full  #"))
    assert audit("contracts", "check").code == 0
    compared = audit("reconcile", "--no-recheck", "--format", "json")
    assert compared.code == 0
    assert compared.json["entities"][0]["replicas"][0]["compared_rows"] == 40


def test_infer_finds_a_part_of_a_key_that_no_name_tells_and_then_the_rest(
    shop: Shop, audit: Callable[..., Outcome]
) -> None:
    """One part is called alike; with the other found by its values, rows tell of every other column."""
    lines = [(f"order-{number:04}", line) for number in range(12) for line in range(1, 5)]
    shop.owner(
        "CREATE TABLE lines (order_id TEXT, line INTEGER, article TEXT, note TEXT, PRIMARY KEY (order_id, line))",
        *(
            f"INSERT INTO lines VALUES ('{order}', {line}, 'article {order} {line}', 'n{order}{line}')"
            for order, line in lines
        ),
    )
    shop.search(
        "CREATE TABLE positions (order_id TEXT, weight INTEGER, pos INTEGER, thing TEXT, note TEXT)",
        *(
            f"INSERT INTO positions VALUES ('{order}', {90 + line * 7}, {line}, 'article {order} {line}', 'x{line}')"
            for order, line in reversed(lines)
        ),
    )
    done = audit("contracts", "infer", "shop/lines", "--replica", "read_model/positions")
    for line in (
        "order_id: order_id",
        "line: pos",
        "article: thing  # recognised by its values; 48 of 48 sampled rows agree",
        "note: note  # doubtful: 0 of 48 sampled rows agree",
    ):
        assert line in done.out


def test_live_tells_a_key_that_is_unique_from_one_that_may_be_null(shop: Shop, audit: Callable[..., Outcome]) -> None:
    """SQLite lets a PRIMARY KEY be NULL unless it is an INTEGER; that is another doubt than duplicates."""
    shop.search(
        "ALTER TABLE order_search RENAME TO old",
        "CREATE TABLE order_search (order_id TEXT PRIMARY KEY, state TEXT, email TEXT, amount REAL)",
        "INSERT INTO order_search SELECT * FROM old",
    )
    _, problems = live(audit)
    ((_, message),) = problems
    assert message == (
        "replica search (read_model/order_search): the key (order_id) is unique there, but order_id may be NULL; "
        "each run will look for rows without a key"
    )
    shop.search(
        "DROP TABLE order_search", "CREATE TABLE order_search (order_id INTEGER PRIMARY KEY, state, email, amount)"
    )
    assert live(audit) == (0, [])


def test_diff_says_what_changed_and_whether_the_version_was_raised(shop: Shop, audit: Callable[..., Outcome]) -> None:
    newer = Path("newer.yaml")
    newer.write_text(shop.contract.read_text().replace("lag_bound: 1s", "lag_bound: 1h"))
    done = audit("contracts", "diff", "contracts/order.yaml", "newer.yaml", "--format", "json")
    assert done.code == 2
    (diff,) = done.json["contracts"]
    assert diff["breaking"]
    assert "raise it" in diff["problem"]
    newer.write_text(newer.read_text().replace("version: 1", "version: 2"))
    assert audit("contracts", "diff", "contracts/order.yaml", "newer.yaml").code == 0
    assert audit("contracts", "diff", "contracts", "contracts").out == "no change\n"


@pytest.mark.usefixtures("shop")
def test_owners_is_a_table_of_who_owns_what(audit: Callable[..., Outcome]) -> None:
    done = audit("contracts", "owners", "--format", "json")
    (owner,) = done.json["owners"]
    assert (owner["entity"], owner["dataset"], owner["replicas"]) == ("order", "shop/orders", ["search", "export"])
    assert "shop/orders" in audit("contracts", "owners").out


def test_schema_needs_no_settings(audit: Callable[..., Outcome]) -> None:
    done = audit("contracts", "schema")
    assert done.code == 0
    assert json.loads(done.out)["type"] == "object"


def test_init_writes_what_check_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDERS_DB_PASSWORD", "x")
    assert audit("init").code == 0
    assert sorted(path.name for path in tmp_path.rglob("*.yaml")) == ["auditor.yaml", "order.yaml"]
    done = audit("contracts", "check")
    assert (done.code, done.err) == (0, "")
    assert "no problem" in done.out


@pytest.mark.usefixtures("shop")
def test_the_doctor_finds_a_working_shop_well_and_changes_nothing(shop: Shop, audit: Callable[..., Outcome]) -> None:
    before = shop.files()
    done = audit("doctor", "--format", "json")
    assert done.code == 0, done.out
    assert {one["status"] for one in done.json["checks"]} <= {"ok", "warning"}
    assert shop.files() == before


def test_the_doctor_names_what_does_not_work(shop: Shop, audit: Callable[..., Outcome]) -> None:
    (shop.directory / "read_model.db").unlink()
    done = audit("doctor", "--format", "json")
    assert done.code == 2
    assert [one["subject"] for one in done.json["checks"] if one["status"] == "error"] == ["connection read_model"]


def test_the_doctor_warns_of_a_user_who_may_write(
    shop: Shop, audit: Callable[..., Outcome], postgres: PostgreSQL
) -> None:
    database = postgres.fresh_database("doctor")
    postgres.admin(
        "CREATE TABLE t (x int)",
        "DO $$ BEGIN CREATE ROLE only_reads LOGIN PASSWORD 'only-reads'; EXCEPTION WHEN duplicate_object THEN END $$",
        "GRANT SELECT ON t TO only_reads",
        database=database,
    )
    reading = f"postgresql://only_reads:only-reads@{postgres.host}:{postgres.port}/{database.rpartition('/')[2]}"
    for url, warned in ((database, True), (reading, False)):
        shop.settings.write_text(f'contracts: contracts\nconnections:\n  shop: {{url: "{url}"}}\n')
        checks = audit("doctor", "--format", "json").json["checks"]
        warnings = [one for one in checks if one["status"] == "warning" and one["subject"] == "connection shop"]
        assert bool(warnings) == warned, checks
