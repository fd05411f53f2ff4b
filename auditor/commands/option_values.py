"""Values of options as people type them: durations, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import UsageError

if TYPE_CHECKING:
    from datetime import timedelta


def duration(option: str, text: str | None) -> timedelta | None:
    """The duration of an option, None where it was not given.

    Raises:
        UsageError: The text is no duration.
    """
    if text is None:
        return None
    from contracts.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint=f"write a duration, such as {option} 30s") from None


def refuse(option: str, given: object, *, instead: str = "") -> None:
    """Say that an option of the interface is not served yet; silently ignoring it would be a lie.

    Raises:
        UsageError: The option was given.
    """
    if given is not None and given is not False:
        raise UsageError(f"this version does not serve {option} yet", hint=instead or f"leave {option} out")
