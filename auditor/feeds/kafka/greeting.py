"""The first words with a broker: a login, or a question that only brokers answer.

kafka-python throws away what a broker says just before it closes a connection, and that is how a broker refuses a
login.  So the first words are spoken here, where the refusal can be heard.  Requests are in their oldest forms that
Kafka 1.0 and every later version understand.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kafka.net.sasl import get_sasl_mechanism

from auditor.feeds.kafka.limits import CLIENT_ID

if TYPE_CHECKING:
    import socket

_METADATA, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 3, 17, 36
_UNSUPPORTED_MECHANISM = 33
_CORRELATION = 1
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""A longer answer is none of Kafka's: perhaps another protocol's first bytes, taken for a length."""


class RefusedError(Exception):
    """The broker does not want us, or is none; the message ends a sentence that begins with its address."""


def greet(connection: socket.socket, mechanism: str | None, username: str, password: str) -> None:
    """Log in, or make sure that no login is needed.

    Raises:
        RefusedError: The broker refuses, or closes the connection.
        OSError: The connection broke.
    """
    if mechanism is None:
        _ask(connection, _METADATA, 1, struct.pack(">i", 0))  # about no topic
        return
    _offer(connection, mechanism)
    login = get_sasl_mechanism(mechanism)(
        sasl_mechanism=mechanism, sasl_plain_username=username, sasl_plain_password=password
    )
    while not login.is_done():
        proof = _authenticated(connection, login.auth_bytes(), username, mechanism)
        try:
            login.receive(proof)
        except ValueError:
            raise RefusedError(f"does not prove that it knows the password of {username}") from None


def _offer(connection: socket.socket, mechanism: str) -> None:
    answer = _ask(connection, _SASL_HANDSHAKE, 1, _text(mechanism))
    (code,) = struct.unpack_from(">h", answer)
    if code == _UNSUPPORTED_MECHANISM:
        raise RefusedError(f"does not log in by {mechanism}; it does by {', '.join(_texts(answer, 2)) or 'nothing'}")
    if code:
        raise RefusedError(f"takes no login on this listener (error {code})")


def _authenticated(connection: socket.socket, proof: bytes, username: str, mechanism: str) -> bytes:
    """What the broker answers to a part of the login."""
    answer = _ask(connection, _SASL_AUTHENTICATE, 0, struct.pack(">i", len(proof)) + proof)
    (code, length) = struct.unpack_from(">hh", answer)
    if code:
        raise RefusedError(f"refuses to let us in as {username} by {mechanism}")
    place = 4 + max(length, 0)
    (size,) = struct.unpack_from(">i", answer, place)
    return answer[place + 4 : place + 4 + max(size, 0)]


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> bytes:
    """The body of the answer to a request."""
    request = struct.pack(">hhi", key, version, _CORRELATION) + _text(CLIENT_ID) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", _read(connection, 4))
    if not 4 <= length <= ANSWER_BYTES_MAX:  # noqa: PLR2004 - the number that the answer begins with
        raise RefusedError("is no Kafka broker")
    answer = _read(connection, length)
    if answer[:4] != struct.pack(">i", _CORRELATION):
        raise RefusedError("is no Kafka broker")
    return answer[4:]


def _read(connection: socket.socket, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        more = connection.recv(min(count - len(read), 65536))
        if not more:
            raise RefusedError("closes the connection: its listener asks for another `protocol`")
        read += more
    return bytes(read)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()


def _texts(answer: bytes, place: int) -> list[str]:
    (count,) = struct.unpack_from(">i", answer, place)
    place += 4
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, place)
        found.append(answer[place + 2 : place + 2 + length].decode(errors="replace"))
        place += 2 + length
    return found
