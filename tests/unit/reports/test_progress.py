from __future__ import annotations

import io
import threading

import pytest

from auditor.reports.progress import NoProgress, TerminalProgress, progress


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")


def test_what_is_no_terminal_gets_nothing() -> None:
    file = io.StringIO()
    with progress(file) as told:
        told.start("order", 10)
        told.advance("order", 5)
        told.note("waiting")
        told.done("order")
    assert isinstance(told, NoProgress)
    assert file.getvalue() == ""


def test_a_terminal_that_cannot_move_its_cursor_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = Terminal()
    with progress(file) as told:
        told.start("order", 10)
    assert file.getvalue() == ""


def test_a_quiet_terminal_gets_nothing() -> None:
    file = Terminal()
    with progress(file, wanted=False) as told:
        told.start("order", 10)
    assert file.getvalue() == ""


def test_a_terminal_sees_names_rows_and_notes() -> None:
    file = Terminal()
    with progress(file) as told:
        told.start("order: owner", 300_000)
        told.advance("order: owner", 120_000)
        told.start("order → lake", None)
        told.note("waiting 30 s to recheck 68 suspects")
        assert isinstance(told, TerminalProgress)
        told.drawn.refresh()
        seen = file.getvalue()
        told.done("order: owner")
        told.done("order → lake")
    assert all(part in seen for part in ("order: owner", "120,000 rows", "order → lake", "recheck 68 suspects"))


def test_an_unknown_name_is_no_error() -> None:
    with progress(Terminal()) as told:
        told.advance("nobody", 1)
        told.done("nobody")


def test_names_cannot_act_on_the_terminal() -> None:
    file = Terminal()
    with progress(file) as told:
        told.start("[red]\x1b]0;title\x07", 1)
        told.note("\x1b[2J")
        assert isinstance(told, TerminalProgress)
        told.drawn.refresh()
    assert "\x1b]0;" not in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()
    assert "[red]" in file.getvalue()


def test_both_sides_may_be_read_at_once() -> None:
    file = Terminal()
    with progress(file) as told:

        def read(name: str) -> None:
            told.start(name, 1000)
            for _ in range(1000):
                told.advance(name, 1)
            told.done(name)

        threads = [threading.Thread(target=read, args=(f"side {n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert isinstance(told, TerminalProgress)
        told.drawn.refresh()
        assert file.getvalue().count("1,000 rows") >= 4


def test_the_terminal_is_given_back_after_an_error() -> None:
    file = Terminal()

    def interrupted() -> None:
        with progress(file) as told:
            told.start("order", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue().rstrip().endswith("\x1b[2K")
    assert "\x1b[?25h" in file.getvalue()
