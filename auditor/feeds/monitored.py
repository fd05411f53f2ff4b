"""The feeds that a monitor follows: each with a state of the monitor's own, which obliges replicas as it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from auditor.feeds.feeds import STATE_SHARE, Feeds
from auditor.feeds.opening import open_feed
from auditor.settings import KafkaFeed
from contracts.errors import UsageError, WorkspaceError
from reconcilers.streams.obligations import Duty
from reconcilers.streams.state import FeedState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from auditor.feeds.feeds import WantedTopic
    from auditor.feeds.follower import Follower
    from auditor.feeds.following import Following
    from auditor.feeds.ports import RecordSource
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
        member: The name of this monitor among those who share the work as one consumer group; empty: it is alone.

    Raises:
        UsageError: Some of it cannot be shared.
    """

    _does_without: ClassVar[bool] = False
    """A monitor that lacks a topic would watch in vain, and says so before it begins."""

    def __init__(
        self, settings: Settings, contracts: Iterable[Contract], scope: Iterable[Contract], member: str = ""
    ) -> None:
        super().__init__(settings)
        scope = list(scope)
        if member:
            require_shareable(settings, scope)
        self._member = member
        everything = [contract for contract in contracts if contract.owner.feed is not None]
        self.want(everything)
        self._topics = {(ref.name, ref.topic) for contract in scope for ref in _feeds(contract)}
        self._duties = [(name, duty) for contract in everything for name, duty in duties(contract)]
        self._settings = settings

    def wanted_of(self, name: str) -> Mapping[str, WantedTopic]:
        """See `Feeds.wanted_of`: of the feed's topics, those that are monitored now."""
        return {topic: one for topic, one in super().wanted_of(name).items() if (name, topic) in self._topics}

    @property
    def names(self) -> list[str]:
        """Of the feeds that are monitored now."""
        return sorted({name for name, _ in self._topics})

    @property
    def retention(self) -> timedelta | None:
        """See `Feeds.retention`; the monitor forgets as it goes on."""
        return None

    def open(self, workspace: Workspace, check: Callable[[], None] | None = None) -> dict[str, Following]:
        """Open every feed and read it to its end, each in its turn.

        Args:
            workspace: The run's.
            check: Asked before each batch; raises where reading is to end.

        Raises:
            FeedError: One cannot be read.
            WorkspaceError: Its state cannot be opened: another monitor may hold it.
        """
        found = {name: self.following(name) for name in self.names}
        for following in found.values():
            following.read_on(workspace, check)
        return found

    def _follower(self, name: str) -> Follower:
        follower = self._shared(name) if self._member else super()._follower(name)
        follower.state.take_on(duty for feed, duty in self._duties if feed == name)
        return follower

    def _source(self, name: str, topics: tuple[str, ...]) -> RecordSource:
        """See `Feeds._source`."""
        return open_feed(self._settings, name, topics)

    def _shared(self, name: str) -> Follower:
        """As a member of the feed's group: with a state of its own, which is opened before anybody is told of us."""
        from auditor.feeds.kafka.broker import Broker
        from auditor.feeds.kafka.groups import committed_offsets
        from auditor.feeds.opening import begins_at_end, join_feed
        from auditor.feeds.shared_follower import SharedFollower

        settings, feed, topics = self._settings, self._settings.feed(name), tuple(self.wanted_of(name))
        if not isinstance(feed, KafkaFeed):
            raise TypeError(f"{name} has no group")
        state = self._state(name)
        try:
            decoder = self._keeping(name, state)
            return SharedFollower(
                name,
                join=lambda starts: join_feed(settings, name, topics, starts, self._member),
                alone=lambda topic: open_feed(settings, name, (topic,)),
                noted=lambda: committed_offsets(Broker.of(name, feed), feed.group_id),
                decoder=decoder,
                state=state,
                say=self._tell,
                from_end=begins_at_end(settings, name),
            )
        except BaseException:
            state.close()
            raise

    def _state(self, name: str) -> FeedState:
        """The monitor's own state: one process alone may go on with it."""
        workspace = self._settings.workspace
        path = workspace.directory / "feeds" / "monitor" / self._member / f"{name}.duckdb"
        try:
            # One thread: on batches of this size a second one doubles the processor time.
            return FeedState(path, memory_limit=f"{int(workspace.memory_limit * STATE_SHARE)}B")
        except WorkspaceError as error:
            if "another process" not in error.message:
                raise
            raise WorkspaceError(
                f"monitoring the feed {name}: another monitor holds its state {path}",
                hint="let one monitor alone follow a feed, share it as a group by `--member`, each with its own name, "
                "or give this one its own workspace.directory",
            ) from error


def require_shareable(settings: Settings, scope: Iterable[Contract]) -> None:
    """Make sure that members who each see some partitions can judge these contracts.

    Raises:
        UsageError: One that they cannot; each is named.
    """
    problems = []
    for contract in scope:
        refs = _feeds(contract)
        if contract.owner.dataset is None and contract.owner.query is None:
            problems.append(f"{contract.entity} has an owner that is known by its feed alone")
        problems += [
            f"{contract.entity} at {copy.name} has a feed of its own"
            for copy in contract.replicas
            if copy.feed is not None
        ]
        problems += [
            f"the feed {ref.name} of {contract.entity} is recorded"
            for ref in refs
            if not isinstance(settings.feed(ref.name), KafkaFeed)
        ]
    if problems:
        raise UsageError(
            f"monitoring as a member of a group: {'; '.join(problems)}: what is told in one partition would be needed "
            "in all",
            hint="name the entities that can be shared, and let one monitor without `--member` follow the others",
        )


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
