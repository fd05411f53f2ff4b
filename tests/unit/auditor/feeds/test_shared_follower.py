"""A member of a group that loses partitions while it reads."""

from __future__ import annotations

from random import Random

from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from auditor.feeds.shared_follower import SharedFollower
from reconcilers.streams.state import FeedState
from tests.simulation.group import Group, SharedSimulatedSource
from tests.simulation.process import HINTS
from tests.simulation.topic import SimulatedSource, Topic
from tests.simulation.wire import Registry, Wire

RECORDS = 200
"""Of each partition: many polls."""


def test_a_partition_that_is_taken_away_while_catching_up_is_not_asked_for_its_place() -> None:
    """Nobody knows a place in what is not ours; what is left is read to its end, and the loss is counted."""
    topic, wire, chance = Topic("orders", 2), Wire("orders", "json", Registry()), Random(1)
    for number in range(RECORDS):
        for part in range(2):
            topic.append(part, number, wire.key(number), wire.read(number, ("A", 1, ""), 1e9, 1, "true", number))
    group = Group(topic, chance, ("one", "other"))
    group.shares = {"one": {0, 1}, "other": set()}
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 5:
            group.generation += 1
            group.shares = {"one": {0}, "other": {1}}

    with FeedState(None) as state:
        state.keep("orders", ("id", "status"), ("id",))
        follower = SharedFollower(
            "shop",
            join=lambda starts: SharedSimulatedSource(group, "one", starts, chance),
            alone=lambda _topic: SimulatedSource(topic, chance),
            noted=dict,
            decoder=Decoder(DecodingOptions(None), None, {"orders": HINTS}),
            state=state,
        )
        follower.begin()
        follower.catch_up(check)
        assert (list(follower.partitions()), follower.losses) == ([("orders", 0)], 1)
        offsets = state.offsets()
        assert offsets["orders", 0].following == RECORDS > offsets["orders", 1].following
