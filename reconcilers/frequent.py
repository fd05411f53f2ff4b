"""The text that a redacted column mostly holds, known from what each segment has seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Frequent:
    """The most frequent texts of a redacted column in one segment.

    Attributes:
        counts: How often each of them stands there.
        rest: No other text stands there more often than this.
    """

    counts: Mapping[str, int]
    rest: int


def most_frequent(segments: Sequence[Frequent]) -> tuple[bool, str | None]:
    """The text that stands most often in all segments together (the least of equals), and whether that is sure."""
    counts: dict[str, int] = {}
    for segment in segments:
        for text, count in segment.counts.items():
            counts[text] = counts.get(text, 0) + count
    unseen = sum(segment.rest for segment in segments)
    if not counts:
        return unseen == 0, None
    best = min(counts, key=lambda text: (-counts[text], text))
    if not unseen:
        return True, best
    rivals = [
        counts[text] + sum(segment.rest for segment in segments if text not in segment.counts)
        for text in counts
        if text != best
    ]
    return max([unseen, *rivals]) < counts[best], best
