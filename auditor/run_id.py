"""The name of a run: readable, sortable by time, and different for runs that begin in the same second."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_run_id(now: datetime) -> str:
    """A name such as `20261121T031500Z-7f3a2c`.

    Args:
        now: When the run began, with its zone.
    """
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
