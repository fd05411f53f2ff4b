"""Two datasets of the settings are known to be the same rows, under whatever names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.dataset_identity import dataset_identity
from auditor.settings import load_settings
from contracts.contract import DatasetRef

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """\
version: 1
contracts: contracts
connections:
  one: {url: "postgresql://a@db:5432/shop"}
  two: {url: "postgresql://b@DB/shop"}
  path: {url: "postgresql://a@db/shop?options=-csearch_path%3Dsales"}
  mine: {url: "mysql://a@db/shop"}
  file: {url: "sqlite:///shop.db"}
"""


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("one/orders", "one/public.orders", "same"),
        ("one/orders", "two/public.orders", "same"),
        ("one/orders", "one/sales.orders", "other"),
        ("one/Orders", "one/public.orders", "other"),
        ("path/orders", "path/public.orders", "other"),
        ("mine/orders", "mine/shop.orders", "same"),
        ("mine/orders", "mine/public.orders", "other"),
        ("file/orders", "file/main.Orders", "same"),
    ],
)
def test_a_relation_has_one_identity_however_it_is_spelt(tmp_path: Path, one: str, other: str, alike: str) -> None:
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "auditor.yaml", {})
    first, second = (dataset_identity(settings, DatasetRef(*name.split("/"))) for name in (one, other))
    assert (first == second) is (alike == "same")
