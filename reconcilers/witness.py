"""What an owner's change stream says of suspects: every version that the owner held, and which of them a replica holds.

A replica's row is held against each remembered version with the contract's own equality, field by field, so that a mask
or a tolerance counts as everywhere.  The age of a version is never estimated too high: it is what has passed on our own
monotonic clock since it was read, or what the owner's own clock says between it and something later; a second is taken
off for clocks that tell whole seconds.  A clock may be set forwards in between, and what was young would look old: so
the owner's word counts as far as the times agree at which the records were written, by the clock of their writer.

It says nothing where it might mislead: where the replica may hold a version of which a value is unknown, as of a column
that was added later, and no later one; or where the stream has not come as far as the owner's row that was read beside
it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contracts.errors import FeedError
from reconcilers.fetch import FETCH_KEYS_MAX, fetch_side, spellings
from reconcilers.ports import VERSION_COLUMNS, Keys, Remembering
from reconcilers.projection import compared_fields, compile_side, condition_sql, gone_sql, live_filter, selected_sql
from reconcilers.recheck import ABSENT, GONE, MARGIN_SECONDS, History, Passed, Version
from reconcilers.row_keys import key_text, key_texts
from reconcilers.row_stage import Fetched, row_stage, same_sql
from reconcilers.streams.table import IS_NEW, WAS_THERE, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.fetch import SpelledKey
    from reconcilers.finding import KeyText
    from reconcilers.opened import Opened, Projected
    from reconcilers.ports import OwnerClock
    from reconcilers.projection import Item, Side
    from reconcilers.watermark import Watermark

CLOCK_GRAIN_SECONDS = 1.0
"""What a clock that tells whole seconds may be off by between two of its times."""

_DELETED, _DOUBT = int(Kind.DELETE), int(Kind.DOUBT)

_PLACE = ("epoch", "p0", "p1", "p2")
"""Where a version stands in its log."""

IN_ORDER = f"o.epoch, o.p0, o.p1, o.p2, o.seq, o.kind = {_DELETED}"


@dataclass(frozen=True, slots=True)
class Moment:
    """When the replica was read: on the auditor's monotonic clock, on its wall clock, and on the owner's own."""

    monotonic: float
    wall: datetime
    owner: datetime | None


@dataclass(frozen=True, slots=True)
class _Past:
    """What a replica's own feed tells of a row before it held what it holds.

    Attributes:
        reached: The number of the latest of the owner's versions that it surely was past; None where it equalled none.
        deletes: How often it deleted the row and wrote it again in a later transaction.
        deleted: When the last of these deletes was committed; None where that is not told.
    """

    reached: int | None
    deletes: int = 0
    deleted: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is known of the stream as a whole; see `reconcilers.ports.Remembering`."""

    topic: str
    clock: OwnerClock | None
    whole: bool
    read_at: Callable[[datetime], float | None]
    shared: bool = False
    snapshot_first: bool = False


