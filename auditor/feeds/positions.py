"""Positions in an owner's log, and which of two is the later one.

| database | orders the changes of a key | orders transactions | comparable within |
|---|---|---|---|
| PostgreSQL | LSN | the last committed LSN before it | the connector |
| MySQL, MariaDB | file number, place in it, row | file number, place | one log (`reconcilers.streams.stretches`) |
| SQL Server | commit LSN, change LSN, event number | commit LSN | the connector |
| MongoDB | second, place in the second | – | the connector |
| Oracle | SCN of the commit, SCN | SCN of the commit | the connector |

PostgreSQL's LSN is neither unique nor in order across transactions: several rows may share one, and transactions
arrive in the order of their commits.  It orders the changes of one key, and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from auditor.feeds.shape import BadValueError
from reconcilers.change import Position
from reconcilers.gtid import origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SEQUENCE = re.compile(r'\[(?:null|"(\d{1,18})"),\s*(?:null|"(\d{1,18})")\]\Z')
_FILE = re.compile(r"(.{0,200}?)\.?(\d{1,9})\Z")
_SQLSERVER_LSN = re.compile(r"([0-9a-fA-F]{8}):([0-9a-fA-F]{8}):([0-9a-fA-F]{4})\Z")
_LSN_BITS, _EVENT_BITS, _PART_BITS = 80, 29, 63
"""SQL Server's positions are two numbers of 80 bits and a small one; in three parts of 63 they fit into databases."""
_PART_MAX, _EVENT_MAX = 2**_PART_BITS - 1, 2**_EVENT_BITS - 1

_NUMBER = re.compile(r"\d{1,19}\Z")

_POSITION_BITS = 40
"""Bits of a place in a binary log beside the file's number."""


def position(source: Mapping[str, Any]) -> Position | None:
    """Where a change stands in the owner's log, from the `source` of its envelope; None where that does not say.

    Raises:
        BadValueError: The source tells a position that cannot be one.
    """
    reader = _READERS.get(str(source.get("connector")))
    return None if reader is None else reader(source)


def _integer(source: Mapping[str, Any], name: str) -> int | None:
    """A number that a database's integers hold."""
    value = source.get(name)
    if value is None:
        return None
    if value.__class__ is not int or not 0 <= value < 2**63:
        raise BadValueError(f"source.{name} is no position")
    return int(value)


def _postgresql(source: Mapping[str, Any]) -> Position | None:
    lsn = _integer(source, "lsn")
    if lsn is None:
        return None
    commit = last_commit(source.get("sequence"))
    if commit is None and source.get("snapshot") not in (None, "false", False):
        commit = lsn  # a snapshot sees everything before its own place
    return Position(f"postgresql/{source.get('name')}", (lsn,), commit, f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}")


def last_commit(sequence: object) -> int | None:
    """The LSN of the last commit before a change, from PostgreSQL's `source.sequence`: a text with two texts in it."""
    if sequence is None:
        return None
    match = _SEQUENCE.match(sequence) if isinstance(sequence, str) else None
    if match is None:
        raise BadValueError("source.sequence is no pair of positions")
    return int(match[1]) if match[1] else None


def _mysql(source: Mapping[str, Any]) -> Position | None:
    place, row, file = _integer(source, "pos"), _integer(source, "row") or 0, source.get("file")
    match = _FILE.match(file) if isinstance(file, str) else None
    if place is None or match is None:
        return None
    number, gtid = int(match[2]), source.get("gtid")
    if not isinstance(gtid, str | None):
        raise BadValueError("source.gtid is no text")
    server = _integer(source, "server_id")
    stream = f"{source.get('connector')}/{source.get('name')}/{server}/{match[1]}"
    return Position(stream, (number, place, row), (number << _POSITION_BITS) | place, f"{file}:{place}", gtid or "")


def _sqlserver(source: Mapping[str, Any]) -> Position | None:
    commit = _sqlserver_lsn(source.get("commit_lsn"))
    if commit is None:
        return None
    change, event = _sqlserver_lsn(source.get("change_lsn")) or 0, _integer(source, "event_serial_no") or 0
    if event > _EVENT_MAX:
        raise BadValueError("source.event_serial_no is no position")
    whole = (commit << _LSN_BITS | change) << _EVENT_BITS | event
    row = (whole >> 2 * _PART_BITS, whole >> _PART_BITS & _PART_MAX, whole & _PART_MAX)
    return Position(f"sqlserver/{source.get('name')}", row, commit, str(source.get("commit_lsn")))


