"""What brokers send is taken in whole, with what came just before the end of a connection."""

from __future__ import annotations

import gc
import socket
import weakref
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import kafka.errors as kafka_errors
import pytest
from kafka.net import transport as kafka_transport
from kafka.protocol import frame as kafka_frame

from auditor.feeds.kafka.receiving import RECEIVED_BYTES, read, receive_well, received
from auditor.feeds.process_memory import let_go, let_go_of_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Any]]:
    """What a broker writes to, and the connection that it comes in on."""
    theirs, ours = socket.socketpair()
    ours.settimeout(0)
    with theirs, ours:
        yield theirs, SimpleNamespace(_sock=ours)


def untouched(module: ModuleType) -> Any:
    """A module of kafka-python read anew: what is replaced in this process is not replaced there."""
    assert module.__file__ is not None
    spec = spec_from_file_location(f"{module.__name__}_untouched", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    anew = module_from_spec(spec)
    spec.loader.exec_module(anew)
    return anew


@pytest.fixture(scope="module")
def transports() -> list[Any]:
    """kafka-python's own transports."""
    own = untouched(kafka_transport)
    return [own.KafkaTCPTransport, own.KafkaSSLTransport]


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


def test_what_came_is_taken_as_kafka_python_takes_it(pair: tuple[socket.socket, Any], transports: list[Any]) -> None:
    theirs, transport = pair
    for own in transports:
        for sent in (b"an answer", b""):
            theirs.sendall(sent)
            taken = own._sock_recv(transport)
            theirs.sendall(sent)
            assert received(transport) == taken == (sent, None)


@pytest.mark.parametrize("start", [0, 1, 5])
@pytest.mark.parametrize("count", [None, 0, 3, 5, 9])
def test_an_answer_is_read_as_kafka_python_reads_it(count: int | None, start: int) -> None:
    theirs, ours = untouched(kafka_frame).KafkaBytes(5), kafka_frame.KafkaBytes(5)
    for frame in (theirs, ours):
        frame[:] = b"abcde"
        frame.seek(start)

    assert read(ours, count) == theirs.read(count)
    assert ours.tell() == theirs.tell()


def test_kafka_python_has_what_is_replaced(transports: list[Any]) -> None:
    """A later kafka-python may do it otherwise: then the replacement is to be looked at, and perhaps to go."""
    own = untouched(kafka_frame).KafkaBytes
    assert len(signature(vars(own)["read"]).parameters) == len(signature(read).parameters)
    for transport in transports:
        assert len(signature(vars(transport)["_sock_recv"]).parameters) == len(signature(received).parameters)
        assert "_sock_recv" in transport._read_from_sock.__code__.co_names


def test_kafka_python_still_throws_away_what_came_before_the_end(
    pair: tuple[socket.socket, Any], transports: list[Any]
) -> None:
    """Where it does so no more, that is no reason any more to replace it."""
    theirs, transport = pair
    theirs.sendall(b"you may not")
    theirs.close()

    found, end = transports[0]._sock_recv(transport)
    assert found == b"you may not"
    assert end is not None  # and who calls it looks at the end alone


def test_what_is_replaced_is_replaced_for_each_transport() -> None:
    receive_well()

    for transport in (kafka_transport.KafkaTCPTransport, kafka_transport.KafkaSSLTransport):
        assert vars(transport)["_sock_recv"] is received
    assert vars(kafka_frame.KafkaBytes)["read"] is read


class Fetched:
    """What an error keeps alive that knows its frames."""


def waited() -> weakref.ref[Fetched]:
    """A wait as kafka-python ends it: with an error that its own frame keeps."""
    fetched = Fetched()
    try:
        int("late")
    except ValueError as error:
        kept = error  # noqa: F841
    return weakref.ref(fetched)


@pytest.fixture
def resting() -> Iterator[None]:
    """Python's collector rests, as in a monitor."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("resting")
def test_what_an_error_keeps_in_a_circle_is_let_go_of() -> None:
    kept = waited()
    assert kept() is not None
    let_go()
    assert kept() is None


@pytest.mark.usefixtures("resting")
def test_what_was_in_use_when_batches_were_let_go_of_is_let_go_of_in_the_end() -> None:
    used = [Fetched()]
    kept = weakref.ref(used[0])
    used[0].circle = used  # type: ignore[attr-defined]
    let_go()
    del used
    let_go()
    assert kept() is not None
    let_go_of_all()
    assert kept() is None
