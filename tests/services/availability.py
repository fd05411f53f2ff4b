"""Why a service cannot be had on this machine."""

from __future__ import annotations


class Unavailable(Exception):  # noqa: N818 - a state of the machine, not a mistake
    """The service cannot run here; the message says what was missing and what would help."""
