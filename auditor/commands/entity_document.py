"""What `audit entity` shows, as data: masked, with what the ledger knows, and with suggestions in words."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from auditor.reports.document import instant_text
from auditor.runs.entity import Known, add_known, compared_with_owner, row_texts
from contracts.durations import duration_text
from contracts.errors import LedgerError
from reconcilers.finding import Cause, Divergence, finding_identity
from reconcilers.recheck import LACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from auditor.masking import Masker
    from auditor.reports.entity import EntityDocument, EntityFieldDocument, EntityOwnerDocument, EntityReplicaDocument
    from auditor.runs.entity import EntitySight, ReplicaSight
    from auditor.wiring import Wiring
    from contracts.contract import Contract
    from reconcilers.finding import KeyText

MASK_KEY_BYTES = 32


class Documents:
    """Makes the documents of one row.

    Args:
        wiring: For the ledger and its key.
        contract: The entity's.
        key: Canonical text.
    """

    def __init__(self, wiring: Wiring, contract: Contract, key: KeyText) -> None:
        self._wiring = wiring
        self._contract = contract
        self._masker = _masker(wiring, contract)
        self._key = self._masker.key(contract.entity, key)

    def of(self, sight: EntitySight) -> EntityDocument:
        """The document of one look."""
        add_known(sight, self._known)
        document: EntityDocument = {
            "entity": self._contract.entity,
            "key": dict(self._key),
            "owner": self._owner(sight),
            "replicas": [self._replica(sight, replica) for replica in sight.replicas],
            "changes": [self._masker.row(self._contract.entity, change) for change in sight.feed.changes],
            "suggestions": list(suggestions(sight)),
            "read_at": instant_text(sight.read_at),
        }
        if remarks := list(_remarks(sight)):
            document["remarks"] = remarks
        return document

    def _known(self, replica: str, divergence: str) -> Known | None:
        from auditor.ledger.glance import glimpse

        url = self._wiring.settings.ledger.url_with_password()
        identity = finding_identity(self._contract.entity, replica, self._key, Divergence(divergence), None)
        found = glimpse(url, identity)
        if found is None:
            return None
        changes = found.evidence.get("changes") or ()
        lacks = tuple((one["partition"], one["offset"]) for one in changes if one.get("replica") == LACKS)
        proof = str(found.evidence.get("proof") or "")
        return Known(identity, divergence, found.verdict, found.cause, found.first_seen, proof, lacks, found.fields)

    def _owner(self, sight: EntitySight) -> EntityOwnerDocument:
        texts = row_texts(sight.owner, sight.key)
        watermark = sight.owner.watermark
        document: EntityOwnerDocument = {
            "state": sight.owner_state,
            "row": None if texts is None else self._masker.row(self._contract.entity, texts),
            "watermark": "" if watermark is None else watermark.display or watermark.position,
            "dataset": str(self._contract.owner.reference),
        }
        if sight.owner.error:
            document["error"] = sight.owner.error
        return document

    def _replica(self, sight: EntitySight, replica: ReplicaSight) -> EntityReplicaDocument:
        texts = row_texts(replica.answer, sight.key)
        watermark = replica.answer.watermark
        known = replica.known
        document: EntityReplicaDocument = {
            "replica": replica.replica.name,
            "state": replica.state,
            "row": None if texts is None else self._masker.row(self._contract.entity, texts),
            "fields": self._fields(sight, replica),
            "verdict": _verdict(replica),
            "cause": (known.cause if known else "unknown") if replica.divergence else None,
            "dataset": str(replica.replica.reference or ""),
            "watermark": "" if watermark is None else watermark.display or watermark.position,
        }
        if replica.answer.error:
            document["error"] = replica.answer.error
        elif note := _note(replica):
            document["note"] = note
        return document

    def _fields(self, sight: EntitySight, replica: ReplicaSight) -> list[EntityFieldDocument]:
        owner, copy = sight.owner.row, replica.answer.row
        if owner is None or copy is None or not owner.live or not copy.live:
            return []
        entity, text = self._contract.entity, self._masker.text
        differing = {difference.name: difference.note for difference in replica.differences}
        fields: list[EntityFieldDocument] = []
        uncompared = owner.bad & compared_with_owner(replica.replica)
        for name in copy.fields:
            if name in uncompared:
                continue
            fields.append(
                {
                    "name": name,
                    "owner": text(entity, name, owner.texts[name]),
                    "replica": text(entity, name, copy.texts[name]),
                    "equal": name not in differing,
                }
            )
            if note := differing.get(name):
                fields[-1]["note"] = note
        return fields


def _masker(wiring: Wiring, contract: Contract) -> Masker:
    """Hides what is sensitive; without a ledger yet, under a key that is good for this look alone."""
    from auditor.masking import Masker

    key = wiring.settings.report.key()
    if key is None and any(declared.sensitive for declared in contract.fields.values()):
        key = _ledger_key(wiring)
    return Masker.for_contracts(key or secrets.token_bytes(MASK_KEY_BYTES), [contract])


def _ledger_key(wiring: Wiring) -> bytes | None:
    """The ledger's key, if there is a ledger; nothing is made for the sake of one look."""
    path = wiring.settings.ledger.url.path
    try:
        if path is not None:
            from auditor.ledger.hash_key import ledger_hash_key

            return ledger_hash_key(wiring.settings.ledger.url_with_password()) if path.exists() else None
        with wiring.ledger(read_only=True) as ledger:
            return ledger.hash_key()
    except LedgerError:
        return None


