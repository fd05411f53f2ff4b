"""Bar charts as inline SVG, drawn here so that a report needs nothing from elsewhere.

Lengths are in percent of whatever width the page gives, and heights in pixels: the text keeps its size on a telephone.
"""

from __future__ import annotations

from auditor.reports.markup import Html, element, void
from auditor.reports.words import counted, number

ROW_HEIGHT = 38
BARS_MAX = 8
"""Bars of a chart: more would not be compared by eye; the rest is one bar."""

LABEL_MAX = 34
"""Characters of a label, so that it keeps clear of its number at 390 pixels."""


def bars(title: str, counts: list[tuple[str, int]]) -> Html:
    """A horizontal bar for each count, the longest first.

    Args:
        title: What is counted, for those who cannot see the bars.
        counts: Label and count, in any order.
    """
    ordered = _merged(sorted((item for item in counts if item[1] > 0), key=lambda item: (-item[1], item[0])))
    longest = max((count for _, count in ordered), default=1)
    told = "; ".join(f"{label} {number(count)}" for label, count in ordered)
    rows = [_bar(position, label, count, longest) for position, (label, count) in enumerate(ordered)]
    height = ROW_HEIGHT * len(rows)
    return element("svg", *rows, class_="bars", role="img", aria_label=f"{title}: {told}", width="100%", height=height)


def _merged(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    if len(counts) <= BARS_MAX:
        return counts
    rest = counts[BARS_MAX - 1 :]
    return [*counts[: BARS_MAX - 1], (counted(len(rest), "other"), sum(count for _, count in rest))]


def _bar(position: int, label: str, count: int, longest: int) -> Html:
    top = position * ROW_HEIGHT
    share = max(1.0, round(100 * count / longest, 2))  # even the shortest bar is to be seen
    short = label if len(label) <= LABEL_MAX else f"{label[: LABEL_MAX - 1]}…"
    return element(
        "g",
        element("title", f"{label}: {number(count)}"),
        element("text", short, x="0", y=top + 14),
        element("text", number(count), x="100%", y=top + 14, text_anchor="end", class_="count"),
        void("rect", x="0", y=top + 21, width="100%", height="8", rx="4", class_="track"),
        void("rect", x="0", y=top + 21, width=f"{share}%", height="8", rx="4", class_="bar"),
    )
