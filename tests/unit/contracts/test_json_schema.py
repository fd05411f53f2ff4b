"""The JSON Schema that editors use accepts what the program accepts, and marks what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import contracts
from contracts.json_schema import contract_schema
from contracts.yaml_text import parse_yaml, read_yaml
from tests.unit.contracts import test_catalog, test_contract_files
from tests.unit.contracts.samples import CUSTOMER, ORDER, errors, order

EXAMPLES = sorted((Path(contracts.__file__).parent / "entities").glob("*.yaml"))


@pytest.fixture(scope="module", name="validator")
def _validator() -> Draft202012Validator:
    return Draft202012Validator(contract_schema())


def _mistakes(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(dict(parse_yaml(text, "a.yaml").data))]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(contract_schema())


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.stem for example in EXAMPLES])
def test_every_example_is_valid(validator: Draft202012Validator, example: Path) -> None:
    assert list(validator.iter_errors(dict(read_yaml(example).data))) == []


@pytest.mark.parametrize("text", [ORDER, CUSTOMER, test_catalog.FULL], ids=["order", "customer", "full"])
def test_every_key_of_the_language_is_known(validator: Draft202012Validator, text: str) -> None:
    assert _mistakes(validator, text) == []


def _shape_mistakes() -> list[Any]:
    marks = test_contract_files.test_a_mistake_of_shape_is_told_once_with_its_line.pytestmark  # type: ignore[attr-defined]
    return [case for mark in marks if mark.name == "parametrize" for case in mark.args[1]]


BEYOND = (
    "white space",
    "invisible",
    "0 is",
    "stands twice, first",
    "is impossible",
    "needs different",
    "is 0",
    "no time zone",
)
"""What a schema cannot say, or an editor tells by itself."""


@pytest.mark.parametrize(("old", "new", "wanted"), _shape_mistakes())
def test_an_editor_marks_what_the_program_refuses(
    validator: Draft202012Validator, old: str, new: str, wanted: str
) -> None:
    """Whatever the shape of a file is refused for, the schema marks too, but for a few named exceptions."""
    text = order(old, new)
    assert errors(text, CUSTOMER)
    assert _mistakes(validator, text) or any(part in errors(text, CUSTOMER)[0] for part in BEYOND), wanted


def test_descriptions_come_from_the_models() -> None:
    schema = contract_schema()
    assert schema["properties"]["team"]["description"] == "who answers for the contract"
    assert schema["required"] == ["entity", "version", "owner", "key", "fields"]
    assert "trail its owner" in schema["properties"]["replicas"]["items"]["properties"]["lag_bound"]["description"]
