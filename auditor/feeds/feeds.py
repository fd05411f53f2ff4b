"""The feeds of the settings, each opened once and only when it is read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from auditor.feeds.following import Following
from auditor.feeds.hints import ColumnHint
from auditor.feeds.opening import begins_at_end, open_feed
from auditor.feeds.terms import changed_words, is_whole, terms_of
from contracts.errors import NOWHERE, FeedError, UnknownTopicError, UsageError, WorkspaceError
from reconcilers.equality_sql import replica_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from auditor.feeds.follower import Follower
    from auditor.feeds.heartbeats import Heartbeats
    from auditor.feeds.ports import RecordDecoder, RecordSource
    from auditor.feeds.reader import FeedReader
    from auditor.settings import Settings
    from contracts.contract import Contract, FeedRef, Replica
    from contracts.errors import Place
    from reconcilers.streams.state import FeedState


@dataclass(slots=True)
class WantedTopic:
    """What is to be kept of a topic.

    Attributes:
        columns: By the writer's names, in the order in which contracts name them.
        key: Those that tell rows apart where records have no key of their own.
        alone: An owner or a replica is known by it and nothing else.
    """

    columns: dict[str, ColumnHint] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    alone: bool = False

    def add(self, columns: Mapping[str, ColumnHint], key: tuple[str, ...]) -> None:
        """Another contract's wishes; where two disagree about a column, the first is believed."""
        self.columns = {**columns, **self.columns}
        self.key = self.key or key


