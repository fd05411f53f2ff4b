"""`audit contracts check --live`: contracts held against the latest records of the topics that they name.

A topic has no schema that a broker would know: what its rows have is seen in its records alone.  The latest of them are
read (`auditor.feeds.samples`), and of each column that a contract names it is said whether they have it, whether it can
be read, and whether its values are of the type that the contract declares.

Errors are what a run would stumble over: where rows are known by the feed alone.  A feed beside a dataset explains what
was found there, and a run goes on without it: what it lacks is a warning, but for its key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditor.contracts_live import Held, held_by
from auditor.reports.words import counted
from contracts.errors import AuditorError, Problem
from contracts.suggestion import did_you_mean
from reconcilers.canonical import canonical
from reconcilers.change import DefaultOrNull, Lack
from reconcilers.ports import RawColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from auditor.feeds.samples import Sample
    from contracts.contract import Contract, FeedRef
    from contracts.errors import Place
    from contracts.logical_types import LogicalType
    from reconcilers.change import Cell, Change
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic as one side of a contract needs it.

    Attributes:
        who: For messages.
        feed: The topic.
        keys: The key's fields as its records have them.
        others: Columns that are no field, each with what it is for.
        is_alone: Rows are known by it and by nothing else.
        place: Where the contract speaks of it.
    """

    who: str
    feed: FeedRef
    keys: tuple[Held, ...]
    fields: tuple[Held, ...]
    others: tuple[tuple[str, str], ...]
    is_alone: bool
    place: Place

    def severity(self, held: Held) -> str:
        """Of something that is wrong with a column."""
        return "error" if self.is_alone or held in self.keys else "warning"


@dataclass(slots=True)
class _Seen:
    """What the rows of a sample have of one column.

    Attributes:
        texts: Its values.
        unreadable: Rows in which it cannot be read.
        lacking: Rows that do not have it, of which it is not known therefore.
        without: Documents that do not have it, so that it is NULL.
        gone: The first row that lacks it though one before it in its partition had it, if none after has.
    """

    texts: list[str] = field(default_factory=list)
    unreadable: int = 0
    lacking: int = 0
    without: int = 0
    gone: Change | None = None


def record_problems(
    contracts: Iterable[Contract],
    there: Mapping[str, Iterable[str]],
    sample: Callable[[str, Sequence[str]], Mapping[str, Sample]],
    workspace: Workspace,
) -> Iterator[Problem]:
    """Everything in which contracts and the latest records of their topics do not agree.

    Args:
        contracts: Whose topics are looked at.
        there: The topics of each feed that could be asked; others are left out.
        sample: Reads the latest records of some topics of a feed.
        workspace: Where values are converted.
    """
    sides = [
        one for contract in contracts for one in _topics(contract) if one.feed.topic in there.get(one.feed.name, ())
    ]
    workspace.know_functions()
    for name in sorted({one.feed.name for one in sides}):
        mine = [one for one in sides if one.feed.name == name]
        try:
            found = sample(name, sorted({one.feed.topic for one in mine}))
        except AuditorError as error:
            yield Problem(min(one.place for one in mine), f"feed {name}: {error.message}")
            continue
        for side in mine:
            yield from _check(side, found[side.feed.topic], lambda logical, texts: _bad(workspace, logical, texts))


def _topics(contract: Contract) -> Iterator[_Topic]:
    owner = contract.owner
    if owner.feed is not None:
        held = {name: Held(name, name, declared.type) for name, declared in contract.fields.items()}
        keys = tuple(held.pop(name) for name in contract.key)
        flag = ((owner.soft_delete.field, "flag deleted rows"),) if owner.soft_delete is not None else ()
        is_alone = owner.reference is owner.feed
        who = f"owner ({owner.feed})"
        yield _Topic(who, owner.feed, keys, tuple(held.values()), flag, is_alone, owner.feed.place)
    for replica in contract.replicas:
        if replica.feed is None:
            continue
        keys, fields = (tuple(held_by(contract, one) for one in maps) for maps in (replica.key, replica.fields))
        others = [(replica.deletes.column, "flag deleted rows")] if replica.deletes.column is not None else []
        others += [
            (name, "be what `select` asks for") for name in sorted(replica.select.names if replica.select else ())
        ]
        who, is_alone = f"replica {replica.name} ({replica.feed})", replica.reference is replica.feed
        yield _Topic(who, replica.feed, keys, fields, tuple(others), is_alone, replica.feed.place)


def _check(topic: _Topic, sample: Sample, bad: Callable[[LogicalType, Sequence[str]], int]) -> Iterator[Problem]:
    def warning(message: str) -> Problem:
        return Problem(topic.place, f"{topic.who}: {message}", "warning")

    if sample.is_cut:
        yield warning(f"time was over after {counted(sample.records, 'record')}; whatever the others have was not seen")
    if not sample.records:
        if not sample.is_cut:
            yield warning("there is no record yet, so its columns were not looked at; look again when there are some")
        return
    yield from _poison(topic, sample)
    if not sample.rows:
        if not sample.is_misread:
            yield warning(
                f"none of the latest {counted(sample.records, 'record')} tells a row; columns were not looked at"
            )
        return
    for held in (*topic.keys, *topic.fields):
        yield from _column(topic, held, sample, bad)
    for name, use in topic.others:
        if _seen(topic, name, sample.rows).lacking == len(sample.rows):
            yield Problem(topic.place, f"{topic.who}: no record has a column {name}, which is to {use}", _weight(topic))


