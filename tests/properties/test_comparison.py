"""The comparison equals a naive row-by-row oracle on random small worlds with random contracts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.contract import Contract, DatasetRef, Deletes, Field, FieldMap, Invariant, Owner, Replica
from contracts.equality import (
    EXACT,
    CaseInsensitive,
    Equality,
    Hashed,
    Mask,
    Trimmed,
    Truncated,
    TruncatedTo,
    Unordered,
    Within,
)
from contracts.errors import Place
from contracts.expression import parse_expression
from contracts.logical_types import parse_logical_type
from reconcilers.look import EntityLook, Looker, Readers
from reconcilers.workspace import Workspace
from tests.worlds.memory_reader import MemoryReader
from tests.worlds.oracle import Found, Oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

NASTY: Mapping[str, list[str]] = {
    "int": ["0", "-0", "1", "+1", "007", "1.0", "1.5", "9223372036854775808", "abc", "1e3", "", " 1"],
    "decimal(10,2)": ["0", "-0.00", "1.1", "1.10", "1.105", "1.1049999", "12345678.90", "123456789", "NaN", "nan", "infinity", "x", "1e2", ".5", "-0.19"],
    "decimal(40,5)": ["0", "1.1", "1.10000", "12345678901234567890123456789012345.12345", "1.123456", "NaN", "x"],
    "float": ["0", "-0.0", "0.1", "1e20", "1e-7", "NaN", "inf", "-infinity", "0.30000000000000004", "0.3", "x", "0.36640625"],
    "text": ["", " ", "a", "A", "a ", "\ta", "é", "e\u0301", "ß", "SS", "ss", "İ", "null", "NULL", "🎈", "a'b\"c", "ﬁ", "aaaaaaaaaaaaaaaaaaaaaaaaa"],
    "bool": ["true", "T", "1", "f", "false", "0", "2", "yes", ""],
    "uuid": ["550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000", "550e8400e29b41d4a716446655440000", "550e8400"],
    "date": ["2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "infinity", "2024-02-30", "today"],
    "time": ["00:00:00", "23:59:59.9995", "24:00:00", "24:00:01", "12:00", "12:00:00.1234567"],
    "timestamp": [
        "2024-01-31T12:00:00Z", "2024-01-31 13:00:00+01:00", "2024-01-31 12:00:00", "2024-01-31T12:00:00.9995Z", "2024-01-31T12:00:01Z",
        "1969-12-31T23:59:59.9995Z", "infinity", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-02-30T00:00:00Z", "x",
    ],
    "timestamp(local)": ["2024-01-31T12:00:00", "2024-01-31 12:00:00.000001", "-infinity", "x", "2024-10-27T02:30:00"],
    "interval": ["P1Y2M", "1 year 2 mons", "P14M", "PT90S", "00:01:30", "x"],
    "bytes": ["\\xDEAD", "dead", "", "\\x0", "zz"],
    "json": ['{"a": 1, "b": 2}', '{"b":2.0,"a":1}', '{"a":1,"a":2}', "[1, 2]", "1", "1.0", '"x"', "null", "{", '{"aaa":1,"aa":1}'],
    "list<text>": ['["a","b"]', '["b","a"]', '["a"]', "[]", "[null]", "a", '["a","a","b"]'],
    "list<decimal(6,2)>": ["[1.1, 2]", "[2.00,1.10]", '["1.1","2"]', "[1.111]"],
    "enum(new,paid)": ["new", "paid", "PAID", ""],
}  # fmt: skip

EQUALITIES: Mapping[str, list[Equality]] = {
    "int": [Equality((Within(Decimal(1)),))],
    "decimal(10,2)": [Equality((Within(Decimal("0.005")),)), Equality((Within(Decimal(10), percent=True),))],
    "decimal(40,5)": [Equality((Within(Decimal("0.1")),))],
    "float": [Equality((Within(Decimal("0.1")),)), Equality((Within(Decimal(1), percent=True),))],
    "text": [
        Equality((CaseInsensitive(),)), Equality((Trimmed(),)), Equality((Trimmed(), CaseInsensitive())), Equality((Mask("*", 1),)),
        Equality((Hashed("salt"),)), Equality((TruncatedTo(2),)),
    ],
    "timestamp": [Equality((Truncated("s"),)), Equality((Truncated("ms"),)), Equality((Within(Decimal(1), seconds=True),))],
    "timestamp(local)": [Equality((Truncated("s"),))],
    "time": [Equality((Truncated("s"),))],
    "list<text>": [Equality((Unordered(),))],
    "list<decimal(6,2)>": [Equality((Unordered(),))],
    "enum(new,paid)": [Equality((CaseInsensitive(),))],
}  # fmt: skip

KEYS: Mapping[str, list[str]] = {
    "int": ["1", "2", "3", "+1", "1.0", "x", "1.5"],
    "text": ["a", "A", "b", "a ", "-a", ""],
    "uuid": NASTY["uuid"],
    "decimal(10,2)": ["1.1", "1.10", "2", "x"],
}
_PLACE = Place("world")


@dataclass
class World:
    """One contract and the rows on both sides."""

    contract: Contract
    owner: list[dict[str, str | None]]
    copies: list[dict[str, str | None]]
    holds: Mapping[str, Callable[[Mapping[str, object]], bool | None]]
    where: Callable[[Mapping[str, object]], bool | None] | None


def _value(kind: str) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(NASTY[kind]), st.sampled_from(NASTY[kind][:2]))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A random contract with one replica and a few rows that nearly agree."""
    key_kinds = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=2))
    kinds = draw(st.lists(st.sampled_from(sorted(NASTY)), min_size=1, max_size=3))
    fields = {f"k{i}": kind for i, kind in enumerate(key_kinds)} | {f"f{i}": kind for i, kind in enumerate(kinds)}
    fields["status"] = "enum(new,paid)"
    declared = {name: Field(name, parse_logical_type(kind)) for name, kind in fields.items()}
    maps = tuple(
        FieldMap(name, f"r_{name}", draw(st.sampled_from([EXACT, *EQUALITIES.get(kind, [])])))
        for name, kind in fields.items()
        if name[0] != "k"
    )
    scoped = draw(st.booleans())
    replica = Replica(
        "copy", "copy", DatasetRef("b", "t"), tuple(FieldMap(f"k{i}", f"r_k{i}") for i in range(len(key_kinds))), maps,
        lag_bound=timedelta(0),
        deletes=draw(st.sampled_from([Deletes(), Deletes("keep"), Deletes("soft", "gone")])),
        completeness=draw(st.sampled_from(["full", "partial"])),
        where=parse_expression("status = 'paid'", _PLACE) if scoped else None,
    )  # fmt: skip
    rule = Invariant("is_new", parse_expression("status = 'new'", _PLACE))
    contract = Contract(
        "thing",
        1,
        Owner("s", DatasetRef("a", "t")),
        tuple(f"k{i}" for i in range(len(key_kinds))),
        declared,
        (replica,),
        (rule,),
    )
    owner = [{name: draw(_value(kind)) for name, kind in fields.items()} for _ in range(draw(st.integers(0, 4)))]
    for row in owner:
        row.update(
            {
                f"k{i}": draw(
                    st.one_of(st.sampled_from(KEYS[kind]), st.none() if draw(st.booleans()) else st.just(KEYS[kind][0]))
                )
                for i, kind in enumerate(key_kinds)
            }
        )
    copies = [_copy(draw, row, fields) for row in owner if draw(st.integers(0, 4))]
    for _ in range(draw(st.integers(0, 2))):  # rows that the owner may not have
        row = {name: draw(_value(kind)) for name, kind in fields.items()}
        row |= {f"k{i}": draw(st.sampled_from(KEYS[kind])) for i, kind in enumerate(key_kinds)}
        copies.append(_copy(draw, row, fields))

    def is_paid(texts: Mapping[str, object]) -> bool | None:
        return None if texts["status"] not in ("new", "paid") else texts["status"] == "paid"

    def is_new(texts: Mapping[str, object]) -> bool | None:
        return None if texts["status"] not in ("new", "paid") else texts["status"] == "new"

    return World(contract, owner, copies, {"is_new": is_new}, is_paid if scoped else None)


