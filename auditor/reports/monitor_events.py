"""What a monitor that goes on says: an event a line as JSON, or in words for people, with a live line on a terminal."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TextIO

from auditor.reports.visible import visible
from auditor.reports.words import sign_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from rich.live import Live


PROGRESS_SECONDS = 10.0


class JsonEvents:
    """One JSON object a line.

    Args:
        stream: Where they go; flushed after each, since somebody waits for them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: tuple[str, Mapping[str, object]] | None = None

    def tell(self, event: str, at: str, **members: object) -> None:
        """See `auditor.runs.monitor_loop.Watcher`; progress is told when there is some, and every PROGRESS_SECONDS."""
        if event == "progress":
            before = self._progress
            if before is not None and before[1] == members and _seconds(before[0], at) < PROGRESS_SECONDS:
                return
            self._progress = at, members
        self._stream.write(f"{json.dumps({'event': event, 'at': at, **members}, ensure_ascii=False)}\n")
        self._stream.flush()


class TerminalEvents:
    """In words: findings and trouble as lines, progress as a table that is drawn anew where there is a terminal.

    Args:
        stream: Where lines go.
        screen: The terminal for the table; None: there is none.
    """

    def __init__(self, stream: TextIO, screen: TextIO | None) -> None:
        self._stream = stream
        self._screen = screen
        self._live: Live | None = None
        self._found = 0
        self._before: tuple[str, int] | None = None
        self._troubles: set[str] = set()

    def __enter__(self) -> Self:
        if self._screen is not None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=self._screen), refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, event: str, at: str, **members: Any) -> None:
        """See `auditor.runs.monitor_loop.Watcher`."""
        if event == "progress":
            self._draw(at, members)
            return
        if event == "trouble":
            self._troubles.add(members["what"])
        elif event == "trouble_over":
            self._troubles.discard(members["what"])
        line = _line(event, members)
        if line:
            self._found += event == "finding"
            self._write(f"{at[:10]} {at[11:19]}  {line}")

    def _write(self, line: str) -> None:
        """A line: above the table where both are on one terminal, which would mix them up otherwise."""
        if self._live is not None and self._stream.isatty():
            from rich.text import Text

            self._live.console.print(Text(line), soft_wrap=True)
        else:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def _draw(self, at: str, members: Mapping[str, Any]) -> None:
        if self._live is None:
            return
        from auditor.reports.monitor_view import Glance, monitor_view

        rate = self._rate(at, sum(members["records"].values()))
        self._live.update(monitor_view(members, Glance(rate, self._found, self._troubles)))

    def _rate(self, at: str, total: int) -> float | None:
        before, self._before = self._before, (at, total)
        seconds = 0.0 if before is None else _seconds(before[0], at)
        return (total - before[1]) / seconds if before is not None and seconds > 0 else None


def _seconds(before: str, at: str) -> float:
    return (datetime.fromisoformat(at) - datetime.fromisoformat(before)).total_seconds()


def _line(event: str, members: Mapping[str, Any]) -> str:
    words = _WORDS.get(event)
    return words(members) if words is not None else ""


def _finding_line(members: Mapping[str, Any]) -> str:
    finding = members["finding"]
    key = ", ".join(f"{name} {visible(str(text))}" for name, text in (finding["key"] or {}).items())
    where = f"{finding['entity']} at {finding['replica'] or 'its owner'}"
    what = f"{finding['verdict']}: {finding['divergence']} of {where}, {key}"
    return f"{what}, cause {finding['cause']} ({finding['id']})"


def consistency_lines(told: Iterable[dict[str, Any]], window: str = "24h") -> list[str]:
    """The same for people, one line a replica: those of which there were changes."""
    lines = []
    for one in told:
        seen = one["windows"][window]
        shares = [f"{_percent(share)} in {name}" for name, share in seen["within"].items() if share is not None]
        unknown = [name for name, share in seen["within"].items() if share is None]
        shares += [f"not known in {', '.join(unknown)}"] if unknown else []
        if seen["changes"]:
            what = f"{one['entity']} at {one['replica']}: of {seen['changes']} changes within {window}"
            lines.append(f"{what}, {', '.join(shares)}")
    return lines


def _percent(share: float) -> str:
    """A share for people; what is not all of it is never told as `100%`."""
    text = f"{100 * share if share == 1 else min(100 * share, 99.999):.3f}"
    return f"{text.rstrip('0').rstrip('.')}%"


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "started": lambda members: f"following {', '.join(members['entities'])}",
    "assigned": lambda members: (
        f"of the feed {members['feed']} we read {', '.join(members['partitions']) or 'nothing'}"
    ),
    "finding": _finding_line,
    "consistency": lambda members: "; ".join(consistency_lines(members["replicas"])),
    "incomplete": lambda members: (
        f"{members['entity']} at {members['replica'] or 'its owner'} is not known whole: "
        f"{members['feed']}/{members['topic']}: {visible(members['message'])}"
    ),
    "sign": sign_line,
    "trouble": lambda members: f"trouble with {members['what']}: {visible(members['message'])}",
    "trouble_over": lambda members: f"{members['what']} is well again",
    "stopped": lambda _members: "stopped",
}
