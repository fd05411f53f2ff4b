"""What `audit entity` shows: one row at its owner and in every replica, side by side."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TextIO, TypedDict

from auditor.reports.difference import Piece, Pieces, difference, excerpt
from auditor.reports.visible import key_text, shown, shown_pair, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from auditor.reports.terminal_report import Paper

OWNER_STATES = ("present", "absent", "soft_deleted", "unreachable")
REPLICA_STATES = ("consistent", "divergent", "in_flight", "undecided", "absent", "lawfully_absent", "unreachable")

VALUE_WIDTH_MIN = 14
"""Columns of a value: with less, a table with fewer replicas and another one below read better."""

FIELD_WIDTH_MAX = 24
LINES_MAX = 6
"""Lines of one value: a longer one is cut around its first difference, or at its end."""

_STATE_STYLES = {
    "consistent": "green",
    "divergent": "bold red",
    "absent": "bold red",
    "undecided": "bold yellow",
    "unreachable": "bold yellow",
}


class EntityFieldDocument(TypedDict):
    """One compared field of one replica, each side in canonical text, null for NULL."""

    name: str
    owner: str | None
    replica: str | None
    equal: bool
    note: NotRequired[str]
    """What the two values alone do not show, in a few words."""


class EntityOwnerDocument(TypedDict):
    """The owner's row, by contract field; null where there is none."""

    state: str
    row: dict[str, str | None] | None
    watermark: str
    dataset: NotRequired[str]
    error: NotRequired[str]
    """Why it is unreachable, for people."""


class EntityReplicaDocument(TypedDict):
    """A replica's row, by contract field, and how it compares; `verdict` and `cause` are null where nothing differs."""

    replica: str
    state: str
    row: dict[str, str | None] | None
    fields: list[EntityFieldDocument]
    verdict: str | None
    cause: str | None
    dataset: NotRequired[str]
    watermark: NotRequired[str]
    error: NotRequired[str]
    note: NotRequired[str]
    """One sentence for people, such as why the state is what it is."""


class EntityDocument(TypedDict):
    """One entity's row everywhere, now."""

    entity: str
    key: dict[str, str | None]
    owner: EntityOwnerDocument
    replicas: list[EntityReplicaDocument]
    changes: list[dict[str, str | None]]
    suggestions: list[str]
    remarks: NotRequired[list[str]]
    """What is worth knowing of how it was read."""
    read_at: NotRequired[str]


def render_json(document: EntityDocument) -> str:
    """The document as JSON text; pure ASCII, so that no value can act on a terminal."""
    return json.dumps(document, indent=2) + "\n"


def render_terminal(document: EntityDocument, *, width: int | None = None, color: bool | None = None) -> str:
    """The document for people, as text; see `write_terminal`."""
    file = io.StringIO()
    write_terminal(document, file, width=width, color=color)
    return file.getvalue()


def write_terminal(
    document: EntityDocument, file: TextIO, *, width: int | None = None, color: bool | None = None
) -> None:
    """Write the document for people.

    Args:
        document: What was read.
        file: Where to.  Colours, width and encoding follow it.
        width: Columns, in place of the file's own.
        color: Whether to use colours and other styles, in place of what the file and `NO_COLOR` ask for.
    """
    from auditor.reports.terminal_report import Paper

    paper = Paper(file, width=width, color=color)
    _Sheet(document, paper).draw()
    paper.hand_over()


@dataclass(frozen=True, slots=True)
class _Cell:
    """A value as one replica's column shows it, and the owner's as it stands against it."""

    pieces: Pieces
    owner: Pieces = ()
    differs: bool = False
    compared: bool = True


