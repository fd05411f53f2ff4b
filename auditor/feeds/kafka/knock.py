"""Whether a broker is at an address and lets us in: kafka-python would try for long and not explain."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from auditor.feeds.kafka.greeting import RefusedError, greet
from auditor.feeds.kafka.limits import KNOCK_SECONDS
from contracts.errors import FeedError

if TYPE_CHECKING:
    from auditor.feeds.kafka.broker import Broker


def knock(broker: Broker) -> None:
    """Return when one of the addresses lets us in, with a certificate that we trust where there is TLS.

    Args:
        broker: The cluster.

    Raises:
        FeedError: None does; the message says of each why.
    """
    reasons = []
    for server in broker.servers:
        reason = _refusal(server, broker)
        if not reason:
            return
        reasons.append(f"{server} {reason}")
    raise FeedError(
        f"connecting to the feed {broker.feed}: no broker lets us in: {'; '.join(reasons)}", hint=_hint(reasons)
    )


def _hint(reasons: list[str]) -> str:
    if any("TLS" in reason or "`protocol`" in reason for reason in reasons):
        return "check `security` of the feed: its `protocol`; `ca`, which has signed the broker's certificate; `cert`"
    if any("let us in" in reason or "log in" in reason or "login" in reason for reason in reasons):
        return "check `mechanism`, `username` and `password` under `security` of the feed"
    return "check `bootstrap_servers` of the feed, and that its broker runs and may be reached from here"


def _refusal(server: str, broker: Broker) -> str:
    """Why this address cannot be used; empty where it can."""
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        return "has no port number"
    try:
        with (
            socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS) as plain,
            _secured(plain, broker.tls, host) as connection,
        ):
            greet(connection, broker.mechanism, broker.username or "", broker.password)
    except OSError as error:
        return _told(error)
    except RefusedError as refusal:
        return str(refusal)
    return ""


def _secured(plain: socket.socket, tls: ssl.SSLContext | None, host: str) -> socket.socket:
    return plain if tls is None else tls.wrap_socket(plain, server_hostname=host)


def _told(error: OSError) -> str:
    match error:
        case TimeoutError():
            told = f"did not answer within {KNOCK_SECONDS:g} s"
        case ssl.SSLCertVerificationError():
            told = f"has a certificate that TLS does not accept: {error.verify_message}"
        case ssl.SSLError():
            told = f"does not speak TLS with us: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            told = "has a name that nobody knows"
        case ConnectionResetError() | BrokenPipeError():
            told = "closes the connection: its listener asks for another `protocol`"
        case _:
            told = f"does not take a connection: {(error.strerror or str(error)).lower()}"
    return told
