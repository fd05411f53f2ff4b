"""What a run works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.runs.suspect import SUSPECTS_A_LOOK
from reconcilers.segments import SegmentLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from auditor.clock import Clock
    from auditor.quantities import Window
    from auditor.runs.anchors import Anchors
    from auditor.runs.checkpoints import Checkpoints
    from auditor.runs.recollection import Recollection
    from contracts.contract import AppliedBy, Contract, FeedRef, Reference
    from reconcilers.ports import Load, Reader
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run works with.

    Attributes:
        contracts: Every contract, by entity; the referenced ones too.
        reader: Makes the reader of a dataset; cheap, raises an `AuditorError` when the connection is not configured.
        say: Told one sentence for people when something is worth knowing.
        progress: Told the name of each dataset and the rows read.
        confirmer: Makes the reader for looking again at suspects, where that may be another one; None: the same.
        loads: What was asked of each connection so far, by its name.
        held_too_long: What is to be said of snapshots that were held too long since this was asked last.
        windows: When a connection may be read, by its name; empty: always.
        applied: How far a consumer group has come in each partition of a topic.
        recall: What earlier runs left in flight of an entity.
        checkpoints: Where finished looks are kept, and found by a run that goes on; None: nowhere.
        segments: How much is read at a time of an entity whose datasets these connections have.
        together: Suspects that are looked at again in one look.
        anchors: Where clean runs stood; None: nothing is gone on from, and nothing noted.
        unreadable: Of change streams that nothing in the run has needed, those that cannot be read, with the reason.
    """

    contracts: Mapping[str, Contract]
    reader: Callable[[Reference], Reader]
    workspace: Workspace
    clock: Clock
    say: Callable[[str], None] = lambda _text: None
    progress: Callable[[str, int], None] = lambda _name, _rows: None
    confirmer: Callable[[Reference], Reader] | None = None
    loads: Callable[[], Mapping[str, Load]] = dict
    held_too_long: Callable[[], Sequence[str]] = tuple
    windows: Callable[[str], Sequence[Window]] = lambda _connection: ()
    applied: Callable[[AppliedBy, FeedRef], Mapping[int, int]] = lambda _group, _feed: {}
    recall: Callable[[str], Recollection | None] = lambda _entity: None
    checkpoints: Checkpoints | None = None
    segments: Callable[[Collection[str]], SegmentLimits] = lambda _connections: SegmentLimits()
    together: int = SUSPECTS_A_LOOK
    anchors: Anchors | None = None
    unreadable: Callable[[Collection[FeedRef]], Mapping[FeedRef, str]] = lambda _feeds: {}
