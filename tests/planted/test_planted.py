"""Every planted fault is found with exactly its key, divergence and fields, on real servers, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.planted.contracts import write_project
from tests.planted.faults import CATALOGUE, Fault, Found
from tests.planted.shop import Shop, build

if TYPE_CHECKING:
    from tests.services import MariaDB, MySQL, PostgreSQL

AUDIT = Path(sys.executable).with_name("audit")


@pytest.fixture(scope="module")
def shop(postgres: PostgreSQL, mariadb: MariaDB, mysql: MySQL, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop and its copies, all right."""
    shop = build(tmp_path_factory.mktemp("shop"), postgres, mariadb, mysql)
    write_project(shop)
    shop.seal()
    return shop


def reconcile(shop: Shop) -> tuple[int, dict[str, Any]]:
    """The nightly job, with no lag bound to wait for."""
    command = [str(AUDIT), "reconcile", "--config", str(shop.directory / "auditor.yaml"), "--recheck-after", "0s"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def found_in(report: dict[str, Any]) -> set[Found]:
    """The persistent findings of a report."""
    assert {finding["verdict"] for finding in report["findings"]} <= {"persistent"}
    return {
        Found(
            finding["entity"],
            finding["replica"],
            tuple(finding["key"].values()),
            finding["divergence"],
            finding["rule"],
            frozenset(field["name"] for field in finding["fields"]),
        )
        for finding in report["findings"]
    }


def test_true_copies_are_clean(shop: Shop) -> None:
    """Copies in every kind of store, with renamed columns and other types, and not one false alarm."""
    code, report = reconcile(shop)
    assert found_in(report) == set()
    assert code == 0
    for entity in report["entities"]:
        for replica in entity["replicas"]:
            assert replica["coverage"]["complete"]
            assert replica["compared_rows"] == replica["owner_rows"]


def test_each_planted_fault_is_found_and_nothing_else(shop: Shop) -> None:
    """All faults of the catalogue at once: exactly their keys, divergences and fields."""
    for fault in CATALOGUE:
        _plant(shop, fault)
    shop.seal()
    code, report = reconcile(shop)
    expected = {found for fault in CATALOGUE for found in fault.found}
    assert found_in(report) == expected
    assert code == 1
    assert report["exit_reasons"] == ["drift"]


def _plant(shop: Shop, fault: Fault) -> None:
    copy = shop.owner if fault.at == "owner" else shop.copies[fault.at]
    copy.execute(fault.statement)