class _Sheet:
    """One entity being drawn."""

    def __init__(self, document: EntityDocument, paper: Paper) -> None:
        self.document = document
        self.paper = paper
        self.ascii = paper.symbols.arrow != "→"
        self.unequal = "!=" if self.ascii else "≠"
        self.cells = [_cells(replica) for replica in document["replicas"]]

    def draw(self) -> None:
        """Draw all parts, with one empty line between them."""
        from rich.text import Text

        for position, block in enumerate(self._blocks()):
            if position:
                self.paper.draw(Text())
            self.paper.draw(block)

    def _blocks(self) -> Iterator[RenderableType]:
        yield self._title()
        replicas = list(range(len(self.document["replicas"])))
        columns = self._columns()
        for first in range(0, max(1, len(replicas)), columns):
            yield self._table(replicas[first : first + columns])
        remarks = list(self._remarks())
        if remarks:
            yield self._listed("", remarks)
        if self.document["changes"]:
            yield self._listed("Recent changes", [_change(change) for change in self.document["changes"]])
        if self.document["suggestions"]:
            yield self._listed("Next", [visible(suggestion) for suggestion in self.document["suggestions"]])

    def _title(self) -> Text:
        from rich.text import Text

        text = Text.assemble((visible(self.document["entity"]), "bold"), "  ", (key_text(self.document["key"]), "cyan"))
        if "read_at" in self.document:
            from auditor.reports.words import when

            text.append(f"  {when(self.document['read_at'])}", style="dim")
        return text

    def _fields(self) -> list[str]:
        """Every field that any side has, in the owner's order."""
        row = self.document["owner"]["row"] or {}
        names = dict.fromkeys(row)
        for cells in self.cells:
            names |= dict.fromkeys(cells)
        return list(names)

    def _field_width(self) -> int:
        return min(FIELD_WIDTH_MAX, max(7, *(len(visible(name)) for name in self._fields() or [""])))

    def _columns(self) -> int:
        """How many replicas fit beside the field names and the owner's values."""
        room = self.paper.width - self._field_width() - 2
        return max(1, room // (VALUE_WIDTH_MIN + 2) - 1)

    def _table(self, replicas: list[int]) -> Table:
        from rich.table import Table
        from rich.text import Text

        owner = self.document["owner"]
        shown_here = [self.document["replicas"][index] for index in replicas]
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=True, header_style="bold")
        field_width = self._field_width()
        table.add_column("", width=field_width, no_wrap=True, overflow="ellipsis")
        width = (self.paper.width - field_width - 2) // (len(replicas) + 1) - 2
        for name in ("owner", *(visible(replica["replica"]) for replica in shown_here)):
            table.add_column(name, max_width=width, overflow="fold")
        self._head(table, owner, shown_here)
        for name in self._fields():
            cells = [self.cells[index].get(name) for index in replicas]
            differing = [cell for cell in cells if cell is not None and cell.differs]
            values = [self._owner_value(name, differing, width), *(self._value(cell, width) for cell in cells)]
            table.add_row(Text(visible(name), style="bold" if differing else ""), *values)
        return table

    def _owner_value(self, name: str, differing: list[_Cell], width: int) -> Text:
        """The owner's value; a long one is cut where the first replica beside it differs."""
        row = self.document["owner"]["row"] or {}
        if name not in row:
            return self._value(None, width)
        return self._value(_Cell(differing[0].owner if differing else _plain(shown(row[name]))), width)

    def _head(self, table: Table, owner: EntityOwnerDocument, replicas: list[EntityReplicaDocument]) -> None:
        from rich.text import Text

        states = [Text(owner["state"].replace("_", " ")), *(_state(replica["state"]) for replica in replicas)]
        table.add_row(Text("state", style="dim"), *states)
        for name, values in (
            ("verdict", [replica["verdict"] for replica in replicas]),
            ("cause", [None if replica["cause"] == "unknown" else replica["cause"] for replica in replicas]),
        ):
            if any(values):
                table.add_row(Text(name, style="dim"), "", *(Text((value or "").replace("_", " ")) for value in values))
        table.add_row()

    def _value(self, cell: _Cell | None, width: int) -> Text:
        from rich.text import Text

        if cell is None:
            return Text("" if self.ascii else "·", style="dim")
        room = max(8, width * LINES_MAX - 4)
        pieces = excerpt(cell.pieces, room, ellipsis=self.paper.symbols.ellipsis)
        text = Text(f"{self.unequal} " if cell.differs else "", overflow="fold")
        for piece in pieces:
            text.append(piece.text, style="underline" if piece.differs else "")
        text.stylize("bold red" if cell.differs else "" if cell.compared else "dim")
        return text

    def _remarks(self) -> Iterator[str]:
        owner = self.document["owner"]
        if owner.get("error"):
            yield f"owner: {visible(' '.join(owner['error'].split()))}"
        yield from (visible(" ".join(remark.split())) for remark in self.document.get("remarks", ()))
        for replica in self.document["replicas"]:
            for field in replica["fields"]:
                if note := field.get("note"):
                    yield f"{visible(replica['replica'])}: {visible(field['name'])}: {visible(note)}"
            told = " ".join(part for part in (replica.get("note", ""), replica.get("error", "")) if part)
            if told:
                yield f"{visible(replica['replica'])}: {visible(' '.join(told.split()))}"

    def _listed(self, title: str, lines: list[str]) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from auditor.reports.terminal_report import Hanging

        blocks: list[RenderableType] = [Text(title, style="bold")] if title else []
        lead = "  " if title else ""
        blocks += [Hanging(Text(lead), Text(line), indent=len(lead) + 2) for line in lines]
        return Group(*blocks)


def _cells(replica: EntityReplicaDocument) -> dict[str, _Cell]:
    """The column of a replica: its compared fields, then what else its row holds."""
    cells: dict[str, _Cell] = {}
    if replica["row"] is None:
        return cells
    for field in replica["fields"]:
        if field["equal"]:
            cells[field["name"]] = _Cell(_plain(shown(field["replica"])))
        else:
            owner, copy = difference(*shown_pair(field["owner"], field["replica"]))
            cells[field["name"]] = _Cell(copy, owner, differs=True)
    for name, value in replica["row"].items():
        cells.setdefault(name, _Cell(_plain(shown(value)), compared=False))
    return cells


def _plain(text: str) -> Pieces:
    return (Piece(text, differs=False),)


def _state(state: str) -> Text:
    from rich.text import Text

    return Text(state.replace("_", " "), style=_STATE_STYLES.get(state, ""))


def _change(change: dict[str, str | None]) -> str:
    return "  ".join(f"{visible(name)} {shown(value)}" for name, value in change.items())
