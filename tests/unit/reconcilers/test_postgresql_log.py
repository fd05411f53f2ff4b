"""Which transactions PostgreSQL's snapshots see, by ids of 32 bits, and places of its log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers.postgresql_log import is_in_snapshot, log_place


@given(
    xmin=st.integers(3, 2**40), ahead=st.integers(0, 50), running=st.sets(st.integers(0, 49)), back=st.integers(-80, 80)
)
def test_a_transaction_is_seen_by_its_id_modulo_two_to_the_32(
    xmin: int, ahead: int, running: set[int], back: int
) -> None:
    """Below the end of the snapshot and not among those that were running, however often the ids have begun anew."""
    xmax = xmin + ahead
    open_ones = sorted(xmin + one for one in running if xmin + one < xmax)
    snapshot = f"{xmin}:{xmax}:{','.join(map(str, open_ones))}"
    transaction = max(xmax + back, 0)
    expected = transaction < xmax and transaction not in open_ones
    assert is_in_snapshot(snapshot, str(transaction % 2**32)) is expected
    assert is_in_snapshot(snapshot, str(transaction)) is expected


@pytest.mark.parametrize("transaction", ["", "x", "0-1-7", "-1"])
def test_what_is_no_transaction_is_not_known_to_be_seen(transaction: str) -> None:
    """A record without one proves nothing."""
    assert is_in_snapshot("10:20:", transaction) is False


def test_what_is_no_snapshot_sees_nothing() -> None:
    """A position of another store is none of PostgreSQL's."""
    assert is_in_snapshot('{"server": "a"}', "5") is False


def test_places_are_two_halves_in_hex() -> None:
    """The order of the numbers is that of the log."""
    assert log_place("1/0") == 2**32
    assert log_place("0/FFFFFFFF") == 2**32 - 1
    assert log_place("binlog.000003:4711") is None
    assert log_place("") is None
