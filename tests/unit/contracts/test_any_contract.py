"""Whatever stands in a contract file, the answer is a catalog or a list of problems."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from contracts import document
from contracts.errors import ContractError
from tests.unit.contracts.samples import CUSTOMER, ORDER, check
from tests.unit.contracts.test_catalog import FULL

MODELS = [
    model
    for model in vars(document).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == document.__name__
]
UNHURRIED = [HealthCheck.too_slow]
"""Nested data takes its time on a busy machine."""
KEYS = sorted(
    {key for model in MODELS for key in model.model_fields} | {"owners", "tenant", "via", "derived", "shards"}
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False),
    st.sampled_from(["id", "total", "order", "text", "uuid", "5m", "a/b", "soft", "exact", "total > 0", "?"]),
    st.text(max_size=5),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3)), inner, max_size=4),
    ),
    max_leaves=8,
)


def _problems(*texts: str) -> list[str]:
    try:
        check(*texts)
    except ContractError as error:
        return [f"{problem.place.file}: {problem.message}" for problem in error.problems]
    return []


@settings(max_examples=150, suppress_health_check=UNHURRIED)
@given(data=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8))
def test_any_mapping_is_a_contract_or_a_list_of_problems(data: dict[str, Any]) -> None:
    _problems(yaml.safe_dump(data, allow_unicode=True))


def _locations(data: Any) -> list[tuple[Any, Any]]:
    """Every place in the data that can be overwritten, as its container and its key there."""
    parts = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [(data, key) for key, _ in parts] + [spot for _, part in parts for spot in _locations(part)]


@settings(max_examples=150, suppress_health_check=UNHURRIED)
@given(
    text=st.sampled_from([ORDER, FULL]),
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(["remove", "replace", "add"]), VALUES), min_size=1, max_size=4
    ),
    key=st.sampled_from(KEYS),
)
def test_any_damage_to_a_contract_is_told(text: str, changes: list[tuple[int, str, Any]], key: str) -> None:
    """A right contract with a few places removed, replaced or added to never ends in anything but problems."""
    data = copy.deepcopy(yaml.safe_load(text))
    for number, what, value in changes:
        spots = _locations(data)
        if not spots:
            break
        container, spot = spots[number % len(spots)]
        if what == "remove":
            del container[spot]
        elif what == "replace":
            container[spot] = value
        elif isinstance(container, dict):
            container[key] = value
    _problems(yaml.safe_dump(data, allow_unicode=True), CUSTOMER)


@settings(max_examples=100, suppress_health_check=UNHURRIED)
@given(
    start=st.integers(0, len(FULL)), length=st.integers(0, 40), put=st.text(alphabet=":{}[],-&*#'\"\n \tx", max_size=4)
)
def test_any_typing_mistake_is_told(start: int, length: int, put: str) -> None:
    """A piece of the text cut out, or something typed into it."""
    _problems(FULL[:start] + put + FULL[start + length :])
