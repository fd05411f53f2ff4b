"""What the settings have of what contracts name: connections, feeds, and which datasets are the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from contracts.contract import DatasetRef


def as_written(dataset: DatasetRef) -> Hashable:
    """Two datasets are the same when they are written the same: all that is known without settings."""
    return dataset


@dataclass(frozen=True, slots=True)
class Configured:
    """What lint rules know of the settings.

    Attributes:
        identity: Equal for two datasets that are the same rows, under whatever names.
        connections: Their names; None where contracts may name others.
        feeds: Their names; None where contracts may name others.
        file: The settings file, for messages.
    """

    identity: Callable[[DatasetRef], Hashable] = as_written
    connections: frozenset[str] | None = None
    feeds: frozenset[str] | None = None
    file: str = ""


UNKNOWN = Configured()
"""Without settings: contracts are looked at by themselves."""