@dataclass(frozen=True, slots=True)
class Witness:
    """The owner's feed, opened beside the two sides.

    Attributes:
        cursor: Of the workspace.
        contract: The entity's.
        feed: The feed's side; the owner's own where it is known by nothing else.
        owner: The owner's side.
        applied: Of each partition of the feed's topic, how far whoever fills the replica had come before it was read.
        stream: The replica's own feed; its side itself where it is known by nothing else, None where it has none.
    """

    cursor: duckdb.DuckDBPyConnection
    contract: Contract
    feed: Opened
    owner: Projected
    applied: Mapping[int, int] = field(default_factory=dict)
    stream: Opened | None = None

    def testify(
        self, replica: Replica, copy: Projected, suspects: Mapping[KeyText, tuple[SpelledKey, SpelledKey, str]]
    ) -> dict[KeyText, History]:
        """The owner's versions of the suspects' keys.

        Args:
            replica: Whose copy it is.
            copy: Its side.
            suspects: Of each key: as the owner and as the replica spell it, and the digest of what the replica holds.

        Returns:
            The history of each key of which something can be said.
        """
        if not isinstance(self.feed.snapshot, Remembering):
            return {}
        found: dict[KeyText, History] = {}
        keys = list(suspects)
        for start in range(0, len(keys), FETCH_KEYS_MAX):
            some = keys[start : start + FETCH_KEYS_MAX]
            spelled = [suspects[key] for key in some]
            try:
                versions = self.versions(replica, self.feed.snapshot, [owner[0] for owner, _, _ in spelled], copy.table)
                rows = self._rows(replica, copy, versions, spelled)
            except FeedError:  # the feed lacks a column: it is no witness of this replica
                return {}
            reached = self._reached(replica, copy, versions, [one for _, one, _ in spelled])
            mark = copy.opened.snapshot.watermark
            at = Moment(mark.monotonic, mark.read_at, _owner_time(self.owner.opened.snapshot.watermark, mark))
            told = self.feed.snapshot
            stream = _Stream(
                told.topic, told.owner_clock(), told.whole_history(), told.read_at, told.is_shared(),
                told.begins_with_snapshot(),
            )  # fmt: skip
            needed = replica.lag_bound.total_seconds() + MARGIN_SECONDS
            moved = _moved(rows, {key: suspects[key][2] for key in some})
            lacking = [suspects[key][1] for key in some if suspects[key][2] in GONE]
            hidden = self._hidden(replica, copy, lacking)
            for key in some:
                history = _history(rows.get(key, ()), suspects[key][2], at, stream, needed)
                if history is not None and not _may_be_emptied(history, suspects[key][2], at, stream, needed):
                    past = reached.get(key)
                    found[key] = replace(
                        history,
                        passed=_passed(history, self.applied),
                        reached=_number(history, None if past is None else past.reached, _not_known(rows.get(key, ()))),
                        was_there=past is not None,
                        moved=key in moved,
                        resurrected=past is not None and _is_resurrected(rows.get(key, ()), past),
                        outside=any(one["same"] and not _counts(one) for one in rows.get(key, ())),
                        hidden=key in hidden,
                        cut=told.known_from() > 0,
                    )
        return found

    def _rows(
        self,
        replica: Replica,
        copy: Projected,
        versions: Fetched,
        spelled: Sequence[tuple[SpelledKey, SpelledKey, str]],
    ) -> dict[KeyText, list[dict[str, Any]]]:
        """Every version of some keys, each with whether the replica holds it."""
        names = self._names(replica)
        held = self._fetched(copy, replica, names, [one for _, one, _ in spelled], f"{copy.table}_held")
        same = self._same(replica, versions.side, held.side)
        joined = " AND ".join(f"o.k{i} = r.k{i}" for i in range(len(self.contract.key)))
        current = self.current(replica, [one for one, _, _ in spelled], copy.table)
        rows = self.cursor.execute(
            f"SELECT {', '.join(f'o.{name}' for name in (*VERSION_COLUMNS, 'held', 'gone'))}, "
            f"CASE WHEN r.k0 IS NULL THEN false ELSE {same} END AS same, "
            f"{current} AS current, {', '.join(key_texts(self.contract, 'o.'))} "
            f'FROM "{versions.table}" o LEFT JOIN "{held.table}" r ON {joined} '
            f"ORDER BY {IN_ORDER}"
        ).fetchall()
        columns = (*VERSION_COLUMNS, "held", "gone", "same", "current")
        found: dict[KeyText, list[dict[str, Any]]] = {}
        for row in rows:
            key = key_text(self.contract, row[len(columns) :])
            found.setdefault(key, []).append(dict(zip(columns, row[: len(columns)], strict=True)))
        return found

    def _names(self, replica: Replica) -> list[str]:
        return [compared.name for compared in compared_fields(self.contract, replica)]

    def _same(self, replica: Replica, owner: Side, copy: Side) -> str:
        """SQL condition: an owner's version and a replica's row count as the same; NULL where a value is unknown."""
        same = [
            f"CASE WHEN o.u{i} OR r.u{i} THEN NULL ELSE {same_sql(i, compared, owner, copy, {})} END"
            for i, compared in enumerate(compared_fields(self.contract, replica))
            if compared.equality.mode == "compared"
        ]
        return " AND ".join(same) or "true"

    def _reached(
        self, replica: Replica, copy: Projected, versions: Fetched, keys: Sequence[SpelledKey]
    ) -> dict[KeyText, _Past]:
        """What a replica that has a change stream of its own once held, of the rows that it had.

        What it held then may equal several versions: the earliest of them is what it surely was past.
        """
        if self.stream is None or not isinstance(self.stream.snapshot, Remembering):
            return {}
        try:
            return self._once(self.stream, self.stream.snapshot, replica, copy, versions, keys)
        except FeedError:  # it lacks a column, or breaks off: what the replica once held is not known
            return {}

    def _once(
        self,
        stream: Opened,
        told: Remembering,
        replica: Replica,
        copy: Projected,
        versions: Fetched,
        keys: Sequence[SpelledKey],
    ) -> dict[KeyText, _Past]:
        columns = tuple(item.wanted for item in stream.key_items(self.contract))
        wanted = Keys(columns, [spellings(key) for key in keys])
        side = compile_side(stream.items, told.versions(stream.wanted, wanted))
        table = f"{copy.table}_once"
        stream.bring(self._copied_sql(replica, side), table)
        parts = [f"k{i}" for i in range(len(self.contract.key))]
        on = " AND ".join(f"o.{part} = r.{part}" for part in parts)
        order = f"row_number() OVER (PARTITION BY {', '.join(parts)} ORDER BY {IN_ORDER}) - 1 AS number"
        named = ", ".join(f"{text} AS key{i}" for i, text in enumerate(key_texts(self.contract, "r.")))
        same = f"o.kind <> {_DELETED} AND ({self._same(replica, versions.side, side)})"
        found = self.cursor.execute(
            f"SELECT * EXCLUDE (once, number), max(number) FROM ("
            f"SELECT {named}, r.seq AS once, min(o.number) AS number "
            f"FROM ({self._before(table, f'{copy.table}_held', len(self._names(replica)))} AND r.kind <> {_DELETED}) r "
            f'LEFT JOIN (SELECT *, {order} FROM "{versions.table}" o) o ON {on} AND {same} GROUP BY ALL'
            f") GROUP BY ALL"
        ).fetchall()
        again = self._written_again(table, f"{copy.table}_held", len(self._names(replica)))
        past = {key_text(self.contract, row[:-1]): row[-1] for row in found}
        return {key: _Past(reached, *again.get(key, ())) for key, reached in past.items()}

    def _copied_sql(self, replica: Replica, side: Side) -> str:
        """SELECT of the versions that a replica's own stream tells; a row that goes in any way is deleted in it.

        A row goes, too, when it is flagged as deleted, and when the replica's `select` chooses it no more: such deletes
        are `soft`, for the row is still told.  What `select` never chose is no row of the replica.  A delete `ends` a
        row where it was not gone before.
        """
        extra = [
            *VERSION_COLUMNS,
            f"{gone_sql(side, replica.deletes.column)} AS flagged",
            f"CASE WHEN kind <> {_DELETED} THEN {selected_sql(replica, side)} END AS chosen",
        ]
        rows = row_stage(self.contract, side, self._names(replica), "", extra)
        keys = ", ".join(f"o.k{i}" for i in range(len(self.contract.key)))
        before = f"lag(o.chosen IGNORE NULLS) OVER (PARTITION BY o.id ORDER BY {IN_ORDER}) AS was"
        soft = f"kind <> {_DELETED} AND (flagged OR NOT chosen) AS soft"
        ours = "coalesce(chosen, false) OR coalesce(was, chosen IS NULL)"
        kind = f"CASE WHEN soft THEN {_DELETED} ELSE kind END AS kind"
        ends = f"lag(o.kind) OVER (PARTITION BY {keys} ORDER BY {IN_ORDER}) IS DISTINCT FROM {_DELETED} AS ends"
        told = f"SELECT o.*, {before} FROM ({rows}) o WHERE o.kind <> {_DOUBT}"
        held = f"SELECT * REPLACE ({kind}) FROM (SELECT *, {soft} FROM ({told}) WHERE {ours})"
        return f"SELECT o.*, {ends} FROM ({held}) o"

    def _written_again(self, once: str, held: str, fields: int) -> dict[KeyText, tuple[int, datetime | None]]:
        """Of keys that a replica deleted and wrote again: how often before it held what it holds, and when last.

        A row that is replaced by a delete and a create in one transaction is no such thing, nor is a change that its
        connector tells once more.  What was only flagged as deleted is written again by an update.
        """
        keys = [f"k{i}" for i in range(len(self.contract.key))]
        later = " AND ".join(f"r.{key} = d.{key}" for key in keys)
        place, then = (", ".join(f"{whose}.{name}" for name in _PLACE) for whose in ("d", "r"))
        named = ", ".join(key_texts(self.contract, "d."))
        found = self.cursor.execute(
            f"SELECT {named}, count(*), max(d.committed) "
            f"FROM ({self._before(once, held, fields)} AND r.kind = {_DELETED} AND r.ends) d "
            f'WHERE EXISTS (SELECT 1 FROM "{once}" r WHERE {later} AND r.kind = {int(Kind.WRITE)} '
            f"AND (r.snapshot = {IS_NEW} OR d.soft) AND r.seq > d.seq AND r.seq <= d.latest "
            f"AND ({then}) > ({place}) AND r.tx IS DISTINCT FROM d.tx) GROUP BY {named}"
        ).fetchall()
        return {key_text(self.contract, row[:-2]): (row[-2], row[-1]) for row in found}

    def _before(self, once: str, held: str, fields: int) -> str:
        """SELECT of what a replica held before it held what was read of it.

        Its feed may have been read later than it, and tell what came after that; or not have come so far.  What was
        read is the latest in the feed that equals it, or for a row that is not there its latest delete.
        """
        keys = [f"k{i}" for i in range(len(self.contract.key))]
        same_key = " AND ".join(f"h.{key} = r.{key}" for key in keys)
        alike = [f"h.t{i} IS NOT DISTINCT FROM r.t{i} AND NOT (h.u{i} OR r.u{i})" for i in range(fields)]
        held_now = f'EXISTS (SELECT 1 FROM "{held}" h WHERE {" AND ".join([same_key, *alike])})'
        gone_now = f'NOT EXISTS (SELECT 1 FROM "{held}" h WHERE {same_key})'
        latest = (
            f'SELECT {", ".join(keys)}, max(seq) AS latest FROM "{once}" r '
            f"WHERE CASE WHEN kind = {_DELETED} THEN {gone_now} ELSE {held_now} END GROUP BY ALL"
        )
        return f'SELECT r.*, h.latest FROM "{once}" r JOIN ({latest}) h ON {same_key} WHERE r.seq < h.latest'

    def versions(self, replica: Replica, feed: Remembering, keys: Sequence[KeyText], prefix: str) -> Fetched:
        """The versions of some keys, as a table of the workspace."""
        names = self._names(replica)
        items = self._items(replica, names)
        columns = tuple(item.wanted for item in self.feed.key_items(self.contract))
        wanted = Keys(columns, [tuple((text or "",) for _, text in key) for key in keys])
        side = compile_side(items, feed.versions([item.wanted for item in items], wanted))
        scope = "true" if replica.where is None else condition_sql(replica.where, side)
        soft = self.contract.owner.soft_delete
        extra = [*VERSION_COLUMNS, f"{scope} AS held", f"{gone_sql(side, soft.field if soft else None)} AS gone"]
        table = f"{prefix}_versions"
        since = f" WHERE seq >= {feed.known_from()}"
        self.feed.bring(row_stage(self.contract, side, names, since, extra), table)
        return Fetched(table, side)

    def _items(self, replica: Replica, names: Iterable[str]) -> list[Item]:
        """What is read of each version: no more than this replica needs, for the feed may lack the rest."""
        needed = {*self.contract.key, *names, *(replica.where.names if replica.where is not None else ())}
        return [item for item in self.feed.items if item.name in needed or item.logical is None]

    def _fetched(
        self, side: Projected, replica: Replica | None, names: Sequence[str], keys: Sequence[SpelledKey], table: str
    ) -> Fetched:
        fetched = fetch_side(self.contract, side.opened, keys)
        where = live_filter(self.contract, replica, fetched)
        side.opened.bring(row_stage(self.contract, fetched, names, where), table)
        return Fetched(table, fetched)

    def _hidden(self, replica: Replica, copy: Projected, keys: Sequence[SpelledKey]) -> set[KeyText]:
        """Of keys that a replica lacks, those that its dataset holds all the same, in rows that do not count.

        Where it has a change stream of its own, that tells whether they ever did.
        """
        if not keys or self.stream is not None or (replica.deletes.column is None and replica.select is None):
            return set()
        fetched, table = fetch_side(self.contract, copy.opened, keys), f"{copy.table}_hidden"
        copy.opened.bring(row_stage(self.contract, fetched, ()), table)
        found = self.cursor.execute(f'SELECT {", ".join(key_texts(self.contract))} FROM "{table}"').fetchall()
        return {key_text(self.contract, row) for row in found}

    def current(self, replica: Replica, keys: Sequence[SpelledKey], prefix: str) -> str:
        """SQL condition on a version: the owner's row, as it was read, is what this version says."""
        names = self._names(replica)
        if self.owner.opened is self.feed:
            return "true"
        owner = self._fetched(self.owner, None, names, keys, f"{prefix}_owned")
        joined = " AND ".join(f"w.k{i} = o.k{i}" for i in range(len(self.contract.key)))
        alike = [
            f"(w.t{i} IS NOT DISTINCT FROM o.t{i} OR (o.e{i} AND w.t{i} IS NULL))" for i in range(len(names))
        ]  # unknown values are told elsewhere
        there = f'EXISTS (SELECT 1 FROM "{owner.table}" w WHERE {" AND ".join([joined, *alike])})'
        absent = f'NOT EXISTS (SELECT 1 FROM "{owner.table}" w WHERE {joined})'
        return f"CASE WHEN o.kind = {_DELETED} OR o.gone THEN {absent} ELSE {there} END"


