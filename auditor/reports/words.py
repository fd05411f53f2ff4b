"""The words in which reports speak, the same in every format: verdicts, causes, exit reasons, counts and times."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from auditor.reports.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditor.reports.document import (
        CoverageDocument,
        EntityReport,
        FindingDocument,
        ReplicaDocument,
        RunDocument,
        VerdictCounts,
    )

OWNER = "owner"
"""How a finding about the owner alone is called where others carry their replica's name."""

VERDICTS = ("persistent", "suspect", "undecided", "in_flight", "healed", "accepted")
"""Every verdict, the gravest first: the order in which reports show them."""

DRIFT = frozenset({"persistent", "suspect"})
"""Verdicts that count as drift; suspects exist only where a run did not recheck."""

DIVERGENCES = {
    "missing": "the owner has it, the replica does not",
    "orphan": "the replica has it, the owner does not",
    "mismatch": "both have it, with different values",
    "duplicate": "one key stands on several rows",
    "null_key": "a part of the key is NULL",
    "misplaced": "the row stands on the wrong shard",
    "late": "the whole replica has fallen behind",
    "invariant": "the owner's row breaks a rule of its contract",
    "reference": "the row refers to one that does not exist",
}

_BAD_KEY = "the replica's key there is no value of its declared type, so nothing can be compared with it"
_TYPE_RULE = "type"

_NOUNS = {
    "missing": ("missing row", "missing rows"),
    "orphan": ("orphan", "orphans"),
    "mismatch": ("mismatch", "mismatches"),
    "duplicate": ("duplicate key", "duplicate keys"),
    "null_key": ("null key", "null keys"),
    "misplaced": ("misplaced row", "misplaced rows"),
    "late": ("late replica", "late replicas"),
    "invariant": ("broken invariant", "broken invariants"),
    "reference": ("broken reference", "broken references"),
}

VERDICT_MEANINGS = {
    "persistent": "the owner was stable, the replica had its time, and it is still different",
    "suspect": "different when it was read, not rechecked",
    "undecided": "it could not be told; never counted as consistent",
    "in_flight": "a change is still on its lawful way to the replica",
    "healed": "different at first, equal when it was read again",
    "accepted": "a known difference that somebody accepted",
}

CAUSES = {
    "stale": "the replica holds an old version",
    "lost_update": "one update never arrived, later ones did",
    "reordered": "updates were applied in the wrong order",
    "missed_delete": "the owner deleted it, the replica kept it",
    "resurrected": "deleted in the replica, then written again by a late change",
    "phantom_write": "the replica holds what the owner never held",
    "duplicate_applied": "one change was applied twice",
    "lossy_copy": "the copying itself loses something, such as digits or case",
    "default_filled": "the replica filled in a default",
    "schema_lag": "the replica does not know the field yet",
    "key_changed": "the key was changed at the owner",
    "never_arrived": "the row never reached the replica",
    "left_scope": "the row left what the replica is to hold, and stayed there",
    "upstream": "the replica it is filled from is wrong",
    "partial_fan_out": "some replicas got the change, this one did not",
    "unknown": "no fault explains it yet",
}

PROOFS = {
    "position": "the replica's own feed had passed the owner's change",
    "applied": "the group that fills the replica had passed the owner's change",
    "elapsed": "the owner was stable for longer than the replica may lag",
}

EXIT_REASONS = {
    "drift": "copies differ from their owner, and it is not replication under way",
    "suspects": "copies differed when they were read; without a recheck that may be replication under way",
    "undecided": "for some rows it could not be told whether they are consistent",
    "incomplete": "not everything in scope could be compared",
    "unreadable": "a store could not be read",
    "empty_owner": "an owner has no row at all, which is rarely right",
    "not_recorded": "the run could not be recorded in the ledger",
}

NEXT_STEPS = {
    "suspects": "run again without --no-recheck to tell drift from replication under way",
    "undecided": "see why beside each; where a row changes at every look, run again when its owner is quieter",
    "incomplete": "see what was not compared, and why; put that right, then run again",
    "unreadable": "mend what is named above, then run again",
    "not_recorded": "check `ledger.url` in the settings file, then run again",
    "empty_owner": "check the owner's dataset; where it may be empty, its contract says so with may_be_empty: true",
}

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


