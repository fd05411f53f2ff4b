"""The fold: from versions in the order of their arrival to what each key holds.

A partition brings the changes of one key in the order of their commits, except where it does not:

- After a crash, a connector sends changes again that it has sent before: an old update appears after a newer one.  Its
  position in the owner's log tells: within one epoch of the log a change with a lower position is older.
- A snapshot's row (*backfill*) tells what the row was when it was read, whatever position the snapshot had: it stands
  after all that came before it, and before all that comes after it but a repetition.  So its effective position is that
  of the latest change before it.
- A truncate has no key and so no partition of its own: it removes what has an earlier position.

What a change did not write (an unchanged large value) is taken from the version before it, back to the row's birth.
A key that was changed is a row of its own; its birth takes such values from the old key's last version.  The two are in
different partitions, and whichever is read last brings them together.

A version is written once and stays where it is.  The fold notes which one is the latest of its key, and which ones are
not any more; only where a version does not stand as it came is it written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconcilers.streams.table import FIXED, ORDERING, CellState, Kind

if TYPE_CHECKING:
    from reconcilers.streams.table import StreamTable

HASH = "(hash(id) >> 32)::UINTEGER"
"""Of a key, in SQL; see `StreamTable.latest`."""

_ARRIVAL_DECIDES = f"(kind IN ({int(Kind.BACKFILL)}, {int(Kind.DOUBT)}) OR kind = {int(Kind.DELETE)} AND epoch < 0)"
_KEPT = int(CellState.KEPT)
_DELETE = int(Kind.DELETE)
_POSITION = "{'e': epoch, 'p': p0, 'q': p1, 'r': p2}"
_AFTER_POSITION = ("snapshot", "stamp", "committed", "tx", "place", "seen")


def arrived_sql(table: StreamTable, involved: str) -> str:
    """SELECT of the versions of the keys that the tail is about, each once, its position the effective one.

    `fresh` tells those of the tail from the head's.
    """
    names = ", ".join(f"v.{name}" for name in table.names)
    rows = f"SELECT {names}, i.fresh FROM {table.versions} v JOIN {involved} i ON v.seq = i.seq"
    latest = f"max({_POSITION}) OVER (PARTITION BY id ORDER BY seq ROWS UNBOUNDED PRECEDING)"
    placed = f"SELECT *, CASE WHEN {_ARRIVAL_DECIDES} THEN {latest} ELSE {_POSITION} END AS eff FROM ({rows})"
    # Two that stand at one place and are not alike are both told, and the later one counts.
    said = f"row({', '.join([*table.cells, *table.states])})"
    again = f"lag({said}) OVER (PARTITION BY id, kind, eff ORDER BY seq) IS NOT DISTINCT FROM {said}"
    told = f"CASE WHEN epoch <= 0 OR {_ARRIVAL_DECIDES} THEN NOT ({_is_old_backfill()}) ELSE NOT ({again}) END"
    before = ", ".join(name for name in FIXED if name not in ("epoch", "p0", "p1", "p2", *_AFTER_POSITION))
    after = ", ".join([*_AFTER_POSITION, *table.cells, *table.states])
    return (
        f"SELECT {before}, eff.e AS epoch, eff.p AS p0, eff.q AS p1, eff.r AS p2, {after}, fresh "
        f"FROM (SELECT * FROM ({placed}) QUALIFY {told})"
    )


def _is_old_backfill() -> str:
    """Condition on a version: a snapshot's row that its connector told before it told a change that has come already.

    Somebody delivers again what was delivered before: a mirror of the topic, or a producer.  Both the connector's clock
    and its owner's have to say so, for either may be set back.
    """
    earlier = "OVER (PARTITION BY id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    changes = f"FILTER (kind = {int(Kind.WRITE)} OR kind = {_DELETE} AND epoch > 0)"
    told = " AND ".join(f"{time} < max({time}) {changes} {earlier}" for time in ("stamp", "committed"))
    return f"kind = {int(Kind.BACKFILL)} AND coalesce({told}, false)"


def picked_sql(table: StreamTable, tail: int) -> str:
    """SELECT of the versions of the keys that the tail is about, of each what orders it: nothing wide is sorted.

    Args:
        table: Of the topic.
        tail: The number of the tail's first version.

    Of the head, more keys may be among them than are asked for, since two may have one hash; they stay what they are.
    """
    names = ", ".join(ORDERING)
    fresh = f"SELECT {HASH} AS h, {names} FROM {table.versions} WHERE seq >= {tail}"
    rows = (
        f"SELECT *, true AS fresh FROM fresh UNION ALL SELECT h, {names}, false AS fresh "
        f"FROM {table.latest} SEMI JOIN fresh USING (h)"
    )
    return f"WITH fresh AS MATERIALIZED ({fresh}) {rows}"


def involved_sql(picked: str) -> str:
    """SELECT of versions, see `picked_sql`, with their places among those of their key.

    `place` tells the latest of each key, where all are plain: it is 1.
    """
    order = "PARTITION BY id ORDER BY epoch DESC, p0 DESC, p1 DESC, p2 DESC, seq DESC"
    return f"SELECT *, row_number() OVER ({order}) AS place FROM {picked}"


def repeated_sql(table: StreamTable, arrived: str, tail: int) -> str:
    """SELECT of the changes of the tail that had been told before: somebody went back, and sent them again.

    Args:
        table: Of the topic.
        arrived: Its versions as `arrived_sql` has them.
        tail: The number of the tail's first version.
    """
    earlier = "PARTITION BY id, epoch ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    told = f"kind IN ({int(Kind.WRITE)}, {_DELETE}) AND epoch > 0"
    older = f"{_POSITION} <= max({_POSITION}) OVER ({earlier}) AS older"
    again = f"SELECT seq, id FROM (SELECT seq, id, kind, epoch, fresh, {older} FROM {arrived}) WHERE fresh AND older"
    fresh = f"SELECT seq, id FROM {table.versions} WHERE seq >= {tail} AND {told}"
    return f"{again} AND {told} UNION ALL SELECT v.seq, v.id FROM ({fresh}) v ANTI JOIN {arrived} a ON a.seq = v.seq"


def is_plain_sql(involved: str) -> str:
    """SELECT of whether each of these versions is told once, and stands where its own position says.

    It does not where a change is repeated, nor where a backfill or a doubt comes after another version of its key, nor
    where the head's version is not the first of its key.  Keys are told apart by their hashes: taking two for one costs
    the long way, and nothing else.
    """
    repeated = (
        f"SELECT 1 FROM {involved} WHERE epoch > 0 AND NOT {_ARRIVAL_DECIDES} "
        "GROUP BY hash(id, epoch, p0, p1, p2) HAVING count(*) > 1"
    )
    moved = f"max(seq) FILTER (fresh AND {_ARRIVAL_DECIDES}) > min(seq)"
    older = "max(place) FILTER (NOT fresh) < count(*)"
    others = f"SELECT 1 FROM {involved} GROUP BY hash(id) HAVING {moved} OR {older}"
    return f"SELECT NOT EXISTS ({repeated}) AND NOT EXISTS ({others})"


def filled_sql(table: StreamTable, arrived: str) -> str:
    """SELECT of the same versions, with what they did not write taken from the versions before them.

    A row has several lives: one after each delete, which belongs to the life that it ends and so has its image, and one
    from each birth by a change of key, for a truncate may have ended the life before without a version of its own.
    """
    fixed = ", ".join(FIXED)
    cells = []
    for cell, state in zip(table.cells, table.states, strict=True):
        known = (
            f"last_value(CASE WHEN {state} <> {_KEPT} THEN {{'c': {cell}, 's': {state}}} END IGNORE NULLS) OVER life"
        )
        cells.append(f"coalesce({known}, {{'c': {cell}, 's': {state}}}) AS w_{cell}")
    born = f"last_value(CASE WHEN kind <> {_DELETE} THEN other END IGNORE NULLS) OVER life AS born_of"
    ordered = "ORDER BY epoch, p0, p1, p2, seq"
    lives = (
        f"SELECT *, count(*) FILTER (kind = {_DELETE}) OVER (PARTITION BY id {ordered} "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS deaths, "
        f"count(*) FILTER (kind <> {_DELETE} AND other IS NOT NULL) OVER (PARTITION BY id {ordered} "
        f"ROWS UNBOUNDED PRECEDING) AS births FROM {arrived}"
    )
    filled = (
        f"SELECT *, {', '.join([*cells, born])} FROM ({lives}) "
        f"WINDOW life AS (PARTITION BY id, deaths, births {ordered} ROWS UNBOUNDED PRECEDING)"
    )
    other = f"CASE WHEN kind = {_DELETE} THEN other ELSE coalesce(other, born_of) END AS other"
    taken = [f"w_{cell}.c AS {cell}" for cell in table.cells]
    taken += [f"w_{cell}.s AS {state}" for cell, state in zip(table.cells, table.states, strict=True)]
    return f"SELECT {fixed.replace('other', other)}, {', '.join(taken)}, fresh FROM ({filled})"


def latest_sql(table: StreamTable, arrived: str) -> str:
    """SELECT of the latest version of each key."""
    names = ", ".join(f"a.{name}" for name in table.names)
    order = "row(a.epoch, a.p0, a.p1, a.p2, a.seq)"
    best = f"SELECT a.id, max({order}) AS b FROM {arrived} a GROUP BY a.id"
    return f"SELECT {names} FROM {arrived} a JOIN ({best}) l ON a.id = l.id AND {order} = l.b"


def rewritten_sql(table: StreamTable, arrived: str, folded: str, tail: int) -> str:
    """Statements that write the versions of the tail, and the latest of their keys, as the fold has made them."""
    others = f"SELECT a.* FROM {arrived} a ANTI JOIN {folded} f ON a.seq = f.seq WHERE a.fresh"
    return (
        f"DELETE FROM {table.stored} WHERE seq >= {tail}; "
        f"DELETE FROM {table.stored} USING {folded} WHERE {table.stored}.seq = {folded}.seq; "
        f"{table.put_sql(others)}; {table.put_sql(f'FROM {folded}')}"
    )


def moves_sql(table: StreamTable, arrived: str, filled: str) -> str:
    """INSERT of both ends of changes of key: the old row's last image, and the new row's birth.

    They are in two partitions, of which either may be read much later than the other.  A delete is a last image, all
    else is a birth.

    Args:
        table: Of the topic.
        arrived: Versions, as `arrived_sql` has them: each says only what it said itself.
        filled: The same, as `filled_sql` has them.
    """
    names = ", ".join(f"f.{name}" for name in table.names)
    moved = f"SELECT seq FROM {arrived} WHERE fresh AND other IS NOT NULL"
    return f"INSERT INTO {table.images} SELECT {names} FROM {filled} f SEMI JOIN ({moved}) m ON f.seq = m.seq"


def born_sql(table: StreamTable) -> str:
    """UPDATE of the births that lack what the old key's last image has; returns the key of each.

    Both have one position.  Where one of them tells none, a birth takes the last image that has arrived.
    """
    together = f"b.epoch <= 0 OR d.place = '' OR {_stands('d', 4)} = {_stands('b', 4)}"
    pairs = (
        f"SELECT b.id AS to_id, b.seq AS to_seq, d.* FROM {table.images} b JOIN {table.images} d "
        f"ON d.kind = {_DELETE} AND d.id = b.other AND d.other = b.id AND ({together}) "
        f"WHERE b.kind <> {_DELETE} AND ({_lacks(table, 'b')})"
    )
    return _gain_sql(table, table.images, pairs)


def pass_on_sql(table: StreamTable) -> str:
    """UPDATE of the last images that lack what their row's birth has: it got its key by a change, too.

    Returns:
        A row for each that was changed; none: they have all that there is.
    """
    return _gain_sql(table, table.images, _of_births(table, table.images, f"i.kind = {_DELETE}"))


def inherit_sql(table: StreamTable, folded: str) -> str:
    """UPDATE of the rows that were born by a change of key, and lack what their birth has."""
    born = f"i.kind <> {_DELETE} AND i.other = d.other"
    return _gain_sql(table, folded, _of_births(table, folded, born))


def born_heads_sql(table: StreamTable, folded: str, gained: str) -> str:
    """INSERT of the latest version of each of some keys, where the tail had none of it.

    Args:
        table: Of the topic.
        folded: Where they go: the latest versions of the tail's keys.
        gained: Keys of which a birth has just got something.
    """
    names = ", ".join(f"v.{name}" for name in table.names)
    keys = f"SELECT DISTINCT {HASH} AS h, id FROM {gained}"
    found = (
        f"SELECT l.seq FROM {table.latest} l JOIN ({keys}) g ON l.h = g.h AND l.id = g.id "
        f"ANTI JOIN {folded} f ON l.id = f.id WHERE l.kind <> {_DELETE}"
    )
    return f"INSERT INTO {folded} SELECT {names} FROM {table.versions} v SEMI JOIN ({found}) l ON v.seq = l.seq"


def _stands(row: str, parts: int = 5) -> str:
    """Where a version stands; where none tells its position, as it arrived."""
    names = (*(f"{row}.{name}" for name in ("epoch", "p0", "p1", "p2")), f"if({row}.epoch > 0, 0, {row}.seq)")
    return f"row({', '.join(names[:parts])})"


def _lacks(table: StreamTable, row: str) -> str:
    return " OR ".join(f"{row}.{state} = {_KEPT}" for state in table.states)


def _of_births(table: StreamTable, rows: str, condition: str) -> str:
    """SELECT of the birth of each row that lacks something: the last of its key before it."""
    return (
        f"SELECT i.id AS to_id, i.seq AS to_seq, d.* FROM {rows} i JOIN {table.images} d "
        f"ON d.id = i.id AND d.kind <> {_DELETE} AND {_stands('d')} <= {_stands('i')} "
        f"WHERE {condition} AND ({_lacks(table, 'i')}) "
        f"QUALIFY rank() OVER (PARTITION BY i.id, i.seq ORDER BY {_stands('d')} DESC) = 1"
    )


def _gain_sql(table: StreamTable, into: str, pairs: str) -> str:
    """UPDATE of rows that lack what others have; returns the key of each that was changed.

    Args:
        table: Of the topic.
        into: Where the rows are.
        pairs: SELECT of those others, each beside `to_id` and `to_seq` of the row that may gain from it.
    """
    known = [
        f"arg_max({{'c': {cell}, 's': {state}}}, seq) FILTER ({state} <> {_KEPT}) AS w{i}"
        for i, (cell, state) in enumerate(zip(table.cells, table.states, strict=True))
    ]
    found = f"SELECT to_id, to_seq, {', '.join(known)} FROM ({pairs}) GROUP BY ALL"
    gains, sets = [], []
    for i, (cell, state) in enumerate(zip(table.cells, table.states, strict=True)):
        gain = f"{into}.{state} = {_KEPT} AND found.w{i} IS NOT NULL"
        gains.append(f"({gain})")
        sets.append(f"{cell} = CASE WHEN {gain} THEN found.w{i}.c ELSE {into}.{cell} END")
        sets.append(f"{state} = CASE WHEN {gain} THEN found.w{i}.s ELSE {into}.{state} END")
    return (
        f"UPDATE {into} SET {', '.join(sets)} FROM ({found}) found "
        f"WHERE {into}.id = found.to_id AND {into}.seq = found.to_seq AND ({' OR '.join(gains)}) RETURNING {into}.id"
    )


def truncated_sql(table: StreamTable, topic: str) -> str:
    """DELETE of what was the latest and a truncate removed; what a younger snapshot has read is there."""
    h = table.latest
    read_since = (
        f"{h}.kind = {int(Kind.BACKFILL)} AND EXISTS (SELECT 1 FROM passes s WHERE s.topic = {topic} "
        f"AND s.began > t.stamp AND {h}.stamp BETWEEN s.began AND coalesce(s.ended, {h}.stamp))"
    )
    return (
        f"DELETE FROM {h} USING truncations t WHERE t.topic = {topic} AND NOT ({read_since}) AND ("
        f"({h}.epoch = t.epoch AND row({h}.p0, {h}.p1, {h}.p2) < row(t.p0, t.p1, t.p2)) "
        f"OR (0 < {h}.epoch AND {h}.epoch < t.epoch) OR ({h}.epoch < 0 AND {h}.stamp <= t.stamp))"
    )


def swept_sql(table: StreamTable, topic: str) -> str:
    """DELETE of what was the latest and a whole snapshot did not meet: it was gone before, and nobody told."""
    return (
        f"DELETE FROM {table.latest} USING passes s WHERE s.topic = {topic} AND s.ended IS NOT NULL "
        f"AND {table.latest}.stamp < s.began"
    )


def later_sql(table: StreamTable, topic: str) -> str:
    """UPDATE of what was the latest and would be swept, though it came after a snapshot that has ended.

    A connector's clock that is set back dates its changes before the snapshot that it has just taken.  Whoever delivers
    old changes again dates them by the owner's clock, too.
    """
    ended = f"SELECT number, began FROM passes WHERE topic = {topic} AND ended IS NOT NULL"
    swept = f"SELECT seq, stamp FROM {table.latest} WHERE stamp < (SELECT max(began) FROM ({ended}))"
    rows = (
        f"SELECT v.seq, s.number, s.began FROM ({swept}) l JOIN ({ended}) s ON l.stamp < s.began "
        f"JOIN {table.versions} v ON v.seq = l.seq JOIN ({_begun_sql(table.versions, topic)}) b "
        f"ON b.number = s.number AND b.part = v.part WHERE {_IS_LATER} "
        f"OR EXISTS (SELECT 1 FROM {table.versions} m WHERE m.id = v.id AND m.snapshot = s.number)"
    )
    return (
        f"UPDATE {table.latest} SET stamp = r.began "
        f"FROM (SELECT seq, max(began) AS began FROM ({rows}) GROUP BY seq) r WHERE {table.latest}.seq = r.seq"
    )


_IS_LATER = f"v.seq > b.seq AND (v.kind = {int(Kind.DOUBT)} OR v.committed >= b.committed)"
"""Condition on a version beside `_begun_sql`; what a record that nobody understands says of its time, nobody knows."""


def _begun_sql(versions: str, topic: str) -> str:
    """SELECT of where each snapshot begins in each partition, and the owner's time then."""
    return (
        f"SELECT p.number, m.part, min(m.seq) AS seq, min(m.committed) AS committed FROM passes p "
        f"JOIN {versions} m ON m.snapshot = p.number WHERE p.topic = {topic} AND p.ended IS NOT NULL GROUP BY ALL"
    )


