r"""The findings as CSV after RFC 4180: one line a differing field, and one for a finding without any.

A key of several fields is a JSON object in its cell, `{"order_id":"1","line":null}`.
An unquoted empty cell is NULL (or: does not apply), `""` is an empty text, as in the CSV files that the auditor reads.

Spreadsheets run cells as formulas.  A cell that begins with `=`, `+`, `-`, `@`, a tab or a line end (or one of their
full-width forms, or blanks and then one of them) therefore gets an apostrophe in front, and so does one that begins
with an apostrophe, so that reading back is certain: drop one leading apostrophe.  Plain numbers such as `-12.50` stay
as they are: they are no formulas, and amounts must stay amounts.

What the run did not compare has lines of its own, after the findings: without a `finding_id`, with the verdict
`not_compared`, the entity, the replica (empty: its owner, or all of it), and why in `note`.  What else is to be known
of how it was looked at stands in lines with the verdict `remark`.

Control characters, which act on a terminal that shows the file, are written as escapes (`\x1b`), and each backslash of
such a cell twice; the line's `note` then says `escaped`.  Tabs and line ends stay: quotes hold them.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, TextIO

from auditor.reports import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import DifferenceDocument, FindingDocument, ReportDocument, RunDocument

COLUMNS = (
    "run_id",
    "finding_id",
    "entity",
    "replica",
    "key",
    "divergence",
    "rule",
    "verdict",
    "cause",
    "field",
    "owner_value",
    "replica_value",
    "proof",
    "first_seen",
    "last_seen",
    "judge_after",
    "rows",
    "status",
    "note",
)

ESCAPED = "escaped"
"""In the note of a line in which a value has control characters."""

NOT_COMPARED = "not_compared"
"""The verdict in lines about what was not compared: no finding has it."""

REMARK = "remark"
"""The verdict in lines about how an entity was looked at: nothing is missing for it."""

_PLAIN = re.compile(r"\w(?:[\w .:-]*\w)?")  # most cells: neither a formula nor in need of quotes
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_FORMULA = re.compile(r"['\t\r\n]|\s*[=+\-@＝＋－＠]")  # spreadsheets take the full-width forms too
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$|^$')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINES_A_WRITE = 1000


def write(run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None) -> None:
    """Write the findings; the file must not translate line ends (`newline=""`).  Holds all, so `limit` is ignored."""
    del limit
    file.write(_cells(COLUMNS) + "\r\n")
    lines: list[str] = []
    for finding in findings:
        lines.extend(_lines(run["run_id"], finding))
        if len(lines) >= _LINES_A_WRITE:
            file.writelines(lines)
            lines.clear()
    file.writelines(lines)
    file.writelines(_beside(run))


def render(document: ReportDocument, *, limit: int | None = None) -> str:
    """The findings as CSV text, lines ended by CR LF."""
    file = io.StringIO(newline="")
    write(document, document["findings"], file, limit=limit)
    return file.getvalue()


def _beside(run: RunDocument) -> list[str]:
    """What the run says nothing of, and how it looked: else an empty file would look like copies that agree."""
    lines = []
    said = [(NOT_COMPARED, *one) for one in words.uncompared(run)]
    said += [(REMARK, *one) for one in words.remarks(run)]
    for verdict, entity, replica, why in said:
        told = {"run_id": run["run_id"], "entity": entity, "replica": replica, "verdict": verdict, "note": why}
        lines.append(f"{_cells([told.get(column) for column in COLUMNS])}\r\n")
    return lines


def _lines(run_id: str, finding: FindingDocument) -> list[str]:
    head = (
        run_id,
        finding["id"],
        finding["entity"],
        finding["replica"],
        key_cell(finding["key"]),
        finding["divergence"],
        finding["rule"],
        finding["verdict"],
        finding["cause"],
    )
    tail = (
        finding["evidence"]["proof"],
        finding.get("first_seen"),
        finding.get("last_seen"),
        finding.get("judge_after"),
        str(finding["rows"]) if "rows" in finding else None,
        finding.get("status"),
    )
    before, after = _cells(head), _cells(tail)
    about = words.own_note(finding)
    if not finding["fields"]:
        return [f"{before},,,,{after},{_cells([about or None])}\r\n"]
    return [f"{before},{_field_cells(field, after, about)}\r\n" for field in finding["fields"]]


def _field_cells(field: DifferenceDocument, after: str, about: str) -> str:
    values = (field["owner"], field["replica"])
    escaped = ESCAPED if any(value is not None and _CONTROL.search(value) for value in values) else ""
    note = "; ".join(part for part in (field.get("note", ""), escaped, about) if part)
    return f"{_cells((field['name'], *values))},{after},{_cells([note or None])}"


def key_cell(key: dict[str, str | None] | None) -> str | None:
    """A key in one cell: the value of a single field as it is, every other key as a JSON object.

    A value that begins as an object does is written as an object too, and so is one with control characters, which
    JSON escapes: what a cell means is certain.
    """
    if key is None:
        return None
    first = next(iter(key.values()), None)
    if len(key) == 1 and first is not None and not first.startswith("{") and not _CONTROL.search(first):
        return first
    text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _cells(cells: Iterable[str | None]) -> str:
    return ",".join(["" if cell is None else cell if _PLAIN.fullmatch(cell) else _cell(cell) for cell in cells])


def _cell(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()  # half a character cannot be written
    if _CONTROL.search(text):
        text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\\", "\\\\"))
    safe = f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
    return '"' + safe.replace('"', '""') + '"' if _QUOTED.search(safe) else safe
