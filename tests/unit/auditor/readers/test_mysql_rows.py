"""Rows of MySQL's text protocol: the fast way and the plain way agree, wherever the network breaks the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auditor.readers.mysql.cells import PACKET_MAX, Cell, ServerError, read_rows, readable
from auditor.readers.mysql.rows import INLINE_BYTES, read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = tuple[bytes | None, ...]

END = b"\xfe\0\0\0\0"
LENGTHS = st.sampled_from([0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 250, 251, 300, 65_535, 65_536])
CELLS = st.one_of(
    st.none(), st.binary(max_size=20), st.builds(lambda n, c: bytes([c]) * n, LENGTHS, st.integers(0, 255))
)


def written(content: bytes | None) -> bytes:
    """A cell as the protocol writes it."""
    if content is None:
        return b"\xfb"
    size = len(content)
    if size <= 250:
        return bytes([size]) + content
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + content
    return b"\xfd" + size.to_bytes(3, "little") + content


def packets(payloads: Sequence[bytes]) -> bytes:
    """Payloads as packets, numbered from 0; a long one is continued."""
    result = bytearray()
    number = 0
    for payload in payloads:
        rest = payload
        while True:
            part, rest = rest[:PACKET_MAX], rest[PACKET_MAX:]
            result += len(part).to_bytes(3, "little") + bytes([number % 256]) + part
            number += 1
            if len(part) < PACKET_MAX:
                break
    return bytes(result)


def network(sent: bytes, step: int) -> Callable[[memoryview], int]:
    """Bytes that arrive in parts of uneven size."""
    at = 0

    def read_into(room: memoryview) -> int:
        nonlocal at
        part = sent[at : at + min(len(room), 1 + at % step)]
        room[: len(part)] = part
        at += len(part)
        return len(part)

    return read_into


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=30),
    step=st.sampled_from([1, 7, 97, 5_000, 1 << 20]),
    buffer_bytes=st.sampled_from([1, 16, 100, 4096, 1 << 20]),
)
@example(rows=[(b"", None, b"x" * 70_000)] * 300, step=1 << 20, buffer_bytes=1 << 20)
def test_the_fast_way_and_the_plain_way_agree(rows: list[Row], step: int, buffer_bytes: int) -> None:
    sent = packets([b"".join(map(written, row)) for row in rows] + [END])
    cells = [Cell("a", binary=True), Cell("b"), Cell("c", inner=str.upper)]
    batches = list(read_batches(network(sent, step), cells, buffer_bytes=buffer_bytes))
    for batch in batches:
        batch.validate(full=True)
    fast = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    plain = [row for rows_of_result in read_rows(network(sent, step), cells) for row in rows_of_result]
    assert fast == plain
    assert [row[0] for row in fast] == [row[0] for row in rows]
    assert [row[1] for row in fast] == [None if row[1] is None else readable(row[1]) for row in rows]


@pytest.mark.parametrize("size", [PACKET_MAX - 4, PACKET_MAX - 3, PACKET_MAX - 5, 2 * PACKET_MAX + 7])
def test_rows_that_fill_packets_to_the_brim_arrive_whole(size: int) -> None:
    """A packet of the greatest length is continued, if only by an empty one."""
    content = b"z" * size
    cell = b"\xfd" + size.to_bytes(3, "little") if size <= PACKET_MAX else b"\xfe" + size.to_bytes(8, "little")
    sent = packets([b"\1a", cell + content, b"\1b", END])
    cells = [Cell("v", binary=True)]
    fast = [row["v"] for batch in read_batches(network(sent, 1 << 22), cells) for row in batch.to_pylist()]
    plain = [row[0] for rows in read_rows(network(sent, 1 << 22), cells) for row in rows]
    assert fast == plain == [b"a", content, b"b"]


@pytest.mark.parametrize("read", [read_batches, read_rows])
def test_an_error_in_the_middle_is_raised_with_the_servers_words(read: Callable[..., object]) -> None:
    error = b"\xff\x25\x05#70100Query execution was interrupted"
    sent = packets([b"\1a", error])
    with pytest.raises(ServerError) as raised:
        list(read(network(sent, 1 << 20), [Cell("v")]))  # type: ignore[call-overload]
    with pytest.raises(pymysql.MySQLError, match="interrupted"):
        pymysql.err.raise_mysql_exception(raised.value.packet)


@pytest.mark.parametrize("read", [read_batches, read_rows])
def test_a_connection_that_ends_early_is_no_end_of_the_rows(read: Callable[..., object]) -> None:
    with pytest.raises(EOFError):
        list(read(network(packets([b"\1a", b"\1b"]), 1 << 20), [Cell("v")]))  # type: ignore[call-overload]


def test_text_that_is_no_utf8_shows_and_equals_no_honest_text() -> None:
    assert readable(b"a\xff\xc3\xa9\n") == "a\ufffdffé\n"
    assert readable(b"\xed\xa0\x80") == "\ufffded\ufffda0\ufffd80"
    assert readable("\ufffdff".encode()) == "\ufffdff"
