"""The SQL file of one store: the same plan for people, who review it and then run it with the store's own client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.reports.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from auditor.compensations.act import Act
    from auditor.compensations.dialect import Dialect
    from auditor.compensations.statement import Statement

COLUMNS = 110
"""Comments are broken there, so that a review needs no sideways scrolling."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One act of a file.

    Attributes:
        title: What it is about: entity, replica, key.
        fields: The lines of its comment, name and text.
    """

    id: str
    title: str
    fields: Mapping[str, str]
    act: Act


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its plan."""

    run_id: str
    store: str
    made_at: str
    expires_at: datetime


def script(dialect: Dialect, header: Header, entries: Sequence[Entry], escalated: Iterable[str]) -> str:
    """The whole file.

    Args:
        dialect: Of the store.
        header: About the plan.
        entries: In order.
        escalated: What needs a person at this store, each as one line.
    """
    lines = [*_about(dialect, header, len(entries)), *_fill(dialect, entries), ""]
    lines += dialect.head(header.expires_at)
    for entry in entries:
        lines += ["", *_entry(dialect, entry)]
    lines += ["", *dialect.foot()]
    people = [line for text in escalated for line in _comment(f"escalate: {text}")]
    return "\n".join([*lines, *(["", *people] if people else []), ""])


def _about(dialect: Dialect, header: Header, acts: int) -> Iterator[str]:
    yield from _comment(
        f"Compensations for {header.store}, proposed by the run {header.run_id}. Review before you apply."
    )
    yield from _comment(f"{acts} in one transaction: all of them or none. Made {header.made_at} for {dialect.title}.")
    yield from _comment(f"Expires {header.expires_at:%Y-%m-%d %H:%M:%S} UTC; afterwards this file refuses to run.")
    yield from _comment("Each act finds its row only as it was read: where the world moved on, it changes nothing.")
    yield from _comment(f"Apply: {dialect.client.format(file=f'{header.store}.sql')}")


def _fill(dialect: Dialect, entries: Sequence[Entry]) -> Iterator[str]:
    """What must be filled in before: no sensitive value stands in this file."""
    wanted = [(entry, name, secret) for entry in entries for name, secret in entry.act.statement.secrets().items()]
    if not wanted:
        return
    yield "--"
    yield from _comment("Fill these in first, in the same session: no sensitive value is in this file.")
    yield from _comment("An act whose values are not filled in changes nothing.")
    for entry, name, secret in wanted:
        key = ", ".join(f"{part} {value}" for part, value in secret.key.items())
        yield from _comment(
            f"  {dialect.filling(_variable(entry.id, name))}   {secret.field} of {key} in {secret.dataset}"
        )


def _entry(dialect: Dialect, entry: Entry) -> Iterator[str]:
    yield from _comment(f"{entry.id}  {entry.title}")
    for name, text in entry.fields.items():
        yield from _comment(f"  {name}: {text}")
    yield from _sql(dialect, entry.id, "precondition", entry.act.precondition)
    yield from _sql(dialect, entry.id, "inverse", entry.act.inverse, end=";")
    before, after = dialect.only_if_filled([_variable(entry.id, name) for name in entry.act.statement.secrets()])
    yield from before
    yield written(dialect, entry.id, entry.act.statement) + ";"
    yield from after


def _sql(dialect: Dialect, number: str, name: str, statement: Statement, end: str = "") -> Iterator[str]:
    """SQL within a comment, on one line, so that it can be taken out again as it is."""
    text = " ".join(line.strip() for line in written(dialect, number, statement).split("\n"))
    yield f"--   {name}: {visible(text)}{end}"  # a name may hold what ends a comment


def written(dialect: Dialect, number: str, statement: Statement) -> str:
    """A statement with literals, and variables that are this act's own."""
    return statement.for_people(lambda name: dialect.variable(_variable(number, name)))


def _variable(number: str, name: str) -> str:
    return f"{number}_{name}"


def _comment(text: str) -> Iterator[str]:
    """A comment, broken into lines; nothing in it can end the comment or act on a terminal."""
    shown = visible(text)
    indent = " " * (len(shown) - len(shown.lstrip()))
    line = ""
    for word in shown.strip().split(" "):
        if line.strip() and len(line) + len(word) + 1 > COLUMNS:
            yield f"-- {line}".rstrip()
            line = f"{indent}  {word}"
        else:
            line = f"{line} {word}" if line else f"{indent}{word}"
    yield f"-- {line}".rstrip()
