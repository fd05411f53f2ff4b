"""Servers that run on a Java machine."""

from __future__ import annotations

import abc
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from tests.services.account import Account
from tests.services.availability import Unavailable
from tests.services.packages import install_packages
from tests.services.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JAVA_VERSION_MIN = 17
_PACKAGES = ("openjdk-17-jre-headless", "default-jre-headless")  # Debian 12 has the first, later ones the second
_INSTALLED = Path("/usr/lib/jvm")

# Quick to start and small: these servers live for minutes.
_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Djava.awt.headless=true")


def find_java() -> Path | None:
    """Return a `java` that is new enough: the one on the path, else any that is installed."""
    on_path = shutil.which("java")
    candidates = [*([Path(on_path)] if on_path else []), *sorted(_INSTALLED.glob("*/bin/java"), reverse=True)]
    return next((path for path in candidates if _version(path) >= JAVA_VERSION_MIN), None)


def java() -> Path:
    """Return a `java`, installing a package where it is missing.

    Raises:
        Unavailable: There is none, and it cannot be had.
    """
    reasons = []
    for package in _PACKAGES:
        if (found := find_java()) is not None:
            return found
        try:
            install_packages(package, wanted_for=f"Java {JAVA_VERSION_MIN}")
        except Unavailable as reason:
            reasons.append(str(reason))
    if (found := find_java()) is not None:
        return found
    raise Unavailable("; ".join(reasons) or f"there is no Java {JAVA_VERSION_MIN} or newer")


def _version(program: Path) -> int:
    said = subprocess.run([program, "-version"], check=False, capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


class JavaService(Service):
    """What servers on a Java machine have in common."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGKILL  # nothing of theirs is kept; they take long to end politely
    heap: ClassVar[str]  # the most that its objects may take, such as `256m`

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.log_path = self.directory / "server.log"

    @classmethod
    def begin(cls) -> Self:
        """Return a server that is not started yet."""
        return cls(Account.caller())  # only its owner can reach the cache, and none of them minds root

    @classmethod
    def start(cls) -> Self:
        """Start a server with nothing in it."""
        server = cls.begin()
        try:
            server._prepare()
            server.launch()
        except BaseException:
            server.stop()
            raise
        return server

    def _prepare(self) -> None:
        """Make what the server needs before it is started for the first time."""

    @abc.abstractmethod
    def launch(self) -> None:
        """Start the server, again after it was stopped or killed too."""

    def _java(self, *arguments: str | Path, properties: Mapping[str, str] | None = None) -> list[str | Path]:
        """The command that runs a Java program with these arguments."""
        defined = [f"-D{name}={value}" for name, value in (properties or {}).items()]
        return [java(), f"-Xmx{self.heap}", *_OPTIONS, *defined, *arguments]


def class_path(*directories: Path) -> str:
    """Every jar of some directories."""
    return os.pathsep.join(f"{directory}/*" for directory in directories)


def properties_text(settings: Mapping[str, str] | Sequence[tuple[str, str]]) -> str:
    """Settings as Java's servers read them from a file."""
    return "".join(f"{name}={value}\n" for name, value in dict(settings).items())