_THOUSAND = 1000


def words(code: str) -> str:
    """A code of the report as people write it: `in_flight` is `in flight`."""
    return code.replace("_", " ")


def number(count: int) -> str:
    """A count with its thousands apart."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count and its noun: `1 row`, `2 rows`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def divergence_meaning(divergence: str, rule: str | None) -> str:
    """What a divergence under a rule means, without a full stop; empty where it is unknown.

    In a replica, `mismatch` under the rule `type` is about its key; nobody knows which of the owner's rows it is.
    """
    if divergence == "mismatch" and rule == _TYPE_RULE:
        return _BAD_KEY
    return DIVERGENCES.get(divergence, "")


def divergences(count: int, divergence: str) -> str:
    """A count of findings of one divergence: `1 orphan`, `2 missing rows`."""
    singular, plural = _NOUNS.get(divergence, (words(divergence), words(divergence)))
    return counted(count, singular, plural)


def listed(parts: Iterable[str]) -> str:
    """Parts of a sentence: `a`, `a and b`, `a, b and c`."""
    every = list(parts)
    return " and ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def moment(text: str) -> datetime:
    """The instant that a report's time names."""
    return datetime.fromisoformat(text)


def when(text: str) -> str:
    """A report's time for people, to the second: `2026-01-31 12:00:00 UTC`."""
    return f"{text[:10]} {text[11:19]} UTC"


def clock(text: str) -> str:
    """A report's time for people, to the millisecond and without its zone: `2026-01-31 12:00:00.123`."""
    return f"{text[:10]} {text[11:23]}"


def duration(seconds: float) -> str:
    """A duration for people, in two units at most: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth is worth telling
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    for unit, size, below, small in (("d", _DAY, "h", _HOUR), ("h", _HOUR, "min", _MINUTE), ("min", _MINUTE, "s", 1)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float | None) -> str:
    """Bytes in the unit that suits them, `–` where nobody counted them."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < _THOUSAND:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _THOUSAND
    return f"{count:.1f} TB"


def loads(run: RunDocument) -> list[tuple[str, str, str, str, str, str]]:
    """What each connection was asked: its name, queries, rows, bytes, seconds, its longest transaction."""
    return [
        (
            name,
            number(int(load.get("queries") or 0)),
            number(int(load.get("rows") or 0)),
            size(load.get("bytes")),
            f"{load.get('seconds') or 0.0:.1f} s",
            f"{load.get('longest_transaction_seconds') or 0.0:.1f} s",
        )
        for name, load in run.get("loads", {}).items()
    ]


LOAD_HEADS = ("connection", "queries", "rows", "bytes", "reading", "longest transaction")
"""What the members of `loads` are."""


def run_duration(run: RunDocument) -> str:
    """How long a run took, for people."""
    return duration(run_seconds(run))


def run_seconds(run: RunDocument) -> float:
    """How long a run took, in seconds."""
    return (moment(run["finished_at"]) - moment(run["started_at"])).total_seconds()


@dataclass(frozen=True, slots=True)
class Span:
    """The time a report speaks of: of a run, or the instant at which findings are listed (both ends the same)."""

    started: datetime
    finished: datetime


def span(run: RunDocument) -> Span:
    """When a run took place."""
    return Span(moment(run["started_at"]), moment(run["finished_at"]))


NEWS = ("new", "reopened")
"""What drift is that no earlier run has told."""


def age(finding: FindingDocument, span: Span) -> str:
    """How long a finding had been known when the span ended: `new`, `4 h`, `3 d`; empty where nobody kept count.

    In a run that fails on new drift alone, what makes it fail is `new` or `reopened`, however long it was in flight.
    """
    if (status := finding.get("status", "")) in NEWS:
        return status
    text = finding.get("first_seen")
    if text is None:
        return ""
    first_seen = moment(text)
    if first_seen >= span.started:
        return "new"
    seconds = (span.finished - first_seen).total_seconds()
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def place(finding: FindingDocument) -> str:
    """Where a finding is, as reports head it: the replica's name, or `owner`."""
    return finding["replica"] if finding["replica"] is not None else OWNER


