"""Throws mutated records at the decoder, and holds what it accepts to readers that are not its own.

A *wrong accept* is a record that is not poison although its bytes are no value of their schema, or are one in another
form than writers give it, or mean something else than what the decoder read:

- bytes are left, or missing; integers are longer than they need be, or than 64 bits; indexes are negative; booleans
  are neither 0 nor 1 in a column; a text is not UTF-8; blocks have another size than they say;
- JSON has a name twice, NaN, half a character, or something after its end.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from auditor.feeds.decoded import Aside, Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.messages import Messages
from auditor.feeds.options import DecodingOptions
from auditor.feeds.shape import BadValueError
from auditor.feeds.wire import split
from reconcilers.change import Change, DefaultOrNull, Lack
from tests.fixtures.debezium_sets import NAMES, DebeziumSet
from tests.fuzz.mutation import mutated
from tests.fuzz.strict_avro import NotAvroError, StrictAvro

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditor.feeds.decoded import Decoded
    from auditor.feeds.record import Record
    from auditor.feeds.wire import Role

SLOW_SECONDS = 5.0
"""A record that takes longer hangs, for all that a person can tell."""


@dataclass
class Outcome:
    """What an attack came to.

    Attributes:
        records: Thrown.
        accepted: Of them, read.
        failures: What must not be, with seed and number.
    """

    records: int = 0
    accepted: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class _Target:
    name: str
    records: list[Record]
    decoder: Decoder
    messages: Messages
    readers: dict[str, StrictAvro]


@cache
def _targets() -> tuple[_Target, ...]:
    return tuple(_target(name) for name in NAMES)


def _target(name: str) -> _Target:
    recorded = DebeziumSet(name)
    options = DecodingOptions(wire="confluent", modes=recorded.modes)
    decoder = Decoder(options, recorded.schemas, recorded.hints())
    decoder.decode(recorded.records)  # it knows what each topic's records are
    readers = {number: StrictAvro(schema) for number, schema in recorded.definitions.items()}
    short = [record for record in recorded.records if len(record.value or b"") < 6000]
    return _Target(name, short, decoder, Messages("confluent", recorded.schemas), readers)


def attack(records: int, seed: int) -> Outcome:
    """Decode so many mutated records; the same seed gives the same ones."""
    random, outcome, targets = Random(seed), Outcome(), _targets()
    for number in range(records):
        target = targets[random.randrange(len(targets))]
        victim = mutated(random.choice(target.records), random.choice(target.records), random)
        for failure in _thrown(target, victim, outcome):
            outcome.failures.append(f"seed {seed}, record {number}, of {target.name}: {failure}")
    return outcome


def _thrown(target: _Target, victim: Record, outcome: Outcome) -> Iterator[str]:
    outcome.records += 1
    start = time.process_time()
    try:
        (decoded,) = target.decoder.decode([victim])
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
        yield f"raised {error!r}"
        return
    if time.process_time() - start > SLOW_SECONDS:
        yield "took too long"
    if isinstance(decoded, Poison):
        return
    outcome.accepted += 1
    if isinstance(decoded, Change):
        yield from _strange_cells(decoded)
    yield from _wrong(target, victim, decoded)


def _strange_cells(change: Change) -> Iterator[str]:
    rows: tuple[Mapping[str, object], ...] = (change.key, change.row, change.before, change.other_key or {})
    for row in rows:
        for name, cell in row.items():
            if not (cell is None or isinstance(cell, str | Lack | DefaultOrNull)):
                yield f"the cell {name!r} is a {type(cell).__name__}"
            if isinstance(cell, str):
                try:
                    cell.encode()
                except UnicodeEncodeError:
                    yield f"the cell {name!r} has half a character"


def _wrong(target: _Target, victim: Record, decoded: Decoded) -> Iterator[str]:
    parts: list[tuple[Role, bytes | None]] = [("key", victim.key)]
    if not (isinstance(decoded, Aside) and victim.value is None):
        parts.append(("value", victim.value))
    for role, payload in parts:
        if payload is None:
            continue
        try:
            value = _independent(target, victim, role, payload)
        except (NotAvroError, BadValueError, KeyError, ValueError) as error:
            yield f"the {role} was accepted, but is wrong: {error!r}"
            continue
        read, _ = target.messages.read(payload, _telling(victim), role, victim.topic)
        if not _same(value, read):
            yield f"the {role} was read as something else"


def _telling(victim: Record) -> tuple[tuple[str, bytes | None], ...]:
    return tuple(entry for entry in victim.headers if not entry[0].startswith("__debezium.context."))


def _independent(target: _Target, victim: Record, role: Role, payload: bytes) -> Any:
    encoded = split(payload, victim.headers, role, "confluent")
    if encoded.schema is not None:
        return target.readers[encoded.schema.text].read(encoded.body)
    value = json.loads(
        encoded.body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_never, parse_float=Decimal
    )
    is_pair = isinstance(value, dict) and value.keys() == {"schema", "payload"}
    return value["payload"] if is_pair and isinstance(value["schema"], dict | None) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _never(name: str) -> Any:
    raise ValueError(name)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
