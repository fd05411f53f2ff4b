"""The errors a person can meet, as one tree.

```
AuditorError                what stopped us, in one message a person can act on
├── UsageError              the command line asks for something that cannot be
├── SettingsError           auditor.yaml is wrong
├── ContractError           one or more contracts are wrong (carries every problem found)
├── StoreError              a store could not be reached, read or understood
│   ├── UnreachableStoreError    it did not let us in: nobody is there, or not yet
│   ├── InterruptedReadError     it broke off for a reason that passes: reading again may succeed
│   └── FeedError                a change stream could not be reached, read or understood
│       ├── PausedFeedError          it cannot go on for a reason that passes: nothing is skipped meanwhile
│       ├── RemadeTopicError         it is not the log any more that was read before
│       └── RetentionGapError        the record to read next is no longer, or not yet, there
├── DeadlineError           the time that the run was given is over
├── WorkspaceError          our own scratch space failed (disk, memory, permissions)
└── LedgerError             the ledger could not be read or written
    └── OlderLedgerError    its schema is older; the next run upgrades it
```

A divergence is never an exception: it is a result.  An exception means that we could not look.
Every message says what was being done, where, what was found, what was expected and what to do next.
It never holds a password or the value of a sensitive field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AuditorError(Exception):
    """What stopped the auditor, told so that a person can act on it.

    Args:
        message: What was being done, where, what was found and what was expected, in one or two sentences.
        hint: What to do next, or an empty string.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class UsageError(AuditorError):
    """The command line asks for something that cannot be."""


class SettingsError(AuditorError):
    """The settings file is wrong or incomplete."""


class StoreError(AuditorError):
    """A store could not be reached, read or understood."""


class UnreachableStoreError(StoreError):
    """A store is not there: a wrong address, a server that is down, or one that starts anew."""


class InterruptedReadError(StoreError):
    """A store broke off for a reason that passes, as a lost connection does; reading again may succeed."""


class FeedError(StoreError):
    """A change stream could not be reached, read or understood."""


class PausedFeedError(FeedError):
    """A feed cannot go on for a reason that passes (a registry does not answer); nothing is skipped meanwhile."""


class TopicError(FeedError):
    """One topic of a feed cannot be read or understood; others of it may be.

    Attributes:
        topic: Which.
    """

    def __init__(self, message: str, *, topic: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.topic = topic


class UnknownTopicError(TopicError):
    """A feed has no such topic, or does not let us see it."""


class RemadeTopicError(FeedError):
    """A topic is not the log any more that was read before.

    Attributes:
        topic: Which.
        partition: Of the topic: where that was seen.
        following: The offset that it had been read up to.
        last_stamp: The time of the last record that was read of it, in milliseconds since 1970; None: nobody knows.
    """

    def __init__(
        self, message: str, *, topic: str, partition: int, following: int, last_stamp: int | None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic
        self.partition = partition
        self.following = following
        self.last_stamp = last_stamp


class RetentionGapError(FeedError):
    """The record to read next is no longer there, or was never: records were lost, or the topic was made anew.

    Args:
        message: As of every error.
        hint: As of every error.
        topic: Whose records are missing.
        partition: Of the topic.
        wanted: The offset to read next.
        beginning: The first offset that is there; with `wanted` before it, the difference is what was lost.
        end: The offset after the last; with `wanted` after it, this is not the log that was read before.
    """

    def __init__(  # noqa: PLR0913 - a place and three numbers
        self, message: str, *, hint: str = "", topic: str, partition: int, wanted: int, beginning: int, end: int
    ) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic
        self.partition = partition
        self.wanted = wanted
        self.beginning = beginning
        self.end = end


class DeadlineError(AuditorError):
    """The time that the run was given is over."""


class WorkspaceError(AuditorError):
    """The auditor's own scratch space failed: disk, memory or permissions."""


class LedgerError(AuditorError):
    """The ledger could not be read or written."""


class LedgerBusyError(LedgerError):
    """Another run is at work on an entity: what was found is recorded when that is over."""


class OlderLedgerError(LedgerError):
    """The ledger has an older schema, which whoever may write upgrades."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a text file something stands; lines and columns count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("")
"""The place of what was not read from a file."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong (or doubtful) in a contract, with its place."""

    place: Place
    message: str
    severity: str = "error"
    """`error` stops a run, `warning` does not."""

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message}"


class ContractError(AuditorError):
    """One or more contracts are wrong; `problems` holds every one of them."""

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = tuple(problems)
