"""One call of the program: its common options, where its result goes, and how it speaks to the person who called.

stdout (or `--out`) carries the result alone; messages go to stderr.
"""

# ruff: noqa: FBT002 - Typer reads options from a signature

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from auditor.settings import Settings

CONFIG_DEFAULT = Path("auditor.yaml")
CONFIG_VARIABLE = "AUDITOR_CONFIG"
TERMINAL, JSON = "terminal", "json"

COMMON_PANEL = "Common options"


@dataclass(slots=True)
class Invocation:
    """What the common options say."""

    config: Path | None = None
    form: str | None = None
    out: Path | None = None
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def of(cls, context: typer.Context) -> Invocation:
        """The invocation that a command runs in."""
        return cast("Invocation", context.find_root().obj)

    @property
    def config_path(self) -> Path:
        """The settings file: `--config`, else `$AUDITOR_CONFIG`, else `auditor.yaml`."""
        return self.config or Path(os.environ.get(CONFIG_VARIABLE) or CONFIG_DEFAULT)

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: The file cannot be read, or something in it is wrong.
        """
        from auditor.settings import load_settings

        return load_settings(self.config_path)

    def format_of(self, allowed: Sequence[str]) -> str:
        """The format asked for, the first allowed one by default.

        Where `--out` leads is looked at here too: a mistake in how a result is wanted is told before any work is done.

        Raises:
            UsageError: The command does not have it, or the file of `--out` cannot be written.
        """
        form = self.form or allowed[0]
        if form not in allowed:
            raise UsageError(
                f"--format {form}: this command does not write that",
                hint=f"choose --format {' or '.join(allowed)}",
            )
        if self.out is not None:
            require_writable(self.out)
        return form

    def say(self, text: str) -> None:
        """Tell the person something worth knowing; `--quiet` keeps it back."""
        if not self.quiet:
            tell(text)

    @contextlib.contextmanager
    def result(self) -> Iterator[TextIO]:
        """Where the result is to be written: stdout, or the file of `--out`, which appears whole or not at all.

        Raises:
            UsageError: The file cannot be written.
        """
        if self.out is None:
            with standard_output(for_machines=self.form not in (None, TERMINAL)) as stream:
                yield stream
        else:
            with atomic_file(self.out) as stream:
                yield stream


def tell(text: str) -> None:
    """Write a message to stderr, without any secret."""
    from auditor.secrets import scrub

    with contextlib.suppress(OSError, ValueError):  # nobody listens any more: nothing to tell them
        sys.stderr.write(f"{scrub(text)}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def standard_output(*, for_machines: bool = False) -> Iterator[TextIO]:
    """stdout; a reader who goes away (`| head`) is no error.

    Args:
        for_machines: Always UTF-8; a terminal has its own encoding, and shows what it lacks as escapes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if for_machines else None, errors="backslashreplace")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()


def _let_go_of_stdout() -> None:
    """Python flushes stdout once more when it exits; that must not fail either."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """A text file that replaces `path` when everything is written, and leaves no trace when something fails.

    Raises:
        UsageError: It cannot be written.
    """
    path = path.resolve()  # a link stays a link
    if path.exists() and not path.is_file():
        with _opened(path) as stream:
            yield stream
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
        temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else _usual_mode())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Make sure that a result can be written there, and leave everything as it is.

    Raises:
        UsageError: It cannot be written.
    """
    path = path.resolve()
    if path.is_dir():
        raise UsageError(f"writing {path} failed: it is a directory", hint="name a file with --out")
    try:
        if path.exists() and not path.is_file():
            return  # a pipe or a device; opening it would already act on whoever listens
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(descriptor)
    Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A pipe or a device: nothing that could be replaced."""
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise _unwritable(path, error) from error


def _usual_mode() -> int:
    """The permissions of a file that is made the usual way; temporary files have none for others."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"writing {path} failed: {error.strerror or error}", hint="name another file with --out")


def _remember(context: typer.Context, param: typer.CallbackParam, value: object) -> object:
    """Keep a common option, wherever on the command line it stands; the later one counts."""
    if value is not None and value is not False:
        setattr(Invocation.of(context), str(param.name), value)
    return value


def _declare(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings file.",
            show_default=f"${CONFIG_VARIABLE}, else {CONFIG_DEFAULT}",
            callback=_remember,
            expose_value=False,
            rich_help_panel=COMMON_PANEL,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="How the result is written.",
            show_default=TERMINAL,
            callback=_remember,
            expose_value=False,
            rich_help_panel=COMMON_PANEL,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the result goes.",
            show_default="stdout",
            callback=_remember,
            expose_value=False,
            rich_help_panel=COMMON_PANEL,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            help="Say nothing but the result and errors.",
            callback=_remember,
            expose_value=False,
            rich_help_panel=COMMON_PANEL,
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            help="Say more; tracebacks of internal errors too.",
            callback=_remember,
            expose_value=False,
            rich_help_panel=COMMON_PANEL,
        ),
    ] = False,
) -> None:
    """Never called: its signature declares the common options."""


def common_options() -> list[typer.core.TyperOption]:
    """The common options, anew for each command that has them."""
    app = typer.Typer(add_completion=False)
    app.command()(_declare)
    return cast("list[typer.core.TyperOption]", typer.main.get_command(app).params)
