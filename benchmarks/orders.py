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

WIDE_FIELDS = """\
  paid_at:          {{type: timestamp}}
  channel:          {{type: text}}
  coupon:           {{type: text}}
  weight:           {{type: "decimal(8,3)", equality: "within 0.005"}}
  items:            {{type: int}}
  shipping_name:    {{type: text}}
  shipping_street:  {{type: text}}
  shipping_city:    {{type: text, equality: case_insensitive}}
  shipping_zip:     {{type: text}}
  shipping_country: {{type: text}}
  billing_street:   {{type: text}}
  billing_city:     {{type: text}}
  billing_zip:      {{type: text}}
  billing_country:  {{type: text}}
  note:             {{type: text}}
"""
"""Of an order with its addresses; one of them is compared with a tolerance, and one by its letters."""

WIDE_CONTRACT = CONTRACT.replace("replicas:", f"{WIDE_FIELDS}replicas:")

WIDE_COLUMNS = """\
, paid_at timestamptz, channel text, coupon text, weight numeric(8,3), items integer, shipping_name text,
  shipping_street text, shipping_city text, shipping_zip text, shipping_country text, billing_street text,
  billing_city text, billing_zip text, billing_country text, note text)"""

WIDE_VALUES = """\
, timestamptz '2024-01-01 01:00:00+00' + i * interval '1 second', (array['web','shop','phone'])[1 + i % 3],
  CASE WHEN i % 10 = 0 THEN 'C' || i % 1000 END, (i % 50000) / 1000.0, 1 + i % 9, 'Customer ' || i % 100000,
  i % 300 || ' Main Street', (array['Vienna','Berlin','Paris','Rome'])[1 + i % 4], lpad((i % 99999)::text, 5, '0'),
  (array['AT','DE','FR','IT'])[1 + i % 4], i % 300 || ' Main Street',
  (array['Vienna','Berlin','Paris','Rome'])[1 + i % 4],
  lpad((i % 99999)::text, 5, '0'), (array['AT','DE','FR','IT'])[1 + i % 4],
  'leave it with the neighbours, floor ' || i % 40 FROM generate_series"""

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

WIDE_TABLE = POSTGRESQL_TABLE.removesuffix(")") + WIDE_COLUMNS

WIDE_ROWS = POSTGRESQL_ROWS.replace(" FROM generate_series", WIDE_VALUES)

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

MARIADB_WIDE_TABLE = MARIADB_TABLE.replace(
    ")\n  CHARACTER SET",
    """, paid_at datetime, channel varchar(20), coupon varchar(20),
  weight decimal(8,3), items int, shipping_name varchar(60), shipping_street varchar(60), shipping_city varchar(40),
  shipping_zip varchar(10), shipping_country varchar(2), billing_street varchar(60), billing_city varchar(40),
  billing_zip varchar(10), billing_country varchar(2), note varchar(200))
  CHARACTER SET""",
)

MARIADB_WIDE_ROWS = MARIADB_ROWS.replace(
    " FROM seq_1",
    """, TIMESTAMP '2024-01-01 01:00:00' + INTERVAL seq SECOND,
  ELT(1 + seq % 3, 'web','shop','phone'), CASE WHEN seq % 10 = 0 THEN CONCAT('C', seq % 1000) END,
  (seq % 50000) / 1000, 1 + seq % 9, CONCAT('Customer ', seq % 100000), CONCAT(seq % 300, ' Main Street'),
  ELT(1 + seq % 4, 'Vienna','Berlin','Paris','Rome'), LPAD(seq % 99999, 5, '0'), ELT(1 + seq % 4, 'AT','DE','FR','IT'),
  CONCAT(seq % 300, ' Main Street'), ELT(1 + seq % 4, 'Vienna','Berlin','Paris','Rome'), LPAD(seq % 99999, 5, '0'),
  ELT(1 + seq % 4, 'AT','DE','FR','IT'), CONCAT('leave it with the neighbours, floor ', seq % 40) FROM seq_1""",
)


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
