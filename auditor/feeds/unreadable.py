"""Why topics that a run has not needed could not have been read: asked of their latest records."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from auditor.feeds.decoded import MISREAD_MIN
from auditor.feeds.samples import samples
from auditor.reports.words import counted
from contracts.errors import AuditorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from auditor.feeds.hints import ColumnHint
    from auditor.feeds.samples import Sample
    from auditor.settings import Settings

LATEST_RECORDS = 5
"""Of each partition: enough to need the schemas of now, and to tell a bad record from a feed that is read wrongly."""

ASKED_SECONDS = 20.0
"""For all topics of one feed, so that a broker which answers slowly holds up no run."""


def unreadable(settings: Settings, feed: str, topics: Mapping[str, Mapping[str, ColumnHint]]) -> dict[str, str]:
    """Of some topics, those that cannot be read now, each with the reason; nothing is kept.

    Args:
        settings: The settings.
        feed: The feed's name.
        topics: What contracts say of the columns of each.
    """
    until = time.monotonic() + ASKED_SECONDS
    found, together = _asked(settings, feed, topics, ASKED_SECONDS)
    if not together or len(topics) == 1:
        return found | (dict.fromkeys(topics, together) if together else {})
    for topic, hints in topics.items():  # one that is not there takes nothing from the others
        left = until - time.monotonic()
        one, why = _asked(settings, feed, {topic: hints}, left) if left > 0 else ({}, together)
        found |= one | ({topic: why} if why else {})
    return found


def _asked(
    settings: Settings, feed: str, topics: Mapping[str, Mapping[str, ColumnHint]], seconds: float
) -> tuple[dict[str, str], str]:
    """What is wrong with single topics, and why nothing could be read at all."""
    try:
        latest = samples(settings, feed, topics, seconds, each=LATEST_RECORDS)
    except AuditorError as error:
        return {}, error.message
    return {topic: why for topic, sample in latest.items() if (why := _misread(sample))}, ""


def _misread(sample: Sample) -> str:
    """Why a run would read nothing of a topic; see `auditor.feeds.follower`, which stops at the same."""
    if sample.is_cut and not sample.records:
        return "no record came, though the broker says that there are some"
    poison = sample.poison
    if not sample.is_misread or len(poison) < MISREAD_MIN or len({re.sub(r"\d+", "", one.error) for one in poison}) > 1:
        return ""
    first = poison[0]
    return (
        f"none of its latest {counted(len(poison), 'record')}{sample.restriction} can be understood, the one at "
        f"{first.place} because {first.error}"
    )
