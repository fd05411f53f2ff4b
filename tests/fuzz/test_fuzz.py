"""Hostile bytes: no crash, no hang, no wrong accept; `./run fuzz` throws them by the million."""

from __future__ import annotations

from tests.fuzz.attack import attack
from tests.fuzz.batches import attack_batches


def test_mutated_records_never_crash_hang_or_become_other_values() -> None:
    outcome = attack(4_000, seed=2026)
    assert outcome.failures == []
    assert outcome.accepted > 400, "an attack that nothing survives proves nothing of what is accepted"


def test_mutated_records_in_batches_are_what_they_are_one_by_one() -> None:
    outcome = attack_batches(2_000, seed=2026)
    assert outcome.failures == []
    assert outcome.at_once > 200, "an attack that no batch survives proves nothing of what is read at once"
