"""The command line: which commands there are, and what becomes of everything that goes wrong in one.

A command's module is imported when the command is called, so that `audit --help` answers at once.
"""

# ruff: noqa: FBT001, FBT002 - Typer reads options from a signature

from __future__ import annotations

import contextlib
import errno
import gc
import os
import re
import sys
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
import typer.core
import typer.main

from auditor.commands.invocation import Invocation, common_options, tell
from auditor.libraries import spare_libraries
from contracts.errors import AuditorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLEAN, DRIFT, TROUBLE = 0, 1, 2
"""Exit codes, as diff(1)."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A full disk, a full quota, a file as large as this process may write."""

_NEGATIVE = re.compile(r"[Nn]o such option:? '?-\d")

_INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""

AUDIT_PANEL, LEDGER_PANEL, START_PANEL = "Audit", "Look at what was found", "Set up"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as `audit --help` lists it.

    Attributes:
        module: Where its Typer app is, as `app`.
        about: What it does, in a line.
        panel: Under which heading.
    """

    module: str
    about: str
    panel: str


COMMANDS = {
    "reconcile": Entry("reconcile", "Compare owners with their replicas, recheck, record and report.", AUDIT_PANEL),
    "monitor": Entry("monitor", "Follow the change streams, and say what copies owe their owners.", AUDIT_PANEL),
    "entity": Entry("entity", "Show exactly one entity, everywhere, now.", AUDIT_PANEL),
    "findings": Entry("findings", "List what was found.", LEDGER_PANEL),
    "explain": Entry("explain", "Show one finding with all its evidence.", LEDGER_PANEL),
    "accept": Entry("accept", "Accept known differences until a day.", LEDGER_PANEL),
    "runs": Entry("runs", "List past runs.", LEDGER_PANEL),
    "report": Entry("report", "Write the report of a past run again, in any format.", LEDGER_PANEL),
    "compensate": Entry("compensate", "Write what would put a run's findings right; apply nothing.", LEDGER_PANEL),
    "verify": Entry("verify", "Read again what a plan touched.", LEDGER_PANEL),
    "demo": Entry("demo", "Build an embedded shop with planted drift and audit it.", START_PANEL),
    "init": Entry("init", "Write settings and a contract to start from.", START_PANEL),
    "contracts": Entry("contracts", "Check, infer, compare and list contracts.", START_PANEL),
    "doctor": Entry("doctor", "Check connections, privileges and this installation.", START_PANEL),
    "feed": Entry("feed", "Record change streams, for support and tests.", START_PANEL),
    "ledger": Entry("ledger", "Show, upgrade or prune the ledger.", START_PANEL),
}


class AuditGroup(typer.core.TyperGroup):
    """All commands; the one that is called is imported, the others are names with a line of help."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments call, with its common options."""
        name, _, rest = super().resolve_command(ctx, args)
        command = None if name is None else load_command(name)
        return name, command, rest


def load_command(name: str) -> Any:
    """Import a command; it and the commands below it get the common options, which may stand anywhere."""
    app: typer.Typer = import_module(f"auditor.commands.{COMMANDS[name].module}").app
    command: Any = typer.main.get_command(app)
    command.name = name
    for one in _with_those_below(command):
        one.params += common_options()
    return command


def _with_those_below(command: Any) -> Iterator[Any]:
    yield command
    if isinstance(command, typer.core.TyperGroup):
        for below in command.commands.values():
            yield from _with_those_below(below)


def _show_version(wanted: bool) -> None:
    if wanted:
        from auditor.release import version

        typer.echo(f"audit {version()}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True, expose_value=False),
    ] = False,
) -> None:
    """Audit whether the copies of data across services still agree with their owners.

    Exit codes: 0 everything in scope was compared and agrees, 1 there is drift, 2 trouble.
    """