class Feeds:
    """Makes readers of topics; one that cannot be read stops only who needs it.

    Args:
        settings: The settings.
        say: Told one sentence for people when something is worth knowing.
    """

    _does_without: ClassVar[bool] = True

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._settings = settings
        self.say = say
        self._wanted: dict[str, dict[str, WantedTopic]] = {}
        self._followed: dict[str, Following] = {}
        self._places: dict[str, Place] = {}
        """Where each feed is named first."""
        self._longest_bound = timedelta()

    def want(self, contracts: Iterable[Contract]) -> None:
        """Learn what contracts need of their topics; before the first reader is used."""
        for contract in contracts:
            if contract.owner.feed is not None:
                topic = self._topic(contract.owner.feed)
                topic.add(*_owner_columns(contract))
                topic.alone |= contract.owner.reference is contract.owner.feed
            for replica in contract.replicas:
                self._longest_bound = max(self._longest_bound, replica.lag_bound)
                if replica.feed is not None:
                    topic = self._topic(replica.feed)
                    topic.add(*_replica_columns(contract, replica))
                    topic.alone |= replica.reference is replica.feed

    def _topic(self, reference: FeedRef) -> WantedTopic:
        self._places.setdefault(reference.name, reference.place)
        return self._wanted.setdefault(reference.name, {}).setdefault(reference.topic, WantedTopic())

    def reader(self, reference: FeedRef) -> FeedReader:
        """The reader of one topic; nothing is opened.

        Raises:
            UsageError: There is no such feed.
        """
        from auditor.feeds.reader import FeedReader

        return FeedReader(reference, self.following(reference.name))

    def following(self, name: str) -> Following:
        """Who follows a feed; nothing is opened.

        Raises:
            UsageError: There is no such feed.
        """
        self._require_configured(name)
        if name not in self._followed:
            topics = {topic: tuple(one.columns) for topic, one in self.wanted_of(name).items()}
            alone = any(one.alone for one in self.wanted_of(name).values())
            heartbeats = partial(self._heartbeats, name) if alone else None
            make = partial(self._follower, name)
            self._followed[name] = Following(name, topics, make, self._tell, heartbeats, retention=self.retention)
            self._followed[name].does_without = self._does_without
            self._followed[name].types = self._settings.feed(name).schemaless.columns
            self._followed[name].one_dataset = self._settings.feed(name).debezium.tables
        return self._followed[name]

    def _require_configured(self, name: str) -> None:
        """Have the settings know a feed.

        Raises:
            UsageError: They do not; where a contract names it is said.
        """
        try:
            self._settings.feed(name)
        except UsageError as error:
            place = self._places.get(name, NOWHERE)
            raise UsageError(f"{place}: {error.message}" if place.file else error.message, hint=error.hint) from None

    def unreadable(self, references: Iterable[FeedRef]) -> dict[FeedRef, str]:
        """Of some topics that nobody has read, those that cannot be read now, each with the reason."""
        from auditor.feeds.unreadable import unreadable

        asked: dict[str, dict[str, FeedRef]] = {}
        found: dict[FeedRef, str] = {}
        for one in references:
            following = self._followed.get(one.name)
            if following is None or not following.is_open:
                asked.setdefault(one.name, {})[one.topic] = one
            elif one.topic in following.lacking:
                found[one] = following.lacking[one.topic].message
        for name, topics in asked.items():
            wanted = self.wanted_of(name)
            hints = {topic: wanted[topic].columns if topic in wanted else {} for topic in topics}
            found |= {topics[topic]: why for topic, why in unreadable(self._settings, name, hints).items()}
        return found

    @property
    def retention(self) -> timedelta | None:
        """For how long versions are remembered that are not the latest of their key; None: somebody else sees to it."""
        return max(RETENTION_MIN, RETENTION_BOUNDS * self._longest_bound)

    def wanted_of(self, name: str) -> Mapping[str, WantedTopic]:
        """What is to be kept of a feed, by topic."""
        return self._wanted.get(name, {})

    def _heartbeats(self, name: str) -> Heartbeats:
        from auditor.feeds.heartbeats import Heartbeats

        return Heartbeats(self._settings, name)

    def _tell(self, text: str) -> None:
        self.say(text)

    def _follower(self, name: str) -> Follower:
        from auditor.feeds.follower import Follower

        wanted = self.wanted_of(name)
        if not wanted:
            raise FeedError(f"reading the feed {name}: no contract names a topic of it", hint="name one in a contract")
        state = self._state(name)
        try:
            decoder = self._keeping(name, state)
            source = self._source(name, tuple(wanted))
        except BaseException:
            state.close()
            raise
        return Follower(name, source, decoder, state, from_end=begins_at_end(self._settings, name))

    def _source(self, name: str, topics: tuple[str, ...]) -> RecordSource:
        """Open a feed; a topic that is not there stops only who needs it.

        Raises:
            FeedError: The feed cannot be read, or has none of the topics.
        """
        lacking = self._followed[name].lacking
        while True:
            try:
                return open_feed(self._settings, name, [topic for topic in topics if topic not in lacking])
            except UnknownTopicError as error:
                lacking[error.topic] = error
                if lacking.keys() >= set(topics):
                    raise

    def _keeping(self, name: str, state: FeedState) -> RecordDecoder:
        """Make room for what contracts want of a feed; returns what tells what its records mean."""
        from auditor.feeds.decoding import decoder_of

        wanted = self.wanted_of(name)
        for topic, one in wanted.items():
            state.keep(topic, tuple(one.columns), one.key)
            self._agree(name, topic, one, state)
        hints = {topic: one.columns for topic, one in wanted.items()}
        kinds = {topic: state.kinds(topic) for topic in wanted}
        return decoder_of(name, self._settings.feed(name), self._settings.workspace.directory, hints, kinds)

    def _agree(self, name: str, topic: str, one: WantedTopic, state: FeedState) -> None:
        """Forget what was read of a topic on other terms than today's, where all of it can be read again.

        Raises:
            FeedError: The feed cannot be read.
        """
        terms = terms_of(self._settings.feed(name), topic, one.columns)
        if changed := state.disagreeing(topic, terms):
            try:
                with closing(open_feed(self._settings, name, (topic,))) as source:
                    whole = is_whole(source, state, topic)
            except UnknownTopicError:  # nothing of it is used, and nothing forgotten
                return
            words = f"the feed {name}: {changed_words(topic, changed)}"
            if whole:
                self.say(f"{words}; it is read again from its beginning")
                state.forget(topic, same=True)
                state.keep(topic, tuple(one.columns), one.key)
            elif whole is False:
                self.say(
                    f"{words}; it lacks its beginning now, so what was read before stays as it was understood then"
                )
        state.agree(topic, terms)

    def _state(self, name: str) -> FeedState:
        """What is kept of a feed from run to run; of a recorded one nothing, since its file is all there.

        Where another process holds it, this one reads the topics from their beginning.
        """
        from reconcilers.streams.state import FeedState

        workspace = self._settings.workspace
        limit = f"{int(workspace.memory_limit * STATE_SHARE)}B"
        if self._settings.feed(name).type == "recorded":
            return FeedState(None, memory_limit=limit, threads=workspace.threads)
        path = workspace.directory / "feeds" / f"{name}.duckdb"
        try:
            return FeedState(path, memory_limit=limit, threads=workspace.threads)
        except WorkspaceError as error:
            if "another process" not in error.message:
                raise
            self.say(f"{error.message}: the topics of {name} are read from their beginning")
            return FeedState(None, memory_limit=limit, threads=workspace.threads)


RETENTION_MIN = timedelta(days=7)
"""What a nightly run remembers of a feed at least: a run may fail for some nights, and what a copy lacks is named by
the change that it lacks; and RETENTION_BOUNDS of the longest lag bound."""

RETENTION_BOUNDS = 4

STATE_SHARE = 0.3
"""Of the workspace's memory: the comparison itself needs most of it."""


def _owner_columns(contract: Contract) -> tuple[dict[str, ColumnHint], tuple[str, ...]]:
    columns = {name: ColumnHint(declared.type) for name, declared in contract.fields.items()}
    soft = contract.owner.soft_delete
    if soft is not None:
        columns.setdefault(soft.field, ColumnHint())
    return columns, contract.key


def _replica_columns(contract: Contract, replica: Replica) -> tuple[dict[str, ColumnHint], tuple[str, ...]]:
    columns = {
        one.path: ColumnHint(replica_type(contract.fields[one.field].type, one.equality))
        for one in (*replica.key, *replica.fields)
    }
    others = [replica.deletes.column] if replica.deletes.column is not None else []
    others += sorted(replica.select.names) if replica.select is not None else []
    return {**dict.fromkeys(others, ColumnHint()), **columns}, tuple(one.path for one in replica.key)
