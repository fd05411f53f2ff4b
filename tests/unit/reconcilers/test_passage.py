"""What a look at an owner has seen of what its own topic's rows stem from."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from reconcilers.mariadb_log import MariadbLog
from reconcilers.passage import OwnerMark, Stem

TAKEN = 100.0
LEADS, FOLLOWS = MariadbLog("0-1", 7, 9, leads=True), MariadbLog("0-1", 7, 9)


def has_seen(log: MariadbLog, stem: Stem) -> bool:
    return OwnerMark(TAKEN, datetime(2026, 1, 1, tzinfo=UTC), None, log).has_seen(stem)


@pytest.mark.parametrize("found", [-math.inf, 99.9])
def test_what_a_snapshot_found_before_the_look_is_seen_where_the_owner_repeats_nobody(found: float) -> None:
    """It was committed before it was found, and found before it was read."""
    assert has_seen(LEADS, Stem(found=found))
    assert not has_seen(FOLLOWS, Stem(found=found))


def test_what_was_read_after_the_look_may_be_newer() -> None:
    assert not has_seen(LEADS, Stem(found=TAKEN))


def test_a_transaction_decides_where_there_is_one() -> None:
    """A change that was streamed may be told before it is committed: when it was read says nothing."""
    assert has_seen(FOLLOWS, Stem("0-1-7"))
    assert not has_seen(LEADS, Stem("0-1-8", found=1.0))


def test_without_any_change_there_is_nothing_to_be_seen() -> None:
    assert has_seen(FOLLOWS, Stem(is_none=True))
    assert not has_seen(LEADS, Stem())