def _verdict(replica: ReplicaSight) -> str | None:
    if replica.state in ("in_flight", "undecided"):
        return replica.state
    if not replica.divergence:
        return None
    if replica.proof and (replica.known is None or replica.known.verdict != "accepted"):
        return "persistent"
    return replica.known.verdict if replica.known else "suspect"


def _note(replica: ReplicaSight) -> str:
    known = replica.known
    since = f"found {known.verdict} and open since {known.first_seen} (finding {known.finding_id})" if known else ""
    return "; ".join(part for part in (replica.note, since) if part)


def _remarks(sight: EntitySight) -> Iterator[str]:
    """That the owner's change stream, read beside its dataset, could not be read."""
    owner, feed = sight.contract.owner, sight.feed
    if owner.feed is None or owner.reference == owner.feed:
        return
    if feed.error:
        stream = f"{owner.feed.name}/{owner.feed.topic}"
        yield f"the change stream {stream} could not be read ({feed.error}): causes are told without it"


def suggestions(sight: EntitySight) -> Iterator[str]:
    """What to do next, a sentence each."""
    if not sight.known_somewhere:
        yield "no store knows this key: check it, and the entity"
    if sight.owner_state == "unreachable":
        yield "make the owner reachable: without it nothing can be said about its copies"
    if sight.owner.row is not None and sight.owner.row.bad:
        wrong = ", ".join(name for name in sight.contract.fields if name in sight.owner.row.bad)
        yield f"have {sight.contract.owner.service} correct {wrong}: its own row breaks its contract"
    for replica in sight.replicas:
        yield from _suggested(sight, replica)


def _suggested(sight: EntitySight, replica: ReplicaSight) -> Iterator[str]:
    name, owner = replica.replica.name, sight.contract.owner.service
    bound = duration_text(replica.replica.lag_bound)
    if replica.state == "unreachable":
        yield f"{name}: make it reachable, then look again"
    elif replica.state == "in_flight":
        yield f"{name}: look again when its lag bound of {bound} has passed"
    elif replica.divergence and replica.known is None and not replica.proof:
        yield f"{name}: look again after its lag bound of {bound}; if it still differs, it is drift"
    elif replica.divergence == "missing":
        yield f"{name}: have {owner} publish this row again; nothing suggests that it will still arrive"
    elif replica.divergence == "mismatch":
        fields = ", ".join(difference.name for difference in replica.differences)
        yield f"{name}: have {owner} publish this row again, or refresh {fields} there"
    elif replica.divergence == "orphan" and sight.owner_state == "present":
        yield f"{name}: have the row removed there: {owner} has it, and this replica is not to hold it"
    elif replica.divergence == "orphan" and replica.known and replica.known.cause == Cause.PHANTOM_WRITE:
        yield f"{name}: find out who wrote the row there, and remove it once {owner} confirms that it is not its own"
    elif replica.divergence == "orphan":
        yield f"{name}: have the delete published again, or remove the row there once {owner} confirms that it is gone"
    elif replica.divergence == "duplicate":
        yield f"{name}: find out which of the rows is meant, and why the key is not kept unique"