def drift(counts: VerdictCounts) -> int:
    """How many findings of these count as drift."""
    return counts["persistent"] + counts["suspect"]


def nothing_found(counts: VerdictCounts) -> bool:
    """Whether not a single finding, of whatever verdict, was counted."""
    return drift(counts) + counts["undecided"] + counts["in_flight"] + counts["healed"] + counts["accepted"] == 0


def total(run: RunDocument, verdict: str) -> int:
    """How many findings of a run have a verdict."""
    return sum(counts[verdict] for counts in every_count(run))  # type: ignore[literal-required]


def drift_total(run: RunDocument) -> int:
    """How many findings of a run count as drift."""
    return total(run, "persistent") + total(run, "suspect")


def every_count(run: RunDocument) -> list[VerdictCounts]:
    """The counts of every owner and every replica of a run."""
    counts: list[VerdictCounts] = []
    for entity in run["entities"]:
        counts.append(entity["owner"])
        counts.extend(entity["replicas"])
    return counts


def replicas(run: RunDocument) -> list[tuple[EntityReport, ReplicaDocument]]:
    """Every replica of a run with its entity."""
    return [(entity, replica) for entity in run["entities"] for replica in entity["replicas"]]


def skipped(run: RunDocument) -> list[tuple[str, str, bool]]:
    """What was not compared: where (`order → search`), what and why, and whether that makes the coverage incomplete."""
    parts: list[tuple[str, str, bool]] = []
    for entity in run["entities"]:
        owner = entity["owner"].get("coverage")
        if owner is not None:
            parts.extend(_skipped(f"{entity['entity']} ({OWNER})", owner, run))
        for replica in entity["replicas"]:
            parts.extend(_skipped(f"{entity['entity']} → {replica['replica']}", replica["coverage"], run))
    return parts


def read_again(run: RunDocument) -> list[tuple[str, str]]:
    """What was read in segments, and what broke off and was read again: where, and what happened."""
    again: list[tuple[str, str]] = []
    for entity in run["entities"]:
        coverage: CoverageDocument = entity["owner"].get("coverage") or {"complete": True, "skipped": []}
        owner = (*coverage.get("remarks", ()), *coverage.get("read_again", ()))
        again += [(f"{entity['entity']} ({OWNER})", why) for why in owner]
        for replica in entity["replicas"]:
            again += [
                (f"{entity['entity']} → {replica['replica']}", w) for w in replica["coverage"].get("read_again", ())
            ]
    return again


def _skipped(where: str, coverage: CoverageDocument, run: RunDocument) -> list[tuple[str, str, bool]]:
    """One line a part; a store's message, which the report tells in full elsewhere, becomes a few words."""
    incomplete = not coverage["complete"]
    told = tuple(run.get("errors", ()))
    reasons = [
        "could not be read" if any(error.endswith(note) for error in told) else note
        for note in coverage.get("notes") or coverage["skipped"]
    ]
    return [(where, reason, incomplete) for reason in reasons or ["not compared as a whole"] * incomplete]


def uncompared(run: RunDocument) -> list[tuple[str, str | None, str]]:
    """What a run says nothing of: the entity, the replica (None: its owner, or all of it), and why.

    For formats that hold findings alone: without it, what nobody looked at is not told from what agrees.
    """
    told: list[tuple[str, str | None, str]] = []
    for entity in run["entities"]:
        sides = [
            (None, entity["owner"].get("coverage")),
            *((one["replica"], one["coverage"]) for one in entity["replicas"]),
        ]
        for replica, covered in sides:
            if covered is None:
                continue
            reasons = [reason for _, reason, _ in _skipped("", covered, run)]
            reasons += [scope(covered)] if scope(covered) and (replica or not _is_followed(covered)) else []
            told += [(entity["entity"], replica, reason) for reason in reasons]
        if "where" in run:
            told.append((entity["entity"], None, f"only owner rows with {run['where']} were looked at"))
    there = {entity["entity"] for entity in run["entities"]}
    told += [
        (one["entity"], None, f"not followed: {one['why']}")
        for one in run.get("not_followed", ())
        if one["entity"] not in there
    ]
    return told


