"""Which version this is."""

from __future__ import annotations


def version() -> str:
    """The version of the installed distribution, or `unknown` where it is run from bare source."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("consistency-auditor")
    except PackageNotFoundError:
        return "unknown"