def _history(
    versions: Sequence[Mapping[str, Any]],
    replica: str,
    at: Moment,
    stream: _Stream,
    needed: float,
) -> History | None:
    """The versions of one key; None where they may mislead.

    Args:
        versions: As the stream tells them, in the owner's order.
        replica: The digest of what the replica holds.
        at: When it was read.
        stream: What is known of the stream.
        needed: Seconds after which a change is due at the replica.
    """
    if not versions:
        never = History((Version(ABSENT, float("-inf")),), complete=True, before_snapshot=stream.snapshot_first)
        return never if stream.whole else None
    if not versions[-1]["current"] or any(one["kind"] == _DOUBT for one in versions):
        return None
    hidden = _not_known(versions)
    if hidden and not any(one["same"] for one in versions[hidden:]):
        return None
    first = versions[hidden]
    # A row whose first record is an update was there before, and nobody knows as what: that it was not is no version.
    was_there = first["snapshot"] == WAS_THERE
    is_whole = stream.whole and not hidden
    known = [Version(ABSENT, float("-inf"))] if is_whole and not was_there else []
    for before, one in list(zip([None, *versions], versions, strict=False))[hidden:]:
        since = at.monotonic - _age(one, at, stream)
        if _lacks_delete(before, one):
            known.append(Version(ABSENT, since))
            is_whole = False
        elif _lacks_create(before, one):
            if at.monotonic - since < needed:
                return None  # the replica may lawfully hold what was created
            is_whole = False
        known.append(Version(_digest(one, replica), since, _change(one, stream.topic)))
    return History(tuple(known), complete=is_whole and _is_birth(first))


