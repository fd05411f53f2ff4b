"""A signal ends the work at once, whatever the main thread is doing when it comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import duckdb
import pytest

from auditor import cli
from auditor.cli import AuditGroup
from auditor.interruption import interruptible
from reconcilers.halt import Halt
from reconcilers.workspace import Workspace
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AT_ONCE_SECONDS = 5.0
LONG_SECONDS = 20.0
NUMBERS = [signal.SIGTERM, signal.SIGINT]
LONG = "SELECT count(*) FROM range(10000000000) a WHERE a.range % 7 = 3"
"""Half a minute of two processors."""


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """Handlers, the file for signals and the thread are as they were before."""
    handlers = [signal.getsignal(number) for number in (*NUMBERS, signal.SIGURG)]
    yield
    assert [signal.getsignal(number) for number in (*NUMBERS, signal.SIGURG)] == handlers
    assert signal.set_wakeup_fd(-1) == -1
    assert "signals" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Somebody beside the main thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def elsewhere(number: signal.Signals) -> None:
    """The process gets a signal, and the main thread sleeps on: as when the signal came as it was falling asleep."""
    wait_until(asleep(), seconds=10, what="the main thread's sleep")
    signal.pthread_kill(threading.get_ident(), number)


def asleep() -> Callable[[], bool]:
    """Whether the main thread waits: two looks find it at the same place of a wait."""
    seen = -1

    def look() -> bool:
        nonlocal seen
        before = seen
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        seen = frame.f_lasti if frame.f_code is threading.Condition.wait.__code__ else -1
        return seen == before != -1

    return look


def signal_when_busy(number: signal.Signals) -> None:
    """As soon as a statement has taken some time."""
    busy = time.process_time() + 0.3
    wait_until(lambda: time.process_time() > busy, seconds=10, what="the statement")
    os.kill(os.getpid(), number)


def interrupted(stop: Callable[[], None], work: Callable[[], object]) -> float:
    """Work that a signal ends; returns the seconds it took."""
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruptibly(stop, work)
    return time.monotonic() - began


def interruptibly(stop: Callable[[], None], work: Callable[[], object]) -> None:
    with interruptible(stop):
        work()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_does_not_wake_the_main_thread_ends_its_wait(
    number: signal.Signals, beside: ThreadPoolExecutor
) -> None:
    def work() -> None:
        beside.submit(elsewhere, number)
        threading.Event().wait(LONG_SECONDS)

    assert interrupted(lambda: None, work) < AT_ONCE_SECONDS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_does_not_wake_the_main_thread_ends_the_work_that_it_waits_for(number: signal.Signals) -> None:
    """As `Looker` waits for its scans."""
    halt = Halt()
    doing: list[Future[None]] = []

    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            doing.append(pool.submit(halt.pause, LONG_SECONDS))
            pool.submit(elsewhere, number)
            wait(doing)

    assert interrupted(halt.stop, work) < AT_ONCE_SECONDS
    assert str(doing[0].exception()).startswith("the run was interrupted")


def test_a_signal_ends_a_statement_that_the_main_thread_waits_for(tmp_path: Path, beside: ThreadPoolExecutor) -> None:
    """DuckDB tells of it in words of its own, which is no error of the run's."""
    with Workspace(tmp_path) as workspace:
        cursor = workspace.cursor()

        def work() -> None:
            beside.submit(signal_when_busy, signal.SIGTERM)
            cursor.execute(LONG)

        assert interrupted(workspace.interrupt, work) < AT_ONCE_SECONDS


def test_what_began_when_everything_was_ended_is_ended_too(tmp_path: Path) -> None:
    """DuckDB forgets what it was told between two statements."""
    with Workspace(tmp_path) as workspace, ThreadPoolExecutor(1) as pool:
        stopped = threading.Event()
        doing: list[Future[None]] = []

        def stop() -> None:
            workspace.interrupt()
            stopped.set()

        def late() -> None:
            cursor = workspace.cursor()
            stopped.wait()
            cursor.execute(LONG)

        def work() -> None:
            doing.append(pool.submit(late))
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                wait(doing)

        assert interrupted(stop, work) < AT_ONCE_SECONDS
        assert isinstance(doing[0].exception(), duckdb.InterruptException)


def test_the_main_thread_is_told_once(beside: ThreadPoolExecutor) -> None:
    """What it puts in order afterwards is not broken off, while others are ended again."""
    stops: list[float] = []
    orderly = False

    def work() -> None:
        nonlocal orderly
        try:
            beside.submit(elsewhere, signal.SIGTERM)
            threading.Event().wait(LONG_SECONDS)
        finally:
            told = len(stops)
            wait_until(lambda: len(stops) > told + 3, seconds=10, what="being ended again")
            orderly = True

    interrupted(lambda: stops.append(time.monotonic()), work)
    assert orderly


def test_work_that_ends_in_an_error_of_its_own_was_interrupted(beside: ThreadPoolExecutor) -> None:
    def work() -> None:
        try:
            beside.submit(elsewhere, signal.SIGTERM)
            threading.Event().wait(LONG_SECONDS)
        except KeyboardInterrupt as error:
            raise RuntimeError("Query interrupted") from error

    interrupted(lambda: None, work)


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    def work() -> None:
        raise RuntimeError("of the work")

    with pytest.raises(RuntimeError, match="of the work"):
        interruptibly(lambda: None, work)


def test_other_threads_are_not_told_of_signals(beside: ThreadPoolExecutor) -> None:
    done = threading.Event()
    beside.submit(interruptibly, lambda: None, done.set).result()
    assert done.is_set()


def test_a_command_whose_statement_is_broken_off_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], beside: ThreadPoolExecutor
) -> None:
    """Where nobody but Python hears Ctrl-C, DuckDB makes an error of its own of it."""

    class Looking(AuditGroup):
        def main(self, *_: object, **__: object) -> int:
            with duckdb.connect(config={"threads": 1}) as connection:  # one that waits for others hears nothing
                beside.submit(signal_when_busy, signal.SIGINT)
                connection.execute(LONG)
            return 0

    monkeypatch.setattr(cli, "command_group", Looking)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers that run tests ignore it
    try:
        assert cli.run([]) == cli.TROUBLE
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "audit: interrupted\n"
