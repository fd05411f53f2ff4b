"""One replica's look: its rows beside the owner's, and each difference by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconcilers import rows
from reconcilers.batch_table import batch_table
from reconcilers.creation import at_creation, judged, unread
from reconcilers.doubts import doubts
from reconcilers.fetch import fetch_side
from reconcilers.finding import Cause, Divergence, Finding, Verdict
from reconcilers.key_checks import key_sights
from reconcilers.marks import copies_mark, mark_field
from reconcilers.projection import compared_fields, live_filter
from reconcilers.recheck import PRESENT
from reconcilers.redaction import judgeable
from reconcilers.row_stage import UNKNOWN, Fetched, differences, row_stage, texts_of
from reconcilers.sight import Sight, owner_digest, replica_digest, text_digest
from reconcilers.uncounted import uncertain

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    import duckdb

    from contracts.contract import Contract, Replica
    from reconcilers.doubts import Doubts
    from reconcilers.fetch import SpelledKey
    from reconcilers.finding import FieldDifference, KeyText
    from reconcilers.opened import Projected
    from reconcilers.passage import Passage
    from reconcilers.recheck import Mark
    from reconcilers.sight import ReplicaLook
    from reconcilers.testimony import Testimony


_ORPHAN_CAUSES = {"deleted": Cause.MISSED_DELETE}
"""What the owner's own row says of an orphan; where there is none, only its history could tell, nor does a row that is
out of scope say by itself that it ever was within."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Candidates whose rows have been fetched."""

    candidates: Sequence[rows.Candidate]
    owner: Fetched
    copy: Fetched


