"""A small shop for acceptance tests: an owner and a read model in SQLite, an export in CSV, a contract, settings."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 20

SETTINGS = """\
version: 1
contracts: contracts
connections:
  shop:       {url: "sqlite:///shop.db"}
  read_model: {url: "sqlite:///read_model.db"}
  export:     {url: "file:./export"}
"""

CONTRACT = """\
entity: order
version: 1
description: An order.
team: checkout
owner: {service: shop, dataset: shop/orders, changed_at: updated_at}
key: [id]
fields:
  id:         {type: int}
  status:     {type: text}
  email:      {type: text, sensitive: true}
  total:      {type: "decimal(10,2)"}
  updated_at: {type: timestamp}
invariants:
  - {name: total_is_not_negative, holds: "total >= 0"}
replicas:
  - service: search
    dataset: read_model/order_search
    key: {id: order_id}
    fields: {status: state, email: email, total: {path: amount, equality: within 0.005}}
    lag_bound: 1s
  - service: export
    dataset: export/orders.csv
    fields: [status, total]
    where: "status <> 'draft'"
    lag_bound: 1s
"""


class Shop:
    """The shop below a directory; every copy is right at first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "contracts").mkdir()
        (directory / "export").mkdir()
        self.settings = directory / "auditor.yaml"
        self.settings.write_text(SETTINGS)
        self.contract = directory / "contracts" / "order.yaml"
        self.contract.write_text(CONTRACT)
        self._make()

    def _make(self) -> None:
        rows = [(i, "paid", f"user{i}@example.com", f"{i}.50", "2025-01-01T00:00:00Z") for i in range(1, ORDERS + 1)]
        with closing(sqlite3.connect(self.directory / "shop.db")) as owner, owner:
            owner.execute(
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, email TEXT, total TEXT, updated_at TEXT)"
            )
            owner.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
        with closing(sqlite3.connect(self.directory / "read_model.db")) as copy, copy:
            copy.execute("CREATE TABLE order_search (order_id INTEGER, state TEXT, email TEXT, amount REAL)")
            copy.executemany(
                "INSERT INTO order_search VALUES (?, ?, ?, ?)", [(*row[:3], float(row[3])) for row in rows]
            )
        self.export([{"id": row[0], "status": row[1], "total": row[3]} for row in rows])

    def export(self, rows: list[dict[str, Any]]) -> None:
        """Write the CSV export anew."""
        with (self.directory / "export" / "orders.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "status", "total"])
            writer.writeheader()
            writer.writerows(rows)

    def owner(self, *statements: str) -> None:
        """Change the owner."""
        self._execute("shop.db", statements)

    def search(self, *statements: str) -> None:
        """Change the read model."""
        self._execute("read_model.db", statements)

    def replace(self, old: str, new: str) -> None:
        """Change the contract's text."""
        text = self.contract.read_text()
        assert old in text
        self.contract.write_text(text.replace(old, new))

    def replace_settings(self, old: str, new: str) -> None:
        """Change the settings' text."""
        text = self.settings.read_text()
        assert old in text
        self.settings.write_text(text.replace(old, new))

    def files(self) -> dict[str, bytes]:
        """Every file and its content; the spill directory is nobody's business."""
        found = (path for path in self.directory.rglob("*") if path.is_file() and ".auditor" not in path.parts)
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in found}

    def _execute(self, name: str, statements: tuple[str, ...]) -> None:
        with closing(sqlite3.connect(self.directory / name)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
