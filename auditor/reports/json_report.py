"""The report as JSON: one object, its findings one a line.

A finding a line keeps a million of them out of memory, and lets `grep` and `diff` work on reports.  The text is pure
ASCII, everything else escaped, so that no value can reach a terminal as a control sequence.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from auditor.reports.document import FindingDocument, ReportDocument, RunDocument

FINDINGS_A_WRITE = 1000
"""Findings written at once: fewer and larger writes are faster, and this many stay below a few megabytes."""


def write(run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None) -> None:
    """Write a whole report; findings are consumed as they are written.  Holds every finding, so `limit` is ignored."""
    del limit
    write_json(run, findings, file)


def render(document: ReportDocument, *, limit: int | None = None) -> str:
    """A whole report as text; ends with a line feed."""
    file = io.StringIO()
    write(document, document["findings"], file, limit=limit)
    return file.getvalue()


def write_json(document: Mapping[str, Any], findings: Iterable[FindingDocument], file: TextIO) -> None:
    """Write `document` with `findings` as its last member, whatever else it holds under that name.

    Args:
        document: Every member but the findings: a `RunDocument`, or an empty mapping for a bare list of findings.
        findings: In report order.
        file: A text file.
    """
    head = {name: value for name, value in document.items() if name != "findings"}
    file.write("{\n")
    file.writelines(f"{json.dumps(name)}: {_indented(value)},\n" for name, value in head.items())
    file.write('"findings": [')
    _write_lines(findings, file)
    file.write("]\n}\n")


def _indented(value: object) -> str:
    return json.dumps(value, indent=1) if isinstance(value, dict | list) and value else json.dumps(value)


def _write_lines(findings: Iterable[FindingDocument], file: TextIO) -> None:
    encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
    lines: list[str] = []
    separator = "\n"
    for finding in findings:
        lines.append(encode(finding))
        if len(lines) == FINDINGS_A_WRITE:
            file.write(separator + ",\n".join(lines))
            separator = ",\n"
            lines.clear()
    if lines:
        file.write(separator + ",\n".join(lines))
        separator = ",\n"
    if separator == ",\n":
        file.write("\n")
