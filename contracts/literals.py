"""Reads a text literal as a value of the type that it is compared with, when the contract is loaded.

`placed_at >= '2026-01-31'` means a time, not a text: the literal is checked here, once, with its place, and reaches the
database as a value of its type.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, date, datetime, time

from contracts.logical_types import Kind, LogicalType

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"(\\x)?((?:[0-9a-fA-F]{2})*)\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?\Z", re.ASCII)
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"([T ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)\s?(?P<zone>Z|[+-]\d{2}(:?\d{2})?)?)?\Z",
    re.ASCII,
)
_INFINITIES = ("infinity", "-infinity")
_BOOLS = {"true": "TRUE", "t": "TRUE", "1": "TRUE", "false": "FALSE", "f": "FALSE", "0": "FALSE"}


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def literal_sql(text: str, logical: LogicalType) -> str:
    """The DuckDB literal for a text written in an expression beside a value of type `logical`.

    Raises:
        ValueError: The text is no value of that type, or the type cannot be compared with a literal.
    """
    reader = _READERS.get(logical.kind)
    if reader is None:
        raise ValueError(f"{logical.kind.value} cannot be compared with a literal")
    return reader(text, logical)


def _text(text: str, _logical: LogicalType) -> str:
    return quoted(text)


def _member(text: str, logical: LogicalType) -> str:
    if logical.members and text not in logical.members:
        raise ValueError(f"{quoted(text)} is no member of {logical}")
    return quoted(text)


def _bool(text: str, _logical: LogicalType) -> str:
    if text.lower() not in _BOOLS:
        raise ValueError(f"{quoted(text)} is no bool; expected TRUE or FALSE")
    return _BOOLS[text.lower()]


def _uuid(text: str, _logical: LogicalType) -> str:
    if not _UUID.match(text):
        raise ValueError(f"{quoted(text)} is no uuid; expected 32 hex digits as 8-4-4-4-12")
    return f"CAST('{uuid.UUID(text)}' AS UUID)"


def _bytes(text: str, _logical: LogicalType) -> str:
    match = _HEX.match(text)
    if not match:
        raise ValueError(f"{quoted(text)} is no bytes; expected hex digits in pairs")
    return f"unhex('{match[2]}')"


def _date(text: str, _logical: LogicalType) -> str:
    if text in _INFINITIES:
        return f"CAST('{text}' AS DATE)"
    if not _DATE.match(text):
        raise ValueError(f"{quoted(text)} is no date; expected one as 2026-01-31")
    return f"CAST('{_real_date(text)}' AS DATE)"


def _real_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{quoted(text)} is no day of the calendar") from None


def _time(text: str, _logical: LogicalType) -> str:
    if not _TIME.match(text):
        raise ValueError(f"{quoted(text)} is no time; expected one as 23:59:59.999999")
    return f"CAST('{_real_time(text)}' AS TIME)"


def _real_time(text: str) -> str:
    try:
        return time.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{quoted(text)} is no time of day") from None


def _timestamp(text: str, logical: LogicalType) -> str:
    if text in _INFINITIES:
        return f"CAST('{text}' AS TIMESTAMP)"
    match = _TIMESTAMP.match(text)
    if not match:
        raise ValueError(f"{quoted(text)} is no {logical}; expected one as 2026-01-31T12:00:00Z")
    moment = datetime.fromisoformat(f"{_real_date(match['date'])}T{_real_time(match['time'] or '00:00')}")
    if match["zone"]:
        if logical.kind is Kind.TIMESTAMP_LOCAL:
            raise ValueError(f"{quoted(text)} has a zone, but a timestamp(local) never had one")
        moment = _in_utc(moment, match["zone"], text)
    return f"CAST('{moment.isoformat(sep=' ')}' AS TIMESTAMP)"


def _in_utc(moment: datetime, zone: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(moment.isoformat() + zone).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(text)} is no moment between the years 1 and 9999") from None


_READERS = {
    Kind.TEXT: _text,
    Kind.ENUM: _member,
    Kind.BOOL: _bool,
    Kind.UUID: _uuid,
    Kind.BYTES: _bytes,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.TIMESTAMP: _timestamp,
    Kind.TIMESTAMP_LOCAL: _timestamp,
}
