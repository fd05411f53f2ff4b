"""Tables and lists for people, drawn as reports are: in the width and the encoding of where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def write_table(
    stream: TextIO, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()
) -> None:
    """Write a table without lines.

    Args:
        stream: Where to.
        heads: Of the columns.
        rows: Cells as text; what does not print becomes an escape.
        numbers: Heads of the columns that are set flush right.
    """
    from rich.table import Table
    from rich.text import Text

    from auditor.reports.terminal_report import Paper
    from auditor.reports.visible import visible

    paper = Paper(stream)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, justify="right" if head in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    paper.draw(table)
    paper.hand_over()


def write_pairs(stream: TextIO, pairs: Iterable[tuple[str, str]]) -> None:
    """Write names and values, one pair a line, the values below each other."""
    from rich.text import Text

    from auditor.reports.terminal_report import Hanging, Paper
    from auditor.reports.visible import visible

    listed = list(pairs)
    width = max((len(name) for name, _ in listed), default=0)
    paper = Paper(stream)
    paper.draw(*(Hanging(Text(f"{name:<{width}}  ", style="dim"), Text(visible(value))) for name, value in listed))
    paper.hand_over()
