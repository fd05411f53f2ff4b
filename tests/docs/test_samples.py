"""What the documentation shows as a contract, as settings or as a report is one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from auditor.settings import load_settings
from contracts.catalog import parse_catalog
from contracts.json_schema import contract_schema
from tests.docs.pages import ROOT, Block, blocks, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY_BLOCK = [block for page in pages() for block in blocks(page)]
EXAMPLES = [
    Block("", "", "yaml", file.read_text("utf-8"), str(file.relative_to(ROOT)))
    for file in sorted((ROOT / "examples").rglob("*.yaml"))
    if "nightly" not in file.parts  # those are other programs'
]
SECRETS = ("ORDERS_PASSWORD", "KAFKA_PASSWORD", "REGISTRY_PASSWORD", "AUDITOR_HASH_KEY", "SALT")
VARIABLES = dict.fromkeys((*SECRETS, "SHOP_URL", "REPORTING_URL"), "x")


def _place(block: Block) -> str:
    return block.place


def _with_role(role: str) -> list[Block]:
    return [block for block in EVERY_BLOCK if block.role == role]


@pytest.mark.parametrize("block", [b for b in EVERY_BLOCK if b.language == "yaml"], ids=_place)
def test_yaml_can_be_read(block: Block) -> None:
    assert yaml.safe_load(block.text) is not None


SHOWN = [*(block for block in EVERY_BLOCK if block.language == "yaml"), *EXAMPLES]


@pytest.mark.parametrize("block", SHOWN, ids=_place)
def test_yaml_is_a_contract_or_settings_and_nothing_else(block: Block) -> None:
    """What is neither would be checked by nobody, and go out of date."""
    document = yaml.safe_load(block.text)
    assert isinstance(document, dict)
    assert ("entity" in document) != ("connections" in document)


@pytest.mark.parametrize("block", [b for b in SHOWN if "entity:" in b.text], ids=_place)
def test_contracts_fit_the_schema_that_editors_use(block: Block) -> None:
    """And are read without an error."""
    Draft202012Validator(contract_schema()).validate(yaml.safe_load(block.text))
    assert parse_catalog({block.place: block.text}, expand=lambda text: text).contracts


@pytest.mark.parametrize("block", [b for b in SHOWN if "connections:" in b.text], ids=_place)
def test_settings_are_those_that_the_program_knows(block: Block, tmp_path: Path) -> None:
    text = block.text.replace("/run/secrets/reporting", "secret")
    (tmp_path / "secret").write_text("x", "utf-8")
    (tmp_path / "auditor.yaml").write_text(text, "utf-8")
    named = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "sqlite:///x.db")
    assert load_settings(tmp_path / "auditor.yaml", named).connections


@pytest.mark.parametrize("block", _with_role("contract"), ids=_place)
def test_contracts_have_no_error(block: Block) -> None:
    catalog = parse_catalog({block.place: block.text}, expand=lambda text: text)
    assert len(catalog.contracts) == 1
    assert not catalog.warnings


@pytest.mark.parametrize("block", _with_role("settings"), ids=_place)
def test_settings_have_no_error(block: Block, tmp_path: Path) -> None:
    (tmp_path / "auditor.yaml").write_text(block.text.replace("/run/secrets/reporting", "secret"), "utf-8")
    (tmp_path / "secret").write_text("x", "utf-8")
    assert load_settings(tmp_path / "auditor.yaml", VARIABLES).connections


def _paths(value: Any, above: str = "") -> Iterator[str]:
    """Every member of a document, as a path; what is named freely (fields, keys, datasets) is one path."""
    free = {"fields", "key", "loads", "fields_differing"}
    if isinstance(value, dict):
        for name, part in value.items():
            path = f"{above}.*" if above.rpartition(".")[2] in free else f"{above}.{name}"
            yield path
            yield from _paths(part, path)
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part, above)


def test_the_report_that_is_shown_has_the_members_of_a_real_one(demo_report: dict[str, Any]) -> None:
    """Optional members that the demo's report lacks are named here; all others are shown, and none is made up."""
    (shown,) = (json.loads(block.text) for block in _with_role("report"))
    real = set(_paths(demo_report))
    only_sometimes = {".findings.rows", ".entities.fields.*.sensitive"}
    assert set(_paths(shown)) - real == set()
    assert real - set(_paths(shown)) == only_sometimes
