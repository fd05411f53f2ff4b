"""The report for a person at a terminal: outcome first, then counts, the drift itself, and what to do next.

Made for 80 columns, readable at 40 and at 200, without colour, through a pipe, and where only ASCII can be printed.
Only drift and undecided findings are listed; what is in flight, healed or accepted is counted and told apart.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from auditor.reports import words
from auditor.reports.difference import Pieces, difference, excerpt
from auditor.reports.document import owner_coverage
from auditor.reports.selection import Group as FindingGroup
from auditor.reports.selection import Selection, group_of, select
from auditor.reports.visible import key_text, shown, shown_pair, visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from auditor.reports.document import (
        CoverageDocument,
        DifferenceDocument,
        EntityReport,
        FindingDocument,
        ReplicaDocument,
        ReportDocument,
        RunDocument,
        VerdictCounts,
    )

LIMIT = 25
"""Findings listed where nobody asks for another number: about two screens."""

WIDTH = 80
WIDTH_MAX = 120
"""Columns: lines longer than this are hard to follow, however wide the window is."""

WIDTH_MIN = 32
NAME_WIDTH_MAX = 24
"""Columns for field names, so that one long name does not push all values to the right."""

LISTED = ("persistent", "suspect", "undecided")
NOT_DRIFT = ("in_flight", "healed", "accepted")
HEADS = {"persistent": "drift", "suspect": "suspects"}
SUMMARY_NAME_MAX = 32


@dataclass(frozen=True, slots=True)
class Symbols:
    """The few signs beyond letters; a terminal that knows only ASCII gets others."""

    good: str = "✓"
    bad: str = "✗"
    arrow: str = "→"
    dot: str = "·"
    none: str = "–"
    ellipsis: str = "…"
    dash: str = "—"


ASCII = Symbols(good="OK", bad="!!", arrow="->", dot="|", none="-", ellipsis="...", dash="-")


class Paper:
    """A console that draws into memory with the width and colours of the file it is meant for.

    Drawing goes to memory first, since characters that the file's encoding lacks must become escapes, not errors.
    """

    def __init__(self, file: TextIO, *, width: int | None = None, color: bool | None = None) -> None:
        terminal = file.isatty() if color is None else color
        self.width = max(WIDTH_MIN, min(WIDTH_MAX, width or _width(file) or WIDTH))
        self._file = file
        self._encoding = getattr(file, "encoding", None) or "utf-8"
        self.symbols = Symbols() if _encodes("✓→–…", self._encoding) else ASCII
        self._memory = io.StringIO()
        self.console = Console(
            file=self._memory,
            width=self.width,
            force_terminal=terminal,
            color_system="standard" if terminal and color else "auto" if terminal else None,
            legacy_windows=False,
            markup=False,
            highlight=False,
            emoji=False,
        )

    def draw(self, *blocks: RenderableType) -> None:
        """Draw blocks one below the other, without an empty line between."""
        for block in blocks:
            self.console.print(block)

    def hand_over(self) -> None:
        """Write what was drawn to the file, without blanks at the ends of lines."""
        text = "\n".join(line.rstrip() for line in self._memory.getvalue().split("\n"))
        self._file.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _width(file: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if file.isatty():
        return Console(file=file).width
    return int(columns) if columns.isdecimal() and columns.isascii() else WIDTH


def write(
    run: RunDocument,
    findings: Iterable[FindingDocument],
    file: TextIO,
    *,
    limit: int | None = None,
    width: int | None = None,
    color: bool | None = None,
) -> None:
    """Write the report for people.

    Args:
        run: The run.
        findings: Its findings in report order; all are counted.
        file: Where to.  Colours, width and encoding follow it.
        limit: How many findings to list at most; None means `LIMIT`.
        width: Columns, in place of the file's own.
        color: Whether to use colours and other styles, in place of what the file and `NO_COLOR` ask for.
    """
    paper = Paper(file, width=width, color=color)
    selection = select(findings, LIMIT if limit is None else limit, LISTED)
    _Report(run, selection, paper).draw()
    paper.hand_over()


def render(
    document: ReportDocument, *, limit: int | None = None, width: int | None = None, color: bool | None = None
) -> str:
    """The report for people as text; see `write`."""
    file = io.StringIO()
    write(document, document["findings"], file, limit=limit, width=width, color=color)
    return file.getvalue()


def write_findings(
    findings: Iterable[FindingDocument],
    now: datetime,
    file: TextIO,
    *,
    limit: int | None = None,
    width: int | None = None,
    color: bool | None = None,
) -> None:
    """Write findings of whatever runs and verdicts, as `audit findings` lists them; ages are told from `now`."""
    paper = Paper(file, width=width, color=color)
    selection = select(findings, limit)
    if not selection.total:
        paper.draw(Text("No findings."))
    FindingList(selection, words.Span(now, now), paper).draw()
    if left := _cut(selection.total, selection):
        paper.draw(Text())
        paper.draw(left)
    paper.hand_over()


def _cut(listed: int, selection: Selection) -> Text | None:
    """What is said where not all of so many findings are listed."""
    shown = len(selection.shown)
    return (
        Text(f"{words.number(shown)} of {words.counted(listed, 'finding')} listed.", "dim") if shown < listed else None
    )


class _Report:
    """One report being drawn."""

    def __init__(self, run: RunDocument, selection: Selection, paper: Paper) -> None:
        self.run = run
        self.selection = selection
        self.paper = paper
        self.symbols = paper.symbols

    def draw(self) -> None:
        """Draw all parts, with one empty line between them."""
        blocks = [self._title(), self._headline(), self._summary(), self._skipped()]
        self._draw(blocks)
        if self.selection.shown:
            self.paper.draw(Text())
            FindingList(self.selection, words.span(self.run), self.paper).draw()
        self._draw([self._listing_cut(), self._not_drift(), self._exit(), self._load(), self._next()], lead=True)

    def _draw(self, blocks: list[RenderableType | None], *, lead: bool = False) -> None:
        present = [block for block in blocks if block is not None]
        for position, block in enumerate(present):
            if lead or position:
                self.paper.draw(Text())
            self.paper.draw(block)

    def _title(self) -> Text:
        run = self.run
        parts = [f"audit {run['kind']}", run["run_id"], words.when(run["started_at"]), words.run_duration(run)]
        return Text(visible(f" {self.symbols.dot} ".join(parts)), style="dim")

    def _headline(self) -> RenderableType:
        style, sign = {0: ("bold green", self.symbols.good)}.get(self.run["exit_code"], ("bold red", self.symbols.bad))
        if words.outcome(self.run) == "Trouble":
            style = "bold yellow"
        if words.is_idle(self.run):  # nothing is wrong, and nothing is known to be right
            style = "bold"
        told = f"{words.outcome(self.run)}: {words.headline(self.run)}"
        beside = words.beside(self.run)
        text = Text.assemble((told, style), f" {beside}" if beside else "")
        return Hanging(Text(f"{sign} ", style=style), text)

    def _summary(self) -> RenderableType | None:
        if not self.run["entities"]:
            return None
        for columns in (self._columns(), self._columns(merged=True), self._columns(merged=True, rows=False)):
            for gap in (3, 2):
                if sum(column.width for column in columns) + gap * (len(columns) - 1) <= self.paper.width:
                    return _table(columns, gap)
        return self._lines()

    def _columns(self, *, merged: bool = False, rows: bool = True) -> list[_Column]:
        """The summary's columns; with `merged`, those of findings that are no drift become one."""
        every = self._verdicts_counted()
        verdicts = [verdict for verdict in every if verdict not in NOT_DRIFT] if merged else every
        columns = [self._names()]
        columns += [self._numbers("rows", "replica_rows", owner="rows")] if rows else []
        columns.append(self._numbers("compared", "compared_rows"))
        columns += [self._verdicts(words.words(HEADS.get(verdict, verdict)), [verdict]) for verdict in verdicts]
        if len(verdicts) < len(every):
            columns.append(self._verdicts("not drift", list(NOT_DRIFT)))
        return [*columns, self._coverages()]

    def _names(self) -> _Column:
        cells = []
        for entity in self.run["entities"]:
            cells.append(_entity_name(entity))
            arrow = f"  {self.symbols.arrow} "
            cells += [Text(arrow + visible(replica["replica"])) for replica in entity["replicas"]]
        for cell in cells:
            cell.truncate(SUMMARY_NAME_MAX, overflow="ellipsis")
        return _Column("", cells, justify="left")

    def _numbers(self, head: str, member: str, *, owner: str = "") -> _Column:
        cells = []
        for entity in self.run["entities"]:
            cells.append(Text(words.number(entity["owner"][owner]) if owner else ""))  # type: ignore[literal-required]
            cells += [Text(words.number(replica[member])) for replica in entity["replicas"]]  # type: ignore[literal-required]
        return _Column(head, cells)

    def _verdicts(self, head: str, verdicts: list[str]) -> _Column:
        return _Column(head, [self._count(counts, verdicts) for counts in words.every_count(self.run)])

    def _coverages(self) -> _Column:
        cells = []
        for entity in self.run["entities"]:
            cells.append(self._coverage(owner_coverage(entity["owner"])))
            cells += [self._coverage(replica["coverage"]) for replica in entity["replicas"]]
        return _Column("coverage", cells, justify="left")

    def _verdicts_counted(self) -> list[str]:
        always = "suspect" if "suspects" in self.run["exit_reasons"] else "persistent"
        return [verdict for verdict in words.VERDICTS if verdict == always or words.total(self.run, verdict)]

    def _count(self, counts: VerdictCounts, verdicts: list[str]) -> Text:
        count: int = sum(counts[verdict] for verdict in verdicts)  # type: ignore[literal-required]
        if not count:
            return Text(self.symbols.none, style="dim")
        style = "bold red" if verdicts[0] in words.DRIFT else "yellow" if verdicts[0] == "undecided" else ""
        return Text(words.number(count), style=style)

    def _coverage(self, coverage: CoverageDocument) -> Text:
        word = words.coverage(coverage)
        return Text(word, style={"incomplete": "bold yellow", "complete": "dim"}.get(word, ""))

    def _lines(self) -> Group:
        lines: list[RenderableType] = []
        for entity in self.run["entities"]:
            lines.append(Text.assemble(_entity_name(entity), f" {words.counted(entity['owner']['rows'], 'row')}"))
            lines += self._line(words.OWNER, entity["owner"], "")
            for replica in entity["replicas"]:
                lines += self._line(replica["replica"], replica, f"{words.number(replica['compared_rows'])} compared")
        return Group(*lines)

    def _line(self, name: str, counts: VerdictCounts | ReplicaDocument, compared: str) -> list[RenderableType]:
        found = [f"{words.number(counts[v])} {words.words(v)}" for v in words.VERDICTS if counts[v]]  # type: ignore[literal-required]
        if not found and not compared:
            return []
        style = "bold red" if words.drift(counts) else ""
        text = Text(", ".join([part for part in (*found, compared) if part]), style=style)
        return [Hanging(Text(f"  {visible(name)}: "), text, indent=4)]

    def _skipped(self) -> RenderableType | None:
        skipped = words.skipped(self.run)
        if not skipped:
            return None
        lines: list[RenderableType] = [Text("Not compared", style="bold")]
        for where, reason, incomplete in skipped:
            name = self._plain(visible(where))
            lines.append(Hanging(Text(f"  {name}: "), Text(visible(reason), "yellow" if incomplete else ""), indent=4))
        return Group(*lines)

    def _plain(self, text: str) -> str:
        return text.replace("→", self.symbols.arrow)

    def _listing_cut(self) -> Text | None:
        listed = sum(count for group, count in self.selection.counts.items() if group.verdict in LISTED)
        return _cut(listed, self.selection)

    def _not_drift(self) -> RenderableType | None:
        sentences = [*words.not_drift(self.run), *map(visible, words.signs(self.run))]
        if not sentences:
            return None
        lines = [Hanging(Text("  "), Text(sentence)) for sentence in sentences]
        return Group(Text("Not counted as drift", style="bold"), *lines)

    def _exit(self) -> RenderableType | None:
        run = self.run
        if run["exit_code"] == 0:
            return None
        lines: list[RenderableType] = [Text(f"Why exit code {run['exit_code']}", style="bold")]
        for reason in run["exit_reasons"]:
            text = words.exit_reason(reason, run)
            lines.append(Hanging(Text(f"  {words.words(reason)}: "), Text(text), indent=4))
        errors = (Text(_lines_visible(error), style="red") for error in run.get("errors", []))
        lines.extend(Hanging(Text("  "), error, indent=4) for error in errors)
        return Group(*lines)

    def _load(self) -> RenderableType | None:
        loads = words.loads(self.run)
        if not loads:
            return None
        lines: list[RenderableType] = [Text("What the audit asked of the stores", style="bold")]
        for name, queries, rows, size, seconds, longest in loads:
            told = f"{queries} queries, {rows} rows, {size} in {seconds}, longest transaction {longest}"
            told = told.replace("–", "bytes unknown")
            lines.append(Hanging(Text(f"  {visible(name)}: "), Text(told), indent=4))
        for where, why in words.read_again(self.run):
            lines.append(Hanging(Text(f"  {self._plain(visible(where))}: "), Text(visible(why)), indent=4))
        return Group(*lines)

    def _next(self) -> RenderableType | None:
        steps = words.next_steps(self.run, self.selection.shown)
        if not steps:
            return None
        lines: list[RenderableType] = [Text("Next", style="bold")]
        for step in steps:
            lines.append(Hanging(Text("  "), Text(step.text + (":" if step.command else ""))))
            lines += [Hanging(Text("    "), Text(step.command, style="cyan"))] if step.command else []
        return Group(*lines)


