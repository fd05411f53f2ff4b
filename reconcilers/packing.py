"""Findings and sights as plain values, and back: what a spill or a checkpoint holds of them.

Positions, not names, since a million of them are written; enums as their texts, times in ISO 8601.  Only tuples, texts,
numbers and None, so that `marshal` and JSON take them alike; JSON brings tuples back as lists, which is all the same
here.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from reconcilers.finding import Cause, Divergence, Evidence, FieldDifference, Finding, Read, Verdict
from reconcilers.recheck import History, Passed, Sign, Version
from reconcilers.sight import Sight

Packed = tuple[Any, ...]

_DIVERGENCES = {each.value: each for each in Divergence}
_VERDICTS = {each.value: each for each in Verdict}
_CAUSES = {each.value: each for each in Cause}
_NO_EVIDENCE = Evidence()


@lru_cache(maxsize=4096)  # those of one look share their times
def time_text(moment: datetime) -> str:
    """A time in ISO 8601."""
    return moment.isoformat()


@lru_cache(maxsize=4096)
def time_of(text: str) -> datetime:
    """The way back."""
    return datetime.fromisoformat(text)


def packed_finding(finding: Finding) -> Packed:
    """A finding as plain values."""
    evidence = finding.evidence
    return (
        finding.entity,
        finding.replica,
        finding.key,
        finding.divergence.value,
        finding.verdict.value,
        finding.rule,
        finding.cause.value,
        [(each.name, each.owner, each.replica, each.note) for each in finding.fields],
        None if evidence is _NO_EVIDENCE or evidence == _NO_EVIDENCE else _packed_evidence(evidence),
        None if finding.judge_after is None else time_text(finding.judge_after),
        finding.count,
    )


def finding_of(packed: Packed) -> Finding:
    """The way back."""
    entity, replica, key, divergence, verdict, rule, cause, fields, evidence, judge_after, count = packed
    return Finding(
        entity,
        replica,
        None if key is None else tuple([(name, value) for name, value in key]),
        _DIVERGENCES[divergence],
        _VERDICTS[verdict],
        rule,
        _CAUSES[cause],
        tuple([FieldDifference(*each) for each in fields]),
        _NO_EVIDENCE if evidence is None else _evidence_of(evidence),
        None if judge_after is None else time_of(judge_after),
        count,
    )


def _packed_evidence(evidence: Evidence) -> Packed:
    reads = [(each.side, time_text(each.at), each.watermark, each.state, each.digest) for each in evidence.reads]
    return evidence.proof, reads, [dict(change) for change in evidence.changes], evidence.note


def _evidence_of(packed: Packed) -> Evidence:
    proof, reads, changes, note = packed
    return Evidence(
        proof,
        tuple([Read(side, time_of(at), watermark, state, digest) for side, at, watermark, state, digest in reads]),
        tuple(changes),
        note,
    )


def packed_sight(sight: Sight) -> Packed:
    """A sight as plain values."""
    told = (sight.owner, sight.replica, sight.mark, sight.copied, sight.age, sight.doubt)
    return packed_finding(sight.finding), *told, packed_history(sight.history), sight.settled, packed_sign(sight.sign)


def sight_of(packed: Packed) -> Sight:
    """The way back."""
    finding, owner, replica, mark, copied, age, doubt, history, settled, sign = packed
    moments = None if settled is None else tuple(settled)
    seen = (finding_of(finding), owner, replica, mark, copied, age, doubt, history_of(history))
    return Sight(*seen, moments, sign_of(sign))


def packed_sign(sign: Sign | None) -> Packed | None:
    """A sign of life as plain values."""
    return None if sign is None else (sign.heard, sign.told, sign.beats)


def sign_of(packed: Packed | None) -> Sign | None:
    """The way back."""
    return None if packed is None else Sign(packed[0], packed[1], beats=packed[2])


def packed_history(history: History | None) -> Packed | None:
    """The owner's versions as plain values."""
    if history is None:
        return None
    passed = None if history.passed is None else (history.passed.proof, history.passed.moment)
    return (
        history.complete,
        passed,
        history.reached,
        history.was_there,
        history.resurrected,
        history.moved,
        history.outside,
        history.before_snapshot,
        history.hidden,
        history.cut,
        [(one.digest, one.since, dict(one.change)) for one in history.versions],
    )


def history_of(packed: Packed | None) -> History | None:
    """The way back."""
    if packed is None:
        return None
    complete, passed, *told, versions = packed
    proof = None if passed is None else Passed(*passed)
    return History(tuple([Version(*one) for one in versions]), complete, proof, *told)
