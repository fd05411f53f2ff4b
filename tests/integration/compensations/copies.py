"""One shop and its copy in each kind of store: the same rows, with names, types and spellings of the store's own.

A copy is built right; then drift is planted in it.  What a plan restores must be the copy as it was built, to the last
byte, columns of no contract included.
"""

from __future__ import annotations

import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.services import DatabaseServer

CANARY = "canary-7f3a"
"""In every sensitive value: it must be in no plan."""

CONTRACTS = {
    "customer": """\
entity: customer
version: 1
team: accounts
owner: {service: shop, dataset: shop/customers}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
  email: {type: text, sensitive: true}
  phone: {type: text, sensitive: true}
  vip: {type: bool}
  born: {type: date}
  referrer: {type: int, references: customer}
  tags: {type: "list<text>"}
  profile: {type: json}
replicas:
  - service: copy
    dataset: copy/CUSTOMERS
    key: {id: customer_id}
    fields:
      name: {path: 'full "name"', equality: trimmed}
      email: email
      phone: {path: phone, equality: {mask: "*", keep_last: 2}}
      vip: vip
      born: born
      referrer: referrer
      tags: tags
      profile: profile
    deletes: {soft: gone}
    lag_bound: 1s
""",
    "order": """\
entity: order
version: 1
team: checkout
owner: {service: shop, dataset: shop/orders}
key: [id]
fields:
  id: {type: uuid}
  customer_id: {type: int, references: customer}
  status: {type: "enum(placed,paid,shipped,done)"}
  note: {type: text}
  total: {type: "decimal(10,2)"}
  weight: {type: float}
  created_at: {type: timestamp}
  due: {type: timestamp(local)}
  photo: {type: bytes}
replicas:
  - service: copy
    dataset: copy/ORDERS
    key: {id: order_id}
    fields:
      customer_id: customer
      status: State
      note: note
      total: {path: total, equality: within 0.005}
      weight: weight
      created_at: {path: placed, equality: truncated s, timezone: Europe/Berlin}
      due: due
      photo: photo
    lag_bound: 1s
""",
    "line": """\
entity: line
version: 1
team: checkout
owner: {service: shop, dataset: shop/lines}
key: [order_id, line]
fields:
  order_id: {type: uuid, references: order}
  line: {type: int}
  sku: {type: text}
  price: {type: "decimal(10,2)"}
replicas:
  - service: copy
    dataset: copy/LINES
    key: {order_id: order_id, line: line_no}
    fields: [sku, price]
    select: "kind = 'line'"
    lag_bound: 1s
""",
}

FLAGGED = "UPDATE {customers} SET gone = '2026-01-01 00:00:00' WHERE customer_id >= 90"
"""How the copy is right: the owner has no such customers."""

DRIFT = (
    # a child before its parents: what was lost must come back in the other order
    "DELETE FROM {lines} WHERE kind = 'line' AND price < 0.1",
    "DELETE FROM {orders} WHERE order_id = 'AAAAAAAA-0000-4000-8000-000000000005'",
    "DELETE FROM {orders} WHERE order_id = 'AAAAAAAA-0000-4000-8000-000000000003'",
    "DELETE FROM {orders} WHERE order_id = 'AAAAAAAA-0000-4000-8000-000000000004'",
    "DELETE FROM {customers} WHERE customer_id = 3",
    "DELETE FROM {customers} WHERE customer_id = 5",
    "DELETE FROM {customers} WHERE customer_id = 4",
    # every kind of value changed
    (
        "UPDATE {customers} SET {name} = 'ada o''neill', born = NULL, vip = {false}, profile = NULL, tags = NULL"
        " WHERE customer_id = 1"
    ),
    "UPDATE {customers} SET email = 'old-canary-7f3a@example.org' WHERE customer_id = 2",
    "UPDATE {customers} SET gone = '2026-03-03 00:00:00' WHERE customer_id = 6",
    (
        "UPDATE {orders} SET {state} = 'paid', note = NULL, total = 19.89, weight = NULL, due = '2026-02-01 09:00:01',"
        " placed = '2026-01-31 08:00:00', photo = NULL WHERE order_id = 'AAAAAAAA-0000-4000-8000-000000000001'"
    ),
    (
        "UPDATE {orders} SET note = 'one line', weight = 0.3, photo = {photo}"
        " WHERE order_id = 'AAAAAAAA-0000-4000-8000-000000000002'"
    ),
    "UPDATE {lines} SET sku = 'S1', price = 9.5 WHERE kind = 'line' AND line_no = 2",
    # rows of nobody
    "UPDATE {customers} SET gone = NULL WHERE customer_id >= 90",
    (
        "INSERT INTO {orders} (order_id, customer, {state}, note, total)"
        " VALUES ('BBBBBBBB-0000-4000-8000-000000000001', 91, 'paid', 'x''y\\\\z', 5)"
    ),
    "INSERT INTO {lines} VALUES ({line}, 4, 'S9', 5, 'line')",
)


@dataclass(frozen=True, slots=True)
class Words:
    """What the statements above say in each dialect."""

    customers: str
    orders: str
    lines: str
    name: str
    state: str
    false: str
    photo: str
    line: str
    overriding: str = ""

    def spell(self, statement: str) -> str:
        """A statement in this dialect."""
        return statement.format(**{name: getattr(self, name) for name in self.__slots__})