def _copy(draw: st.DrawFn, row: Mapping[str, str | None], fields: Mapping[str, str]) -> dict[str, str | None]:
    copied = {
        f"r_{name}": row[name] if draw(st.integers(0, 3)) else draw(_value(kind)) for name, kind in fields.items()
    }
    copied["gone"] = draw(st.sampled_from([None, None, "false", "true", "2024-01-01T00:00:00Z"]))
    return copied


def look_at(world: World, *, exact: bool = True, threads: int = 1) -> EntityLook:
    """One look by the real comparison; everything arrives as text."""
    owner = MemoryReader("a/t", dict.fromkeys(world.contract.fields, "VARCHAR"), world.owner, exact=exact)
    columns = [f"r_{name}" for name in world.contract.fields] + ["gone"]
    copy = MemoryReader("b/t", dict.fromkeys(columns, "VARCHAR"), world.copies, exact=exact)
    with tempfile.TemporaryDirectory() as directory, Workspace(Path(directory), threads=threads) as workspace:
        return Looker(workspace, world.contract, Readers(owner, {"copy": copy})).look()


def found_by(look: EntityLook) -> set[Found]:
    """What a look found, as the oracle says it."""
    assert not look.replicas["copy"].error, look.replicas["copy"].error
    sights = [*look.owner_sights, *look.replicas["copy"].sights]
    return {
        (
            f.replica,
            tuple(text for _, text in f.key or ()),
            f.divergence.value,
            f.rule,
            tuple(sorted(d.name for d in f.fields)),
        )
        for f in (sight.finding for sight in sights)
    }


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), st.booleans())
def test_comparison_equals_the_naive_oracle(world: World, exact: bool) -> None:  # noqa: FBT001
    """Whatever the rows and the contract: the same findings, with the same fields, and nothing else."""
    expected = Oracle(world.contract, world.holds, world.where).findings(world.owner, world.copies)
    assert found_by(look_at(world, exact=exact)) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_of_rows_and_threads_never_matter(world: World, random: Random, threads: int) -> None:
    """The same rows in another order, on another number of threads: the same findings."""
    before = found_by(look_at(world))
    random.shuffle(world.owner)
    random.shuffle(world.copies)
    assert found_by(look_at(world, threads=threads)) == before