def command_group() -> AuditGroup:
    """The whole command line."""
    app = typer.Typer(cls=AuditGroup, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_root)
    group = cast("AuditGroup", typer.main.get_command(app))
    group.name = "audit"
    group.params += common_options()
    for name, entry in COMMANDS.items():
        group.add_command(typer.core.TyperCommand(name, help=entry.about, rich_help_panel=entry.panel))
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """The program: parse, run, and leave with the exit code.

    It leaves at once.  Everything of ours is closed by now; what is left are threads of libraries.  One of them may
    wait for a dead server, and taking them down in the middle of their work would end in an abort.

    The garbage collector rests: modules make many small things that stay, and a command that ends walked them in vain
    for a tenth of its time.  A command that goes on for as long as somebody likes wakes it.
    """
    gc.disable()
    spare_libraries()
    _stand_in_for_closed_streams()
    code = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a reader who has gone away
            stream.flush()
    os._exit(code)


def _stand_in_for_closed_streams() -> None:
    """Where a caller closed stdout or stderr, Python has None: what is said goes nowhere, the exit code stays right."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        The exit code: 0, 1 or 2.
    """
    invocation = Invocation()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries tell their developers is no message to a user
    try:
        code = command_group().main(list(arguments), prog_name="audit", standalone_mode=False, obj=invocation)
    except AuditorError as error:
        return _told(str(error), invocation)
    except typer.TyperException as error:
        return _told(_usage(error), invocation)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the boundary: a bug is told in one line
        if not _is_interruption(error):
            return _internal(error, invocation)
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        tell("audit: interrupted")
        return TROUBLE
    return int(code or CLEAN)


def _is_interruption(error: Exception) -> bool:
    """Whether it is what DuckDB makes of Ctrl-C, where that ends a statement of the main thread."""
    return isinstance(error, RuntimeError) and str(error) == "Query interrupted"


def _told(message: str, invocation: Invocation) -> int:
    if invocation.verbose:
        _traceback()
    tell(f"audit: {message}")
    return TROUBLE


def _usage(error: typer.TyperException) -> str:
    """A mistake on the command line, told as every other error is."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    where = context.command_path if context is not None else "audit"
    if not message:
        return context.get_help() if context is not None else where
    hint = f"`{where} --help` shows what it takes"
    if _NEGATIVE.search(message):
        hint = f"write -- before a value that begins with a minus, as in `{where} … -- -1`"
    return f"{message[:1].lower()}{message[1:].rstrip('.')}\n  next: {hint}"


_DUCKDB = ("duckdb", "_duckdb")
_FULL = ("OutOfMemoryException", "IOException")
"""What DuckDB raises; by name, for most mistakes are told without it."""

_SHORT = "Could not read"
"""How it begins to tell of a file that is shorter than it says itself, or that the disk does not give."""


def _internal(error: BaseException, invocation: Invocation) -> int:
    from auditor.reports.visible import visible

    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return _told(
            f"writing failed: {error.strerror}\n  next: make room there, or name a file with --out", invocation
        )
    first = next(iter(str(error).splitlines()), "")
    if type(error).__module__.partition(".")[0] in _DUCKDB and type(error).__name__ in _FULL:
        if _SHORT in first:
            hint = "move that file away and run again: the state of a feed is then made anew from its topics"
            return _told(f"a file of DuckDB's is damaged: {visible(first)}\n  next: {hint}", invocation)
        hint = "raise workspace.memory_limit in the settings file, or make room on the disk"
        return _told(f"DuckDB had no room for what was to be done: {visible(first)}\n  next: {hint}", invocation)
    if invocation.verbose:
        _traceback()
    told = f"{type(error).__name__}: {visible(first)}" if invocation.verbose else type(error).__name__
    tell(f"audit: internal error ({told})" + ("" if invocation.verbose else "; run again with --verbose to see where"))
    return TROUBLE


def _traceback() -> None:
    import traceback

    tell(traceback.format_exc())
