"""What a run has looked at already, kept beside its workspace until the run is over.

A run that is killed leaves the first looks that it had finished; `audit reconcile --resume` takes them as they are and
looks at the rest.  The looks are those of the killed run, with its moments: what was suspect then is judged now.  Of an
entity in segments, each segment's look is kept, and where it was cut.

What is kept are rows' values in plain text.  So of an entity with a sensitive field, only looks are kept that found
nothing; the others are had again.  So are those at which a replica could not be read, and all of an entity whose
contract has changed since.

```
<workspace directory>/checkpoints/<run id>/run.json              what the run was asked, and when it began
<workspace directory>/checkpoints/<run id>/<entity>.jsonl        one line for the look, one for each of its sights
<workspace directory>/checkpoints/<run id>/<entity>.division.json  where an entity in segments is cut
<workspace directory>/checkpoints/<run id>/<entity>.<n>.jsonl    the same of its n-th segment, from 0 on
```
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from contracts.errors import UsageError, WorkspaceError
from reconcilers.frequent import Frequent
from reconcilers.packing import packed_sight, sight_of
from reconcilers.private_directory import make_private_directory
from reconcilers.rows import Counts
from reconcilers.segments import Division
from reconcilers.sight import EntityLook, ReplicaLook
from reconcilers.spill import Overflow
from reconcilers.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from auditor.clock import Clock
    from contracts.contract import Contract

KEPT_DAYS = 7
"""How long a killed run can be resumed; older looks say little, and their files are taken away."""

LAST = "last"
_RUN = "run.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished look, and what the looker had learned by it; `number` is its segment's, where there are segments."""

    look: EntityLook
    wall: datetime
    constants: Mapping[str, Mapping[str, str]]
    number: int = 0


