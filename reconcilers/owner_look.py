"""The owner's own look: its rows, its keys, its broken rules, and its references to nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from contracts.errors import AuditorError, StoreError, UsageError
from reconcilers import row_keys
from reconcilers.batch_table import batch_table
from reconcilers.canonical import canonical
from reconcilers.doubts import absence_in_doubt, doubtful_fields, key_in_doubt, rule_doubt
from reconcilers.fetch import fetch_side, spelled_keys
from reconcilers.invariants import issue_findings, issue_rows, reference_findings
from reconcilers.key_checks import key_sights
from reconcilers.perseverance import Perseverance
from reconcilers.ports import PartlyKnown
from reconcilers.projection import key_sql, owner_items
from reconcilers.recheck import Sign
from reconcilers.sight import Sight, owner_digest
from reconcilers.uncounted import uncertain, uncounted_at_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from contracts.contract import Contract
    from contracts.logical_types import LogicalType
    from reconcilers.finding import Finding
    from reconcilers.opened import Projected
    from reconcilers.ports import RawRelation, Reader
    from reconcilers.sight import EntityLook
    from reconcilers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class OwnerLook:
    """Looks at the owner alone, whatever its replicas hold.

    Attributes:
        referenced: Readers of the owners that this entity refers to, by entity, each with its contract.
        prefix: Begins the names of tables.
        brought: Entity to the table of its owner's keys, where an earlier segment has brought them.
    """

    workspace: Workspace
    cursor: duckdb.DuckDBPyConnection
    contract: Contract
    referenced: Mapping[str, tuple[Contract, Reader] | AuditorError]
    prefix: str
    brought: dict[str, str] = field(default_factory=dict)

    def look(self, owner: Projected, result: EntityLook) -> None:
        """Count the owner's rows and name what is wrong with them."""
        result.owner_rows = row_keys.count_live(self.cursor, owner.table, owner.projection)
        uncounted = uncounted_at_owner(self.cursor, self.contract, owner)
        result.owner_sights += uncertain(key_sights(self.cursor, self.contract, owner, None), uncounted)
        if owner.projection.issues:
            result.owner_sights += uncertain(self._issues(owner), uncounted)
        for name, entity in self.contract.references().items():
            result.owner_sights += uncertain(self._look_at_reference(owner, name, entity, result), uncounted)

    def _issues(self, owner: Projected) -> Iterator[Sight]:
        """Fetch the rows that the scan flagged and say what is wrong with each."""
        condition = (
            f"issue AND {row_keys.live(owner.projection)}"
            f"{row_keys.without_duplicates(self.cursor, owner.table, owner.projection)}"
        )
        doubtful = doubtful_fields(owner.opened, self.contract)
        for batch in spelled_keys(self.cursor, self.contract, owner, condition):
            table = batch_table(f"{owner.table}_issues")
            owner.opened.bring(issue_rows(self.contract, fetch_side(self.contract, owner.opened, batch)), table)
            wanted = {key for key, _ in batch}
            found = issue_findings(self.cursor, self.contract, table)
            yield from (_sight(finding, rule_doubt(finding, doubtful)) for finding in found if finding.key in wanted)

    def _look_at_reference(self, owner: Projected, name: str, entity: str, result: EntityLook) -> Iterator[Sight]:
        known = self.brought.get(entity)
        if known is not None and next(self._broken(owner, name, known), None) is None:
            return  # what is broken is looked at beside the keys of now: a key may have come since
        tries = Perseverance(self.workspace.halt, lambda error: result.again.append(f"{entity}: {error.message}"))
        try:
            referenced = tries.run(lambda: self._bring_referenced(entity))
        except (StoreError, UsageError) as error:
            result.notes.append(f"references of {name} to {entity} were not checked: {error}")
            return
        self.brought[entity] = referenced.table
        for finding, is_doubted in self._broken(owner, name, referenced.table):
            sight = _sight(finding, referenced.doubt if is_doubted else referenced.absence)
            yield replace(sight, sign=_needed(referenced.sign, owner))

    def _broken(self, owner: Projected, name: str, table: str) -> Iterator[tuple[Finding, bool]]:
        return reference_findings(self.cursor, self.contract, owner.table, owner.projection, name, table)

    def _bring_referenced(self, entity: str) -> _Referenced:
        """The keys that the referenced entity's owner holds now."""
        found = self.referenced.get(entity)
        if found is None:
            raise StoreError(f"nobody was named who owns {entity}")
        if isinstance(found, AuditorError):
            raise found
        contract, reader = found
        table = f"{self.prefix}referenced_{entity}"
        item = next(item for item in owner_items(contract) if item.name == contract.key[0])
        logical = contract.fields[item.name].type
        with reader.snapshot(self.workspace) as snapshot:
            snapshot.load(_keys_sql(logical, snapshot.scan([item.wanted]), is_doubted=False), table)
            mark = snapshot.watermark
            sign = None if mark.heard is None else Sign(mark.heard, mark.told, beats=mark.beats)
            if not isinstance(snapshot, PartlyKnown):
                return _Referenced(table, sign=sign)
            if (doubted := snapshot.doubted([item.wanted])) is not None:
                snapshot.load(_keys_sql(logical, doubted, is_doubted=True), f"{table}_doubted")
                self.cursor.execute(f'INSERT INTO "{table}" SELECT * FROM "{table}_doubted"')
            lacking = snapshot.absence_unknown() or snapshot.incomplete()
            absence = absence_in_doubt(entity, lacking) if lacking else ""
            doubt = key_in_doubt(entity, snapshot.doubt()) if doubted is not None else ""
            return _Referenced(table, absence, doubt, sign)


@dataclass(frozen=True, slots=True)
class _Referenced:
    """The keys of a referenced entity's owner.

    Attributes:
        table: See `reconcilers.invariants.reference_findings`.
        absence: Why a key that is not among them may be there; empty where it is not.
        doubt: Why it is not known whether the keys that are doubted are there.
        sign: Up to when they are known, where that is not when they were read.
    """

    table: str
    absence: str = ""
    doubt: str = ""
    sign: Sign | None = None


def _needed(sign: Sign | None, owner: Projected) -> Sign | None:
    """A sign of life of the referenced owner's connector; not where the referring rows are known up to no later."""
    own = owner.opened.snapshot.watermark
    if sign is None or (own.heard is not None and (own.heard <= sign.heard or own.told == sign.told)):
        return None
    return sign


def _keys_sql(logical: LogicalType, relation: RawRelation, *, is_doubted: bool) -> str:
    key = key_sql(logical, canonical(logical, relation.columns[0]))
    return f"SELECT DISTINCT {key} AS k0, {str(is_doubted).lower()} AS doubted FROM {relation.sql}"


def _sight(finding: Finding, doubt: str = "") -> Sight:
    return Sight(finding, owner_digest(finding.fields), "", doubt=doubt)
