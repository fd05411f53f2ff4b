"""Logs that several servers write: which of two changes of a row is the later one, whatever is sent again."""

from __future__ import annotations

import json

from reconcilers.streams.stretches import STRETCHES_MAX, Entry, Stretches


def entry(server: int, place: int, *, at: int = 0, gtid: str = "", part: int = 0) -> Entry:
    return Entry(part, f"mysql/shop/{server}/binlog", (1, place, 0), at, gtid)


def order(stretches: Stretches, *entries: Entry) -> list[tuple[int, int]]:
    """What each of some changes is ordered by."""
    return [(stretches.of(one), one.place[1]) for one in entries]


def test_places_order_the_log_of_one_server_whoever_made_its_changes() -> None:
    """Two primaries that repeat each other: the connector reads one of them."""
    assert order(Stretches(), entry(1, 10), entry(2, 20), entry(1, 30), entry(2, 40)) == [
        (1, 10), (1, 20), (1, 30), (1, 40),
    ]  # fmt: skip


def test_a_server_that_takes_over_or_is_given_back_begins_a_stretch_where_places_go_back() -> None:
    told = order(Stretches(), entry(1, 100), entry(2, 5), entry(1, 200), entry(2, 7), entry(1, 150 + 60))
    assert told == sorted(told)
    assert [stretch for stretch, _ in told] == [1, 2, 2, 3, 3]


def test_what_is_sent_again_belongs_where_it_was() -> None:
    stretches = Stretches()
    order(stretches, entry(1, 100), entry(1, 110), entry(2, 5), entry(2, 6))
    assert order(stretches, entry(1, 100), entry(1, 110), entry(2, 5), entry(2, 6), entry(2, 8)) == [
        (1, 100), (1, 110), (2, 5), (2, 6), (2, 8),
    ]  # fmt: skip


def test_numbers_of_transactions_tell_what_is_new_in_another_servers_log() -> None:
    """The new server's log tells the last changes of the old one at its own places; MariaDB counts by domain."""
    for form in ("3e11fa47-71ca-11e1-9e33-c80aa9429562:{}", "0-1-{}"):
        stretches = Stretches()
        told = order(
            stretches, entry(1, 900, gtid=form.format(4)), entry(1, 910, gtid=form.format(5)),
            entry(1, 40, gtid=form.format(6)), entry(2, 50, gtid="0-2-7"),
        )  # fmt: skip
        assert told == [(1, 900), (1, 910), (2, 40), (2, 50)]
        assert order(stretches, entry(1, 30, gtid=form.format(5))) == [(1, 30)], "told before, elsewhere"


def test_what_is_sent_again_across_a_switch_is_known_by_its_number() -> None:
    """A crash goes back to before the other server took over: its log has the old one's last change, too."""
    stretches = Stretches()
    order(stretches, entry(1, 100, gtid="a:10"), entry(1, 200, gtid="a:11"), entry(2, 500, gtid="b:5"))
    assert order(stretches, entry(1, 400, gtid="a:11"), entry(2, 500, gtid="b:5"))[-1] == (1, 500)
    assert order(stretches, entry(2, 510, gtid="b:6")) == [(1, 510)]


def test_partitions_share_stretches_by_the_times_of_commits() -> None:
    """A truncate is told in one of them, and is about all."""
    stretches = Stretches()
    order(stretches, entry(1, 100, at=10), entry(2, 5, at=20), entry(1, 200, at=30), entry(2, 9, at=40))
    other = order(
        stretches, entry(1, 90, at=9, part=1), entry(2, 4, at=21, part=1), entry(1, 210, at=31, part=1),
        entry(2, 11, at=41, part=1),
    )  # fmt: skip
    assert [stretch for stretch, _ in other] == [1, 2, 2, 3]
    assert order(stretches, entry(2, 8, at=22, part=2)) == [(2, 8)], "begun later"
    assert order(stretches, entry(1, 8, at=2, part=3)) == [(1, 8)], "before the first that is known"


def test_what_was_written_goes_on_as_before() -> None:
    stretches = Stretches()
    order(stretches, entry(1, 100, gtid="0-1-7"), entry(2, 5), entry(1, 200, part=4))
    again = Stretches.read(json.loads(json.dumps(stretches.told())))
    assert again.told() == stretches.told()
    later = entry(1, 120, gtid="0-1-6"), entry(2, 4), entry(2, 3, gtid="0-2-9"), entry(1, 1, part=4)
    assert order(again, *later) == order(stretches, *later)


def test_a_partition_that_is_read_anew_is_told_from_its_beginning() -> None:
    stretches = Stretches()
    order(stretches, entry(1, 100, at=1), entry(2, 5, at=2))
    stretches.forget(0)
    assert order(stretches, entry(1, 100, at=1), entry(2, 5, at=2)) == [(1, 100), (2, 5)]
    assert len(stretches) == 2


def test_there_is_an_end_to_stretches() -> None:
    """Two connectors that write into one topic under one name; who uses it says that the order is not known."""
    stretches = Stretches()
    for step in range(2 * STRETCHES_MAX):
        order(stretches, entry(1, 10_000 + step), entry(2, step))
    assert len(stretches) == STRETCHES_MAX
