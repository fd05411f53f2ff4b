"""What a failure of the Kafka client means for a person."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import kafka.errors as kafka_errors

from auditor.feeds.kafka.history import client_history
from auditor.feeds.kafka.limits import BOOTSTRAP_SECONDS, REQUEST_SECONDS
from contracts.errors import FeedError, PausedFeedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.feeds.kafka.broker import Broker

_CHECK_LOGIN = "check `username`, `password` and `mechanism` under `security` of the feed"
_INSTALL_CODECS = "pip install 'consistency-auditor[kafka]'"
_LOOK_AT_DISK = "have the broker's disk looked at; nothing was read past this place"
_CONNECTION_WORDS = ("failed", "Failed", "closed", "refused", "disconnect")


@contextmanager
def failures_told(broker: Broker, doing: str) -> Iterator[None]:
    """Whatever the client raises within leaves as a `FeedError`.

    Args:
        broker: The cluster.
        doing: What is being done, such as `reading shop.orders/0`.
    """
    try:
        yield
    except kafka_errors.KafkaError as error:
        raise feed_error(error, broker, doing) from error


def feed_error(error: Exception, broker: Broker, doing: str) -> FeedError:
    """The error of ours that says what the client's means."""
    place = f"{doing}: {broker}"
    if isinstance(error, kafka_errors.RetriableError):
        return PausedFeedError(f"{place}: {_silence(error)}", hint=_silence_hint(broker))
    message, hint = _explained(error, broker)
    return FeedError(f"{place}: {message}", hint=hint)


def _explained(error: Exception, broker: Broker) -> tuple[str, str]:
    """What happened, and what to do next."""
    who = broker.username or "our client"
    match error:
        case kafka_errors.SaslAuthenticationFailedError() | kafka_errors.UnsupportedSaslMechanismError():
            told = f"the broker refuses to let us in as {who} by {broker.mechanism}", _CHECK_LOGIN
        case kafka_errors.TopicAuthorizationFailedError():
            told = f"{who} may not read {_topics_of(error)}", f"allow {who} DESCRIBE and READ on the topics"
        case kafka_errors.GroupAuthorizationFailedError():
            told = f"{who} may not read the consumer group", f"allow {who} READ on the group"
        case kafka_errors.AuthorizationError():
            told = f"{who} may not do this", f"allow {who} DESCRIBE on the cluster"
        case kafka_errors.UnsupportedCodecError():
            told = f"records are compressed by a codec that is not installed: {error}", _INSTALL_CODECS
        case kafka_errors.CorruptRecordError():
            told = "a batch of records lacks the checksum that it was written with", _LOOK_AT_DISK
        case _:
            told = f"{type(error).__name__}: {error}", "look into the broker's log"
    return told


def unreachable(broker: Broker, doing: str) -> FeedError:
    """Somebody took our connection, and then no answer came within the time."""
    reason = _last_reason()
    return FeedError(
        f"{doing}: {broker}: no answer of a broker within {BOOTSTRAP_SECONDS:g} s{f'; {reason}' if reason else ''}",
        hint=_silence_hint(broker),
    )


def _silence(error: Exception) -> str:
    reason = _last_reason() or f"{type(error).__name__}: {error}"
    return f"no answer within {REQUEST_SECONDS:g} s; {reason}"


def _last_reason() -> str:
    reason = client_history().last(*_CONNECTION_WORDS)
    return f"the client's last word: {reason}" if reason else ""


def _silence_hint(broker: Broker) -> str:
    tls = "with TLS" if broker.tls is not None else "without TLS"
    login = f"logging in by {broker.mechanism}" if broker.mechanism else "without login"
    proof = ", which may ask for a `cert` and `key`" if broker.tls is not None else ""
    return f"check that a broker runs there and that its listener is one {tls} and {login}, as the feed says{proof}"


def _topics_of(error: Exception) -> str:
    named = error.args[0] if error.args else None
    if isinstance(named, set | frozenset | list | tuple) and named:
        return "the topic " + ", ".join(sorted(map(str, named)))
    return "the topic"