def statements(name: str) -> list[str]:
    """The statements of one of the files beside this one."""
    text = (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8")
    return [one for one in text.split(";\n") if one.strip()]


class Copy:
    """One copy, and the client that plans are applied with."""

    schema: str
    words: Words
    url: str
    relations: tuple[str, str, str] = ("customers", "orders", "Order Lines")

    def run(self, *statements: str) -> None:
        """Change the copy."""
        raise NotImplementedError

    def rows(self) -> dict[str, list[Any]]:
        """Everything in the copy, to the last byte."""
        raise NotImplementedError

    def client(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script with the store's own client."""
        raise NotImplementedError

    def setting(self, name: str, value: str) -> str:
        """How the client is told a value."""
        raise NotImplementedError

    def build(self) -> None:
        """Make the copy, all right."""
        self.run(*statements(self.schema), self.words.spell(FLAGGED))

    def drift(self) -> None:
        """Plant all drift."""
        self.run(*map(self.words.spell, DRIFT))


def _client(command: Sequence[str], script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)


class ServerCopy(Copy):
    """A copy in a database server."""

    def __init__(self, server: DatabaseServer) -> None:
        self.server = server
        self.url = server.fresh_database("copy")

    def run(self, *statements: str) -> None:
        """See `Copy.run`."""
        self.server.admin(*statements, database=self.url)

    def _program(self) -> str:
        found = self.server.command_line_client
        assert found is not None, f"{self.server.title} came without its client"
        return str(found)


class PostgreSqlCopy(ServerCopy):
    """PostgreSQL, with psql."""

    schema = "postgresql"
    relations = ("copies.customers", "copies.orders", "copies.Order Lines")
    words = Words("copies.customers", "copies.orders", 'copies."Order Lines"', '"full ""name"""', '"State"', "false",
                  r"'\x01'", "'bbbbbbbb-0000-4000-8000-000000000001'", " OVERRIDING SYSTEM VALUE")  # fmt: skip

    def rows(self) -> dict[str, list[Any]]:
        """See `Copy.rows`."""
        tables = (self.words.customers, self.words.orders, self.words.lines)
        return {
            table: self.server.admin(f'SELECT t::text FROM {table} t ORDER BY t::text COLLATE "C"', database=self.url)
            for table in tables
        }

    def client(self, script: str) -> subprocess.CompletedProcess[str]:
        """See `Copy.client`."""
        return _client([self._program(), "-X", "-q", "--dbname", self.url], script)

    def setting(self, name: str, value: str) -> str:
        """See `Copy.setting`."""
        return f"\\set {name} '{value}'"


class MySqlCopy(ServerCopy):
    """MySQL or MariaDB, with its own client."""

    schema = "mysql"
    words = Words("customers", "orders", "`Order Lines`", '`full "name"`', "`State`", "0", "X'01'",
                  "X'bbbbbbbb000040008000000000000001'")  # fmt: skip

    def __init__(self, server: DatabaseServer, mode: str = "") -> None:
        super().__init__(server)
        self.mode = mode

    def rows(self) -> dict[str, list[Any]]:
        """See `Copy.rows`."""
        tables = (self.words.customers, self.words.orders, self.words.lines)
        return {
            table: sorted(map(repr, self.server.admin(f"SELECT * FROM {table}", database=self.url))) for table in tables
        }

    def client(self, script: str) -> subprocess.CompletedProcess[str]:
        """See `Copy.client`."""
        server = self.server
        command = [self._program(), "--protocol=tcp", f"--host={server.host}", f"--port={server.port}"]
        command += [f"--user={server.user}", f"--password={server.password}", "--default-character-set=utf8mb4"]
        mode = f"SET SESSION sql_mode = '{self.mode}';\n" if self.mode else ""
        return _client([*command, self.url.rsplit("/", 1)[1]], mode + script)

    def setting(self, name: str, value: str) -> str:
        """See `Copy.setting`."""
        return f"SET @{name} = '{value}';"


class SqliteCopy(Copy):
    """SQLite, with its shell."""

    schema = "sqlite"
    words = Words("customers", "orders", '"Order Lines"', '"full ""name"""', '"State"', "0", "X'01'",
                  "X'bbbbbbbb000040008000000000000001'")  # fmt: skip

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self.path = directory / "copy.db"
        self.url = f"sqlite:///{self.path}"

    def run(self, *statements: str) -> None:
        """See `Copy.run`."""
        connection = sqlite3.connect(self.path)
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def rows(self) -> dict[str, list[Any]]:
        """See `Copy.rows`."""
        connection = sqlite3.connect(self.path)
        tables = (self.words.customers, self.words.orders, self.words.lines)
        found = {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in tables}
        connection.close()
        return found

    def client(self, script: str) -> subprocess.CompletedProcess[str]:
        """See `Copy.client`."""
        return _client([str(self.program), str(self.path)], script)

    def setting(self, name: str, value: str) -> str:
        """See `Copy.setting`."""
        return f".parameter set :{name} \"'{value}'\""


def write_project(directory: Path, copy: Copy) -> None:
    """The owner, the contracts and the settings of one copy."""
    connection = sqlite3.connect(directory / "shop.db")
    for statement in statements("owner"):
        connection.execute(statement)
    connection.commit()
    connection.close()
    (directory / "contracts").mkdir()
    for name, text in CONTRACTS.items():
        for word, relation in zip(("CUSTOMERS", "ORDERS", "LINES"), copy.relations, strict=True):
            text = text.replace(f"copy/{word}", f"copy/{relation}")  # noqa: PLW2901 - one name after another
        (directory / "contracts" / f"{name}.yaml").write_text(text, "utf-8")
    (directory / "auditor.yaml").write_text(
        f"version: 1\ncontracts: contracts\nconnections:\n  shop: {{url: 'sqlite:///shop.db'}}\n"
        f"  copy: {{url: '{copy.url}'}}\nledger: {{url: 'sqlite:///auditor.db'}}\n",
        "utf-8",
    )