def versions_sql(table: StreamTable, topic: str, *, truncated: bool, swept: bool) -> str:
    """SELECT of every version that is remembered of each key, with the deletes that have no version of their own.

    Args:
        table: Of the topic.
        topic: Its name, quoted.
        truncated: There are truncates: each removed every row.
        swept: There are finished snapshots: what they did not meet was gone before they began.
    """
    told = f"SELECT * FROM {table.versions}"
    parts = [told, *([_emptied_sql(told, topic)] if truncated else []), *([_missed_sql(told, topic)] if swept else [])]
    return " UNION ALL ".join(parts)


def _emptied_sql(told: str, topic: str) -> str:
    """SELECT of a delete of each key for each truncate."""
    at = ("seq", "part", "off", "epoch", "p0", "p1", "p2", "stamp", "committed", "seen")
    emptied = ", ".join(f"t.{name} AS {name}" for name in at)
    return (
        f"SELECT v.* REPLACE ({_DELETE} AS kind, NULL AS other, '' AS tx, '' AS place, 0 AS snapshot, {emptied}) "
        f"FROM (SELECT DISTINCT ON (id) * FROM ({told}) ORDER BY id, seq) v "
        f"CROSS JOIN truncations t WHERE t.topic = {topic}"
    )


def _missed_sql(told: str, topic: str) -> str:
    """SELECT of a delete of each key for each finished snapshot that did not meet it, right after its last version."""
    ended = (
        f"SELECT p.number, p.began, p.ended, min(v.seen) AS seen FROM passes p JOIN ({told}) v "
        f"ON v.snapshot > 0 AND v.stamp BETWEEN p.began AND p.ended "
        f"WHERE p.topic = {topic} AND p.ended IS NOT NULL GROUP BY ALL"
    )
    order = "row(v.epoch, v.p0, v.p1, v.p2, v.seq)"
    return (
        f"SELECT v.* REPLACE ({_DELETE} AS kind, NULL AS other, NULL AS committed, '' AS tx, '' AS place, "
        f"0 AS snapshot, s.seen AS seen) FROM ({told}) v JOIN ({ended}) s ON v.stamp < s.began "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({told}) m "
        "WHERE m.id = v.id AND m.snapshot > 0 AND m.stamp BETWEEN s.began AND s.ended) "
        f"AND NOT EXISTS (SELECT 1 FROM ({_begun_sql(f'({told})', topic)}) b "
        f"WHERE b.number = s.number AND b.part = v.part AND {_IS_LATER}) "
        f"QUALIFY row_number() OVER (PARTITION BY v.id, s.number ORDER BY {order} DESC) = 1"
    )
