"""Topics that tell of more tables than one dataset is made of."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconcilers.change import Place

COLLIDING = (
    "several tables are in the topic, and two of them have rows with the same key, which look like one row: the keys "
    "of their records tell of which table each is, but no row does (give each table a topic)"
)
"""Of shards that were brought into one topic, where their keys meet."""


def mixed(told: Mapping[str, Place], one_dataset: Sequence[str]) -> str:
    """Why rows of a topic may be taken for rows that they are not; empty where all are rows of one dataset.

    Args:
        told: The tables that its records say they are about, each with the first record's place, in their order.
        one_dataset: Patterns of the tables whose rows are one dataset's, where somebody said so.
    """
    if one_dataset:
        others = [name for name in told if not any(_is_named(name, one) for one in one_dataset)]
        expected = "which `debezium.tables` does not name"
    else:
        (first, *others) = told or ("",)
        expected = f"the records before it of {first}"
    if not others:
        return ""
    more = f" ({len(others) - 1:,} more tables like it)" if len(others) > 1 else ""
    return (
        f"{told[others[0]]} is of the table {others[0]}, {expected}{more}: rows of several tables with one key would "
        "look like one row (give each table a topic; or, where no two of their rows have the same key and all are rows "
        "of one dataset, name the tables in `debezium.tables`)"
    )


def truncated(place: Place) -> str:
    """Why it is not known which rows a truncate has left in a topic of several tables."""
    return (
        f"{place} is a truncate of one of the topic's tables, and no row says of which table it is: which rows it took "
        "is not known (a whole snapshot ends this)"
    )


def _is_named(table: str, pattern: str) -> bool:
    """Whether a pattern means a table, with its database or without."""
    return fnmatchcase(table, pattern) or fnmatchcase(table, f"*.{pattern}")
