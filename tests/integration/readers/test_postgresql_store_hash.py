"""What PostgreSQL hashes itself is found to differ exactly where the values differ."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auditor.readers.postgresql import catalog, plan
from auditor.readers.postgresql.store_hash import PROBED
from contracts.catalog import parse_catalog
from reconcilers.look import EntityLook, Looker, Readers, Suspects
from reconcilers.workspace import Workspace
from tests.integration.readers.postgresql_reading import reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.contract import Contract
    from tests.services import PostgreSQL

_CONTRACT = """\
entity: thing
version: 1
team: t
owner: {{service: s, dataset: own/t}}
key: [id]
fields:
  id: {{type: int}}
  {fields}
{more}
replicas:
  - {{service: copy, dataset: copy/t, lag_bound: 1m}}
"""
_ONE, _OTHER = "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001"

VALUES = {
    ("text", "text"): ["NULL", "''", "'a'", "'a '", "'A'", "'é'", r"U&'e\0301'", "'NULL'", "repeat('long ', 3000)"],
    ("varchar(9)", "text"): ["NULL", "''", "'a'", "'a '"],
    ("char(4)", "text"): ["NULL", "''", "'a'", "' a'"],
    ("uuid", "uuid"): ["NULL", f"'{_ONE}'", f"'{_OTHER}'", "'00000000-0000-0000-0000-000000000000'"],
    ("numeric(10,2)", "decimal(10,2)"): ["NULL", "0", "-0.00", "1.1", "-1.1", "'NaN'", "1", "10000", "0.01", "-0.01"],
    ("numeric(10,2)", "decimal(14,4)"): ["NULL", "0", "5", "-5", "'NaN'", "12345678.9"],
    ("bigint", "int"): ["NULL", "0", "1", "4294967296", "4294967297", "-1", "-4294967296"],
    ("timestamptz", "timestamp"): ["NULL", "'2024-01-01'", "'infinity'", "'-infinity'", "'0001-01-01'", "'9999-12-31'"],
    ("timestamp", "timestamp"): ["NULL", "'2024-01-01'", "'2024-01-01 01:11:34.967296'", "'infinity'"],
    ("double precision", "float"): ["NULL", "0", "'-0'", "'NaN'", "1e-300"],
    ("boolean", "bool"): ["NULL", "true", "false"],
}  # fmt: skip
"""Literals of PostgreSQL's, by the column's type and the declared one."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A small workspace."""
    with Workspace(tmp_path / "workspace") as opened:
        yield opened


class Pair:
    """A table `t` in two databases, and the contract between them."""

    def __init__(self, server: PostgreSQL, fields: dict[str, str], more: str = "") -> None:
        self.server = server
        self.owner, self.copy = server.fresh_database("owner"), server.fresh_database("copy")
        declared = "\n  ".join(f'{name}: {{type: "{kind}"}}' for name, kind in fields.items())
        catalog_ = parse_catalog({"thing.yaml": _CONTRACT.format(fields=declared, more=more)})
        self.contract: Contract = catalog_.contracts["thing"]

    def fill(self, url: str, columns: str, rows: Sequence[Sequence[str]]) -> None:
        """Make the table of one side; each row's number is its key."""
        values = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(rows))
        self.server.admin(
            f"CREATE TABLE t (id int PRIMARY KEY, {columns})", f"INSERT INTO t VALUES {values}", database=url
        )

    def looker(self, workspace: Workspace) -> Looker:
        """Looks at both."""
        return Looker(workspace, self.contract, Readers(reader(self.owner, "t"), {"copy": reader(self.copy, "t")}))


def _told(look: EntityLook) -> dict[str, tuple[str, ...]]:
    """The differing fields by key."""
    assert not look.replicas["copy"].error
    return {
        str(sight.finding.key[0][1]): tuple(
            f"{field.name}: {field.owner} {field.replica}" for field in sight.finding.fields
        )
        for sight in look.replicas["copy"].sights
        if sight.finding.key is not None
    }


def _hash_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "hash_form", lambda *_: "")