def _sqlserver_lsn(text: object) -> int | None:
    if text is None:
        return None
    match = _SQLSERVER_LSN.match(text) if isinstance(text, str) else None
    if match is None:
        raise BadValueError("a position of SQL Server is not as SQL Server writes it")
    return int(match[1] + match[2] + match[3], 16)


def _mongodb(source: Mapping[str, Any]) -> Position | None:
    millis, order = _integer(source, "ts_ms"), _integer(source, "ord")
    if millis is None or order is None:
        return None
    return Position(f"mongodb/{source.get('name')}", (millis // 1000, order), None, f"{millis // 1000}:{order}")


def _oracle(source: Mapping[str, Any]) -> Position | None:
    """A system change number orders all of a database; that of a snapshot's row is of the moment it was read at."""
    scn = _scn(source, "scn")
    if scn is None:
        return None
    commit = _scn(source, "commit_scn")
    return Position(f"oracle/{source.get('name')}", (scn if commit is None else commit, scn), commit or scn, str(scn))


def _scn(source: Mapping[str, Any], name: str) -> int | None:
    """A number, which JSON has as a text; of a cluster it may be several, which are in no order that is known."""
    value = source.get(name)
    if isinstance(value, str):
        value = int(value) if _NUMBER.match(value) else None
    return _integer({name: value}, name)


_READERS: dict[str, Callable[[Mapping[str, Any]], Position | None]] = {
    "postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql, "sqlserver": _sqlserver, "mongodb": _mongodb,
    "oracle": _oracle,
}  # fmt: skip


def compare(one: Position, other: Position) -> int | None:
    """Which of two positions *of one key* is later: negative, 0 or positive as `one` is before `other`.

    Returns:
        None where they cannot be compared: two servers, two families of files, two connectors.
    """
    if one.stream == other.stream:
        return (one.row > other.row) - (one.row < other.row)
    if _log(one) != _log(other) or not one.gtid or not other.gtid:
        return None
    return _compare_gtids(one.gtid, other.gtid)


def _log(place: Position) -> str:
    """The connector without the server and the files."""
    return "/".join(place.stream.split("/")[:2])


def _compare_gtids(one: str, other: str) -> int | None:
    """Two transactions of one origin are in the order of their numbers; of two origins, in none that is known."""
    first, second = origin(one), origin(other)
    if first is None or second is None or first[0] != second[0]:
        return None
    return (first[1] > second[1]) - (first[1] < second[1])


@lru_cache(maxsize=1024)
def gtid_set(text: str) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """A set of GTIDs: by origin, the first and last number of each range, as MySQL and MariaDB write it.

    `uuid:1-5:7,uuid:tag:1-3` for MySQL; `0-1-7` for MariaDB stands for all transactions of the domain up to the 7th.

    Raises:
        BadValueError: It is none.
    """
    ranges: dict[str, list[tuple[int, int]]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        if match := re.match(r"(\d+)-\d+-(\d+)\Z", part):
            ranges.setdefault(match[1], []).append((1, int(match[2])))
            continue
        name, _, rest = part.partition(":")
        for piece in rest.split(":"):
            if match := re.match(r"(\d+)(?:-(\d+))?\Z", piece):
                ranges.setdefault(name, []).append((int(match[1]), int(match[2] or match[1])))
            elif re.match(r"[A-Za-z_]\w*\Z", piece):
                name = f"{part.partition(':')[0]}:{piece}"
            else:
                raise BadValueError("a set of GTIDs is not as a server writes it")
    return {origin: tuple(sorted(found)) for origin, found in ranges.items()}


def includes(executed: str, gtid: str) -> bool:
    """Whether a server that has executed this set of GTIDs has executed this transaction."""
    found = origin(gtid)
    if found is None:
        return False
    return any(first <= found[1] <= last for first, last in gtid_set(executed).get(found[0], ()))
