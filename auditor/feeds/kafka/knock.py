"""Whether anybody is at an address: what kafka-python would try for a quarter of a minute and not explain."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from auditor.feeds.kafka.limits import KNOCK_SECONDS
from contracts.errors import FeedError

if TYPE_CHECKING:
    from auditor.feeds.kafka.broker import Broker


def knock(broker: Broker) -> None:
    """Return when one of the addresses takes a connection and, where there is TLS, shows a certificate that we trust.

    Args:
        broker: The cluster.

    Raises:
        FeedError: None does; the message says of each why.
    """
    reasons = []
    for server in broker.servers:
        reason = _refusal(server, broker.tls)
        if not reason:
            return
        reasons.append(f"{server} {reason}")
    hint = "check `bootstrap_servers` of the feed, and that its broker runs and may be reached from here"
    if broker.tls is not None and any("TLS" in reason for reason in reasons):
        hint = "check `security` of the feed: its protocol, and `ca`, which must have signed the broker's certificate"
    raise FeedError(f"connecting to the feed {broker.feed}: no broker can be reached: {'; '.join(reasons)}", hint=hint)


def _refusal(server: str, tls: ssl.SSLContext | None) -> str:
    """Why this address cannot be used; empty where it can."""
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        return "has no port number"
    try:
        with socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS) as plain:
            if tls is not None:
                with tls.wrap_socket(plain, server_hostname=host):
                    pass
    except OSError as error:
        return _told(error)
    return ""


def _told(error: OSError) -> str:
    match error:
        case TimeoutError():
            return f"did not answer within {KNOCK_SECONDS:g} s"
        case ssl.SSLCertVerificationError():
            return f"has a certificate that TLS does not accept: {error.verify_message}"
        case ssl.SSLError():
            return f"does not speak TLS with us: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case socket.gaierror():
            return "has a name that nobody knows"
    return f"does not take a connection: {(error.strerror or str(error)).lower()}"