def own_note(finding: FindingDocument) -> str:
    """What a finding's evidence says that no note of its fields has said already; empty where there is nothing."""
    note = finding["evidence"].get("note", "")
    return "" if any(field.get("note") == note for field in finding["fields"]) else note


def remarks(run: RunDocument) -> list[tuple[str, None, str]]:
    """What is to be known of how entities were looked at: the entity, nothing, and a sentence."""
    return [
        (entity["entity"], None, remark)
        for entity in run["entities"]
        for remark in entity["owner"].get("coverage", {}).get("remarks", ())
        if remark != FOLLOWED_ONLY  # what was in scope is told beside, with its numbers: see `uncompared`
    ]


def scope(covered: CoverageDocument) -> str:
    """What was looked at, where that is not everything: a clause, or an empty string."""
    if "incremental" in covered:
        return "only what has changed since a clean run and one segment were looked at"
    if not _is_followed(covered):
        return ""
    if was_idle(covered):
        return IDLE.rstrip(".")
    keys = counted(covered["followed"]["keys"], "key")
    return f"only what change streams told of or was known to differ was looked at: {keys}"


def _is_followed(covered: CoverageDocument) -> bool:
    return "followed" in covered


def was_idle(covered: CoverageDocument) -> bool:
    """Whether a monitor had nothing to look at there, and could have."""
    return covered["complete"] and "followed" in covered and not covered["followed"]["keys"]


def coverage(told: CoverageDocument) -> str:
    """The coverage of one side in a word or two."""
    if not told["complete"]:
        return "incomplete"
    skipped = len(told["skipped"])
    if "incremental" in told:
        return "incremental" + (f", {skipped} skipped" if skipped else "")
    if "followed" in told:
        return "changes" + (f", {skipped} skipped" if skipped else "")
    return f"{skipped} skipped" if skipped else "complete"


def incremental(run: RunDocument) -> list[str]:
    """The entities of which not every row was in scope."""
    return [entity["entity"] for entity in run["entities"] if "incremental" in (entity["owner"].get("coverage") or {})]


def followed(run: RunDocument) -> dict[str, int]:
    """The entities of which a monitor looked at those keys alone that it was told of, and how many those were."""
    coverages = [(entity["entity"], entity["owner"].get("coverage")) for entity in run["entities"]]
    return {name: told["followed"]["keys"] for name, told in coverages if told is not None and "followed" in told}


def is_idle(run: RunDocument) -> bool:
    """Whether a monitor had nothing to look at, so that nothing is known of any row."""
    told = followed(run)
    nothing = len(told) == len(run["entities"]) and not any(told.values())
    return bool(told) and nothing and run["exit_code"] == 0 and all(map(nothing_found, every_count(run)))


def outcome(run: RunDocument) -> str:
    """The outcome in one word: `Consistent`, `Drift`, `Idle` or `Trouble`.

    Idle is a monitor that had nothing to look at; in trouble is a run that could not tell, and saw no drift.
    """
    if is_idle(run):
        return "Idle"
    return "Consistent" if run["exit_code"] == 0 else "Drift" if drift_total(run) else "Trouble"


def headline(run: RunDocument) -> str:
    """The outcome in a sentence, without the figures that the summary gives; begins in lower case."""
    if run["exit_code"] == 0:
        return IDLE if is_idle(run) else _consistent(run)
    return f"{_drifted(run) or _trouble(run) or 'the run did not finish'}."


IDLE = "nothing new was owed, and nothing was compared."
"""What is said of a monitor that had nothing to look at."""


FOLLOWED_ONLY = "only keys were compared that the change streams told of, or that were known to differ"
"""What a monitor remarks of every entity."""


def beside(run: RunDocument) -> str:
    """What there is to say beside the headline, as a sentence of its own, or an empty string."""
    said = [f"Beside that, {_trouble(run)}."] if drift_total(run) and _trouble(run) else []
    if where := run.get("where"):
        said.append(f"Only owner rows with {where} were looked at, nothing is said of the others.")
    if partly := incremental(run):
        said.append(f"Of {listed(partly)}, only what has changed since a clean run and one segment were looked at.")
    told = followed(run)
    if told and not is_idle(run):
        keys = counted(sum(told.values()), "key")
        said.append(
            f"Of {listed(told)}, only what change streams told of or was known to differ was looked at: {keys}."
        )
    if told and not is_idle(run) and (idle := _idle_replicas(run)):
        said.append(f"Of {listed(idle)}, {IDLE}")
    said += [f"{one['entity']} was not followed: {one['why']}." for one in run.get("not_followed", ())]
    return " ".join(said)


