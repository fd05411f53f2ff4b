"""Records of hostile shape: real ones with some bytes changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from auditor.feeds.record import Record

_NASTY = (
    b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\x80\x00", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x03",
    b"\x80" * 20, b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"NaN", b"Infinity", b"1e999", b"-0", b"00",
    b'"', b"\\", b"{", b"}", b"[", b"]" * 40, b"[" * 40, b",", b":", b"null", b"\\ud800", b"\\u0000", b" \n\t",
    b"9" * 400, b'{"schema":', b'"payload":', b'"op":"d",', b'"before":null,', b"\xef\xbb\xbf", b"AAAA", b"=", b"1E400",
)  # fmt: skip


_DEEP: Any = json.loads("[" * 400 + "]" * 400)
_NODES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 10**4000, 1.5, -0.0, 1e39, 1e300, "", "x", "1", "true", "BEGIN",
    "c", "r", "mongodb", "mysql", "sqlserver", "binlog." + "9" * 5000, "9" * 5000, "AAAA", "\u0000", [], [1], [None],
    ["a"], [[1]], {}, {"a": 1}, {"type": "int32"}, {"type": ["int32"]}, {"id": 1}, _DEEP,
    {"$numberLong": "abc"}, {"$date": {"$numberLong": "x"}}, '{"_id": {"$date": {"$numberLong": "x"}}}',
    '["1","' + "9" * 30 + '"]', '{"a": {"$numberLong": 5}}',
)  # fmt: skip


def mutated(record: Record, other: Record, random: Random) -> Record:
    """A record with its key, its value or its headers changed; another record may lend bytes."""
    part = random.choices(("value", "key", "headers"), (8, 3, 2))[0]
    if part == "headers":
        return replace(record, headers=_headers(record, other, random))
    bytes_of = record.value if part == "value" else record.key
    if random.random() < 0.3 and (rebuilt := _rebuilt(bytes_of or b"", random)) is not None:
        return replace(record, value=rebuilt) if part == "value" else replace(record, key=rebuilt)
    lent = (other.value if random.random() < 0.5 else other.key) or b""
    for _ in range(random.choices((1, 2, 3, 6), (6, 3, 2, 1))[0]):
        bytes_of = _changed(bytes_of or b"", lent, random)
    return replace(record, value=bytes_of) if part == "value" else replace(record, key=bytes_of)


def _rebuilt(content: bytes, random: Random) -> bytes | None:
    """JSON with a member of another type, another name, or gone; None where it is no JSON."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    for _ in range(random.choice((1, 1, 2))):
        document = _with_other_node(document, random)
    return json.dumps(document, ensure_ascii=random.random() < 0.5, separators=(",", ":")).encode()


def _with_other_node(node: Any, random: Random) -> Any:
    if isinstance(node, dict) and node and random.random() < 0.85:
        name = random.choice(list(node))
        if random.random() < 0.1:
            return {other: inner for other, inner in node.items() if other != name}
        return {**node, name: _with_other_node(node[name], random)}
    if isinstance(node, list) and node and random.random() < 0.8:
        at = random.randrange(len(node))
        return [*node[:at], _with_other_node(node[at], random), *node[at + 1 :]]
    return random.choice(_NODES)


def _headers(record: Record, other: Record, random: Random) -> tuple[tuple[str, bytes | None], ...]:
    names = (
        "__value_schema_id", "__key_schema_id", "apicurio.value.globalId", "apicurio.key.contentId", "id", "eventType",
        "apicurio.value.encoding", "__debezium.newkey", "__debezium.oldkey", "__debezium.context.connectorName",
    )  # fmt: skip
    starts = [
        (record.value or b"")[:5],
        (other.value or b"")[:5],
        b"\0\0\0\0\1",
        b"\1" + bytes(16),
        b"",
        b"{}",
        b"JSON",
    ]
    added = (random.choice(names), random.choice([*starts, bytes(8), b'{"id":1}', None]))
    kept = [
        (name, _changed(content, b"", random) if content and random.random() < 0.2 else content)
        for name, content in record.headers
    ]
    return (*kept, added) if random.random() < 0.8 else tuple(kept)


def _changed(content: bytes, lent: bytes, random: Random) -> bytes:
    """Some bytes with one change."""
    at = random.randrange(len(content) + 1)
    end = min(len(content), at + random.choice((0, 1, 1, 2, 5, 30)))
    start = random.randrange(len(lent) + 1)
    borrowed = lent[start : start + end - at + random.choice((0, 1, 4))]
    return random.choice((
        _with_bit(content, random),
        content[:at] + bytes([random.randrange(256)]) + content[at + 1 :],
        content[:at],
        content + random.choice((b"\x00", b" ", b"}", b"\x02", lent[:3])),
        content[:at] + random.choice(_NASTY) + content[end:],
        content[:at] + content[end:],
        content[:end] + content[at:end] + content[end:],
        content[:at] + borrowed + content[end:],
        content[:at] + content[at:].replace(b":", b" : ", 3).replace(b",", b",\n", 2),
    ))  # fmt: skip


def _with_bit(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    at = random.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]
