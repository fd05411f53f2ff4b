"""Hostile bytes: no crash, no hang, no wrong accept; `./run fuzz` throws them by the million."""

from __future__ import annotations

from tests.fuzz.attack import attack


def test_mutated_records_never_crash_hang_or_become_other_values() -> None:
    outcome = attack(4_000, seed=2026)
    assert outcome.failures == []
    assert outcome.accepted > 400, "an attack that nothing survives proves nothing of what is accepted"