def _idle_replicas(run: RunDocument) -> list[str]:
    """Those of which a monitor had nothing to look at, and of which nothing was found."""
    return [f"{entity['entity']} → {one['replica']}" for entity, one in replicas(run) if _was_idle(one)]


def _was_idle(replica: ReplicaDocument) -> bool:
    return was_idle(replica["coverage"]) and nothing_found(replica)


def _trouble(run: RunDocument) -> str:
    reasons = [reason for reason in run["exit_reasons"] if reason not in _DRIFTED]
    return listed(EXIT_REASONS.get(reason, words(reason)) for reason in reasons)


_DRIFTED = ("drift", "suspects")


_OF_OWNERS = {
    "drift": ("persistent", "rows of an owner break its contract"),
    "suspects": ("suspect", "rows of an owner broke its contract when they were read"),
}
"""Of what may be wrong with owners alone, too: its verdict, and how that is said."""


def exit_reason(reason: str, run: RunDocument) -> str:
    """What one reason for the exit code of a run means."""
    text = EXIT_REASONS.get(reason, "")
    if reason not in _OF_OWNERS:
        return text
    verdict, of_owners = _OF_OWNERS[reason]
    if not any(entity["owner"][verdict] for entity in run["entities"]):  # type: ignore[literal-required]
        return text
    copies = any(replica[verdict] for _, replica in replicas(run))  # type: ignore[literal-required]
    return f"{text}; and {of_owners}" if copies else of_owners


def _drifted(run: RunDocument) -> str:
    every = replicas(run)
    rows = sum(drift(replica) for _, replica in every)
    where = f"{sum(1 for _, replica in every if drift(replica))} of {counted(len(every), 'replica')}"
    owner_rows = sum(drift(entity["owner"]) for entity in run["entities"])
    parts = []
    if rows and total(run, "persistent"):
        parts.append(f"{counted(rows, 'row')} in {where} {'differs' if rows == 1 else 'differ'} from the owner")
    elif rows:
        parts.append(f"{counted(rows, 'row')} in {where} may differ from the owner")
    if owner_rows:
        parts.append(f"{counted(owner_rows, 'owner row')} {'breaks' if owner_rows == 1 else 'break'} the contract")
    return "; ".join(parts)


def _consistent(run: RunDocument) -> str:
    if not run["entities"]:
        return "nothing was in scope."
    every = replicas(run)
    entities = counted(len(run["entities"]), "entity", "entities")
    if not every:
        return f"every owner of {entities} keeps its contract; there are no replicas."
    compared = counted(sum(replica["compared_rows"] for _, replica in every), "row")
    every = [one for one in every if not _was_idle(one[1])]  # of those, nothing is known
    agree = "agrees" if len(every) == 1 else "agree"
    known = total(run, "persistent")  # with `--fail-on new`, drift that is not new does not fail a run
    accepted = total(run, "accepted")
    told = [f"{counted(known, 'row')} known from earlier runs"] if known else []
    told += [f"{counted(accepted, 'accepted finding')}"] if accepted else []
    waiting = total(run, "in_flight")  # not judged yet: nobody may read that they agree
    told += [f"{counted(waiting, 'row')} in flight"] if waiting else []
    beside = f", but for {listed(told)}" if told else ""
    return f"{counted(len(every), 'replica')} of {entities} {agree} with the owner{beside}; {compared} compared."


def not_drift(run: RunDocument) -> list[str]:
    """One sentence for each kind of finding that does not count against the replicas, the gravest first."""
    sentences = []
    for verdict in ("undecided", "in_flight", "healed", "accepted"):
        count = total(run, verdict)
        if count:
            sentences.append(f"{number(count)} {words(verdict)}: {VERDICT_MEANINGS[verdict]}")
    kept = sum(replica["kept"] for _, replica in replicas(run))
    if kept:
        sentences.append(f"{number(kept)} kept: deleted at the owner, lawfully kept in the replica")
    return sentences


