"""What `audit doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at.

    Attributes:
        status: `ok`, `warning` or `error`.
    """

    subject: str
    status: str
    message: str
