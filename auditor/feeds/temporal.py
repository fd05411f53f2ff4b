"""Text of the integers that connectors write for dates, times and timestamps.

What SQL's and Python's calendars share (years 1 to 9999) comes out as ISO 8601; other years as PostgreSQL spells them,
so that a person sees the day, and no canonical form takes it for another one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from auditor.feeds.shape import BadValueError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall-clock time has no zone
_UTC_EPOCH = _EPOCH.replace(tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()
_DAY_SECONDS = 86_400
_ERA_DAYS = 146_097
"""Days of 400 years."""

_INFINITE_DAYS = {-2_147_472_692: "infinity", -2_147_472_691: "-infinity"}
"""How PostgreSQL's infinite dates come through the connector: its arithmetic overflows."""

_INFINITE_MICROS = {9_223_372_036_825_200_000: "infinity", -9_223_372_036_832_400_000: "-infinity"}
_INFINITE_MILLIS = {9_223_372_036_825_200: "infinity", -9_223_372_036_832_400: "-infinity"}
_INT64_MAX, _INT64_MIN = 2**63 - 1, -(2**63)


def date_text(days: int) -> str:
    """Text of a day counted from 1970-01-01."""
    ordinal = days + _EPOCH_DAY
    if 0 < ordinal <= _LAST_DAY:
        return date.fromordinal(ordinal).isoformat()
    if (infinite := _INFINITE_DAYS.get(days)) is not None:
        return infinite
    return "{}{}".format(*_far_day(days))


def _far_day(days: int) -> tuple[str, str]:
    """A day of any year as `44-03-15` with four digits or more, and ` BC` or nothing."""
    shifted = days + 719_468  # counted from 0000-03-01, so that leap days come last
    era, day = divmod(shifted, _ERA_DAYS)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    month, year = (month + 3, year + era * 400) if month < 10 else (month - 9, year + era * 400 + 1)  # noqa: PLR2004
    shown, suffix = (year, "") if year > 0 else (1 - year, " BC")
    return f"{shown:04}-{month:02}-{day + 1:02}", suffix


def timestamp_ms_text(millis: int) -> str:
    """Text of a wall-clock time counted in milliseconds from 1970."""
    try:
        return (_EPOCH + timedelta(milliseconds=millis)).isoformat()
    except OverflowError:
        return _INFINITE_MILLIS.get(millis) or _far_stamp(millis, 3)


def timestamp_us_text(micros: int) -> str | None:
    """Text of a wall-clock time counted in microseconds; None where the connector's own arithmetic had overflowed."""
    try:
        return (_EPOCH + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        if micros in (_INT64_MAX, _INT64_MIN):
            return None
        return _INFINITE_MICROS.get(micros) or _far_stamp(micros, 6)


def timestamp_ns_text(nanos: int) -> str:
    """Text of a wall-clock time counted in nanoseconds; the ends of the range are the infinities."""
    if nanos in (_INT64_MAX, _INT64_MIN):
        return "infinity" if nanos > 0 else "-infinity"
    seconds, fraction = divmod(nanos, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


def _far_stamp(units: int, digits: int) -> str:
    seconds, fraction = divmod(units, 10**digits)
    days, second = divmod(seconds, _DAY_SECONDS)
    day, suffix = _far_day(days)
    return f"{day} {time_text(second * 10**digits + fraction, digits)}{suffix}"


def time_text(units: int, digits: int) -> str:
    """Text of a time of day counted from midnight in units of 10^-digits seconds.

    MySQL's TIME is a span and may be negative or longer than a day; it is written as MySQL does.
    """
    sign, units = ("-", -units) if units < 0 else ("", units)
    seconds, fraction = divmod(units, 10**digits)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:0{digits}}" if fraction else text


def instant(micros: int) -> datetime:
    """A moment in UTC counted in microseconds from 1970.

    Raises:
        BadValueError: No calendar has it.
    """
    try:
        return _UTC_EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise BadValueError("a time is out of range") from None
