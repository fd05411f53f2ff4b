"""A feed's settings make its decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from auditor.feeds.decoding import decoder_of
from auditor.feeds.hints import ColumnHint
from auditor.settings import RecordedFeed
from contracts.errors import FeedError
from contracts.logical_types import Kind, LogicalType
from reconcilers.change import Change
from tests.fixtures.debezium_sets import DIRECTORY, DebeziumSet
from tests.unit.auditor.feeds.reading import record

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recorded_feed_with_schemas_is_in_confluents_format(tmp_path: Path) -> None:
    name = "pg-nulldef-avro"
    feed = RecordedFeed.model_validate(
        {"type": "recorded", "path": "x", "schemas": str(DIRECTORY / name / "schemas.json")}
    )
    told = decoder_of("replay", feed, tmp_path).decode(DebeziumSet(name).records)
    assert {change.row["plain"] for change in told if isinstance(change, Change) and "plain" in change.row} == {None}


def test_every_setting_of_a_feed_reaches_its_decoder(tmp_path: Path) -> None:
    feed = RecordedFeed.model_validate({
        "type": "recorded", "path": "x",
        "debezium": {"records": "flattened", "connector": "postgresql", "placeholder": "kept!", "prefix": "x_",
                     "keys": "text", "whole_before": ["t"], "nulls": "kept"},
        "schemaless": {"time": "adaptive", "decimals": "precise", "binary": "hex",
                       "columns": {"t": {"at": "timestamp(3)", "n": "numeric(5,2)", "b": "bytea", "i": "bit(3)"}}},
    })  # fmt: skip
    hints = {"t": {"v": ColumnHint(LogicalType(Kind.TEXT), default="d")}}
    value = {"at": 1709212455123, "n": "AeI6", "b": "00ff", "i": "BQ==", "v": "d", "big": "kept!", "x_op": "u"}
    (told,) = decoder_of("replay", feed, tmp_path, hints).decode([record(b"o-1", value)])
    assert isinstance(told, Change)
    assert told.key == {"": "o-1"}
    assert (told.operation, told.source) == ("u", "postgresql")
    assert {name: str(cell) for name, cell in told.row.items()} == {
        "at": "2024-02-29T13:14:15.123000", "n": "1234.50", "b": "\\x00ff", "i": "101", "v": "d", "big": "Lack.KEPT",
    }  # fmt: skip


def test_a_file_of_schemas_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    for path in (tmp_path / "none.json", tmp_path / "list.json"):
        feed = RecordedFeed.model_validate({"type": "recorded", "path": "x", "schemas": str(path)})
        with pytest.raises(FeedError, match="Avro schema"):
            decoder_of("replay", feed, tmp_path)
