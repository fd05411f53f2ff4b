"""One feed as a run reads it: caught up when a snapshot is opened, and still while snapshots are open."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from auditor.feeds.flaws import flaws_of
from auditor.feeds.heartbeats import prefixes
from auditor.feeds.hints import MYSQL, may_pad
from auditor.feeds.lag import lag
from auditor.feeds.mixed import COLLIDING, mixed, truncated
from contracts.errors import AuditorError, FeedError, RemadeTopicError, TopicError, UsageError
from reconcilers.flaws import PADDING, Flaw
from reconcilers.streams.stretches import STRETCHES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    import duckdb

    from auditor.feeds.follower import Follower
    from auditor.feeds.heartbeats import Heartbeats
    from auditor.feeds.ports import Partition
    from reconcilers.ports import OwnerClock, Told
    from reconcilers.streams.state import FeedState
    from reconcilers.streams.table import StreamTable
    from reconcilers.streams.truncate import Truncate
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Heard:
    """The latest sign of life of a connector.

    Attributes:
        told: When it was, by the clock of the connector's database, or of the connector; None where no sign has a time.
        end: What counts as now, by these clocks; None: the auditor's own clock.
        is_empty: There was none at all.
        beats: Some of them were heartbeats.
    """

    told: datetime | None
    end: datetime | None
    is_empty: bool = False
    beats: bool = False

    def age(self, now: datetime) -> float | None:
        """Seconds since then; None where it cannot be told, or where nobody is to ask."""
        if self.told is None:
            return math.inf if self.is_empty else None
        return max(((self.end or now) - self.told).total_seconds(), 0.0)


def _connector(stream: str) -> str:
    """The name of a stream's connector: `postgresql/shop` is of `shop`."""
    return stream.split("#", maxsplit=1)[0].split("/")[1]  # see `auditor.feeds.positions`


P = ParamSpec("P")
T = TypeVar("T")


