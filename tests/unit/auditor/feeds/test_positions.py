"""Positions: what they are comparable within, and which of two is later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from auditor.feeds.positions import compare, gtid_set, includes, position
from auditor.feeds.shape import BadValueError

if TYPE_CHECKING:
    from reconcilers.change import Position


def place(connector: str, **source: Any) -> Position:
    found = position({"connector": connector, "name": "shop", **source})
    assert found is not None
    return found


def test_postgresqls_sequence_is_two_texts_that_are_compared_as_numbers() -> None:
    """As texts, 9 would come after 10."""
    nine, ten = (place("postgresql", lsn=n, sequence=f'["{n}","{n}"]') for n in (9, 10))
    assert compare(nine, ten) == -1
    assert (nine.commit, ten.commit) == (9, 10)
    assert place("postgresql", lsn=9, sequence='[null,"9"]').commit is None


def test_postgresqls_positions_are_spelled_as_the_server_does() -> None:
    assert place("postgresql", lsn=0x1_1196D398).text == "1/1196D398"


def test_rows_of_one_statement_may_share_a_position() -> None:
    assert compare(place("postgresql", lsn=5), place("postgresql", lsn=5)) == 0


def test_two_connectors_are_comparable_in_nothing() -> None:
    one = place("postgresql", lsn=5)
    other = position({"connector": "postgresql", "name": "other", "lsn": 6})
    assert other is not None
    assert compare(one, other) is None


def mysql(file: str, pos: int, row: int = 0, server_id: int = 1, gtid: str | None = None) -> Position:
    return place("mysql", file=file, pos=pos, row=row, server_id=server_id, gtid=gtid)


def test_binary_logs_are_ordered_by_number_place_and_row() -> None:
    """The number of the file counts, not its text: 10 comes after 9."""
    assert compare(mysql("binlog.9", 500), mysql("binlog.10", 4)) == -1
    assert compare(mysql("binlog.000009", 4, 1), mysql("binlog.000009", 4, 0)) == 1
    commits = [mysql("binlog.9", 2**36).commit, mysql("binlog.10", 4).commit]
    assert commits == sorted(commits, key=lambda commit: commit or 0)


def test_two_servers_or_two_families_of_files_are_comparable_by_gtid_alone() -> None:
    assert compare(mysql("binlog.9", 1), mysql("binlog.9", 2, server_id=2)) is None
    assert compare(mysql("binlog.9", 1), mysql("mysql-bin.9", 2)) is None
    first = mysql("binlog.9", 900, gtid="4901fcb5-e56a:7")
    after_failover = mysql("binlog.1", 4, server_id=2, gtid="4901fcb5-e56a:9")
    assert compare(first, after_failover) == -1
    assert compare(first, mysql("binlog.1", 4, server_id=2, gtid="another:9")) is None


def test_mariadbs_gtids_count_within_their_domain() -> None:
    one = mysql("b.1", 1, gtid="0-223344-313")
    other = mysql("b.1", 1, server_id=2, gtid="0-99-314")
    assert compare(one, other) == -1
    assert compare(one, mysql("b.1", 1, server_id=2, gtid="1-99-314")) is None


def test_gtids_with_a_tag_count_within_it() -> None:
    assert compare(mysql("b.1", 1, gtid="u:tag:3"), mysql("b.1", 1, server_id=2, gtid="u:tag:4")) == -1
    assert compare(mysql("b.1", 1, gtid="u:tag:3"), mysql("b.1", 1, server_id=2, gtid="u:4")) is None


def test_a_set_of_gtids_tells_what_a_server_has_executed() -> None:
    executed = "4901fcb5-e56a:1-18:20, other:5,4901fcb5-e56a:tag:1-3"
    assert includes(executed, "4901fcb5-e56a:18")
    assert not includes(executed, "4901fcb5-e56a:19")
    assert includes(executed, "4901fcb5-e56a:20")
    assert includes(executed, "4901fcb5-e56a:tag:2")
    assert not includes(executed, "4901fcb5-e56a:tag:4")
    assert includes("0-223344-271", "0-1-271")
    assert not includes("0-223344-271", "0-1-272")
    with pytest.raises(BadValueError):
        gtid_set("uuid:1-2:?")


def test_sql_servers_positions_are_hexadecimal_and_end_with_the_event() -> None:
    """A change of key has two events at one position."""
    source = {"commit_lsn": "00000027:00000ac0:0002", "change_lsn": "00000027:00000ac0:0001"}
    delete, insert = (place("sqlserver", **source, event_serial_no=n) for n in (1, 2))
    assert compare(delete, insert) == -1
    later = place("sqlserver", commit_lsn="00000027:00000ac0:0010", change_lsn="00000027:00000ac0:0009")
    assert compare(insert, later) == -1
    read = place("sqlserver", commit_lsn="00000027:00000ac0:0001", change_lsn=None)
    assert compare(read, delete) == -1


def test_oracles_positions_are_in_the_order_of_commits() -> None:
    """Numbers that may come as texts: as such, 999 would come after 1004."""
    early = place("oracle", scn="999", commit_scn="1003")
    late = place("oracle", scn="998", commit_scn="1004")
    assert compare(early, late) == -1
    assert compare(place("oracle", scn=1001, commit_scn=1003), early) == 1
    assert compare(place("oracle", scn="1003", commit_scn=None), late) == -1  # a snapshot's row
    assert (late.commit, late.text) == (1004, "998")
    assert position({"connector": "oracle", "scn": "1004:2:06", "commit_scn": None}) is None


def test_mongodbs_positions_are_a_second_and_a_place_in_it() -> None:
    assert compare(place("mongodb", ts_ms=1558965508000, ord=31), place("mongodb", ts_ms=1558965509000, ord=1)) == -1


@pytest.mark.parametrize(
    "source",
    [
        {"connector": "postgresql", "lsn": "5"},
        {"connector": "postgresql", "lsn": -5},
        {"connector": "postgresql", "lsn": True},
        {"connector": "postgresql", "lsn": 5, "sequence": '["x","5"]'},
        {"connector": "postgresql", "lsn": 5, "sequence": 5},
        {"connector": "mysql", "file": "b.1", "pos": 2**63},
        {"connector": "sqlserver", "commit_lsn": "27:ac0:2"},
    ],
)
def test_what_cannot_be_a_position_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(BadValueError):
        position(source)


def test_a_database_that_is_not_known_has_no_position() -> None:
    assert position({"connector": "db2", "change_lsn": "1"}) is None
