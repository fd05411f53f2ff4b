"""A server process of ours: started, watched, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.services.availability import Unavailable
from tests.services.deadline import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.services.account import Account

_START_SECONDS = 120
_STOP_SECONDS = 30
_TAIL_CHARACTERS = 2000


def run_tool(argv: Sequence[str | Path], *, account: Account, home: Path, what: str, seconds: float = 300) -> str:
    """Run a tool to its end as *account* and return what it printed.

    Raises:
        Unavailable: It failed; the message has the end of what it said.
    """
    done = subprocess.run(
        [str(part) for part in argv],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=home,
        env=_environment(home),
        stdin=subprocess.DEVNULL,
        **account.credentials,
    )
    if done.returncode != 0:
        raise Unavailable(f"{what} failed: {(done.stderr or done.stdout).strip()[-_TAIL_CHARACTERS:]}")
    return done.stdout


@dataclass(slots=True)
class ServerProcess:
    """One child process with its log.

    It runs in a session of its own, so that Ctrl-C reaches only the tests, which then stop it in order;
    should the tests be killed, the kernel ends it where it can.
    """

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path
    stop_signal: signal.Signals

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        account: Account,
        home: Path,
        log_path: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        environment: Mapping[str, str] | None = None,
    ) -> ServerProcess:
        """Start *argv* as *account* in *home*, its output appended to *log_path*.

        Args:
            name: For messages.
            argv: The program and its arguments.
            account: Who runs it.
            home: Its working directory, and its ``HOME``.
            log_path: What it prints goes here.
            stop_signal: What asks it to end.
            environment: Its environment; by default next to nothing of the caller's.
        """
        command = [str(part) for part in argv]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--", *command]
        with log_path.open("ab") as log:
            account.own(log_path)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=home,
                env=_environment(home) if environment is None else environment,
                start_new_session=True,
                **account.credentials,
            )
        return cls(name, process, log_path, stop_signal)

    def wait_until_healthy(self, healthy: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Wait until *healthy* says so.

        Raises:
            Unavailable: The process ended, or was not healthy within *seconds*.
        """

        def settled() -> bool:
            return self.process.poll() is not None or healthy()

        try:
            wait_until(settled, seconds=seconds, what=f"{self.name} answering")
        except TimeoutError as late:
            self.stop()
            raise Unavailable(f"{late}; its log ends: {self.log_tail()}") from late
        if (status := self.process.poll()) is not None:
            raise Unavailable(f"{self.name} ended with status {status}; its log ends: {self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of the server's log."""
        return self.log_path.read_text(errors="replace").strip()[-_TAIL_CHARACTERS:]

    def stop(self) -> None:
        """End the process, first politely; does nothing to one that has ended."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def _environment(home: Path) -> dict[str, str]:
    """Return what a server is to see: nothing of the caller's settings, messages in English."""
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
