"""Contracts to take apart in tests: a small right one, and ways to change it."""

from __future__ import annotations

from contracts.catalog import Catalog, parse_catalog
from contracts.errors import ContractError

CUSTOMER = """\
entity: customer
version: 1
team: crm
owner: {service: crm, dataset: crm/customers, changed_at: updated_at}
key: [id]
fields:
  id: {type: uuid}
  email: {type: text, sensitive: true}
  updated_at: {type: timestamp}
"""

ORDER = """\
entity: order
version: 3
team: checkout
owner:
  service: order-service
  dataset: orders_db/public.orders
  changed_at: updated_at
key: [id]
fields:
  id: {type: uuid}
  customer_id: {type: uuid, references: customer}
  status: {type: "enum(open,paid)", meaning: where it stands, critical: true}
  total: {type: "decimal(10,2)"}
  net: {type: "decimal(10,2)"}
  tags: {type: list<text>}
  is_deleted: {type: bool}
  updated_at: {type: timestamp}
invariants:
  - {name: not_less_than_net, holds: total >= net}
replicas:
  - service: reporting
    dataset: reporting/orders
    fields: [customer_id, status, total]
    lag_bound: 5m
  - service: search
    dataset: search/orders
    key: {id: order_id}
    fields:
      status: state
      total: {path: amount, equality: within 0.005}
    lag_bound: 30s
"""


def check(*texts: str) -> Catalog:
    """The catalog of these texts, named `1.yaml`, `2.yaml`, … in their order."""
    return parse_catalog({f"{number}.yaml": text for number, text in enumerate(texts, 1)})


def errors(*texts: str) -> list[str]:
    """Every error of these texts as people see it, `error: ` left out; empty where all is well."""
    try:
        check(*texts)
    except ContractError as error:
        return [f"{problem.place}: {problem.message}" for problem in error.problems]
    return []


def order(old: str = "", new: str = "") -> str:
    """The order's contract with one piece of it replaced."""
    assert old in ORDER
    return ORDER.replace(old, new, 1)
