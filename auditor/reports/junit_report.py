"""The report as JUnit XML, for CI systems that show test results.

An entity is a test suite; its owner's own data and each of its replicas are test cases.  A test case fails when it
holds drift and errs when it was not compared as a whole or stayed undecided, but only as far as the run's exit reasons
say so: a run that ends well has no failing test case, a run that does not has one at least.  A failure holds the
findings, one block each.  Where a test case would both fail and err it fails, and tells both, since the schema allows
one of them.

Where a monitor had nothing to look at, the test case is skipped and says so, and so is the one of an entity that it
does not follow: a test case that passes was compared.  What else was not in scope is a remark.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, TextIO
from xml.sax.saxutils import escape

from auditor.reports import words
from auditor.reports.visible import key_text, shown, shown_pair, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import (
        CoverageDocument,
        EntityReport,
        FindingDocument,
        ReportDocument,
        RunDocument,
        VerdictCounts,
    )

LISTED = ("persistent", "suspect", "undecided")
"""Verdicts whose findings make a failure; the others are remarks."""

BLOCKS_BYTES_MAX = 1024 * 1024
"""Text of the findings of one test case that is held in memory."""

_FAILING = ("failure", "error")

_ATTRIBUTE = {'"': "&quot;"}


class _Blocks:
    """Blocks of text, as they will be written; in memory up to BLOCKS_BYTES_MAX, then in a file without a name."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self._file is not None

    def add(self, block: str) -> None:
        """One more."""
        if self._file is None:
            self._file = SpooledTemporaryFile(  # noqa: SIM115 - closed when it is handed over
                BLOCKS_BYTES_MAX, "w+", encoding="utf-8", errors="surrogatepass", newline=""
            )
        self._file.write(f"{_text(block)}\n")

    def hand_over(self, file: TextIO) -> None:
        """Write them, and forget them."""
        if self._file is not None:
            self._file.seek(0)
            shutil.copyfileobj(self._file, file)
            self._file.close()
            self._file = None


@dataclass(slots=True)
class _Case:
    """One test case: how it went, and what there is to tell."""

    name: str
    failure: str = ""
    errors: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    findings: _Blocks = field(default_factory=_Blocks)
    lesser: _Blocks = field(default_factory=_Blocks)
    """Findings that are remarks."""
    skipped: str = ""
    """Why nothing was compared, though nothing is wrong."""

    @property
    def outcome(self) -> str:
        """`failure`, `error`, `skipped`, or an empty string for a test case that passes."""
        return "failure" if self.failure else "error" if self.errors else "skipped" if self.skipped else ""


@dataclass(slots=True)
class _Suite:
    name: str
    cases: list[_Case]

    def count(self, outcome: str) -> int:
        """How many test cases went that way."""
        return sum(case.outcome == outcome for case in self.cases)


def write(run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None) -> None:
    """Write all test cases with all findings; `limit` is ignored."""
    del limit
    suites = _suites(run)
    cases = {(suite.name, case.name): case for suite in suites for case in suite.cases}
    for finding in findings:
        _add(finding, cases, words.span(run))
    file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    _write_suites(run, suites, file)


def render(document: ReportDocument, *, limit: int | None = None) -> str:
    """The report as XML text."""
    file = io.StringIO()
    write(document, document["findings"], file, limit=limit)
    return file.getvalue()


def _suites(run: RunDocument) -> list[_Suite]:
    suites = [_suite(entity, run) for entity in run["entities"]]
    trouble = list(run.get("errors", []))
    failing = any(case.outcome in _FAILING for suite in suites for case in suite.cases)
    if run["exit_code"] and not failing and not trouble:
        told = [words.exit_reason(reason, run) or reason for reason in run["exit_reasons"]]
        trouble = told or ["the run did not finish"]
    there = {suite.name for suite in suites}
    suites += [
        _Suite(one["entity"], [_Case(words.OWNER, skipped=f"not followed: {one['why']}")])
        for one in run.get("not_followed", ())
        if one["entity"] not in there
    ]
    if trouble or not suites:
        suites.append(_Suite("audit", [_Case("everything in scope could be read", errors=trouble)]))
    return suites


def _suite(entity: EntityReport, run: RunDocument) -> _Suite:
    owner, reasons = entity["owner"], run["exit_reasons"]
    cases = [_case(words.OWNER, owner, owner.get("coverage"), reasons)]
    if not owner["rows"] and "empty_owner" in reasons:
        cases[0].errors.append(words.EXIT_REASONS["empty_owner"])
    if where := run.get("where"):
        cases[0].remarks.append(f"only owner rows with {where} were looked at")
    cases += [_case(replica["replica"], replica, replica["coverage"], reasons) for replica in entity["replicas"]]
    return _Suite(entity["entity"], cases)


