"""What brokers send is taken in whole, with what came just before the end of a connection."""

from __future__ import annotations

import gc
import socket
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import kafka.errors as kafka_errors
import pytest
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.frame import KafkaBytes

from auditor.feeds.kafka.receiving import RECEIVED_BYTES, read, receive_well, received
from auditor.feeds.process_memory import let_go

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Any]]:
    """What a broker writes to, and the connection that it comes in on."""
    theirs, ours = socket.socketpair()
    ours.settimeout(0)
    with theirs, ours:
        yield theirs, SimpleNamespace(_sock=ours)


def test_all_that_is_there_is_taken(pair: tuple[socket.socket, Any]) -> None:
    theirs, transport = pair
    sent = bytes(range(256)) * (RECEIVED_BYTES // 256) + b"and more"
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(sent))
    theirs.sendall(sent)

    assert received(transport) == (sent, None)
    assert received(transport) == (b"", None)


def test_what_came_before_the_end_is_told_before_it(pair: tuple[socket.socket, Any]) -> None:
    theirs, transport = pair
    theirs.sendall(b"you may not")
    theirs.close()

    assert received(transport) == (b"you may not", None)
    found, end = received(transport)
    assert found == b""
    assert isinstance(end, kafka_errors.KafkaConnectionError)


def test_a_connection_that_breaks_is_told_as_one() -> None:
    def recv(_: int) -> bytes:
        raise ConnectionResetError("reset")

    found, end = received(SimpleNamespace(_sock=SimpleNamespace(recv=recv)))

    assert found == b""
    assert isinstance(end, kafka_errors.KafkaConnectionError)
    assert "reset" in str(end)


@pytest.mark.parametrize("count", [None, 0, 3, 5, 9])
def test_an_answer_is_read_as_kafka_python_reads_it(count: int | None) -> None:
    theirs, ours = KafkaBytes(5), KafkaBytes(5)
    for frame in (theirs, ours):
        frame[:] = b"abcde"
        frame.seek(1)
    start = theirs.tell()
    end = len(theirs) if count is None else min(start + count, len(theirs))

    assert read(ours, count) == bytes(theirs[start:end])
    assert ours.tell() == end


def test_kafka_python_has_what_is_replaced() -> None:
    """A later kafka-python may do it otherwise: then the replacement is to be looked at, and perhaps to go."""
    receive_well()

    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        assert vars(transport)["_sock_recv"] is received
        assert "_sock_recv" in KafkaTCPTransport._read_from_sock.__code__.co_names
    assert vars(KafkaBytes)["read"] is read


def test_what_an_error_keeps_in_a_circle_is_let_go_of() -> None:
    class Fetched:
        pass

    def wait() -> weakref.ref[Fetched]:
        fetched = Fetched()
        try:
            int("late")
        except ValueError as error:
            kept = error  # noqa: F841  as kafka-python keeps it
        return weakref.ref(fetched)

    gc.disable()
    try:
        kept = wait()
        assert kept() is not None
        let_go()
        assert kept() is None
    finally:
        gc.enable()
