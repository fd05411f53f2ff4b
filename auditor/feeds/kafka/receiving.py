"""How what brokers send is taken in.

kafka-python takes 4 kB at a time, copies an answer twice more than it has to, and throws away what came just before a
connection was closed.  An answer of a broker that has much to tell is megabytes long: what that costs is a twentieth of
all that is done for a record, most of it for pages of memory that are asked for and given back each time.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import kafka.errors as kafka_errors
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.frame import KafkaBytes

if TYPE_CHECKING:
    from typing import Any

RECEIVED_BYTES = 64 * 1024
"""Taken from a connection at a time: as much as a system keeps for one, or little less."""

_NOTHING_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def receive_well() -> None:
    """Have kafka-python take in what comes as it is done here, in this process; it offers no other way."""
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        transport._sock_recv = received  # noqa: SLF001
    KafkaBytes.read = read


def received(transport: Any) -> tuple[bytes, Exception | None]:
    """What has come on a connection, and how it ended, where nothing came before that.

    What has come is told first: the end is met again.
    """
    found: list[bytes] = []
    end = None
    while end is None:
        try:
            some = transport._sock.recv(RECEIVED_BYTES)  # noqa: SLF001
        except _NOTHING_YET:
            break
        except Exception as error:  # noqa: BLE001  whatever it is, the connection is of no use any more
            end = kafka_errors.KafkaConnectionError(error)
        else:
            end = None if some else kafka_errors.KafkaConnectionError("socket disconnected")
            found += [some] if some else []
    return b"".join(found), None if found else end


def read(frame: KafkaBytes, count: int | None = None) -> bytes:
    """The next bytes of an answer, as many as are there at most."""
    start = frame._idx  # noqa: SLF001
    frame._idx = len(frame) if count is None else min(start + count, len(frame))  # noqa: SLF001
    with memoryview(frame) as whole:
        return bytes(whole[start : frame._idx])  # noqa: SLF001
