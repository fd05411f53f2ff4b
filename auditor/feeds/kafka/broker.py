"""Where a Kafka cluster is and how we prove ourselves there, as kafka-python takes it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from auditor.feeds.kafka.limits import BOOTSTRAP_SECONDS, CLIENT_ID, REQUEST_SECONDS
from contracts.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.settings import KafkaFeed, KafkaSecurity

DEFAULT_PORT = 9092
_SPOKEN = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})


@dataclass(frozen=True, slots=True)
class Broker:
    """A cluster.

    Attributes:
        feed: The name of the feed, for messages.
        servers: Addresses to begin with, `host:port`.
        tls: How connections are encrypted; None where they are not.
        mechanism: How we log in, or None.
        username: As whom.
        password: Never shown.
    """

    feed: str
    servers: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    mechanism: str | None = None
    username: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, feed: KafkaFeed) -> Self:
        """What the settings say.

        Raises:
            SettingsError: They contradict themselves, or a certificate cannot be read.
        """
        security = feed.security
        mechanism = _mechanism(name, security)
        return cls(
            feed=name,
            servers=tuple(map(_with_port, feed.bootstrap_servers)),
            tls=_tls(name, security) if security.protocol in ("SSL", "SASL_SSL") else None,
            mechanism=mechanism,
            username=security.username if mechanism else None,
            password=security.password.get_secret_value() if mechanism and security.password else "",
        )

    def __str__(self) -> str:
        return f"the feed {self.feed} ({', '.join(self.servers)})"

    def options(self) -> dict[str, Any]:
        """What every client of kafka-python is made with."""
        protocol = ("SASL_" if self.mechanism else "") + ("SSL" if self.tls is not None else "PLAINTEXT")
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": CLIENT_ID,
            "security_protocol": protocol,
            "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
            "request_timeout_ms": int(REQUEST_SECONDS * 1000),
        }
        if self.tls is not None:
            options["ssl_context"] = self.tls
        if self.mechanism is not None:
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = self.password
        return options


def _with_port(server: str) -> str:
    host, colon, _ = server.removeprefix("[").rpartition(":")
    return server if colon and host else f"{server}:{DEFAULT_PORT}"


def _mechanism(name: str, security: KafkaSecurity) -> str | None:
    """How to log in, where the protocol has that at all."""
    where = f"the feed {name}: `security`"
    if not security.protocol.startswith("SASL_"):
        if security.mechanism or security.username or security.password:
            raise SettingsError(
                f"{where} has credentials, but its protocol {security.protocol} has no login",
                hint="set `protocol` to SASL_SSL, or leave `mechanism`, `username` and `password` out",
            )
        return None
    if security.mechanism is None:
        raise SettingsError(f"{where} has no `mechanism`", hint=f"choose one of {', '.join(sorted(_SPOKEN))}")
    if security.mechanism not in _SPOKEN:
        raise SettingsError(
            f"{where}: this version does not log in by {security.mechanism}",
            hint=f"choose one of {', '.join(sorted(_SPOKEN))}",
        )
    if not security.username or security.password is None:
        raise SettingsError(
            f"{where}: {security.mechanism} needs `username` and `password`",
            hint='write the password as "${NAME}" or "${file:/path}"',
        )
    return security.mechanism


def _tls(name: str, security: KafkaSecurity) -> ssl.SSLContext:
    """Certificates as the settings name them; the machine's own authorities where they name none."""
    ca = None if security.ca is None else str(_readable(name, "ca", security.ca))
    context = ssl.create_default_context(cafile=ca)
    if security.key is not None and security.cert is None:
        raise SettingsError(f"the feed {name}: `security` has a `key` and no `cert`", hint="name both, or neither")
    if security.cert is not None:
        cert = _readable(name, "cert", security.cert)
        key = _readable(name, "key", security.key) if security.key is not None else None
        try:
            context.load_cert_chain(cert, key, password="")  # one with a passphrase must not ask the terminal
        except (ssl.SSLError, OSError, ValueError) as error:
            raise SettingsError(
                f"the feed {name}: the certificate {cert} and its key cannot be used: {_reason(error)}",
                hint="expected PEM files, the key without a passphrase and of this certificate",
            ) from error
    return context


def _readable(name: str, what: str, path: Path) -> Path:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the feed {name}: `{what}` {path} cannot be read: {error.strerror or error}",
            hint="name a PEM file that this user may read",
        ) from error
    if b"-----BEGIN" not in content:
        raise SettingsError(f"the feed {name}: `{what}` {path} is no PEM file", hint="expected -----BEGIN …")
    return path


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)
