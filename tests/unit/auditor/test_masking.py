"""Sensitive values leave the process as keyed hashes only, long ones cut; the finding stays the same finding."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.masking import Masker, shortened
from reconcilers.finding import Cause, Divergence, Evidence, FieldDifference, Finding, Read, Verdict

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EMAIL, OTHER = "ada@example.org", "eve@example.org"
MASKER = Masker(b"key", {"customer": frozenset({"email"}), "order": frozenset()})

FINDING = Finding(
    entity="customer",
    replica="crm",
    key=(("email", EMAIL), ("id", "7")),
    divergence=Divergence.MISMATCH,
    verdict=Verdict.PERSISTENT,
    rule="a_rule",
    cause=Cause.STALE,
    fields=(FieldDifference("email", EMAIL, OTHER), FieldDifference("name", "Ada", None)),
    evidence=Evidence(
        proof="elapsed",
        reads=(Read("owner", NOW, "0/1", "present", "00ff00ff00ff00ff"), Read("crm", NOW, "", "absent")),
        changes=({"op": "u", "email": OTHER},),
        note=f"the owner changed from {OTHER} to {EMAIL}",
    ),
    judge_after=NOW,
    count=3,
)


def hashed(text: str) -> str:
    return "sha256:" + hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()


def test_a_sensitive_value_is_hashed_under_the_key_wherever_it_stands() -> None:
    masked = MASKER.finding(FINDING)
    assert masked.key == (("email", hashed(EMAIL)), ("id", "7"))
    assert masked.fields[0] == FieldDifference("email", hashed(EMAIL), hashed(OTHER))
    assert masked.fields[1] == FieldDifference("name", "Ada", None)
    assert masked.evidence.changes == ({"op": "u", "email": hashed(OTHER)},)
    assert masked.evidence.note == f"the owner changed from {hashed(OTHER)} to {hashed(EMAIL)}"
    assert EMAIL not in repr(masked)
    assert OTHER not in repr(masked)


def test_everything_else_of_a_finding_stays() -> None:
    """A new attribute of a finding needs a decision here: does it hold values?"""
    masked = MASKER.finding(FINDING)
    changed = {"key", "fields", "evidence"}
    for name in {field.name for field in dataclasses.fields(Finding)} - changed:
        assert getattr(masked, name) == getattr(FINDING, name) != None, name  # noqa: E711 - each is set above
    assert {field.name for field in dataclasses.fields(Evidence)} == {"proof", "reads", "changes", "note"}
    assert masked.evidence.proof == "elapsed"
    read = dataclasses.replace(masked.evidence.reads[0], digest="")
    assert read == dataclasses.replace(FINDING.evidence.reads[0], digest="")
    assert masked.evidence.reads[1] == FINDING.evidence.reads[1]


def test_a_read_s_digest_cannot_be_tried_out_and_still_tells_reads_apart() -> None:
    """Sixteen digits of a plain hash of a row are as good as the row to somebody with a list of addresses."""
    reads = tuple(Read("owner", NOW, "", "present", digest) for digest in ("aa" * 8, "bb" * 8, "aa" * 8))
    masked = MASKER.finding(dataclasses.replace(FINDING, evidence=Evidence(reads=reads))).evidence.reads
    assert masked[0].digest == masked[2].digest != masked[1].digest
    assert "aa" * 8 not in {read.digest for read in masked}


def test_null_stays_null() -> None:
    assert MASKER.text("customer", "email", None) is None
    assert MASKER.text("customer", "email", "") == hashed("")


def test_a_field_is_sensitive_in_its_own_entity_only() -> None:
    assert MASKER.text("order", "email", EMAIL) == EMAIL
    assert MASKER.text("unknown", "email", EMAIL) == EMAIL
    assert MASKER.row("customer", {"email": EMAIL, "id": "7"}) == {"email": hashed(EMAIL), "id": "7"}


def test_the_same_drift_is_the_same_finding_and_another_key_another() -> None:
    again = dataclasses.replace(FINDING, fields=(), verdict=Verdict.HEALED)
    assert MASKER.finding(again).identity == MASKER.finding(FINDING).identity
    other = dataclasses.replace(FINDING, key=(("email", OTHER), ("id", "7")))
    assert MASKER.finding(other).identity != MASKER.finding(FINDING).identity
    assert Masker(b"other", {"customer": frozenset({"email"})}).finding(FINDING).identity != FINDING.identity


def test_what_needs_no_masking_is_left_as_it_is() -> None:
    finding = dataclasses.replace(FINDING, entity="order")
    assert MASKER.finding(finding) is finding


def test_a_whole_replica_s_finding_has_no_key() -> None:
    late = dataclasses.replace(FINDING, key=None, fields=())
    assert MASKER.finding(late).key is None


def test_a_hash_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="hides nothing"):
        Masker(b"", {})


def test_a_masker_shows_no_key() -> None:
    assert "key" not in repr(MASKER).replace("Masker", "")


def test_a_long_value_is_cut_with_its_length_and_digest() -> None:
    long = "x" * 2047 + "y"
    digest = hashlib.sha256(long.encode()).hexdigest()[:16]
    assert shortened(long) == "x" * 1024 + f"…[2048 bytes, sha256:{digest}]"
    assert shortened("x" * 1024) == "x" * 1024
    finding = dataclasses.replace(FINDING, entity="order", fields=(FieldDifference("note", long, long + "z"),))
    masked = MASKER.finding(finding).fields[0]
    assert masked.owner == shortened(long)
    assert masked.owner != masked.replica, "a difference beyond the cut still shows"


@given(st.text(min_size=1, max_size=20), st.integers(1, 400))
def test_cutting_keeps_whole_characters_and_a_bounded_length(text: str, times: int) -> None:
    value = text * times
    cut = shortened(value)
    size = len(value.encode(errors="surrogatepass"))
    assert (cut == value) == (size <= 1024)
    if cut != value:
        kept, _, told = cut.rpartition("…[")
        assert told.startswith(f"{size} bytes, sha256:")
        assert len(kept.encode(errors="surrogatepass")) <= 1024