@dataclass(frozen=True, slots=True)
class PairLook:
    """Looks at one replica beside its owner, both scanned, the owner's keys checked.

    Attributes:
        constants: SQL literal of the constant of each redacted field; of one that is not named it is not known.
        witness: What the owner's change stream says.
        passage: What follows where the replica is that stream itself.
        unredacted: See `reconcilers.look.Looker`.
    """

    cursor: duckdb.DuckDBPyConnection
    contract: Contract
    replica: Replica
    owner: Projected
    copy: Projected
    constants: Mapping[str, str]
    witness: Testimony
    passage: Passage
    unredacted: Container[str] = ()

    def look(self, seen: ReplicaLook) -> None:
        """Check the replica's keys, join it with its owner, and name what differs.

        Raises:
            StoreError: Rows could not be fetched.
        """
        open_questions = doubts(self.cursor, self.contract, self.replica, (self.owner, self.copy))
        keys = key_sights(self.cursor, self.contract, self.copy, self.replica.name, self.owner)
        seen.sights += uncertain(keys, open_questions.uncounted)
        differing = self._differing(seen, open_questions)
        certain = _in_doubt(self.contract, self.replica, differing, open_questions)
        told = self.witness.about(self.replica, self.owner, self.copy, certain)
        seen.sights += self.passage.about(self.replica, self.owner, self.copy, told)
        seen.sights += self._unseen(seen, open_questions)

    def _unseen(self, seen: ReplicaLook, open_questions: Doubts) -> Iterator[Sight]:
        """Keys in doubt under which nothing differs."""
        left = dict.fromkeys((*open_questions.keys, *open_questions.paired))
        for sight in seen.sights if left else ():
            left.pop(sight.finding.key or (), None)
        for key in left:
            why = open_questions.of(key)
            yield self._unknown(key, why) if key in open_questions.keys else self._uncounted(key, why)

    def _differing(self, seen: ReplicaLook, open_questions: Doubts) -> Iterator[Sight]:
        """Join the two sides and look at what differs."""
        table = f"{self.copy.table}_diff"
        seen.counts = rows.compare(self.cursor, self._pair, table)
        fetched: _Batch | None = None
        with ThreadPoolExecutor(1) as pool:
            for number, batch in enumerate(rows.candidates(self.cursor, self._pair, table)):
                yield from self._missing([candidate for candidate in batch if candidate.kind == "missing"])
                yield from self._orphans([candidate for candidate in batch if candidate.kind == "orphan"])
                differing = [candidate for candidate in batch if candidate.kind == "mismatch"]
                fetching = pool.submit(self._fetch, differing, number % 2)
                yield from self._mismatches(fetched, seen, open_questions)  # while the stores send the next rows
                wait((fetching,))  # within the block: see `Looker`
                fetched = fetching.result()
        yield from self._mismatches(fetched, seen, open_questions)

    def _unknown(self, key: KeyText, why: str) -> Sight:
        """A key of which one side knows nothing, and which the other does not have either."""
        return Sight(self._finding(key, Divergence.MISMATCH), "absent", "absent", doubt=why)

    def _uncounted(self, key: KeyText, why: str) -> Sight:
        """A key that is the same on both sides, if it is to be compared at all."""
        return Sight(self._finding(key, Divergence.MISMATCH), PRESENT, PRESENT, doubt=why)

    @property
    def _pair(self) -> rows.Pair:
        return rows.Pair(
            self.contract,
            self.replica,
            self.owner.table,
            self.owner.projection,
            self.copy.table,
            self.copy.projection,
            self.constants,
        )

    def _missing(self, candidates: Sequence[rows.Candidate]) -> Iterator[Sight]:
        marks = self._marks_of(candidates)
        for candidate in candidates:
            mark = marks.get(candidate.key)
            finding = self._finding(candidate.key, Divergence.MISSING)
            yield Sight(finding, candidate.owner_digest or PRESENT, "absent", mark, None, self._age(mark))

    def _marks_of(self, candidates: Sequence[rows.Candidate]) -> Mapping[KeyText, Mark]:
        """The owner's versions of rows that are not fetched otherwise."""
        field = mark_field(self.contract)
        if field is None or not candidates:
            return {}
        keys = [(candidate.key, candidate.owner_spelling) for candidate in candidates]
        names = {field.name, *self.contract.key}
        items = [item for item in self.owner.opened.items if item.name in names]
        fetched = fetch_side(self.contract, self.owner.opened, keys, items)
        table = batch_table(f"{self.copy.table}_owner_marks")
        self.owner.opened.bring(row_stage(self.contract, fetched, (), extra=[field.column(fetched)]), table)
        return field.of_rows(self.cursor, self.contract, table)

    def _orphans(self, candidates: Sequence[rows.Candidate]) -> Iterator[Sight]:
        for candidate in candidates:
            state = candidate.owner_state or "absent"
            finding = self._finding(candidate.key, Divergence.ORPHAN, cause=_ORPHAN_CAUSES.get(state, Cause.UNKNOWN))
            yield Sight(finding, state, candidate.replica_digest or PRESENT)

    def _mismatches(self, batch: _Batch | None, seen: ReplicaLook, open_questions: Doubts) -> Iterator[Sight]:
        """The row stage: both rows of each candidate compared field by field."""
        if batch is None:
            return
        candidates, owner, copy = batch.candidates, batch.owner, batch.copy
        found = self._once_held(batch, seen, open_questions)
        marks, copied = self._marks(owner, None), self._marks(copy, self.replica)
        fields = compared_fields(self.contract, self.replica)
        tolerated = [f"t{i}" for i, compared in enumerate(fields) if compared.within]
        left, right = (texts_of(self.cursor, self.contract, side.table, tolerated) for side in (owner, copy))
        for candidate in candidates:
            if differing := found.get(candidate.key):
                mark = marks.get(candidate.key)
                yield Sight(
                    self._finding(candidate.key, Divergence.MISMATCH, differing),
                    _digest(candidate.owner_digest, left.get(candidate.key)) or owner_digest(differing),
                    _digest(candidate.replica_digest, right.get(candidate.key)) or replica_digest(differing),
                    mark,
                    copied.get(candidate.key),
                    self._age(mark),
                )

    def _once_held(
        self, batch: _Batch, seen: ReplicaLook, open_questions: Doubts
    ) -> Mapping[KeyText, tuple[FieldDifference, ...]]:
        """What differs field by field, without what is as the owner once held it where that is enough."""
        sides = (batch.owner, batch.copy)
        found = differences(self.cursor, self.contract, self.replica, sides, self.constants, open_questions.disguise)
        found = {key: judgeable(fields, told=self._is_unredacted(key)) for key, fields in found.items()}
        names = at_creation(self.replica)
        wanted = {key for key, fields in found.items() if any(one.name in names for one in fields)}
        if not wanted:
            return found
        keys = [(one.key, one.owner_spelling) for one in batch.candidates if one.key in wanted]
        held = self.witness.once_held(self.replica, self.owner, batch.copy, keys)
        if self.witness.failed:
            return unread(found, names)
        told = judged(found, names, held)
        seen.unremembered.update(told.unknown)
        return told.differing

    def _is_unredacted(self, key: KeyText) -> bool:
        return self._finding(key, Divergence.MISMATCH).identity in self.unredacted

    def _marks(self, side: Fetched, replica: Replica | None) -> Mapping[KeyText, Mark]:
        """The versions that fetched rows hold."""
        field = mark_field(self.contract) if replica is None else copies_mark(self.contract, replica)
        return {} if field is None else field.of_rows(self.cursor, self.contract, side.table)

    def _age(self, mark: Mark) -> float | None:
        field = mark_field(self.contract) if mark is not None else None
        return None if field is None else field.age(mark, self.owner.opened.snapshot.watermark.store_time)

    def _fetch(self, candidates: Sequence[rows.Candidate], turn: int) -> _Batch | None:
        """Both sides' full rows, read at the same time, into the tables of this turn."""
        if not candidates:
            return None
        owner, owner_sql = self._staged(self.owner, None, [(c.key, c.owner_spelling) for c in candidates], turn)
        spelled = [(c.key, c.replica_spelling) for c in candidates]
        copy, copy_sql = self._staged(self.copy, self.replica, spelled, turn)
        with ThreadPoolExecutor(2) as pool:
            left = pool.submit(self.owner.opened.bring, owner_sql, owner.table)
            right = pool.submit(self.copy.opened.bring, copy_sql, copy.table)
            wait((left, right))  # within the block: see `Looker`
        left.result()
        right.result()
        return _Batch(candidates, owner, copy)

    def _staged(
        self, side: Projected, replica: Replica | None, keys: Sequence[SpelledKey], turn: int
    ) -> tuple[Fetched, str]:
        """Where one side's rows will be, and the SELECT that brings them there."""
        names = [compared.name for compared in compared_fields(self.contract, self.replica)]
        fetched = fetch_side(self.contract, side.opened, keys)
        field = mark_field(self.contract) if replica is None else copies_mark(self.contract, replica)
        extra = [] if field is None else [field.column(fetched)]
        sql = row_stage(self.contract, fetched, names, live_filter(self.contract, replica, fetched), extra)
        name = f"{self.copy.table}_{'owner_rows' if replica is None else 'rows'}_{turn}"
        return Fetched(batch_table(name), fetched), sql

    def _finding(
        self,
        key: KeyText,
        divergence: Divergence,
        fields: tuple[FieldDifference, ...] = (),
        cause: Cause = Cause.UNKNOWN,
    ) -> Finding:
        entity, replica = self.contract.entity, self.replica.name
        return Finding(entity, replica, key, divergence, Verdict.SUSPECT, cause=cause, fields=fields)


def _in_doubt(contract: Contract, replica: Replica, sights: Iterable[Sight], open_questions: Doubts) -> Iterator[Sight]:
    """The same divergences, with those named of which it is not known whether there is one."""
    for sight in sights:
        finding = sight.finding
        if finding.divergence is Divergence.MISMATCH:
            fields = tuple(open_questions.excused(contract, replica, one) for one in finding.fields)
            unknown = all(one.note.startswith(UNKNOWN) for one in fields)
            doubt = open_questions.of(finding.key) or (fields[0].note if unknown and fields else "")
            finding = finding if fields == finding.fields else replace(finding, fields=fields)
        else:
            doubt = open_questions.of_absence(finding.key, at_owner=finding.divergence is Divergence.ORPHAN)
        yield sight if not doubt and finding is sight.finding else replace(sight, finding=finding, doubt=doubt)


def _digest(row_hash: str, tolerated: tuple[str | None, ...] | None) -> str:
    """A row's hash, and beside it what it leaves out: fields compared with a tolerance change, too."""
    return f"{row_hash}/{text_digest(tolerated)}" if row_hash and tolerated else row_hash
