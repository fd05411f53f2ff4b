"""What every server of a test run has in common."""

from __future__ import annotations

import abc
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from tests.services.ports import LOOPBACK
from tests.services.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.services.account import Account


class Service(abc.ABC):
    """A running server on loopback that belongs to this test run alone."""

    name: ClassVar[str]  # of its fixture
    title: ClassVar[str]  # for people

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    host: str = LOOPBACK
    port: int
    password: str
    version: str
    log_path: Path  # what the server says about itself

    def __init__(self, account: Account) -> None:
        self.account = account
        self.directory = account.own(Path(tempfile.mkdtemp(prefix=f"auditor-{self.name}-")))
        self.password = secrets.token_hex(8)
        self._process: ServerProcess | None = None

    @classmethod
    @abc.abstractmethod
    def fetch(cls) -> Path:
        """Return where the server's programs are, fetching them where they are missing.

        Raises:
            Unavailable: They are not here and cannot be had.
        """

    @classmethod
    @abc.abstractmethod
    def start(cls) -> Self:
        """Fetch, start and return a server that answers.

        Raises:
            Unavailable: It cannot be had here, or does not start.
        """

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where it is, as its users write it."""

    def stop(self) -> None:
        """Stop the server and delete its data."""
        self._stop_process()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End the server at once, as a crash does; its data stays."""
        assert self._process is not None, "the server does not run"
        self._process.process.kill()
        self._process.process.wait()

    def freeze(self) -> None:
        """Let the server do nothing more, though it is there: its connections stay open, and new ones are taken."""
        for number in self._process_numbers():
            os.kill(number, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for number in self._process_numbers():
            os.kill(number, signal.SIGCONT)

    def _process_numbers(self) -> list[int]:
        """The server's process, and those that it has started."""
        assert self._process is not None, "the server does not run"
        main = self._process.process.pid
        children = Path(f"/proc/{main}/task/{main}/children")
        return [main, *map(int, children.read_text().split())] if children.exists() else [main]

    def _stop_process(self) -> None:
        if self._process is not None:
            self._process.stop()

    def _run(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start the server by *command* and wait until it answers."""
        self._process = ServerProcess.start(
            self.title,
            command,
            account=self.account,
            home=self.directory,
            log_path=self.log_path,
            stop_signal=self.stop_signal,
            environment=environment,
        )
        self._process.wait_until_healthy(self._answers)
        self.version = self._read_version()

    @abc.abstractmethod
    def _answers(self) -> bool: ...

    @abc.abstractmethod
    def _read_version(self) -> str: ...
