"""A value is spelled as its column spells the others, and nothing is ever cut for the sake of looks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.compensations.columns import UnwritableError
from auditor.compensations.spelling import local_text, spelled
from contracts.logical_types import LogicalType, parse_logical_type
from reconcilers.value_text import scalar_text

STAMP = parse_logical_type("timestamp")
TEXT = "2026-07-01T10:00:00.250000Z"


@pytest.mark.parametrize(
    ("sample", "zone", "expected"),
    [
        ("2026-01-31T08:00:00.125000Z", "UTC", "2026-07-01T10:00:00.250000Z"),
        ("2026-01-31T08:00:00Z", "UTC", "2026-07-01T10:00:00.25Z"),
        ("2026-01-31 08:00:00", "UTC", "2026-07-01 10:00:00.25"),
        ("2026-01-31 08:00:00", "Europe/Berlin", "2026-07-01 12:00:00.25"),
        ("2026-01-31 08:00:00.125+00:00", "UTC", "2026-07-01 10:00:00.25+00:00"),
        ("2026-01-31T08:00:00.120Z", "UTC", "2026-07-01T10:00:00.250Z"),
        ("infinity", "UTC", "2026-07-01T10:00:00.250000Z"),
    ],
)
def test_times_are_spelled_as_the_column_spells_them(sample: str, zone: str, expected: str) -> None:
    assert spelled(TEXT, STAMP, [sample], zone) == expected


@pytest.mark.parametrize(
    ("kind", "text", "sample", "expected"),
    [
        ("uuid", "aaaaaaaa-0000-4000-8000-000000000001", "BBBBBBBB-0000-4000-8000-00000000000C",
         "AAAAAAAA-0000-4000-8000-000000000001"),
        ("uuid", "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb00004000800000000000000c",
         "aaaaaaaa000040008000000000000001"),
        ("uuid", "aaaaaaaa-0000-4000-8000-000000000001", "{bbbbbbbb-0000-4000-8000-00000000000c}",
         "{aaaaaaaa-0000-4000-8000-000000000001}"),
        ("bool", "true", "f", "t"),
        ("bool", "false", "TRUE", "FALSE"),
        ("bool", "true", "0", "1"),
        ("decimal(10,2)", "1.50", "2.5", "1.5"),
        ("decimal(10,2)", "1.50", "2.50", "1.50"),
        ("text", "as it is", "anything", "as it is"),
        ("bytes", "00ff", "\\x01", "\\x00ff"),
    ],
)  # fmt: skip
def test_other_values_too(kind: str, text: str, sample: str, expected: str) -> None:
    assert spelled(text, parse_logical_type(kind), [sample], "UTC") == expected


def test_a_sample_in_several_spellings_is_none() -> None:
    uuid = parse_logical_type("uuid")
    text = "aaaaaaaa-0000-4000-8000-000000000001"
    assert spelled(text, uuid, [text.upper(), "bbbbbbbb-0000-4000-8000-00000000000c"], "UTC") == text


VALUES = [
    (parse_logical_type("timestamp"), st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z")),
    (parse_logical_type("timestamp(local)"), st.datetimes().map(lambda at: at.isoformat(timespec="microseconds"))),
    (parse_logical_type("time"), st.times().map(lambda at: at.isoformat(timespec="microseconds"))),
    (parse_logical_type("uuid"), st.uuids().map(str)),
    (parse_logical_type("bool"), st.sampled_from(["true", "false"])),
    (parse_logical_type("decimal(12,3)"), st.decimals(-(10**8), 10**8, places=3).map(lambda n: f"{n:.3f}")),
]


@given(st.data())
def test_every_spelling_reads_back_as_the_same_value(data: st.DataObject) -> None:
    """Whatever the column holds, what is written is the value, under the contract's own reading of text."""
    logical, values = data.draw(st.sampled_from(VALUES))
    text, sample = data.draw(values), data.draw(st.lists(values.map(lambda one: _varied(one, data)), max_size=3))
    written = spelled(text, logical, sample, "UTC")
    assert _read(written, logical) == _read(text, logical)


def _varied(text: str, data: st.DataObject) -> str:
    return data.draw(st.sampled_from([text, text.upper(), text.replace("T", " "), text.rstrip("0Z")]))


def _read(text: str, logical: LogicalType) -> str | None:
    return scalar_text(text.strip("{}"), logical)


def test_a_clock_that_shows_a_time_twice_is_no_place_for_it() -> None:
    """At the end of summer time 02:30 comes twice; a column without a zone cannot say which."""
    assert local_text("2026-10-24T00:30:00.000000Z", "Europe/Berlin") == "2026-10-24T02:30:00.000000"
    for hour in (0, 1):
        with pytest.raises(UnwritableError, match="twice"):
            local_text(f"2026-10-25T0{hour}:30:00.000000Z", "Europe/Berlin")


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001 - in UTC, as canonical text is
def test_utc_has_no_such_times(at: datetime) -> None:
    text = at.replace(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert local_text(text, "UTC") + "Z" == text
