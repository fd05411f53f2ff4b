"""Records of hostile shape: real ones with some bytes changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from auditor.feeds.record import Record

_NASTY = (
    b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\x80\x00", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x03",
    b"\x80" * 20, b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"NaN", b"Infinity", b"1e999", b"-0", b"00",
    b'"', b"\\", b"{", b"}", b"[", b"]" * 40, b"[" * 40, b",", b":", b"null", b"\\ud800", b"\\u0000", b" \n\t",
    b"9" * 400, b'{"schema":', b'"payload":', b'"op":"d",', b'"before":null,', b"\xef\xbb\xbf", b"AAAA", b"=", b"1E400",
)  # fmt: skip


def mutated(record: Record, other: Record, random: Random) -> Record:
    """A record with its key, its value or its headers changed; another record may lend bytes."""
    part = random.choices(("value", "key", "headers"), (8, 3, 2))[0]
    if part == "headers":
        return replace(record, headers=_headers(record, other, random))
    bytes_of = record.value if part == "value" else record.key
    lent = (other.value if random.random() < 0.5 else other.key) or b""
    for _ in range(random.choices((1, 2, 3, 6), (6, 3, 2, 1))[0]):
        bytes_of = _changed(bytes_of or b"", lent, random)
    return replace(record, value=bytes_of) if part == "value" else replace(record, key=bytes_of)


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
