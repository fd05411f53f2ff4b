"""What a report may show of a value.

Sensitive fields show a keyed hash, `sha256:` and 64 hex digits: the HMAC-SHA256, under the report's key, of the
canonical text in UTF-8.  Equal values have equal hashes, so a finding stays the same finding tomorrow, and an owner and
a replica that differ still visibly differ; without the key nobody can try out names or addresses.

Other values longer than 1 KiB of UTF-8 are cut to what fits into 1 KiB, then `…[2048 bytes, sha256:0123456789abcdef]`:
the whole length and the first 16 hex digits of the whole value's plain sha256, so that two long values that differ in
their last letter show different texts.

Masking happens once, before anything leaves the process: masking what is masked already would hash the hash.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from reconcilers.finding import Evidence, FieldDifference, Finding, KeyText, Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.contract import Contract

VALUE_BYTES_MAX = 1024
"""Longer values are cut; a report is read by people, and the whole value is in the store."""

HASH_PREFIX = "sha256:"
_CUT_DIGEST_DIGITS = 16
_CHARACTER_BYTES_MAX = 4


class Masker:
    """Masks what one set of contracts calls sensitive, under one key.

    Args:
        key: Of the hashes; from `report.hash_key`, else the ledger's own.
        sensitive: Entity to the names of its sensitive fields.
    """

    def __init__(self, key: bytes, sensitive: Mapping[str, frozenset[str]]) -> None:
        if not key:
            raise ValueError("a hash without a key hides nothing")
        self._digest_key = hashlib.sha256(b"digests of reads" + key).digest()
        self._keyed = hmac.new(key, digestmod="sha256")
        self._sensitive = {entity: fields for entity, fields in sensitive.items() if fields}

    @classmethod
    def for_contracts(cls, key: bytes, contracts: Iterable[Contract]) -> Masker:
        """A masker for the fields that these contracts call sensitive."""
        return cls(key, {c.entity: frozenset(f.name for f in c.fields.values() if f.sensitive) for c in contracts})

    def text(self, entity: str, field: str, value: str | None) -> str | None:
        """The value as reports show it: hashed where the field is sensitive, else cut where it is long.

        NULL stays None.
        """
        if value is None:
            return None
        if field in self._sensitive.get(entity, ()):
            return self._hash(value)
        return shortened(value)

    def key(self, entity: str, key: KeyText) -> KeyText:
        """A key as reports show it."""
        return tuple((name, self.text(entity, name, value)) for name, value in key)

    def row(self, entity: str, row: Mapping[str, str | None]) -> dict[str, str | None]:
        """A row, by contract field, as reports show it."""
        return {name: self.text(entity, name, value) for name, value in row.items()}

    def finding(self, finding: Finding) -> Finding:
        """The finding as reports and the ledger may hold it; its identity is that of what they show."""
        entity, sensitive = finding.entity, self._sensitive.get(finding.entity)
        if sensitive is None and not any(_is_long(value) for _, value in _values(finding)):
            return finding
        return Finding(
            entity,
            finding.replica,
            None if finding.key is None else self.key(entity, finding.key),
            finding.divergence,
            finding.verdict,
            finding.rule,
            finding.cause,
            tuple(self._difference(entity, difference) for difference in finding.fields),
            self._evidence(finding, sensitive),
            finding.judge_after,
            finding.count,
        )

    def _difference(self, entity: str, difference: FieldDifference) -> FieldDifference:
        name = difference.name
        return FieldDifference(
            name,
            self.text(entity, name, difference.owner),
            self.text(entity, name, difference.replica),
            difference.note,
        )

    def _evidence(self, finding: Finding, sensitive: frozenset[str] | None) -> Evidence:
        evidence = finding.evidence
        changes = tuple(self.row(finding.entity, change) for change in evidence.changes)
        if sensitive is None:
            return Evidence(evidence.proof, evidence.reads, changes, evidence.note)
        reads = tuple(self._read(read) for read in evidence.reads)
        return Evidence(evidence.proof, reads, changes, self._note(finding, sensitive))

    def _read(self, read: Read) -> Read:
        """A digest of a row can be tried out as well as the row can; under the key it still tells two reads apart."""
        if not read.digest:
            return read
        return Read(read.side, read.at, read.watermark, read.state, self._keyed_digest(read.digest))

    def digest(self, entity: str, digest: str) -> str:
        """The digest of a row as reports show it."""
        return self._keyed_digest(digest) if entity in self._sensitive else digest

    def _keyed_digest(self, digest: str) -> str:
        return hashlib.blake2b(digest.encode(), key=self._digest_key, digest_size=8).hexdigest()

    def _note(self, finding: Finding, sensitive: frozenset[str]) -> str:
        """The evidence's sentence with every sensitive value that the finding knows replaced by its hash."""
        note = finding.evidence.note
        if not note:
            return note
        values = {value for name, value in _values(finding) if name in sensitive and value}
        for value in sorted(values, key=len, reverse=True):
            note = note.replace(value, self._hash(value))
        return note

    def _hash(self, value: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(value.encode(errors="surrogatepass"))
        return HASH_PREFIX + keyed.hexdigest()

    def __repr__(self) -> str:
        return f"Masker(sensitive={self._sensitive!r})"


def _values(finding: Finding) -> Iterable[tuple[str, str | None]]:
    """Every field and value that a finding holds."""
    yield from finding.key or ()
    for difference in finding.fields:
        yield difference.name, difference.owner
        yield difference.name, difference.replica
    for change in finding.evidence.changes:
        yield from change.items()


def shortened(value: str) -> str:
    """The value, cut where it is longer than 1 KiB in UTF-8, with its length and digest."""
    if not _is_long(value):
        return value
    content = value.encode(errors="surrogatepass")
    digest = hashlib.sha256(content).hexdigest()[:_CUT_DIGEST_DIGITS]
    kept = content[:VALUE_BYTES_MAX].decode(errors="ignore")
    return f"{kept}…[{len(content)} bytes, {HASH_PREFIX}{digest}]"


def _is_long(value: str | None) -> bool:
    if value is None or len(value) * _CHARACTER_BYTES_MAX <= VALUE_BYTES_MAX:
        return False
    return len(value.encode(errors="surrogatepass")) > VALUE_BYTES_MAX
