"""The feeds that a monitor follows: each with a state of the monitor's own, which obliges replicas as it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.feeds.feeds import STATE_SHARE, Feeds
from contracts.errors import WorkspaceError
from reconcilers.streams.obligations import Duty
from reconcilers.streams.state import FeedState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from auditor.feeds.feeds import WantedTopic
    from auditor.feeds.follower import Follower
    from auditor.feeds.following import Following
    from auditor.settings import Settings
    from contracts.contract import Contract, FeedRef
    from reconcilers.workspace import Workspace


class MonitoredFeeds(Feeds):
    """The feeds of the contracts that are monitored.

    Args:
        settings: The settings.
        contracts: Every contract: those that are not monitored now may share a topic with those that are, and what it
            obliges their replicas to must not be lost.
        scope: Those that are monitored now.
    """

    def __init__(self, settings: Settings, contracts: Iterable[Contract], scope: Iterable[Contract]) -> None:
        super().__init__(settings)
        everything = [contract for contract in contracts if contract.owner.feed is not None]
        self.want(everything)
        self._topics = {(ref.name, ref.topic) for contract in scope for ref in _feeds(contract)}
        self._duties = [(name, duty) for contract in everything for name, duty in duties(contract)]
        self._settings = settings

    def wanted_of(self, name: str) -> Mapping[str, WantedTopic]:
        """See `Feeds.wanted_of`: of the feed's topics, those that are monitored now."""
        return {topic: one for topic, one in super().wanted_of(name).items() if (name, topic) in self._topics}

    def open(self, workspace: Workspace, check: Callable[[], None] | None = None) -> dict[str, Following]:
        """Open every feed and read it to its end, each in its turn.

        Args:
            workspace: The run's.
            check: Asked before each batch; raises where reading is to end.

        Raises:
            FeedError: One cannot be read.
            WorkspaceError: Its state cannot be opened: another monitor may hold it.
        """
        found = {name: self.following(name) for name in sorted({name for name, _ in self._topics})}
        for following in found.values():
            following.read_on(workspace, check)
        return found

    def _follower(self, name: str) -> Follower:
        follower = super()._follower(name)
        follower.state.take_on(duty for feed, duty in self._duties if feed == name)
        return follower

    def _state(self, name: str) -> FeedState:
        """The monitor's own state: one process alone may go on with it."""
        workspace = self._settings.workspace
        path = workspace.directory / "feeds" / "monitor" / f"{name}.duckdb"
        try:
            return FeedState(
                path, memory_limit=f"{int(workspace.memory_limit * STATE_SHARE)}B", threads=workspace.threads
            )
        except WorkspaceError as error:
            if "another process" not in error.message:
                raise
            raise WorkspaceError(
                f"monitoring the feed {name}: another monitor holds its state {path}",
                hint="let one monitor alone follow a feed, or give this one its own workspace.directory",
            ) from error


def _feeds(contract: Contract) -> list[FeedRef]:
    return [ref for ref in (contract.owner.feed, *(copy.feed for copy in contract.replicas)) if ref is not None]


def duties(contract: Contract) -> list[tuple[str, Duty]]:
    """What obliges the replicas of a contract: its owner's changes and their own, each with the name of its feed."""
    found = []
    for replica in contract.replicas:
        if contract.owner.feed is not None:
            owner = contract.owner.feed
            found.append(
                (owner.name, Duty(contract.entity, replica.name, owner.topic, by_owner=True, key=contract.key))
            )
        if replica.feed is not None:
            own = tuple(one.path for one in replica.key)
            duty = Duty(contract.entity, replica.name, replica.feed.topic, by_owner=False, key=own)
            found.append((replica.feed.name, duty))
    return found
