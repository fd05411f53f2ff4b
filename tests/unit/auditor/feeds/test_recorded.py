"""A recorded feed is read as a broker is, and every line of it is checked before anything is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.feeds import recorded
from auditor.feeds.record import Record
from auditor.feeds.record_text import read_record, record_line
from auditor.feeds.recorded import RecordedSource
from contracts.errors import FeedError, RetentionGapError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GOOD = '{"topic":"t","partition":0,"offset":4,"timestamp":1,"key":null,"value":"AA==","headers":[]}'


def record(topic: str, partition: int, offset: int, value: bytes | None = b"v") -> Record:
    return Record(
        topic, partition, offset, 1_700_000_000_000 + offset, b"\x00key", value, (("h", b"\xff"), ("h", None))
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.jsonl"


def written(path: Path, records: Iterable[Record]) -> Path:
    path.write_text("".join(map(record_line, records)))
    return path


def read_all(source: RecordedSource) -> list[Record]:
    end = source.end(source.partitions())
    found: list[Record] = []
    while any(source.position(partition) < end[partition] for partition in end):
        found += source.poll(0)
    return found


def test_a_record_is_its_line() -> None:
    for one in (record("t", 3, 9), record("ü", 0, 0, None), Record("t", 0, 1, -1, None, b"")):
        assert read_record(record_line(one).encode()) == one


def test_several_topics_and_partitions_stand_in_one_file_and_offsets_may_have_holes(path: Path) -> None:
    there = [record("a", 0, 0), record("b", 0, 7), record("a", 1, 3), record("a", 0, 5), record("b", 0, 9)]
    with RecordedSource("replay", written(path, there), ["a"]) as source:
        assert source.partitions() == [("a", 0), ("a", 1)]
        assert source.beginning(source.partitions()) == {("a", 0): 0, ("a", 1): 3}
        assert source.end(source.partitions()) == {("a", 0): 6, ("a", 1): 4}
        assert read_all(source) == [there[0], there[2], there[3]]
        assert source.poll(0) == []


def test_seeking_goes_back_and_forth_and_into_holes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "MARK_EVERY_RECORDS", 3)
    monkeypatch.setattr(recorded, "POLL_MAX_RECORDS", 4)
    there = [record("t", partition, 2 * number + partition) for number in range(50) for partition in range(2)]
    with RecordedSource("replay", written(path, there)) as source:
        assert read_all(source) == there
        for wanted in (0, 1, 51, 98, 99, 42):
            source.seek(("t", 0), wanted)
            source.seek(("t", 1), 100)
            assert read_all(source) == [one for one in there if one.partition == 0 and one.offset >= wanted]


def test_an_offset_outside_of_the_file_is_a_gap_with_its_numbers(path: Path) -> None:
    with RecordedSource("replay", written(path, [record("t", 0, 5), record("t", 0, 8)])) as source:
        source.seek(("t", 0), 2)
        with pytest.raises(RetentionGapError, match=r"t/0@2 is no longer there.*3 offsets were removed") as lost:
            source.poll(0)
        assert (lost.value.wanted, lost.value.beginning, lost.value.end) == (2, 5, 9)
        source.seek(("t", 0), 10)
        with pytest.raises(RetentionGapError, match="t/0@10 is not there yet"):
            source.poll(0)
        source.seek(("t", 0), 9)
        assert source.poll(0) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", "is no JSON at column 1"),
        ("[1]", "is no JSON object"),
        ('{"topic":"t"}', "lacks partition, offset, key, value"),
        (GOOD.replace('"t"', "7"), "`topic` is no name"),
        (GOOD.replace('"partition":0', '"partition":true'), "`partition` is no whole number of 0 or more"),
        (GOOD.replace('"offset":4', '"offset":-4'), "`offset` is no whole number of 0 or more"),
        (GOOD.replace("AA==", "A"), "`value` is neither base64 nor null"),
        (GOOD.replace('"AA=="', "5"), "`value` is neither base64 nor null"),
        (GOOD.replace("[]", '[["name"]]'), "`headers` has something else than pairs"),
        (GOOD.replace("[]", '[["name","%"]]'), "the header 'name' is neither base64 nor null"),
        (GOOD.replace("headers", "heads"), "has 'heads', which no record has"),
        (GOOD.replace(":4", ":3"), "offset 3 of t/0 stands after offset 3 (line 1)"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_place_before_anything_is_read(
    path: Path, line: str, told: str
) -> None:
    path.write_text(f"{GOOD.replace(':4', ':3')}\n\n{line}\n")
    with pytest.raises(FeedError) as error:
        RecordedSource("replay", path)
    assert f"{path}:3:" in error.value.message
    assert told in error.value.message


def test_a_topic_that_is_not_in_the_file_is_told_with_those_that_are(path: Path) -> None:
    written(path, [record("shop.public.orders", 0, 0)])
    with pytest.raises(FeedError, match=r"no record of the topic shop.public.order; did you mean 'shop.public.orders'"):
        RecordedSource("replay", path, ["shop.public.order"])


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(FeedError, match="No such file"):
        RecordedSource("replay", path)


def test_a_file_that_changes_while_it_is_read_is_told(path: Path) -> None:
    with RecordedSource("replay", written(path, [record("t", 0, 0), record("t", 0, 1)])) as source:
        path.write_text("{}\n" * 200)
        with pytest.raises(FeedError, match="changed while it was read"):
            source.poll(0)


def append(path: Path, *records: Record, end: str = "") -> None:
    with path.open("a") as file:
        file.write("".join(map(record_line, records)) + end)


def test_whole_lines_at_the_end_of_a_file_that_grows_are_new_records(path: Path) -> None:
    """As of a topic: known partitions go on, new ones begin, and what is half written is not there yet."""
    with RecordedSource("replay", written(path, [record("t", 0, 0), record("other", 0, 0)]), ["t"]) as source:
        assert read_all(source) == [record("t", 0, 0)]
        half = record_line(record("t", 0, 2))
        append(path, record("t", 0, 1), record("other", 0, 1), record("t", 1, 7), end=half[:20])
        assert source.partitions() == [("t", 0), ("t", 1)]
        assert source.end([("t", 0), ("t", 1)]) == {("t", 0): 2, ("t", 1): 8}
        assert read_all(source) == [record("t", 0, 1), record("t", 1, 7)]
        append(path, end=half[20:])
        assert source.end([("t", 0)]) == {("t", 0): 3}
        assert read_all(source) == [record("t", 0, 2)]


def test_a_new_line_that_is_no_record_is_told_each_time_and_takes_nothing_from_those_before(path: Path) -> None:
    with RecordedSource("replay", written(path, [record("t", 0, 0)])) as source:
        append(path, record("t", 0, 1), end="nonsense\n")
        for _ in range(2):
            with pytest.raises(FeedError, match=f"{path}:3: the line is no JSON"):
                source.end([("t", 0)])
        assert [source.poll(0), source.position(("t", 0))] == [[record("t", 0, 0), record("t", 0, 1)], 2]


@pytest.mark.parametrize("how", ["shorter", "replaced", "gone", "written anew"])
def test_a_file_that_is_not_the_one_that_was_read_is_told(path: Path, how: str) -> None:
    there = [record("t", 0, 0), record("t", 0, 1)]
    with RecordedSource("replay", written(path, there)) as source:
        if how == "shorter":
            path.write_text(record_line(there[0]))
        elif how == "gone":
            path.unlink()
        elif how == "written anew":
            path.write_text("".join(map(record_line, [record("t", 0, 5), record("t", 0, 6), record("t", 0, 7)])))
        else:
            written(path.with_name("new"), [*there, record("t", 0, 2)]).replace(path)
        with pytest.raises(FeedError, match="changed while it was read"):
            source.end([("t", 0)])
