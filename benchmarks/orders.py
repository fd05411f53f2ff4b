"""The table that is compared: nine columns as an order has them, on both sides the same but for planted differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = """\
entity: order
version: 1
team: checkout
owner: {{service: orders, dataset: owner/{owner}, feed: {{name: shop, topic: shop.public.orders}}}}
key: [id]
fields:
  id:          {{type: int}}
  customer_id: {{type: uuid}}
  status:      {{type: text}}
  email:       {{type: text}}
  subtotal:    {{type: "decimal(10,2)"}}
  tax:         {{type: "decimal(10,2)"}}
  total:       {{type: "decimal(12,2)"}}
  created_at:  {{type: timestamp}}
  updated_at:  {{type: timestamp}}
replicas:
  - {{service: reporting, dataset: replica/{replica}, lag_bound: 5m}}
"""

NARROW_CONTRACT = """\
entity: order
version: 1
team: checkout
owner: {{service: orders, dataset: owner/{owner}, feed: {{name: shop, topic: shop.public.orders}}}}
key: [id]
fields:
  id:          {{type: int}}
  status:      {{type: text}}
  total:       {{type: "decimal(12,2)"}}
  created_at:  {{type: timestamp}}
replicas:
  - {{service: reporting, dataset: replica/{replica}, lag_bound: 5m}}
"""

NARROW_TABLE = """\
CREATE TABLE {table} (id bigint PRIMARY KEY, status text NOT NULL, total numeric(12,2), created_at timestamptz)"""

NARROW_ROWS = """\
INSERT INTO {table} SELECT i, (array['new','paid','shipped','done'])[1 + i % 4], (i % 10000) / 100.0,
  timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second' FROM generate_series(1, {rows}) i"""

SETTINGS = """\
version: 1
contracts: contracts
connections:
  owner: {{url: "{owner}", {limits}}}
  replica: {{url: "{replica}"}}
feeds:
  shop: {feed}
ledger: {{url: "sqlite:///auditor.db"}}
workspace: {{directory: .auditor, memory_limit: {memory}, threads: 2}}
"""

COLUMNS = ("id", "customer_id", "status", "email", "subtotal", "tax", "total", "created_at", "updated_at")

POSTGRESQL_TABLE = """\
CREATE TABLE {table} (id bigint PRIMARY KEY, customer_id uuid NOT NULL, status text NOT NULL, email text,
  subtotal numeric(10,2), tax numeric(10,2), total numeric(12,2), created_at timestamptz, updated_at timestamp)"""

POSTGRESQL_ROWS = """\
INSERT INTO {table} SELECT i, md5(i::text)::uuid, (array['new','paid','shipped','done'])[1 + i % 4],
  'user' || (i % 100000) || '@example.com', (i % 10000) / 100.0, (i % 1000) / 100.0,
  (i % 10000) / 100.0 + (i % 1000) / 100.0, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second',
  timestamp '2024-01-01' + i * interval '1.5 second' FROM generate_series(1, {rows}) i"""

MARIADB_TABLE = """\
CREATE TABLE {table} (id bigint PRIMARY KEY, customer_id char(36) NOT NULL, status varchar(20) NOT NULL,
  email varchar(100),
  subtotal decimal(10,2), tax decimal(10,2), total decimal(12,2), created_at datetime, updated_at datetime(6))
  CHARACTER SET utf8mb4"""

MARIADB_ROWS = """\
INSERT INTO {table} SELECT seq, LOWER(CONCAT_WS('-', SUBSTR(MD5(seq),1,8), SUBSTR(MD5(seq),9,4), SUBSTR(MD5(seq),13,4),
  SUBSTR(MD5(seq),17,4), SUBSTR(MD5(seq),21,12))), ELT(1 + seq % 4, 'new','paid','shipped','done'),
  CONCAT('user', seq % 100000, '@example.com'), (seq % 10000) / 100, (seq % 1000) / 100,
  (seq % 10000) / 100 + (seq % 1000) / 100, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq SECOND,
  TIMESTAMP '2024-01-01 00:00:00' + INTERVAL (seq * 1500000) MICROSECOND FROM seq_1_to_{rows}"""


def project(
    directory: Path,
    *,
    owner: str,
    replica: str,
    tables: tuple[str, str],
    memory: str = "1GB",
    contract: str = CONTRACT,
    limits: str = "",
    feed: str = "{type: recorded, path: feed.jsonl, schemas: schemas.json}",
) -> Path:
    """Write a project that compares two such tables; returns its settings file."""
    (directory / "contracts").mkdir(parents=True, exist_ok=True)
    (directory / "contracts" / "order.yaml").write_text(contract.format(owner=tables[0], replica=tables[1]))
    settings = directory / "auditor.yaml"
    settings.write_text(SETTINGS.format(owner=owner, replica=replica, memory=memory, limits=limits, feed=feed))
    return settings


def spread(rows: int, differences: int) -> str:
    """SQL condition that holds for exactly this many ids, spread over the whole table."""
    step = rows // max(differences, 1)
    return f"id % {step} = 1 AND id <= {step * differences}"
