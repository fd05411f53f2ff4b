"""A shop of real size: 100,000 customers, 300,000 orders, 900,000 order items, and copies of it in every kind of store.

The owner is in PostgreSQL.  Copies have renamed columns and other types; every copy is right until a fault is planted
in it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

    from tests.services import DatabaseServer, MariaDB, MySQL, PostgreSQL

CUSTOMERS, ORDERS, ITEMS = 100_000, 300_000, 900_000

OWNER = f"""
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, email text, vip boolean NOT NULL, born date,
  is_deleted boolean NOT NULL DEFAULT false, profile jsonb, tags text[]);
CREATE TABLE orders (id uuid PRIMARY KEY, customer_id bigint NOT NULL, status text NOT NULL, note text,
  subtotal numeric(10,2) NOT NULL, shipping numeric(10,2) NOT NULL, total numeric(10,2) NOT NULL,
  weight double precision, created_at timestamptz NOT NULL, due timestamp);
CREATE TABLE order_items (order_id uuid NOT NULL, line int NOT NULL, sku char(12) NOT NULL, quantity int NOT NULL,
  price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, line));
INSERT INTO customers SELECT i, 'Customer ' || i || CASE WHEN i % 3 = 0 THEN ' Müller' ELSE '' END,
  CASE WHEN i % 10 = 0 THEN NULL ELSE 'c' || i || '@example.com' END, i % 7 = 0, date '1950-01-01' + (i % 20000)::int,
  i % 50 = 0, jsonb_build_object('level', i % 5, 'score', (i % 100) / 10.0), ARRAY['t' || i % 3, 'u' || i % 4]
  FROM generate_series(1, {CUSTOMERS}) i;
INSERT INTO orders SELECT md5('order' || i)::uuid, 1 + i % {CUSTOMERS},
  (array['new','paid','shipped','done'])[1 + i % 4],
  CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN '' ELSE 'note ' || i END,
  (i % 10000) / 100.0, (i % 500) / 100.0, (i % 10000) / 100.0 + (i % 500) / 100.0, (i % 1000) / 7.0,
  timestamptz '2024-01-01 00:00:00+00' + i * interval '61.000123 seconds',
  timestamp '2024-02-01' + i * interval '1 minute'
  FROM generate_series(1, {ORDERS}) i;