class FindingList:
    """Findings being drawn, below headings for place, verdict and divergence."""

    def __init__(self, selection: Selection, span: words.Span, paper: Paper) -> None:
        self.selection = selection
        self.span = span
        self.paper = paper
        self.symbols = paper.symbols

    def draw(self) -> None:
        """Draw all of them, the gravest verdict of each place first."""
        ordered = sorted(self.selection.shown, key=_place_order)
        for position, (place, findings) in enumerate(groupby(ordered, key=_place_order)):
            if position:
                self.paper.draw(Text())
            self._place(place, list(findings))

    def _place(self, place: tuple[str, bool, str], findings: list[FindingDocument]) -> None:
        entity, has_replica, replica = place
        name = f"{visible(entity)} {self.symbols.arrow} {visible(replica)}" if has_replica else visible(entity)
        title = Text.assemble((name, "bold"), ("" if has_replica else " (the owner's own data)", "dim"))
        self.paper.draw(title)
        for group, members in groupby(findings, key=group_of):
            shown_here = list(members)
            count = self.selection.counts[group]
            self._heading(group, count)
            self.paper.draw(*(line for finding in shown_here for line in self._finding(finding)))
            if count > len(shown_here):
                more = f"    {self.symbols.ellipsis} and {words.number(count - len(shown_here))} more"
                self.paper.draw(Text(more, style="dim"))

    def _heading(self, group: FindingGroup, count: int) -> None:
        style = "red" if group.verdict in words.DRIFT else "yellow" if group.verdict == "undecided" else ""
        cause = "" if group.cause == "unknown" else words.words(group.cause)
        found = words.divergences(count, group.divergence)
        parts = [found, visible(group.rule or ""), words.words(group.verdict), cause]
        meaning = words.CAUSES.get(group.cause, "") if cause else words.divergence_meaning(group.divergence, group.rule)
        text = Text.assemble(
            (f" {self.symbols.dot} ".join(part for part in parts if part), style),
            (f" {self.symbols.dash} {meaning}" if meaning else "", "dim"),
        )
        self.paper.draw(Hanging(Text("  "), text, indent=4))

    def _finding(self, finding: FindingDocument) -> list[RenderableType]:
        lines: list[RenderableType] = [self._finding_line(finding)]
        lines += self._differences(finding)
        if accepted := finding.get("accepted"):
            told = f"accepted until {words.when(accepted['until'])}: {visible(accepted['why'])}"
            lines.append(Hanging(Text("      "), Text(told, style="dim")))
        note = words.own_note(finding)
        if note:
            lines.append(Hanging(Text("      "), Text(visible(note), style="dim")))
        return lines

    def _finding_line(self, finding: FindingDocument) -> RenderableType:
        name = Text(key_text(finding["key"]) or "the whole replica", style="cyan")
        name.truncate(2 * (self.paper.width - 4), overflow="ellipsis")
        if finding.get("rows", 1) > 1:
            name.append(f"  {words.number(finding['rows'])} rows", style="bold")
        age = words.age(finding, self.span)
        parts = (finding.get("state", ""), age, finding["id"])
        fresh = finding.get("status") in words.NEWS
        about = Text(f" {self.symbols.dot} ".join(part for part in parts if part), style="bold" if fresh else "dim")
        gap = self.paper.width - 4 - name.cell_len - about.cell_len
        if gap >= 2:  # noqa: PLR2004 - columns between two texts
            return Text.assemble("    ", name, " " * gap, about, no_wrap=True, overflow="ellipsis")
        return Group(Hanging(Text("    "), name), Hanging(Text("      "), about))

    def _differences(self, finding: FindingDocument) -> list[RenderableType]:
        fields = finding["fields"]
        width = max((min(cell_len(visible(field["name"])), NAME_WIDTH_MAX) for field in fields), default=0)
        alone = finding["replica"] is None
        lines: list[RenderableType] = []
        for field in fields:
            lines.append(self._owner_value(field, width) if alone else self._difference(field, width))
            if note := field.get("note"):
                lines.append(Hanging(Text(" " * (6 + width + 2)), Text(visible(note), style="dim")))
        return lines

    def _owner_value(self, field: DifferenceDocument, width: int) -> RenderableType:
        return Hanging(self._field_name(field["name"], width), Text(shown(field["owner"])))

    def _difference(self, field: DifferenceDocument, width: int) -> RenderableType:
        owner, replica = difference(*shown_pair(field["owner"], field["replica"]))
        name = self._field_name(field["name"], width)
        one_line = Text.assemble(name, _marked(owner), f" {self.symbols.arrow} ", _marked(replica), no_wrap=True)
        if one_line.cell_len <= self.paper.width:
            return one_line
        indent = Text(" " * name.cell_len)
        return Group(self._side(name, "owner", owner), self._side(indent, "replica", replica))

    def _field_name(self, name: str, width: int) -> Text:
        text = Text(f"      {visible(name)}")
        text.truncate(6 + NAME_WIDTH_MAX, overflow="ellipsis" if self.symbols.ellipsis == "…" else "crop")
        text.append(" " * max(2, 6 + width + 2 - text.cell_len))
        return text

    def _side(self, lead: Text, side: str, pieces: Pieces) -> Text:
        room = self.paper.width - lead.cell_len - 9
        whole = _marked(pieces)
        if whole.cell_len > len(whole):
            room //= 2  # characters that take two columns
        part = _marked(excerpt(pieces, max(8, room), ellipsis=self.symbols.ellipsis))
        return Text.assemble(lead, (f"{side:<9}", "dim"), part, no_wrap=True, overflow="ellipsis")


