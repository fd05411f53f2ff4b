"""Paths lead to files below one directory and nowhere else; a file that changes while it is read is noticed."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from auditor.readers.files.reader import file_reader
from contracts.errors import StoreError
from tests.conformance.delivery import found, keys, natural, scanned, scanned_raw, things, workspace_in

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = {"t.csv": b"id,v\n1,a\n", "t.tsv": b"id\tv\n1\ta\n", "t.jsonl": b'{"id": 1, "v": "a"}\n'}


@pytest.mark.parametrize(
    "relation",
    ["../t.csv", "/etc/passwd.csv", "a/../../t.csv", "", "t\0.csv", "link.csv", "linked/t.csv", "*/../../t.parquet"],
)
def test_no_path_leads_out_of_the_directory(tmp_path: Path, relation: str) -> None:
    inside = tmp_path / "lake"
    inside.mkdir()
    (tmp_path / "t.csv").write_bytes(CONTENT["t.csv"])
    (inside / "link.csv").symlink_to(tmp_path / "t.csv")
    (inside / "linked").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="lake/t"):
        file_reader("lake/t", inside, relation).shape()


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "day1.csv").write_bytes(CONTENT["t.csv"])
    (tmp_path / "latest.csv").symlink_to("day1.csv")
    assert scanned(tmp_path, file_reader("lake/t", tmp_path, "latest.csv"), things(id="int")) == [("1",)]


@pytest.mark.parametrize("name", sorted(CONTENT))
@pytest.mark.parametrize("zipped", [False, True])
def test_every_kind_is_told_by_its_suffix(tmp_path: Path, name: str, zipped: bool) -> None:  # noqa: FBT001
    relation = f"deep/er/{name}{'.gz' if zipped else ''}"
    path = tmp_path / relation
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CONTENT[name]) if zipped else CONTENT[name])
    reader = file_reader("lake/t", tmp_path, relation)
    wanted = things(id="int", v="text")
    assert [column.name for column in reader.shape().columns] == ["id", "v"]
    assert scanned(tmp_path, reader, wanted) == [("1", "a")]
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("01",))) == [("1", "a")]
    assert found(tmp_path, reader, wanted, keys(wanted[:1], ("2",))) == []
    assert str(path.name) in reader.dry_run(wanted)


@pytest.mark.parametrize("relation", ["t.txt", "t", "t.xlsx", "t.gz"])
def test_an_unknown_kind_is_refused(tmp_path: Path, relation: str) -> None:
    (tmp_path / relation).write_bytes(b"x")
    with pytest.raises(StoreError, match="does not say what kind of file it is"):
        file_reader("lake/t", tmp_path, relation)


def test_a_name_that_looks_like_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "orders[1].csv").write_bytes(CONTENT["t.csv"])
    reader = file_reader("lake/t", tmp_path, "orders[1].csv")
    assert scanned(tmp_path, reader, things(id="int")) == [("1",)]


@pytest.mark.parametrize("relation", ["orders.csv", "orders.jsonl", "orders.parquet"])
def test_a_missing_file_names_the_nearest(tmp_path: Path, relation: str) -> None:
    (tmp_path / f"order{relation[6:]}").write_bytes(b"x")
    reader = file_reader("lake/t", tmp_path, relation)
    with pytest.raises(StoreError, match=r"there is no file[\s\S]*did you mean 'order"):
        reader.shape()
    with workspace_in(tmp_path) as workspace, pytest.raises(StoreError), reader.snapshot(workspace):
        pass


@pytest.mark.parametrize("relation", ["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz", "t.parquet"])
def test_an_empty_file_is_an_error_and_not_an_empty_dataset(tmp_path: Path, relation: str) -> None:
    """An export that broke off must not look like a table without rows."""
    (tmp_path / relation).write_bytes(gzip.compress(b"") if relation.endswith("csv.gz") else b"")
    with pytest.raises(StoreError, match="empty"):
        file_reader("lake/t", tmp_path, relation).shape()
    with pytest.raises(StoreError, match="empty"):
        scanned_raw(tmp_path, file_reader("lake/t", tmp_path, relation), natural("id"))


@pytest.mark.parametrize("relation", ["t.csv.gz", "t.jsonl.gz"])
@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(b'{"id": 1}\n' * 5_000)[:-20]])
def test_a_broken_archive_is_an_error(tmp_path: Path, relation: str, content: bytes) -> None:
    (tmp_path / relation).write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        scanned_raw(tmp_path, file_reader("lake/t", tmp_path, relation), natural("id"))


@pytest.mark.parametrize("change", ["append", "replace", "touch", "delete"])
def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path, change: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(CONTENT["t.csv"])
    with workspace_in(tmp_path) as workspace, file_reader("lake/t", tmp_path, "t.csv").snapshot(workspace) as snapshot:
        assert snapshot.watermark.isolation == "snapshot"
        snapshot.load(f"SELECT * FROM {snapshot.scan(natural('id')).sql}", "rows")
        assert snapshot.incomplete() == ""
        if change == "append":
            with path.open("ab") as file:
                file.write(b"2,b\n")
        elif change == "replace":
            (tmp_path / "new.csv").write_bytes(CONTENT["t.csv"])
            (tmp_path / "new.csv").replace(path)
        elif change == "touch":
            os.utime(path, (1, 1))
        else:
            path.unlink()
        assert "t.csv" in snapshot.incomplete()
