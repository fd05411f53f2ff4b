"""A night: one entity at an owner and one copy, both in real stores, and somebody who interferes with the audit."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from auditor.clock import SystemClock
from auditor.runs.reconcile import ReconcileRequest, reconcile
from auditor.runs.surroundings import Surroundings
from auditor.settings import load_settings
from auditor.wiring import Wiring
from reconcilers.opened import shaped_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from auditor.clock import Clock
    from contracts.contract import Reference
    from reconcilers.ports import Keys, RawRelation, Reader, Shape, Snapshot, Wanted
    from reconcilers.tally import RunResult
    from reconcilers.watermark import Watermark
    from reconcilers.workspace import Workspace

CONTRACT = """\
entity: thing
version: 1
team: t
owner: {service: owner, dataset: owner/things}
key: [id]
fields:
  id: {type: int}
  name: {type: text}
replicas:
  - {service: copy, dataset: copy/things, lag_bound: 1s}
"""


@dataclass(slots=True)
class Night:
    """Settings and a contract in a directory, and what happens while they are audited.

    Attributes:
        before_load: Called before anything is read, with the dataset and what it is read for: `scan`, `fetch`,
            `scan again` and `fetch again` in a recheck.
        workspace: Of the settings.
        contract: What in the contract is replaced, and by what.
        said: What the run told people.
    """

    directory: Path
    owner: str
    copy: str
    workspace: dict[str, Any] = field(default_factory=dict)
    contract: tuple[str, str] = ("", "")
    before_load: Callable[[str, str], object] = lambda _dataset, _what: None
    said: list[str] = field(default_factory=list)
    wiring: Wiring = field(init=False)

    def __post_init__(self) -> None:
        contracts = self.directory / "contracts"
        contracts.mkdir(exist_ok=True)
        (contracts / "thing.yaml").write_text(CONTRACT.replace(*self.contract) if self.contract[0] else CONTRACT)
        self.settings.write_text(
            f"version: 1\ncontracts: contracts\nconnections:\n  owner: {self.owner}\n  copy: {self.copy}\n"
            f"workspace: {json.dumps(self.workspace)}\n"
        )
        self.wiring = Wiring(load_settings(self.settings, {}))

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.directory / "auditor.yaml"

    def run(self, clock: Clock | None = None, **request: Any) -> RunResult:
        """The nightly job, in this process."""
        asked = ReconcileRequest(**{"recheck_after": timedelta(0), **request})
        contracts = self.wiring.catalog().contracts
        self.said += self.wiring.expect(contracts.values(), contracts)
        with self.wiring.workspace() as workspace:
            around = Surroundings(
                contracts,
                self._making(self.wiring.scanner, ""),
                workspace,
                clock or SystemClock(),
                self.said.append,
                confirmer=self._making(self.wiring.confirmer, " again"),
                loads=self.wiring.loads,
                windows=self.wiring.windows,
            )
            return reconcile(asked, around, "run")

    def _making(self, make: Callable[[Reference], Reader], suffix: str) -> Callable[[Reference], Reader]:
        return lambda reference: Disturbed(make(reference), self, suffix)


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A reader with somebody beside it."""

    reader: Reader
    night: Night
    suffix: str

    @property
    def dataset(self) -> str:
        """See `reconcilers.ports.Reader`."""
        return self.reader.dataset

    def shape(self) -> Shape:
        """See `reconcilers.ports.Reader`."""
        return self.reader.shape()

    @contextmanager
    def snapshot(self, workspace: Workspace) -> Iterator[Snapshot]:
        """See `reconcilers.ports.Reader`."""
        with self.reader.snapshot(workspace) as snapshot:
            yield DisturbedSnapshot(snapshot, self)

    @contextmanager
    def shaped_snapshot(self, workspace: Workspace) -> Iterator[tuple[Snapshot, Shape]]:
        """See `reconcilers.ports.ShapedReader`."""
        with shaped_snapshot(self.reader, workspace) as (snapshot, shape):
            yield DisturbedSnapshot(snapshot, self), shape

    def dry_run(self, wanted: Sequence[Wanted]) -> str:
        """See `reconcilers.ports.Reader`."""
        return self.reader.dry_run(wanted)


@dataclass(frozen=True, slots=True)
class DisturbedSnapshot:
    """A snapshot with somebody beside it."""

    snapshot: Snapshot
    reader: Disturbed

    @property
    def watermark(self) -> Watermark:
        """See `reconcilers.ports.Snapshot`."""
        return self.snapshot.watermark

    def scan(self, wanted: Sequence[Wanted]) -> RawRelation:
        """See `reconcilers.ports.Snapshot`."""
        return self.snapshot.scan(wanted)

    def lookup(self, wanted: Sequence[Wanted], keys: Keys) -> RawRelation:
        """See `reconcilers.ports.Snapshot`."""
        return self.snapshot.lookup(wanted, keys)

    def load(self, sql: str, table: str) -> int:
        """See `reconcilers.ports.Snapshot`."""
        what = "fetch" if "rows_" in table else "scan"
        self.reader.night.before_load(self.reader.dataset, what + self.reader.suffix)
        return self.snapshot.load(sql, table)

    def nan_keys(self, wanted: Sequence[Wanted], keys: Sequence[Wanted]) -> RawRelation | None:
        """See `reconcilers.ports.Snapshot`."""
        return self.snapshot.nan_keys(wanted, keys)

    def incomplete(self) -> str:
        """See `reconcilers.ports.Snapshot`."""
        return self.snapshot.incomplete()


def settings_of(url: str, **more: Any) -> str:
    """A connection as settings write it; YAML has JSON in it."""
    return json.dumps({"url": url, **more})


def things(*names: str) -> str:
    """INSERT of rows 1, 2, … with these names, as every SQL store takes it."""
    rows = ", ".join(f"({number}, '{name}')" for number, name in enumerate(names, 1))
    return f"INSERT INTO things VALUES {rows}"


CREATE = "CREATE TABLE things (id int PRIMARY KEY, name varchar(100))"