def _place_order(finding: FindingDocument) -> tuple[str, bool, str]:
    return (finding["entity"], finding["replica"] is not None, finding["replica"] or "")


def _entity_name(entity: EntityReport) -> Text:
    return Text.assemble((visible(entity["entity"]), "bold"), (f" v{entity['contract_version']}", "dim"))


def _marked(pieces: Pieces) -> Text:
    return Text.assemble(*((piece.text, "bold underline" if piece.differs else "") for piece in pieces))


def _lines_visible(text: str) -> str:
    return "\n".join(visible(line) for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the summary, an entry for every owner and every replica."""

    head: str
    cells: list[Text]
    justify: JustifyMethod = "right"

    @property
    def width(self) -> int:
        return max(cell_len(self.head), *(cell.cell_len for cell in self.cells))


def _table(columns: list[_Column], gap: int) -> Table:
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.head, justify=column.justify, no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    return table


class Hanging:
    """A lead and a text that wraps below its own first line, or below `indent`."""

    def __init__(self, lead: Text, text: Text, *, indent: int | None = None) -> None:
        self._lead = lead if indent is None else Text()
        self._text = text if indent is None else lead + text
        self._indent = lead.cell_len if indent is None else indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw line by line."""
        width = max(8, options.max_width - self._indent)
        for position, line in enumerate(self._text.wrap(console, width, overflow="fold")):
            yield Text.assemble(" " * self._indent if position else self._lead, line)