@pytest.mark.parametrize("case", VALUES, ids=" as ".join)
def test_the_same_rows_differ_whoever_hashes(
    postgres: PostgreSQL, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, case: tuple[str, str]
) -> None:
    """Every pair of nasty values, in two columns that could cancel each other out, beside two that are hashed."""
    column, logical = case
    pair = Pair(postgres, {"a": logical, "b": logical, "x": "text", "y": "text"})
    both = list(product(product(VALUES[case], repeat=2), repeat=2))[:: max(1, len(VALUES[case]) // 4)]
    for url, rows in ((pair.owner, [left for left, _ in both]), (pair.copy, [right for _, right in both])):
        pair.fill(url, f"a {column}, b {column}, x text, y text", [(*row, "'x'", "NULL") for row in rows])
    with postgres.statement_log() as log:
        hashed = _told(pair.looker(workspace).look())
    assert "AS h0" in log.text()
    _hash_nothing(monkeypatch)
    assert hashed == _told(pair.looker(workspace).look())
    assert 0 < len(hashed) < len(both)


def test_equal_values_of_different_columns_hash_alike(postgres: PostgreSQL, workspace: Workspace) -> None:
    """1.1 in numeric(10,2) is 1.1000 in numeric(14,4), a padded text its text: no row is fetched again."""
    pair = Pair(postgres, {"n": "decimal(14,4)", "c": "text", "v": "text", "u": "uuid"})
    row = ("1.1", "'ab'", "'v'", f"'{_ONE}'")
    pair.fill(
        pair.owner, "n numeric(10,2), c char(4), v varchar(9), u uuid NOT NULL", [row, ("NULL", "NULL", "NULL", row[3])]
    )
    pair.fill(
        pair.copy, "n numeric(14,4), c text, v text NOT NULL DEFAULT '', u uuid", [row, ("NULL", "NULL", "'v'", row[3])]
    )
    assert _told(pair.looker(workspace).look()) == {"1": ("v: None v",)}
    assert workspace.cursor().execute("SELECT count(*) FROM copy_diff").fetchall() == [(1,)]


def test_a_row_s_digest_is_the_same_by_scan_and_by_key(postgres: PostgreSQL, workspace: Workspace) -> None:
    """Else a difference that stays would look like one that changes."""
    pair = Pair(postgres, {"a": "text", "b": "decimal(10,2)", "c": "timestamp"})
    columns = "a text, b numeric(10,2), c timestamptz"
    pair.fill(pair.owner, columns, [("'a'", "1", "'2024-01-01'"), ("NULL", "'NaN'", "NULL"), ("'b'", "2", "NULL")])
    pair.fill(pair.copy, columns, [("'a'", "-1", "'2024-01-01'"), ("''", "'NaN'", "NULL"), ("'b'", "2", "NULL")])
    looker = pair.looker(workspace)
    first = looker.look().replicas["copy"].sights
    again = looker.look(Suspects({s.finding.key for s in first if s.finding.key is not None})).replicas["copy"].sights
    assert len(first) == 2
    assert {(s.finding.key, s.owner, s.replica) for s in first} == {(s.finding.key, s.owner, s.replica) for s in again}


def test_rows_that_exchange_their_values_are_found_among_many(postgres: PostgreSQL, workspace: Workspace) -> None:
    """What a sum over rows is made of is each row with its key, so an exchange changes it."""
    pair = Pair(postgres, {"a": "text", "b": "text"})
    table = "CREATE TABLE t AS SELECT i AS id, 'a' || {} AS a, 'b' AS b FROM generate_series(1, 30000) i"
    exchanged = "(CASE WHEN i % 6000 = 0 THEN i + 1 WHEN i % 6000 = 1 AND i > 1 THEN i - 1 ELSE i END)"
    for url, number in ((pair.owner, "i"), (pair.copy, exchanged)):
        postgres.admin(table.format(number), "ALTER TABLE t ADD PRIMARY KEY (id)", database=url)
    edges = [6000 * n for n in range(1, 6)]
    expected = {str(i) for edge in edges for i in (edge, edge + 1)} - {"30001"}
    assert set(_told(pair.looker(workspace).look())) == expected


def test_in_another_encoding_nothing_is_hashed(postgres: PostgreSQL, workspace: Workspace) -> None:
    """The bytes of "é" in UTF-8 are another text in LATIN1."""
    pair = Pair(postgres, {"a": "text", "b": "text"})
    postgres.admin("CREATE DATABASE latin_hashed ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    pair.owner = postgres.url_of("latin_hashed")
    pair.fill(pair.owner, "a text, b text", [("chr(195) || chr(169)", "''"), ("chr(233)", "''")])
    pair.fill(pair.copy, "a text, b text", [("chr(233)", "''"), ("chr(233)", "''")])
    assert _told(pair.looker(workspace).look()) == {"0": ("a: Ã© é",)}


def test_a_server_that_hashes_otherwise_hashes_nothing(
    postgres: PostgreSQL, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A big-endian machine, or a look-alike, answers the probe with another number."""
    pair = Pair(postgres, {"a": "text", "b": "text"})
    for url, value in ((pair.owner, "'a'"), (pair.copy, "'b'")):
        pair.fill(url, "a text, b text", [(value, "''")])
    monkeypatch.setattr(catalog, "PROBED", PROBED + 1)
    with postgres.statement_log() as log:
        assert _told(pair.looker(workspace).look()) == {"0": ("a: a b",)}
    assert "AS h0" not in log.text()


_SETTINGS = """\
version: 1
contracts: contracts
connections:
  own:  {{url: "{owner}"}}
  copy: {{url: "{copy}"}}
"""


def _reconcile(directory: Path, *options: str) -> str:
    """What `audit reconcile` writes."""
    program = str(Path(sys.executable).with_name("audit"))
    command = [program, "reconcile", "--config", str(directory / "auditor.yaml"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_dry_run_shows_the_statements_that_a_run_sends(postgres: PostgreSQL, tmp_path: Path) -> None:
    """What a rule looks at is brought; the rest is hashed by the server, and shown so."""
    fields = {"a": "text", "b": "text", "total": "decimal(10,2)", "at": "timestamp"}
    more = 'invariants: [{name: positive, holds: "total > 0"}]'
    pair = Pair(postgres, fields, more)
    for url in (pair.owner, pair.copy):
        pair.fill(url, "a text, b text, total numeric(10,2), at timestamptz", [("'a'", "'b'", "1", "'2024-01-01'")])
    (tmp_path / "contracts").mkdir()
    declared = "\n  ".join(f'{name}: {{type: "{kind}"}}' for name, kind in fields.items())
    (tmp_path / "contracts" / "thing.yaml").write_text(_CONTRACT.format(fields=declared, more=more))
    (tmp_path / "auditor.yaml").write_text(_SETTINGS.format(owner=pair.owner, copy=pair.copy))
    shown = _reconcile(tmp_path, "--dry-run", "--format", "json")
    queries = [query["query"] for query in json.loads(shown)["queries"]]
    with postgres.statement_log() as log:
        _reconcile(tmp_path, "--no-recheck")
    assert len(queries) == 2
    for query in queries:
        assert 'SELECT "id" AS c0, "total" AS c1, "at" AS c2, pg_catalog.hashtextextended(' in query
        assert query in log.text()
