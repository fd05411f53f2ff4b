"""How far a run is, on a terminal, and nothing anywhere else: a log or a pipe gets no progress."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID
    from rich.table import Column
    from rich.text import Text


DRAWN_A_SECOND = 8
"""Redraws: often enough to look alive, and nothing beside what reading costs."""


class Progress(Protocol):
    """Told by a run how far it is.  Every method may be called from any thread."""

    def start(self, name: str, total: int | None) -> None:
        """Begin to read something, such as `order → search`; `total` rows are expected, None: nobody knows."""
        ...

    def advance(self, name: str, rows: int) -> None:
        """So many more rows of it were read."""
        ...

    def done(self, name: str) -> None:
        """It was read to its end, however many rows were expected."""
        ...

    def note(self, text: str) -> None:
        """What the run is doing now, such as `waiting 30 s to recheck 68 suspects`; an empty text: nothing special."""
        ...


class NoProgress:
    """Tells nobody."""

    def start(self, name: str, total: int | None) -> None:
        """Do nothing."""

    def advance(self, name: str, rows: int) -> None:
        """Do nothing."""

    def done(self, name: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


@contextmanager
def progress(file: TextIO, *, wanted: bool = True) -> Iterator[Progress]:
    """Progress on `file` while the context lasts, if it is a terminal; gone without a trace afterwards.

    Args:
        file: Standard error.
        wanted: False for `--quiet`.
    """
    if not wanted or not file.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield NoProgress()
        return
    shown = TerminalProgress(file)
    with shown.drawn:
        yield shown


class TerminalProgress:
    """A line for each thing being read: rows, rate and the time left; and one for what the run is doing now.

    Attributes:
        drawn: The context within which it is drawn.
    """

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        console = Console(file=file, highlight=False, markup=False, emoji=False)
        name = Column(no_wrap=True, overflow="ellipsis", ratio=3)
        self._lines: RichProgress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False, table_column=name),
            BarColumn(bar_width=None, table_column=Column(ratio=2, min_width=6)),
            _rows_column(Column(no_wrap=True, justify="right")),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._note: tuple[str, float] = ("", 0.0)
        self.drawn = Live(console=console, get_renderable=self._all, transient=True, refresh_per_second=DRAWN_A_SECOND)

    def start(self, name: str, total: int | None) -> None:
        """Add a line; a second start under the same name begins anew."""
        from auditor.reports.visible import visible

        if name in self._tasks:
            self._lines.remove_task(self._tasks[name])
        self._tasks[name] = self._lines.add_task(visible(name), total=total or None, began=time.monotonic())

    def advance(self, name: str, rows: int) -> None:
        """Move the line on."""
        if name in self._tasks:
            self._lines.advance(self._tasks[name], rows)

    def done(self, name: str) -> None:
        """Fill the bar, whatever was expected."""
        if name not in self._tasks:
            return
        identity = self._tasks[name]
        rows = next(int(task.completed) for task in self._lines.tasks if task.id == identity)
        whole = max(1, rows)  # a bar of nothing at all would never be full
        self._lines.update(identity, total=whole, completed=whole, rows=rows, ended=time.monotonic())

    def note(self, text: str) -> None:
        """Show one sentence below the lines."""
        from auditor.reports.visible import visible

        self._note = (visible(text), time.monotonic())

    def _all(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from auditor.reports.words import duration

        text, since = self._note
        if not text:
            return self._lines
        told = Text(f"  {text} ({duration(time.monotonic() - since)})", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(self._lines, told)


def _rows_column(column: Column) -> ProgressColumn:
    """Rows, rate and time left; made late, since its base class comes with the drawing library."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    from auditor.reports.words import counted, duration, number

    class RowsColumn(ProgressColumn):
        """`1,200,000 rows  310,000/s  12 s left`."""

        def render(self, task: Task) -> Text:
            rows = task.fields.get("rows", int(task.completed))
            ended = task.fields.get("ended")
            parts = [counted(rows, "row")]
            seconds = (ended or time.monotonic()) - task.fields["began"]
            if rows and seconds >= 1:
                parts.append(f"{number(round(rows / seconds))}/s")
            if ended is None and rows and task.total and seconds >= 1:
                parts.append(f"{duration(max(0.0, (task.total - rows) * seconds / rows))} left")
            elif ended is not None:
                parts.append(duration(seconds))
            return Text("  ".join(parts))

    return RowsColumn(table_column=column)