def _case(name: str, counts: VerdictCounts, coverage: CoverageDocument | None, reasons: list[str]) -> _Case:
    case = _Case(name)
    for verdict, reason in (("persistent", "drift"), ("suspect", "suspects"), ("undecided", "undecided")):
        count: int = counts[verdict]  # type: ignore[literal-required]
        sentence = f"{words.counted(count, 'finding')} {words.words(verdict)}: {words.VERDICT_MEANINGS[verdict]}"
        if not count:
            continue
        if reason not in reasons:
            case.remarks.append(sentence)
        elif reason == "undecided":
            case.errors.append(sentence)
        else:
            case.failure = "; ".join(part for part in (case.failure, sentence) if part)
    for verdict in ("in_flight", "healed", "accepted"):
        if counts[verdict]:  # type: ignore[literal-required]
            sentence = f"{words.number(counts[verdict])} {words.words(verdict)}"  # type: ignore[literal-required]
            case.remarks.append(f"{sentence}: {words.VERDICT_MEANINGS[verdict]}")
    _cover(case, counts, coverage, reasons)
    return case


def _cover(case: _Case, counts: VerdictCounts, coverage: CoverageDocument | None, reasons: list[str]) -> None:
    if coverage is None:
        return
    skipped = [f"not compared: {reason}" for reason in coverage.get("notes") or coverage["skipped"]]
    if words.was_idle(coverage) and words.nothing_found(counts):
        case.skipped = words.scope(coverage)
    elif scope := words.scope(coverage):
        case.remarks.append(scope)
    case.remarks += [*coverage.get("remarks", ()), *coverage.get("read_again", ())]
    if coverage["complete"] or not {"incomplete", "unreadable", "empty_owner"} & set(reasons):
        case.remarks += skipped
    else:
        case.errors += skipped or ["not compared as a whole"]


def _add(finding: FindingDocument, cases: dict[tuple[str, str], _Case], span: words.Span) -> None:
    case = cases.get((finding["entity"], words.place(finding)))
    if case is not None:
        told = case.findings if finding["verdict"] in LISTED else case.lesser
        told.add("\n".join(_finding_lines(finding, span)))


def _finding_lines(finding: FindingDocument, span: words.Span) -> list[str]:
    rule = f" {visible(finding['rule'])}" if finding["rule"] else ""
    cause = "" if finding["cause"] == "unknown" else f", {words.words(finding['cause'])}"
    age = words.age(finding, span)
    known = f", {age}" if age in words.NEWS else f", known for {age}" if age else ""
    about = f"{words.words(finding['verdict'])}{cause}{known}"
    key = key_text(finding["key"]) or "the whole replica"
    lines = [f"{finding['divergence']}{rule} {key} ({about}) {finding['id']}"]
    for difference in finding["fields"]:
        if finding["replica"] is None:
            lines.append(f"  {visible(difference['name'])}: {shown(difference['owner'])}")
        else:
            owner, replica = shown_pair(difference["owner"], difference["replica"])
            note = f" ({visible(difference['note'])})" if difference.get("note") else ""
            lines.append(f"  {visible(difference['name'])}: owner {owner}, replica {replica}{note}")
    return lines


def _write_suites(run: RunDocument, suites: list[_Suite], file: TextIO) -> None:
    tests = sum(len(suite.cases) for suite in suites)
    failures, errors = (sum(suite.count(outcome) for suite in suites) for outcome in ("failure", "error"))
    seconds = f"{words.run_seconds(run):.3f}"
    name = _attribute(f"audit {run['kind']} {run['run_id']}")
    file.write(f'<testsuites name="{name}" tests="{tests}" failures="{failures}" errors="{errors}" time="{seconds}">\n')
    for suite in suites:
        _write_suite(run, suite, file)
    file.write("</testsuites>\n")


def _write_suite(run: RunDocument, suite: _Suite, file: TextIO) -> None:
    # One run compares everything at once: the time belongs to the run, the suites have none of their own.
    file.write(
        f'  <testsuite name="{_attribute(suite.name)}" tests="{len(suite.cases)}" '
        f'failures="{suite.count("failure")}" errors="{suite.count("error")}" skipped="{suite.count("skipped")}" '
        f'time="0" timestamp="{run["started_at"][:19]}">\n'
    )
    for case in suite.cases:
        _write_case(suite, case, file)
    file.write("  </testsuite>\n")


def _write_case(suite: _Suite, case: _Case, file: TextIO) -> None:
    file.write(f'    <testcase classname="{_attribute(suite.name)}" name="{_attribute(case.name)}" time="0">\n')
    if case.outcome == "skipped":
        file.write(f'      <skipped message="{_attribute(case.skipped)}"/>\n')
    elif case.outcome:
        message = _attribute("; ".join([part for part in (case.failure, *case.errors) if part]))
        kind = "drift" if case.failure else "trouble"
        file.write(f'      <{case.outcome} message="{message}" type="{kind}">')
        file.writelines(f"{_text(block)}\n" for block in case.errors)
        case.findings.hand_over(file)
        file.write(f"</{case.outcome}>\n")
    is_failing = case.outcome in _FAILING
    if case.remarks or case.lesser.any or (case.findings.any and not is_failing):
        file.write("      <system-out>")
        file.writelines(f"{_text(block)}\n" for block in case.remarks)
        case.lesser.hand_over(file)
        if not is_failing:
            case.findings.hand_over(file)
        file.write("</system-out>\n")
    file.write("    </testcase>\n")


def _attribute(text: str) -> str:
    return escape(" ".join(visible(line) for line in text.split("\n")), _ATTRIBUTE)


def _text(text: str) -> str:
    return "\n".join(escape(visible(line)) for line in text.split("\n"))