def is_told_from_birth(versions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a stream that lacks nothing tells all that a row ever held, by its versions in the owner's order."""
    pairs = list(zip([None, *versions], versions, strict=False))
    is_known = all(one["kind"] != _DOUBT for one in versions)
    return is_known and _is_birth(versions[0]) and not any(_lacks_delete(*two) or _lacks_create(*two) for two in pairs)


def _is_birth(first: Mapping[str, Any]) -> bool:
    """Whether a row's first version is its first: one that an update, a snapshot or a delete tells was there before."""
    return first["snapshot"] != WAS_THERE and first["kind"] not in (Kind.BACKFILL, Kind.DELETE)


def _moved(rows: Mapping[KeyText, Sequence[Mapping[str, Any]]], held: Mapping[KeyText, str]) -> set[KeyText]:
    """Both keys of each row whose key the owner has changed, where the replica has the old one and lacks the new one.

    Args:
        rows: Every version of some keys.
        held: The digests of what the replica holds of them.
    """
    last = {key: versions[-1] for key, versions in rows.items() if versions and versions[-1]["other"] is not None}
    left = {(one["id"], one["other"]): key for key, one in last.items() if one["kind"] == _DELETED}
    came = {(one["other"], one["id"]): key for key, one in last.items() if one["kind"] != _DELETED}
    pairs = [(left[ends], came[ends]) for ends in left.keys() & came.keys()]
    return {key for old, new in pairs if held[old] not in GONE and held[new] in GONE for key in (old, new)}


def _is_resurrected(versions: Sequence[Mapping[str, Any]], past: _Past) -> bool:
    """Whether a replica deleted a row as its owner had, or when it had left its scope, and wrote it again.

    Not where it deleted the row less often than its owner: then it missed a delete.  Nor where it had last done so
    before its owner did, as far as their clocks tell: then it writes rows by deleting them first.
    """
    gone = [not _counts(one) for one in versions]
    if not gone or not gone[-1] or not past.deletes:
        return False
    ends = [one for one, before, is_gone in zip(versions, [False, *gone], gone, strict=False) if is_gone and not before]
    last = ends[-1]["committed"]
    return past.deletes >= len(ends) and (last is None or past.deleted is None or _is_by(past.deleted, last))


def _is_by(moment: datetime, earlier: datetime) -> bool:
    """Whether a moment may be no earlier than another one; MySQL and MariaDB tell the whole second that it is in."""
    return moment >= earlier or (not moment.microsecond and moment + _SECOND > earlier)


_SECOND = timedelta(seconds=1)


def _lacks_delete(before: Mapping[str, Any] | None, one: Mapping[str, Any]) -> bool:
    """Whether a row was created that the stream had last told to be there: it was gone in between, and nothing says so.

    A connector has lost the delete, or does not tell truncates.
    """
    if before is None or _is_repeated(before, one):
        return False
    return bool(before["kind"] != _DELETED and one["snapshot"] == IS_NEW)


def _lacks_create(before: Mapping[str, Any] | None, one: Mapping[str, Any]) -> bool:
    """Whether a row was changed that the stream had last told to be gone: it was there in between, as nobody knows."""
    if before is None or _is_repeated(before, one):
        return False
    return bool(before["kind"] == _DELETED and one["snapshot"] == WAS_THERE)


def _is_repeated(before: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Whether two versions stand at one place in the owner's log, as a change does that is told again."""
    return all(before[name] == one[name] for name in ("epoch", "p0", "p1", "p2"))


def _may_be_emptied(history: History, replica: str, at: Moment, stream: _Stream, needed: float) -> bool:
    """Whether a row may be lacking lawfully, since its table was emptied before the latest version came.

    A truncate is told in one partition, and members of a group hear of it later than they look.  Once the latest
    version is due, it does not matter any more.
    """
    return stream.shared and replica in GONE and at.monotonic - history.versions[-1].since < needed


def _not_known(versions: Sequence[Mapping[str, Any]]) -> int:
    """How many of a key's versions, the oldest, are not to be listed: up to the last that the replica may hold or not.

    A value of it is not known, as of a column that was added, or renamed, when the stream had told the row before, and
    all others are the replica's.
    """
    return max((number for number, one in enumerate(versions, 1) if _is_unknown(one)), default=0)


def _number(history: History, told: int | None, hidden: int = 0) -> int:
    """The number of a version in a history, of one among those that the stream told; -1 where it is not listed."""
    said = [number for number, version in enumerate(history.versions) if version.change]
    return -1 if told is None or told < hidden else said[told - hidden]


def _passed(history: History, applied: Mapping[int, int]) -> Passed | None:
    """What had been applied of a key's versions, all of which stand in one partition, in order."""
    moment = None
    for version in history.versions:
        place = version.change
        if place and int(place["offset"] or 0) < applied.get(int(place["partition"] or 0), 0):
            moment = version.since
    return None if moment is None else Passed("applied", moment)


def _is_unknown(version: Mapping[str, Any]) -> bool:
    """Whether it is not known if the replica holds it; what a delete took away matters to nobody."""
    return version["same"] is None and version["kind"] != _DELETED


def _counts(version: Mapping[str, Any]) -> bool:
    """Whether a version is a row that the replica was to hold."""
    return bool(version["kind"] != _DELETED and version["held"] and not version["gone"])


def _digest(version: Mapping[str, Any], replica: str) -> str:
    if not _counts(version):
        return ABSENT
    return replica if version["same"] else f"version {version['seq']}"


def _owner_time(owner: Watermark, copy: Watermark) -> datetime | None:
    """What the owner's own clock said at least when the replica was read; it may have been read long after."""
    if owner.store_time is None or not math.isfinite(owner.by):
        return None
    return owner.store_time + timedelta(seconds=copy.monotonic - owner.by)


def _age(version: Mapping[str, Any], at: Moment, stream: _Stream) -> float:
    """Seconds that a version is old at least."""
    ages = [0.0, _since_read(version["seen"].replace(tzinfo=UTC), at, stream)]
    if version["committed"] is not None:
        committed: datetime = version["committed"].replace(tzinfo=UTC)
        stamp: int = version["stamp"]
        if at.owner is not None:
            ages.append(_agreed(at.owner - committed, int(at.wall.timestamp() * 1000), stamp) - CLOCK_GRAIN_SECONDS)
        if (clock := stream.clock) is not None:
            since = _since_read(clock.read, at, stream)  # below 0 where the feed was read after the replica
            ages.append(_agreed(clock.shown - committed, clock.stamp, stamp) - CLOCK_GRAIN_SECONDS + since)
    return max(ages)


def _since_read(seen: datetime, at: Moment, stream: _Stream) -> float:
    """Seconds since something was read; by the wall clock where another process read it."""
    read_at = stream.read_at(seen)
    return (at.wall - seen).total_seconds() if read_at is None else at.monotonic - read_at


def _agreed(by_owner: timedelta, later: int, stamp: int) -> float:
    """Seconds between two moments that the owner's clock tells, and times of records, in milliseconds, tell as well."""
    seconds = by_owner.total_seconds()
    return seconds if stamp <= 0 or later <= 0 else min(seconds, (later - stamp) / 1000)


def _change(version: Mapping[str, Any], topic: str) -> dict[str, str | None]:
    """A version's change, as evidence shows it."""
    committed: datetime | None = version["committed"]
    return {
        "change": "delete" if version["kind"] == _DELETED else "write",
        "topic": topic,
        "partition": str(version["part"]),
        "offset": str(version["off"]),
        "position": version["place"] or None,
        "transaction": version["tx"] or None,
        "committed_at": None if committed is None else f"{committed.isoformat(timespec='microseconds')}Z",
    }