SIGN_MEANINGS = {
    "reapplied": "keys that were written again and again, and are wrong all the same",
    "rewritten_equal": "keys that were written again and again with the content that they had",
    "flip_flop": "keys that went to and fro between two contents",
    "duplicate_events": "outbox events that came again under an id that had come before",
    "restarted_connector": "changes that came again at a position that had been passed",
    "dead_letters": "records that could not be understood",
    "dead_letter_topic": "records that others have put away as not to be processed",
}


def sign_line(sign: Mapping[str, Any]) -> str:
    """A sign of trouble in the topics, in one sentence."""
    counts = counted(sign["records"], "record")
    if sign["keys"]:
        counts += f", {counted(sign['keys'], 'key')}"
    name = sign["sign"]
    line = f"sign of trouble in {sign['feed']}/{sign['topic']}: {name} ({counts}): {SIGN_MEANINGS.get(name, '')}"
    line = f"{line}; the first is {visible(sign['first'])}" if sign.get("first") else line
    reasons = [f"{visible(one['reason'])} ({counted(one['records'], 'record')})" for one in sign.get("reasons", ())]
    reasons += [f"and {counted(sign['more_reasons'], 'more reason')}"] if sign.get("more_reasons") else []
    return f"{line}; by reason: {'; '.join(reasons)}" if len(reasons) > 1 else line


def signs(run: RunDocument) -> list[str]:
    """Signs of trouble in the topics that a monitor saw, one sentence each."""
    return [sign_line(sign) for sign in run.get("signs", [])]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next, and the command for it where there is one, to be typed as it stands."""

    text: str
    command: str = ""


def next_steps(run: RunDocument, findings: Iterable[FindingDocument], *, html: bool = True) -> list[Step]:
    """What to do next, the most useful first.

    Args:
        run: The run.
        findings: The findings that the report shows; the first one that can be looked at by key is proposed.
        html: Whether to propose the HTML report.
    """
    steps: list[Step] = []
    findings = list(findings)
    if {"drift", "suspects"} & set(run["exit_reasons"]):
        command = next((text for finding in findings if (text := entity_command(finding, run))), "")
        steps += [Step("one of them everywhere, now", command)] if command else _hidden_key(findings, run)
        page = f"audit report {shlex.quote(run['run_id'])} --format html --out report.html"
        steps += [Step("all of them on a page, to filter and to share", page)] if html else []
    if "drift" in run["exit_reasons"] and any(replica["persistent"] for _, replica in replicas(run)):
        plan = f"audit compensate {shlex.quote(run['run_id'])} --out plan"
        steps.append(Step("what would put the copies right, for review", plan))
    steps += [Step(NEXT_STEPS[reason]) for reason in run["exit_reasons"] if reason in NEXT_STEPS]
    return steps


def _hidden_key(findings: Iterable[FindingDocument], run: RunDocument) -> list[Step]:
    """Why no command names a row, where that is because keys are sensitive."""
    fields = field_documents(run)
    for finding in findings:
        if any(fields.get(finding["entity"], {}).get(name, {}).get("sensitive") for name in finding["key"] or ()):
            text = f"`audit entity {shlex.quote(finding['entity'])} KEY`; which key is not shown: it is sensitive"
            return [Step(f"one of them everywhere, now, by {text}")]
    return []


def entity_command(finding: FindingDocument, run: RunDocument) -> str:
    """The command that looks at a finding's row; empty where its key cannot be typed (NULL, hidden or cut)."""
    key = finding["key"]
    values = list(key.values()) if key else []
    fields = field_documents(run).get(finding["entity"], {})
    if not key or any(fields.get(name, {}).get("sensitive") for name in key):
        return ""
    typed = [value for value in values if value and value.isprintable() and len(value) <= 64]  # noqa: PLR2004
    if len(typed) != len(values) or any(value.startswith("-") for value in typed):
        return ""
    return " ".join(["audit", "entity", *(shlex.quote(part) for part in [finding["entity"], *typed])])


def field_documents(run: RunDocument) -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    """Entity to field to what its contract says about it; empty where the report does not know."""
    return {entity["entity"]: entity.get("fields", {}) for entity in run["entities"]}
