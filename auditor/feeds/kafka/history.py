"""What the Kafka client says about itself: kept for error messages, never printed.

kafka-python tells what went wrong with a connection only in its log, and tries on; a caller sees a timeout.  So its
last warnings are kept here, and one of them often is the reason.
"""

from __future__ import annotations

import logging
from collections import deque

from auditor.feeds.kafka.limits import HISTORY_MESSAGES
from auditor.secrets import scrub


class ClientHistory(logging.Handler):
    """The last warnings of the Kafka client."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: deque[str] = deque(maxlen=HISTORY_MESSAGES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, without any secret."""
        self._messages.append(scrub(record.getMessage()))

    def forget(self) -> None:
        """Begin anew."""
        self._messages.clear()

    def last(self, *words: str) -> str:
        """The last message with one of these words; empty where there is none."""
        found = (message for message in reversed(self._messages) if any(word in message for word in words))
        return next(found, "")


_HISTORY = ClientHistory()


def client_history() -> ClientHistory:
    """The history of this process's Kafka clients; from now on they say nothing on stderr."""
    logger = logging.getLogger("kafka")
    if _HISTORY not in logger.handlers:
        logger.addHandler(_HISTORY)
        logger.propagate = False  # whoever sets up logging for the whole process would see addresses and users
        logger.setLevel(logging.WARNING)
    return _HISTORY
