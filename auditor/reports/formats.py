"""The formats of a report, by name.  Importing this imports none of them: each comes with what it draws with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO

from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from auditor.reports.document import FindingDocument, ReportDocument, RunDocument


class Write(Protocol):
    """Writes a report: counts every finding as it passes, keeps no more of them than it shows."""

    def __call__(
        self, run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None
    ) -> None:
        """Write a whole report.

        Args:
            run: The run; a whole report will do as well, its findings are not looked at.
            findings: In report order; consumed.
            file: A text file, opened with `newline=""` where line ends matter (CSV).
            limit: How many findings to show at most; None means the format's own limit.  Formats that machines read
                ignore it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a report.

    Attributes:
        name: What `--format` calls it.
        suffix: Of a file that holds one.
        module: Where its `write` is.
    """

    name: str
    suffix: str
    module: str

    def write(
        self, run: RunDocument, findings: Iterable[FindingDocument], file: TextIO, *, limit: int | None = None
    ) -> None:
        """Write a whole report; see `Write`."""
        writer: Write = import_module(self.module).write
        writer(run, findings, file, limit=limit)

    def render(self, document: ReportDocument, *, limit: int | None = None) -> str:
        """A whole report as text."""
        text: str = import_module(self.module).render(document, limit=limit)
        return text


FORMATS = {
    form.name: form
    for form in (
        Format("terminal", ".txt", "auditor.reports.terminal_report"),
        Format("json", ".json", "auditor.reports.json_report"),
        Format("markdown", ".md", "auditor.reports.markdown_report"),
        Format("html", ".html", "auditor.reports.html_report"),
        Format("junit", ".xml", "auditor.reports.junit_report"),
        Format("csv", ".csv", "auditor.reports.csv_report"),
    )
}

NAMES = tuple(FORMATS)


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown report format {name!r}", hint=f"choose one of {', '.join(NAMES)}")
    return FORMATS[name]