def _weight(topic: _Topic) -> str:
    return "error" if topic.is_alone else "warning"


def _poison(topic: _Topic, sample: Sample) -> Iterator[Problem]:
    """Records that cannot be understood: all of them are a feed that is read wrongly, some are set aside by a run."""
    if not sample.poison:
        return
    first = sample.poison[0]
    if sample.is_misread:
        message = (
            f"none of the latest {counted(len(sample.poison), 'record')}{sample.restriction} can be understood, the "
            f"one at {first.place} because {first.error}; check the feed's wire format, its schema registry and "
            "`debezium.records` in the settings"
        )
        yield Problem(topic.place, f"{topic.who}: {message}")
        return
    message = (
        f"{len(sample.poison)} of the latest {counted(sample.records, 'record')} cannot be understood, and leave their "
        f"keys undecided; the one at {first.place} because {first.error}"
    )
    yield Problem(topic.place, f"{topic.who}: {message}", "warning")


def _column(
    topic: _Topic, held: Held, sample: Sample, bad: Callable[[LogicalType, Sequence[str]], int]
) -> Iterator[Problem]:
    """What is wrong with one column of the rows."""
    seen, rows, column = _seen(topic, held.path, sample.rows), len(sample.rows), f"column {held.path}"

    def problem(message: str, severity: str = "") -> Problem:
        return Problem(topic.place, f"{topic.who}: {message}", severity or topic.severity(held))

    if seen.lacking + seen.without == rows:
        hint = did_you_mean(held.path, _names(sample.rows)) or _HINT
        yield problem(f"none of the latest {counted(rows, 'row')} has a {column} to hold {held.name}{hint}")
        return
    if seen.gone is not None:
        what = (
            f"rows have no {column} any more, since {seen.gone.place}, to hold {held.name}: it was dropped or renamed"
        )
        came = sorted(seen.gone.row.keys() - {name for one in sample.rows if held.path in one.row for name in one.row})
        new = f"; what came then is {', '.join(came)}" if came else ""
        yield problem(f"{what}{new}{_HINT}")
    elif seen.lacking:
        what = (
            f"{seen.lacking} of the latest {counted(rows, 'row')} have no {column}: rows that were not written since "
        )
        yield problem(f"{what}it came leave {held.name} undecided", "warning")
    if seen.unreadable:
        note = sample.notes.get(held.path) or "unreadable: its values do not tell what they are"
        what = f"{column}, which holds {held.name}, is {note}"
        yield problem(what) if not seen.texts else problem(f"in {seen.unreadable} of {rows} rows, {what}", "warning")
    if wrong := bad(held.logical, seen.texts):
        what = f"of the latest {counted(len(seen.texts), 'value')} of {column}"
        cannot = f"can be read as {held.logical}, which {held.name} is declared to be"
        if wrong == len(seen.texts):
            yield problem(f"none {what} {cannot}; correct `type` in the contract, or the settings of the feed")
        else:
            yield problem(f"not all {what} {cannot}: {wrong} cannot; a run names their rows", "warning")


_HINT = "; correct the name in the contract, or have the connector tell the column (column.include.list)"


def _seen(topic: _Topic, path: str, rows: Iterable[Change]) -> _Seen:
    seen = _Seen()
    had: set[int] = set()
    gone: dict[int, Change] = {}
    for change in rows:
        part = change.place.partition
        cells = _cells(topic, change)
        if change.document and path not in cells:
            seen.without += 1
            continue
        cell = cells.get(path, change.lacking)
        if cell is Lack.ABSENT:
            seen.lacking += 1
            if part in had:
                gone.setdefault(part, change)
            continue
        if cell is Lack.KEPT and path not in change.row:
            continue  # it tells nothing of the column
        had.add(part)
        gone.pop(part, None)
        seen.unreadable += cell is Lack.UNREADABLE
        if isinstance(cell, str | DefaultOrNull):
            seen.texts.append(cell if isinstance(cell, str) else cell.text)
    seen.gone = gone[min(gone)] if gone else None
    return seen


def _cells(topic: _Topic, change: Change) -> Mapping[str, Cell]:
    """The columns of a row; a bare text as the key stands for the one column of the contract's."""
    key = dict(change.key)
    if set(key) == {""}:
        key = {topic.keys[0].path: key[""]} if len(topic.keys) == 1 else {}
    return {**key, **change.row}


def _names(rows: Sequence[Change]) -> list[str]:
    return sorted({name for change in rows for name in change.row})


def _bad(workspace: Workspace, logical: LogicalType, texts: Sequence[str]) -> int:
    """How many texts are no value of a type, by the SQL that a comparison reads them with."""
    compiled = canonical(logical, RawColumn("c", "VARCHAR"))
    if not texts or not compiled.bad:
        return 0
    import pyarrow as pa

    cursor = workspace.cursor()
    cursor.register("sampled_texts", pa.table({"c": pa.array(texts, pa.string())}))
    try:
        found = cursor.execute(f"SELECT count(*) FROM sampled_texts WHERE {compiled.bad}").fetchone()
    finally:
        cursor.unregister("sampled_texts")
    return int(found[0]) if found is not None else 0