class Checkpoints:
    """The finished looks of one run.

    Args:
        directory: Of this run; made with the first look.
        asked: A digest of what the run was asked.
        started_at: When it began.
        clock: Its own moments are told by it.
    """

    def __init__(self, directory: Path, asked: str, started_at: datetime, clock: Clock) -> None:
        self.directory = directory
        self.asked = asked
        self.started_at = started_at
        self._clock = clock

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.directory.name

    @classmethod
    def begun(cls, parent: Path, run_id: str, asked: str, clock: Clock) -> Self:
        """Those of a new run; what killed runs left long ago is taken away."""
        for old in _place(parent).glob("*/"):  # one that was killed while it was made has no `run.json` yet
            if clock.now().timestamp() - old.stat().st_mtime > timedelta(days=KEPT_DAYS).total_seconds():
                shutil.rmtree(old, ignore_errors=True)
        return cls(_place(parent) / run_id, asked, clock.now(), clock)

    @classmethod
    def found(cls, parent: Path, reference: str, asked: str, clock: Clock) -> Self:
        """Those of a run that was killed.

        Args:
            parent: The workspace directory.
            reference: A run, or `last`.
            asked: As that run must have been asked.
            clock: Of this run.

        Raises:
            UsageError: There is no such run, or it was asked something else.
        """
        runs = sorted(_runs(parent), key=lambda path: path.name)
        chosen = [path for path in runs if path.name == reference] if reference != LAST else runs[-1:]
        if not chosen:
            told = ", ".join(path.name for path in runs) or "none"
            raise UsageError(
                f"--resume {reference}: there is no such run to go on with below {parent}; found: {told}",
                hint="a run that has come to its end is in `audit runs`; start a new one with `audit reconcile`",
            )
        run = _loaded(chosen[0] / _RUN)
        if run["asked"] != asked:
            raise UsageError(
                f"--resume {reference}: run {chosen[0].name} was asked something else, or under other settings",
                hint="give the same entities and options as then, or start a new run",
            )
        return cls(chosen[0], asked, datetime.fromisoformat(run["started_at"]), clock)

    def keep(
        self,
        contract: Contract,
        look: EntityLook,
        constants: Mapping[str, Mapping[str, str]],
        segment: int | None = None,
    ) -> None:
        """Write a finished look down, whole or not at all.

        Raises:
            WorkspaceError: There is no room, or no right to write.
        """
        if any(replica.error for replica in look.replicas.values()) or not _may_be_kept(contract, look, constants):
            return
        self._write(self._file(contract, segment), self._lines(contract, look, constants))

    def keep_division(self, contract: Contract, division: Division) -> None:
        """Write down where an entity is cut.

        Raises:
            WorkspaceError: There is no room, or no right to write.
        """
        if contract.fields[contract.key[0]].sensitive:
            return
        document = asdict(division) | {"contract": contract_digest(contract), "narrow": sorted(division.narrow)}
        self._write(self._division_file(contract), [json.dumps(document)])

    def division(self, contract: Contract) -> Division | None:
        """Where an entity was cut; None where that is not known."""
        file = self._division_file(contract)
        if not file.exists():
            return None
        found = _loaded(file)
        if found["contract"] != contract_digest(contract):
            self.drop(contract)
            return None
        return Division(tuple(found["bounds"]), frozenset(found["narrow"]), found["remark"])

    def drop(self, contract: Contract) -> None:
        """Forget what was kept of an entity."""
        for file in self.directory.glob(f"{_stem(contract)}.*"):
            file.unlink(missing_ok=True)

    def _write(self, file: Path, lines: Iterable[str]) -> None:
        try:
            if not self.directory.exists():
                make_private_directory(self.directory)
                begun = {"asked": self.asked, "started_at": self.started_at.isoformat()}
                _written(self.directory / _RUN, [json.dumps(begun)])
            _written(file, lines)
        except OSError as error:
            raise WorkspaceError(
                f"keeping what was looked at in {self.directory} failed: {error.strerror or error}",
                hint="give workspace.directory room, or name another one",
            ) from error

    def _lines(self, contract: Contract, look: EntityLook, constants: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        head = {
            "contract": contract_digest(contract),
            "wall": self._clock.now().isoformat(),
            "monotonic": self._clock.monotonic(),
            "constants": {name: dict(values) for name, values in constants.items()},
            "owner": {
                "owner_rows": look.owner_rows, "notes": look.notes, "again": look.again,
                "read_until": look.read_until, "watermark": _watermark_document(look.watermark),
                "until": _watermark_document(look.until), "remarks": look.remarks,
                "not_understood": look.not_understood,
            },
            "replicas": {name: _replica_document(replica) for name, replica in look.replicas.items()},
        }  # fmt: skip
        yield json.dumps(head)
        yield from (json.dumps([None, packed_sight(sight)]) for sight in look.owner_sights)
        for name, replica in look.replicas.items():
            yield from (json.dumps([name, packed_sight(sight)]) for sight in replica.sights)

    def kept(self, contract: Contract, segment: int | None = None, *, overflow: Overflow | None = None) -> Kept | None:
        """A look that was finished before; None where there is none that still holds.

        Args:
            contract: The entity's.
            segment: Its number, where there are segments.
            overflow: Where its sights are kept: there may be a million of them.
        """
        file = self._file(contract, segment)
        if not file.exists():
            return None
        with file.open(encoding="utf-8") as lines:
            head = json.loads(next(lines))
            if head["contract"] != contract_digest(contract):
                return None
            wall = datetime.fromisoformat(head["wall"])
            # Between two processes only the wall clock tells how long it was; one that went back tells nothing.
            ago = max((self._clock.now() - wall).total_seconds(), 0.0)
            shift = self._clock.monotonic() - ago - head["monotonic"]
            look = _look(head, shift, overflow or Overflow(None))
            for line in lines:
                replica, sight = json.loads(line)
                sights = look.owner_sights if replica is None else look.replicas[replica].sights
                sights.append(sight_of(sight))
        return Kept(look, wall, head["constants"], segment or 0)

    def forget(self) -> None:
        """The run is over."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _file(self, contract: Contract, segment: int | None) -> Path:
        return self.directory / f"{_stem(contract)}{'' if segment is None else f'.{segment}'}.jsonl"

    def _division_file(self, contract: Contract) -> Path:
        return self.directory / f"{_stem(contract)}.division.json"


def _stem(contract: Contract) -> str:
    return hashlib.sha256(contract.entity.encode()).hexdigest()[:16]  # an entity may be called anything


def _may_be_kept(contract: Contract, look: EntityLook, constants: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether there is nothing sensitive in it: a look that found nothing holds no values."""
    if not any(field.sensitive for field in contract.fields.values()):
        return True
    seen = look.replicas.values()
    values = look.owner_sights or any(replica.sights or replica.frequent for replica in seen) or any(constants.values())
    return not values


def contract_digest(contract: Contract) -> str:
    """Changes with everything that a contract says."""
    return hashlib.sha256(repr(contract).encode()).hexdigest()


def _place(parent: Path) -> Path:
    return parent / "checkpoints"


def _runs(parent: Path) -> list[Path]:
    """The directories of runs that were killed."""
    return [run.parent for run in _place(parent).glob(f"*/{_RUN}")]


def _loaded(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def _written(file: Path, lines: Iterable[str]) -> None:
    """A file that is there whole or not at all, for its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _watermark_document(mark: Watermark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    store_time = None if mark.store_time is None else mark.store_time.isoformat()
    return asdict(mark) | {"read_at": mark.read_at.isoformat(), "store_time": store_time}


def _replica_document(look: ReplicaLook) -> dict[str, Any]:
    return {
        "counts": None if look.counts is None else asdict(look.counts), "notes": look.notes, "again": look.again,
        "watermark": _watermark_document(look.watermark), "until": _watermark_document(look.until),
        "frequent": {name: asdict(texts) for name, texts in look.frequent.items()},
        "unremembered": look.unremembered,
    }  # fmt: skip


def _look(head: Mapping[str, Any], shift: float, overflow: Overflow) -> EntityLook:
    owner = head["owner"]
    look = EntityLook(
        owner_rows=owner["owner_rows"], notes=owner["notes"], again=owner["again"],
        owner_sights=overflow.spill(packed_sight, sight_of),
        watermark=_watermark(owner["watermark"], shift), read_until=owner["read_until"] + shift,
        until=_watermark(owner["until"], shift), remarks=owner["remarks"],
        not_understood=owner["not_understood"],
    )  # fmt: skip
    for name, replica in head["replicas"].items():
        counts = None if replica["counts"] is None else Counts(**replica["counts"])
        look.replicas[name] = ReplicaLook(
            counts, overflow.spill(packed_sight, sight_of),
            watermark=_watermark(replica["watermark"], shift), notes=replica["notes"], again=replica["again"],
            until=_watermark(replica["until"], shift),
            frequent={field: Frequent(**texts) for field, texts in replica["frequent"].items()},
            unremembered=Counter(replica.get("unremembered", {})),
        )  # fmt: skip
    return look


def _watermark(document: Mapping[str, Any] | None, shift: float) -> Watermark | None:
    if document is None:
        return None
    fields = dict(document)
    fields["monotonic"] += shift
    for name in ("taken_by", "heard"):
        if fields[name] is not None:
            fields[name] += shift
    fields["read_at"] = datetime.fromisoformat(fields["read_at"]).astimezone(UTC)
    if fields["store_time"] is not None:
        fields["store_time"] = datetime.fromisoformat(fields["store_time"])
    return Watermark(**fields)
