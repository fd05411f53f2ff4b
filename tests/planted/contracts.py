"""The contracts of the planted shop, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.planted.shop import Shop

ORDER = """\
entity: order
version: 1
team: checkout
owner: {service: order-service, dataset: shop/public.orders, changed_at: created_at}
key: [id]
fields:
  id: {type: uuid}
  customer_id: {type: int, references: customer}
  status: {type: text}
  note: {type: text}
  subtotal: {type: "decimal(10,2)"}
  shipping: {type: "decimal(10,2)"}
  total: {type: "decimal(10,2)"}
  weight: {type: float}
  created_at: {type: timestamp}
  due: {type: timestamp(local)}
invariants:
  - {name: total_adds_up, holds: "total = subtotal + shipping"}
replicas:
  - service: reporting
    dataset: reporting/copies.orders
    key: {id: order_id}
    fields:
      customer_id: customer
      status: state
      note: memo
      total: total
      weight: {path: weight, equality: "within 0.001%"}
      created_at: {path: placed, equality: "truncated ms"}
    deletes: {soft: deleted_at}
    lag_bound: 1m
  - service: billing
    dataset: billing/orders
    fields: &mysql
      {customer_id: customer_id, status: status, note: note, total: total, weight: weight, created_at: created,
       due: due}
    lag_bound: 1m
  - service: archive
    dataset: archive/orders
    fields: *mysql
    lag_bound: 1m
  - service: app
    dataset: app/order_search
    key: {id: order_id}
    fields:
      {customer_id: customer, status: {path: state, equality: case_insensitive}, note: memo, total: total,
       created_at: placed}
    lag_bound: 1m
  - service: lake
    dataset: lake/orders.parquet
    fields: [customer_id, status, note, total, weight, created_at]
    lag_bound: 1m
  - service: export
    dataset: lake/orders.csv
    fields: [customer_id, status, note, total, weight, created_at]
    lag_bound: 1m
  - service: documents
    dataset: lake/orders.jsonl
    fields: [customer_id, status, note, total, weight, created_at]
    completeness: partial
    lag_bound: 1m
"""

ORDER_ITEM = """\
entity: order_item
version: 1
team: checkout
owner: {service: order-service, dataset: shop/public.order_items, changed_at: line}
key: [order_id, line]
fields:
  order_id: {type: uuid, references: order}
  line: {type: int}
  sku: {type: text}
  quantity: {type: int}
  price: {type: "decimal(10,2)"}
invariants:
  - {name: something_is_bought, holds: "quantity > 0"}
replicas:
  - service: reporting
    dataset: reporting/copies.Order Lines
    key: {line: line_no}
    fields: {sku: article, quantity: qty, price: price}
    lag_bound: 1m
"""

CUSTOMER = """\
entity: customer
version: 1
team: accounts
owner: {service: accounts, dataset: shop/public.customers, soft_delete: {field: is_deleted}, changed_at: id}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
  email: {type: text, sensitive: true}
  vip: {type: bool}
  born: {type: date}
  is_deleted: {type: bool}
  profile: {type: json}
  tags: {type: list<text>}
replicas:
  - service: billing
    dataset: billing/customers
    key: {id: customer_id}
    fields: &mysql
      {name: full_name, email: mail, vip: vip, born: birthday, profile: profile,
       tags: {path: tags, equality: unordered}}
    lag_bound: 1m
  - service: archive
    dataset: archive/customers
    key: {id: customer_id}
    fields: *mysql
    deletes: keep
    lag_bound: 1m
  - service: app
    dataset: app/people
    fields: [name, email, vip, born, profile]
    deletes: {soft: gone}
    lag_bound: 1m
"""


def write_project(shop: Shop) -> None:
    """Settings and contracts in the shop's directory."""
    directory = shop.directory / "contracts"
    directory.mkdir()
    for name, text in (("order", ORDER), ("order_item", ORDER_ITEM), ("customer", CUSTOMER)):
        (directory / f"{name}.yaml").write_text(text)
    lines = ["version: 1", "contracts: contracts", "connections:", f'  shop: {{url: "{shop.owner.database}"}}']
    servers = ("reporting", "billing", "archive")
    lines += [f'  {name}: {{url: "{shop.copies[name].database}"}}' for name in servers]
    lines += ['  app: {url: "sqlite:///app.db"}', '  lake: {url: "file:lake"}']
    (shop.directory / "auditor.yaml").write_text("\n".join(lines) + "\n")