def _one_at_a_time(method: Callable[Concatenate[Following, P], T]) -> Callable[Concatenate[Following, P], T]:
    """Have a method wait while another one asks what is kept."""

    @wraps(method)
    def asked(self: Following, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.asking:
            return method(self, *args, **kwargs)

    return asked


LET_GO_SECONDS = 0.5
"""For whoever reads a feed to hear that the run is over: it is asked between batches, and somebody waits for us."""

UNPADDED = tuple(f"{connector}/" for connector in MYSQL)
"""How the streams of connectors begin whose databases give a char(n) without the blanks that pad it."""

KEYLESS = "id IS NULL"
"""Of records that could not be understood: those that do not even tell their key."""


class Following:
    """The topics of one feed that contracts name.

    Args:
        feed: The feed's name.
        topics: The columns that contracts name, by topic.
        make: Opens the feed; called when it is first read.
        say: Told one sentence for people when something is worth knowing.
        heartbeats: Of the feed's connectors; None: nobody asks for how long a connector has been silent.
        retention: For how long versions are remembered that are not the latest of their key; None: for ever.
    """

    def __init__(
        self,
        feed: str,
        topics: Mapping[str, Sequence[str]],
        make: Callable[[], Follower],
        say: Callable[[str], None] = lambda _text: None,
        heartbeats: Callable[[], Heartbeats] | None = None,
        *,
        retention: timedelta | None = None,
    ) -> None:
        self.does_without = False
        """A topic that cannot be read stops only who needs it, and the others are read."""
        self.types: Mapping[str, Mapping[str, str]] = {}
        """Types of columns in the store that the feed tells of, by topic and column, as far as somebody said them."""
        self.one_dataset: Mapping[str, Sequence[str]] = {}
        """By topic, as somebody said it: patterns of tables whose rows are one dataset's, and have no key in common."""
        self._retention = retention
        self._say = say
        self._make_heartbeats = heartbeats
        self._heartbeats: Heartbeats | None = None
        self._beats: Mapping[str, datetime] = {}
        self._heard: dict[str, Heard] = {}
        self._times: tuple[int, Mapping[str, datetime]] | None = None
        """After so many records: the latest time that changes of each topic tell."""
        self._asked: datetime | None = None
        self._deaf = False
        self.feed = feed
        self._topics = topics
        self._make = make
        self._follower: Follower | None = None
        self._lock = threading.Condition()
        self.asking = threading.RLock()
        """Held by whoever asks what is kept: one connection gives several who ask at once each other's answers."""
        self._open = 0
        self._ends: Mapping[Partition, int] = {}
        self._said_mixed: set[str] = set()
        self.lacking: dict[str, FeedError] = {}
        """Topics that the feed lacks, or that cannot be understood: each with what is to be said to who needs it."""
        self.remade: dict[str, str] = {}
        """Topics that this process found to be made anew, each with a sentence."""

    def wanted(self, topic: str) -> Sequence[str]:
        """The columns of a topic that contracts name.

        Raises:
            UsageError: No contract in scope names the topic.
        """
        if topic not in self._topics:
            raise UsageError(f"no contract in scope names {topic} of the feed {self.feed}")
        return self._topics[topic]

    @contextmanager
    def current(self, topic: str, workspace: Workspace) -> Iterator[StreamTable]:
        """Read on to the end of the feed, and let nobody read further meanwhile.

        Snapshots that overlap share a moment: the feed stands still until the last of them is closed.

        Args:
            topic: One of the feed.
            workspace: The run's; the feed is let go when it is closed, and reading ends when it is interrupted.

        Raises:
            FeedError: The feed cannot be read.
        """
        with self._lock:
            if self._open == 0:
                self._catch_up(workspace)
            if (lacking := self.lacking.get(topic)) is not None:
                raise FeedError(lacking.message, hint=lacking.hint)
            self._open += 1
        try:
            yield self._follower_now.state.tables[topic]
        finally:
            with self._lock:
                self._open -= 1

    def read_on(self, workspace: Workspace, check: Callable[[], None] | None = None) -> None:
        """Read on to the end of the feed, unless a snapshot is open.

        Args:
            workspace: See `current`.
            check: Asked before each batch; raises where reading is to end.

        Raises:
            FeedError: The feed cannot be read.
        """
        with self._lock:
            if self._open == 0:
                self._catch_up(workspace, check)

    @property
    def state(self) -> FeedState:
        """What is kept; the feed has been opened."""
        return self._follower_now.state

    @property
    def is_open(self) -> bool:
        """Whether this process has opened the feed."""
        return self._follower is not None

    @property
    def records(self) -> int:
        """How many records this process has kept."""
        return self._follower.records if self._follower is not None else 0

    @property
    def losses(self) -> int:
        """How often partitions were taken from this process by the group that it is a member of."""
        return self._follower_now.losses

    def hold(self) -> bool:
        """Whether what was read is still ours to judge; a group is asked for it."""
        return self._follower_now.hold()

    def partitions(self) -> Sequence[Partition]:
        """What is ours now, ordered."""
        return self._follower_now.partitions()

    def share(self, topic: str) -> tuple[list[int], list[int]] | None:
        """Of a topic that is shared with others: which partitions are ours, and which there are; None: all are ours."""
        every = [part for name, part in self._follower_now.shared() if name == topic]
        ours = [part for name, part in self.partitions() if name == topic]
        return (ours, sorted({*every, *ours})) if every else None

    def is_shared(self, topic: str) -> bool:
        """Whether some partitions of a topic are another's."""
        ours, every = self.share(topic) or ((), ())
        return len(ours) < len(every)

    @_one_at_a_time
    def truncates(self) -> list[Truncate]:
        """The truncates that are known of the topics."""
        return [one for topic in self._topics for one in self._follower_now.state.truncates(topic)]

    def hear(self, truncates: Sequence[Truncate]) -> None:
        """Take notice of truncates that other members of the group have read."""
        with self._lock:
            self._follower_now.hear(truncates)

    def lag(self) -> Mapping[Partition, int]:
        """How many offsets each partition is behind its end."""
        return lag(self._follower_now.source)

    def forget_before(self, moment: datetime) -> None:
        """Let go of versions that were read before; the latest of each key stays."""
        state = self._follower_now.state
        for topic in self._topics:
            state.remember(topic, moment)

    @property
    def topics(self) -> Sequence[str]:
        """Those that contracts name."""
        return list(self._topics)

    def _catch_up(self, workspace: Workspace, check: Callable[[], None] | None = None) -> None:
        """Read on to the end; where a topic cannot be read, and others can, without it from then on."""
        while True:
            try:
                self._read_all(workspace, check)
            except TopicError as error:
                if not self.does_without or {*self.lacking, error.topic} >= set(self._topics):
                    raise
                self.lacking[error.topic] = error
                follower, self._follower = self._follower, None
                if follower is not None:
                    follower.close()
            else:
                return

    def _read_all(self, workspace: Workspace, check: Callable[[], None] | None) -> None:
        if self._follower is None:
            self._follower = self._opened(workspace, check or workspace.halt.check)
            self._times = None
            if self._retention is not None:
                self.forget_before(self._follower.clock.now().astimezone(UTC) - self._retention)
        if self._make_heartbeats is not None:
            self._heartbeats = self._heartbeats or self._make_heartbeats()
            self._beats = self._latest_beats(self._heartbeats)
        self._read(self._follower, check or workspace.halt.check)
        if self._heartbeats is not None:  # what a sign of life proves must have been read after it was seen
            self._heard = self._hear(self._heartbeats)
            self._read(self._follower, check or workspace.halt.check)

    def _latest_beats(self, heartbeats: Heartbeats) -> Mapping[str, datetime]:
        """The heartbeats; where they cannot be read, those that were known: changes are signs of life as well."""
        try:
            return dict(heartbeats.latest())
        except FeedError as error:
            if not self._deaf:
                self._say(f"{error.message}; without heartbeats, a quiet connector looks like one that stands still")
            self._deaf = True
            return self._beats

    def _read(self, follower: Follower, check: Callable[[], None]) -> None:
        """Read on to the end, and bring the heads up to date."""
        self._asked = follower.clock.now()
        try:
            self._ends = follower.catch_up(check)
        except AuditorError:
            follower.rewind()
            raise
        for topic in follower.state.tables:
            follower.state.fold(topic)
        follower.note()
        self._tell_mixed()

    def _tell_mixed(self) -> None:
        """Say once which topics tell of more than one dataset: beside a table, nothing else would."""
        for topic in self._topics:
            if topic not in self._said_mixed and (mixed := self.mixed(topic)):
                self._said_mixed.add(topic)
                self._say(f"reading {self.feed}, {topic}: {mixed}")

    def _told_times(self) -> Mapping[str, datetime]:
        """The latest time that changes of each topic tell, as far as they tell one."""
        state = self._follower_now.state
        return {one: clock.shown for one in state.tables if (clock := state.clock(one)) is not None}

    def _hear(self, heartbeats: Heartbeats) -> dict[str, Heard]:
        """The latest sign of life of each topic's connector among what has been read.

        What all topics have told is asked for once for all of them, and where nothing is new, not again.
        """
        state, records = self._follower_now.state, self._follower_now.records
        if self._times is None or self._times[0] != records:
            self._times = records, self._told_times()
        known: dict[str, set[str]] = {one: set() for one in state.tables}
        for one, stream in state.epochs:
            known[one].add(_connector(stream))
        return {topic: self._heard_of(topic, heartbeats, known, self._times[1]) for topic in self._topics}

    def _heard_of(
        self, topic: str, heartbeats: Heartbeats, known: Mapping[str, set[str]], times: Mapping[str, datetime]
    ) -> Heard:
        """The latest sign of life of a topic's connector.

        Args:
            topic: The topic.
            heartbeats: Of the feed's connectors.
            known: By topic: the connectors whose changes it tells.
            times: By topic: the latest time that its changes tell.
        """
        state, mine = self._follower_now.state, known[topic]
        changes = [moment for one, moment in times.items() if one == topic or mine & known[one]]
        names = mine or set(prefixes(topic))  # records that tell no connector: topics are named after it
        beats = [moment for name, moment in self._beats.items() if name in names]
        told = max([*changes, *beats], default=None)
        if not heartbeats.recorded:
            return Heard(told, None, is_empty=told is None and not state.has_rows(topic), beats=bool(beats))
        if not beats:
            return Heard(None, None)  # a recording is what it is, and its end is its own
        return Heard(told, max([*times.values(), *self._beats.values()]), beats=True)

    @_one_at_a_time
    def is_of(self, connector: str, topic: str) -> bool:
        """Whether the changes of a topic tell their places in one log of such a database, and in no other.

        Of MariaDB, whose changes tell the server that made them: one server has made them all.
        """
        streams = {stream for one, stream in self._follower_now.state.epochs if one == topic}
        return len(streams) == 1 and all(stream.startswith(f"{connector}/") for stream in streams)

    @_one_at_a_time
    def streamed(self, topic: str, since: datetime, shown: datetime | None) -> Sequence[Told]:
        """See `reconcilers.ports.Logged`: of each topic of the same log that we follow, what it has told of it."""
        state, until = self._follower_now.state, self._asked
        if until is None:
            return ()
        mine = {stream for one, stream in state.epochs if one == topic}
        logs = [(one, epoch) for (one, stream), epoch in state.epochs.items() if stream in mine and one in state.tables]
        told = [state.furthest(one, epoch, since, until, shown) for one, epoch in logs]
        return [each for each in told if each is not None]

    def heard(self, topic: str) -> Heard | None:
        """The latest sign of life of a topic's connector; None where nobody asked for it."""
        return self._heard.get(topic)

    def _opened(self, workspace: Workspace, check: Callable[[], None]) -> Follower:
        """Open the feed; a topic that was made anew is read again from its beginning."""
        workspace.closing.append(self.close)
        follower = self._make()
        try:
            while True:
                try:
                    follower.begin(check)
                except RemadeTopicError as error:
                    follower = self._read_anew(follower, error)
                else:
                    return follower
        except BaseException:
            follower.close()
            raise

    def _read_anew(self, follower: Follower, error: RemadeTopicError) -> Follower:
        """Forget a topic that is not the log any more that was read, and remember that it was another.

        What the old log said and the new one does not is lost, so that the new one is not known to tell every row,
        though it is read from its first record: not before a snapshot that began after the last record of the old one.
        """
        self._say(f"{error.message}; it is read again from its beginning")
        follower.state.forget(error.topic)
        follower.close()
        follower = self._make()
        what = "the topic was made anew or cut off, and what it told before is not in it any more"
        stamp = error.last_stamp
        last = int(follower.clock.now().timestamp() * 1000) if stamp is None else stamp
        follower.state.lose(error.topic, error.partition, (0, error.following - 1), what, {}, last)
        self.remade[error.topic] = f"{error.message}; it was read again from its beginning"
        return follower

    @property
    def _follower_now(self) -> Follower:
        if self._follower is None:
            raise UsageError(f"the feed {self.feed} has not been opened")
        return self._follower

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor over what is kept."""
        return self._follower_now.state.cursor()

    def columns(self, topic: str) -> Sequence[str]:
        """The columns that rows of a topic were seen to have by this process."""
        return sorted(self._follower_now.seen[topic].columns)

    def reached(self, topic: str) -> str:
        """How far a topic was read, for people."""
        ends = [f"{part}:{end}" for (name, part), end in sorted(self._ends.items()) if name == topic]
        return f"offsets {', '.join(ends)}"

    @_one_at_a_time
    def absence_unknown(self, topic: str) -> str:
        """Why a key that no change names may have a row all the same; empty where the history is whole."""
        state = self._follower_now.state
        if gaps := state.gaps(topic):
            return gaps[0]
        if state.dead_letters(topic)[1]:
            first = state.dead_reasons(topic, KEYLESS)
            return f"a record of {topic} could not be understood, not even its key; the first such is {first}"
        if (place := state.unordered_truncate(topic)) is not None:
            return (
                f"{place} is a truncate, and several servers have written {topic}: their positions do not tell which "
                "changes in other partitions it is later than (a whole snapshot ends this)"
            )
        if mixed := self.mixed(topic):
            return mixed
        # One whose beginning was not read may have lost rows with it.
        return self.misnamed(topic) if state.has_whole_snapshot(topic) else self._untold_rows(topic)

    def _untold_rows(self, topic: str) -> str:
        """Why rows may be there that no record tells, of a topic in which no snapshot was read whole."""
        state = self._follower_now.state
        late = [part for (name, part), offset in state.offsets().items() if name == topic and offset.first > 0]
        if late:
            return f"{topic} was read from its middle on (partition {late[0]}), and no snapshot in it was read whole"
        if state.has_unfinished_snapshot(topic):
            return f"a snapshot in {topic} has been begun, and not read to its end: it may yet come to more rows"
        if (latecomer := state.latecomers.first(topic)) is not None:
            place, is_delete = latecomer
            what = "a delete" if is_delete else "an update"
            return (
                f"{place}, the first record of its row, is {what}: {topic} does not tell every row that was there when "
                "it began, and no snapshot in it was read whole"
            )
        return ""

    @_one_at_a_time
    def misnamed(self, topic: str) -> str:
        """What shows that deletes name other rows than they are about, so that rows stay that are gone; else empty."""
        state = self._follower_now.state
        streams = [stream for one, stream in state.epochs if one == topic]
        if streams and not any(stream.startswith("postgresql/") for stream in streams):
            return ""
        place = state.strangers.first(topic)
        if place is None:
            return ""
        return (
            f"{place} deletes a row that neither the whole snapshot before it nor any other record has told: with "
            "REPLICA IDENTITY USING INDEX that lacks the key, deletes and changes of key name other rows than they are "
            "about, and rows stay that are gone (set REPLICA IDENTITY FULL or DEFAULT, and take a new snapshot)"
        )

    @_one_at_a_time
    def mixed(self, topic: str) -> str:
        """Of which tables a topic tells besides its own, whose rows may have been taken for its rows; else empty."""
        state = self._follower_now.state
        if state.relations.collide(topic):
            return COLLIDING
        if told := mixed(state.relations.of(topic), self.one_dataset.get(topic, ())):
            return told
        truncate = state.truncate_of_one_table(topic)
        return "" if truncate is None else truncated(truncate)

    @_one_at_a_time
    def whole_history(self, topic: str) -> bool:
        """Whether every version that a key ever had is remembered."""
        if self.absence_unknown(topic) or self.known_from(topic):
            return False
        return self._follower_now.state.forgotten(topic) is None

    @_one_at_a_time
    def known_from(self, topic: str) -> int:
        """The arrival number from which on no version of any key is lacking."""
        return self._follower_now.state.known_from(topic)

    @_one_at_a_time
    def owner_clock(self, topic: str) -> OwnerClock | None:
        """The latest time that a change of the topic was committed at."""
        return self._follower_now.state.clock(topic)

    def read_at(self, seen: datetime) -> float | None:
        """See `auditor.feeds.reading_times`."""
        return self._follower_now.times.monotonic(seen)

    @_one_at_a_time
    def flaws(self, topic: str) -> Mapping[str, Mapping[Flaw, str]]:
        """What the feed cannot carry of the values of a topic's columns."""
        found = flaws_of(self._follower_now.state.notes(topic))
        if misnamed := self.misnamed(topic):
            found["*"] = {**found.get("*", {}), Flaw.MISNAMED: misnamed}
        if mixed := self.mixed(topic):
            found["*"] = {**found.get("*", {}), Flaw.MIXED: mixed}
        streams = [stream for one, stream in self._follower_now.state.epochs if one == topic]
        if streams and all(stream.startswith(UNPADDED) for stream in streams):
            return found
        types = self.types.get(topic, {})
        for column in self.wanted(topic):
            if may_pad(types.get(column, "")):
                found[column] = {**found.get(column, {}), Flaw.PADDED: PADDING}
        return found

    @_one_at_a_time
    def incomplete(self, topic: str) -> str:
        """What of a topic could not be read, in one sentence; empty where all of it was."""
        state = self._follower_now.state
        if gaps := state.gaps(topic):
            return f"records of the feed were lost: {gaps[0]}"
        dead, keyless = state.dead_letters(topic)
        if keyless:
            return (
                f"{keyless} of {dead} records that could not be understood do not tell which row they are about; "
                f"the first of these is {state.dead_reasons(topic, KEYLESS)}"
            )
        if state.epochs.is_tangled(topic):
            return (
                f"the changes of {topic} come from the logs of several servers in turns, more than {STRETCHES_MAX} "
                "times: which of two changes of a row is the later one is not known any more (does every connector "
                "have a topic.prefix of its own?)"
            )
        return self.mixed(topic)

    def close(self) -> None:
        """Let go of the feed, unless a thread that was not waited for still reads it.

        Closed under a thread, DuckDB crashes; left open, it is closed by the end of the process, and nothing is lost.
        """
        if not self._lock.acquire(timeout=LET_GO_SECONDS):
            return
        try:
            if self._open == 0:
                self._close()
        finally:
            self._lock.release()

    def _close(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.close()
            self._heartbeats = None
        if self._follower is not None:
            self._follower.close()
            self._follower = None