INSERT INTO order_items SELECT md5('order' || o)::uuid, l, 'SKU' || lpad((o % 1000)::text, 6, '0'), 1 + (o + l) % 9,
  ((o * l) % 9999) / 100.0 FROM generate_series(1, {ORDERS}) o, generate_series(1, {ITEMS // ORDERS}) l;
"""

ORDER_COLUMNS = "id, customer_id, status, note, subtotal, shipping, total, weight, created_at, due"


class Copy(Protocol):
    """A copy that faults can be planted in, with SQL of its own dialect."""

    name: str

    def execute(self, statement: str) -> None:
        """Change the copy."""
        ...

    def seal(self) -> None:
        """Make the changes visible where they are not yet: files are written here."""
        ...


@dataclass
class ServerCopy:
    """A copy in a database server."""

    name: str
    server: DatabaseServer
    database: str

    def execute(self, statement: str) -> None:
        """Change the copy, at once."""
        self.server.admin(statement, database=self.database)

    def seal(self) -> None:
        """Nothing is held back."""


@dataclass
class SqliteCopy:
    """A copy in a SQLite file."""

    name: str
    path: Path

    def execute(self, statement: str) -> None:
        """Change the copy, at once."""
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute(statement)
        connection.close()

    def seal(self) -> None:
        """Nothing is held back."""


@dataclass
class FileCopy:
    """A copy in files: kept as tables until it is sealed."""

    name: str
    connection: duckdb.DuckDBPyConnection
    exports: dict[str, str]
    """Table to the COPY's target and options."""

    def execute(self, statement: str) -> None:
        """Change the table that the file is written from."""
        self.connection.execute(statement)

    def seal(self) -> None:
        """Write the files."""
        for table, target in self.exports.items():
            self.connection.execute(f"COPY {table} TO {target}")


@dataclass
class Shop:
    """The owner, its copies, and the project directory that audits them."""

    directory: Path
    owner: ServerCopy
    copies: dict[str, Any] = field(default_factory=dict)

    def seal(self) -> None:
        """Write every file and give every server fresh statistics."""
        for copy in self.copies.values():
            copy.seal()


def build(directory: Path, postgresql: PostgreSQL, mariadb: MariaDB, mysql: MySQL) -> Shop:
    """Fill the owner and every copy of it."""
    owner_url = postgresql.fresh_database("shop")
    owner = ServerCopy("owner", postgresql, owner_url)
    postgresql.admin(OWNER, database=owner_url)
    shop = Shop(directory, owner)
    dumps = _dump(shop, directory)
    shop.copies["reporting"] = _postgresql_copy(postgresql, dumps)
    shop.copies["billing"] = _mysql_copy("billing", mariadb, dumps)
    shop.copies["archive"] = _mysql_copy("archive", mysql, dumps)
    shop.copies["app"] = _sqlite_copy(directory / "app.db", dumps)
    shop.copies.update(_file_copies(directory / "lake", dumps))
    postgresql.admin("ANALYZE", database=owner_url)
    return shop


def _dump(shop: Shop, directory: Path) -> dict[str, Path]:
    """The owner's rows as CSV files: what every copy is loaded from."""
    dumps = {}
    orders = ORDER_COLUMNS.replace("created_at", "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
    queries = {
        "customers": "SELECT id, name, email, vip::int, born, is_deleted::int, profile, to_jsonb(tags) FROM customers",
        "orders": f"SELECT {orders} FROM orders",
        "order_items": "SELECT * FROM order_items",
    }
    connection = shop.owner.server.connect(shop.owner.database)
    for name, query in queries.items():
        dumps[name] = directory / f"{name}.dump.csv"
        copy = f"COPY ({query}) TO STDOUT (FORMAT csv)"
        with connection.cursor() as cursor, dumps[name].open("wb") as file, cursor.copy(copy) as rows:
            for block in rows:
                file.write(block)
    connection.close()
    return dumps


def _rows(path: Path) -> Iterator[list[str | None]]:
    """A dump's rows; an unquoted empty cell is NULL, a quoted one is ''."""
    import duckdb

    connection = duckdb.connect()
    result = connection.execute(
        f"SELECT * FROM read_csv('{path}', header=false, all_varchar=true, nullstr='', allow_quoted_nulls=false)"
    )
    while rows := result.fetchmany(10_000):
        yield from (list(row) for row in rows)
    connection.close()


def _postgresql_copy(server: PostgreSQL, dumps: dict[str, Path]) -> ServerCopy:
    """Renamed columns, times cut to milliseconds, a soft-delete flag of its own."""
    url = server.fresh_database("reporting")
    server.admin(
        "CREATE SCHEMA copies; CREATE TABLE copies.orders (order_id text, customer bigint, state varchar(20),"
        " memo text, total numeric(14,4), weight real, placed timestamp(3), deleted_at timestamptz);"
        'CREATE TABLE copies."Order Lines"'
        " (order_id uuid, line_no bigint, article text, qty numeric, price numeric)",
        database=url,
    )
    connection = server.connect(url)
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY copies.orders (order_id, customer, state, memo, total, weight, placed) FROM STDIN"
        ) as copy:
            for row in _rows(dumps["orders"]):
                placed = (row[8] or "")[:23]
                copy.write_row((str(row[0]).upper(), row[1], row[2], row[3], row[6], row[7], placed))
        with cursor.copy('COPY copies."Order Lines" FROM STDIN') as copy:
            for row in _rows(dumps["order_items"]):
                copy.write_row((row[0], row[1], str(row[2]).rstrip(), row[3], row[4]))
    connection.close()
    server.admin("CREATE INDEX ON copies.orders (order_id)", "ANALYZE", database=url)
    return ServerCopy("reporting", server, url)


def _mysql_copy(name: str, server: MariaDB | MySQL, dumps: dict[str, Path]) -> ServerCopy:
    """MySQL's types: CHAR for uuids, TINYINT for booleans, DATETIME for instants, JSON."""
    url = server.fresh_database(name)
    server.admin(
        "CREATE TABLE orders (id char(36) CHARACTER SET ascii PRIMARY KEY, customer_id int unsigned,"
        " status varchar(20), note text, total decimal(12,2), weight double, created datetime(6), due datetime(6))"
        " CHARACTER SET utf8mb4",
        "CREATE TABLE customers (customer_id int unsigned PRIMARY KEY, full_name varchar(100), mail varchar(200),"
        " vip tinyint(1), birthday date, profile json, tags json) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        database=url,
    )
    connection = server.connect(url)
    with connection.cursor() as cursor:
        orders = ([row[0], row[1], row[2], row[3], row[6], row[7], row[8], row[9]] for row in _rows(dumps["orders"]))
        _insert(cursor, "INSERT INTO orders VALUES (%s,%s,%s,%s,%s,%s,%s,%s)", orders)
        kept = (row for row in _rows(dumps["customers"]) if row[5] == "0")
        customers = ([row[0], row[1], row[2], row[3], row[4], row[6], row[7]] for row in kept)
        _insert(cursor, "INSERT INTO customers VALUES (%s,%s,%s,%s,%s,%s,%s)", customers)
    connection.close()
    return ServerCopy(name, server, url)


def _insert(cursor: Any, statement: str, rows: Iterator[list[str | None]]) -> None:
    batch: list[list[str | None]] = []
    cursor.execute("START TRANSACTION")
    for row in rows:
        batch.append(row)
        if len(batch) == 5_000:
            cursor.executemany(statement, batch)
            batch.clear()
    if batch:
        cursor.executemany(statement, batch)
    cursor.execute("COMMIT")


def _sqlite_copy(path: Path, dumps: dict[str, Path]) -> SqliteCopy:
    """SQLite's: text for everything but numbers, and a flag for deleted customers."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE order_search (order_id TEXT, customer INTEGER, state TEXT, memo TEXT, total REAL, placed TEXT)"
    )
    connection.execute(
        "CREATE TABLE people (id INTEGER, name TEXT, email TEXT, vip TEXT, born TEXT, gone INTEGER, profile TEXT)"
    )
    with connection:
        connection.executemany(
            "INSERT INTO order_search VALUES (?,?,?,?,?,?)",
            (
                (row[0], row[1], row[2], row[3], float(row[6] or 0), (row[8] or "").replace(" ", "T") + "Z")
                for row in _rows(dumps["orders"])
            ),
        )
        connection.executemany(
            "INSERT INTO people VALUES (?,?,?,?,?,?,?)",
            (
                (row[0], row[1], row[2], "true" if row[3] == "1" else "false", row[4], row[5], row[6])
                for row in _rows(dumps["customers"])
            ),
        )
    connection.execute("CREATE INDEX by_order ON order_search (order_id)")
    connection.close()
    return SqliteCopy("app", path)


def _file_copies(directory: Path, dumps: dict[str, Path]) -> dict[str, FileCopy]:
    """Parquet, CSV and JSON Lines, all written from tables of their own."""
    import duckdb

    directory.mkdir()
    copies = {}
    for name, suffix, options in (
        ("lake", "parquet", "(FORMAT parquet)"),
        ("export", "csv", "(FORMAT csv, HEADER, FORCE_QUOTE (id, status, note))"),
        ("documents", "jsonl", "(FORMAT json)"),
    ):
        connection = duckdb.connect()
        connection.execute(
            "CREATE TABLE orders AS SELECT column0 AS id, CAST(column1 AS BIGINT) AS customer_id, column2 AS status,"
            " column3 AS note, CAST(column6 AS DECIMAL(10,2)) AS total, CAST(column7 AS DOUBLE) AS weight,"
            " CAST(column8 AS TIMESTAMP) AS created_at"
            f" FROM read_csv('{dumps['orders']}', header=false, all_varchar=true, nullstr='', allow_quoted_nulls=false)"
        )
        copies[name] = FileCopy(name, connection, {"orders": f"'{directory / f'orders.{suffix}'}' {options}"})
    return copies


__all__ = ["Copy", "Shop", "build"]
