"""Whether a log is the one that was read: what else it takes to see that."""

from __future__ import annotations

from random import Random

from auditor.feeds.continuity import LastRead, is_same_log
from tests.simulation.topic import SimulatedSource, Topic

RECORDS = 5


def test_records_that_are_gone_of_one_partition_are_no_reason_not_to_find_the_last_one_of_another() -> None:
    """The broker may remove them between opening a topic and reading on; where they matter, it is told later."""
    topic = Topic("orders", 2)
    for number in range(RECORDS):
        for part in range(2):
            topic.append(part, number, b"1", b"2")
    source = SimulatedSource(topic, Random(1))
    topic.cut(1, keep=1)
    last = topic.logs[0][1]
    assert last is not None
    assert is_same_log(source, ("orders", 0), LastRead.of(last)) is True
    assert source.position(("orders", 0)) == last.offset + 1
    assert source.position(("orders", 1)) == 0
