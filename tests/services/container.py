"""Servers in containers, for machines that have an engine and not the server's own programs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.availability import Unavailable
from tests.services.ports import LOOPBACK

_PROBE_SECONDS = 20
_PULL_SECONDS = 900
LOG_DIRECTORY = "/auditor-logs"  # where a container sees the server's directory on this machine


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers: Docker, or Podman by the same command line."""

    program: Path

    @classmethod
    def find(cls) -> Engine:
        """Return the first engine that answers.

        Raises:
            Unavailable: None does.
        """
        for name in ("docker", "podman"):
            program = shutil.which(name)
            if program is not None and _answers(program):
                return cls(Path(program))
        raise Unavailable("no container engine answers")

    def pull(self, image: str) -> None:
        """Fetch *image* unless it is here.

        Raises:
            Unavailable: It cannot be fetched.
        """
        if subprocess.run([self.program, "image", "inspect", image], check=False, capture_output=True).returncode == 0:
            return
        try:
            done = subprocess.run(
                [self.program, "pull", "--quiet", image],
                check=False,
                capture_output=True,
                text=True,
                timeout=_PULL_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            raise Unavailable(f"the image {image} was not pulled within {_PULL_SECONDS} s") from late
        if done.returncode != 0:
            raise Unavailable(f"the image {image} cannot be pulled: {done.stderr.strip()[-500:]}")

    def command(self, container: Container) -> list[str]:
        """Return the command that runs *container* in the foreground and removes it as it ends, if it is not kept."""
        command = [str(self.program), "run", "--name", container.name]
        command += [] if container.kept else ["--rm"]
        if container.inner_port:
            command += ["--publish", f"{LOOPBACK}:{container.port}:{container.inner_port}"]
        else:
            command += ["--network", "host"]
        command += ["--volume", f"{container.directory}:{LOG_DIRECTORY}:z"]
        for name, value in container.environment.items():
            command += ["--env", f"{name}={value}"]
        return [*command, container.image, *container.arguments]

    def command_again(self, name: str) -> list[str]:
        """Return the command that runs a container that was kept, with what is in it."""
        return [str(self.program), "start", "--attach", name]

    def kill(self, name: str) -> None:
        """End what runs in the container *name* at once, as a crash does."""
        subprocess.run([self.program, "kill", name], check=True, capture_output=True)

    def remove(self, name: str) -> None:
        """Remove the container *name*, should it still be there."""
        subprocess.run([self.program, "rm", "--force", name], check=False, capture_output=True)


@dataclass(frozen=True, slots=True)
class Container:
    """One server in a container.

    Attributes:
        name: Unique on this machine, so that it can be removed by name.
        image: The vendor's, with its tag.
        port: On this machine, loopback only.
        inner_port: The port within the container; 0: the container has no network but the machine's own, where it
            reaches other servers on loopback, and is reached on every port that it listens on.
        directory: A directory of this machine, for what the server logs, or reads; it appears as `LOG_DIRECTORY`.
        environment: What the image reads at its first start.
        arguments: What follows the image: options of the server.
        kept: It stays when it ends, and can be run again.
    """

    name: str
    image: str
    port: int
    inner_port: int
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    kept: bool = False


def _answers(program: str) -> bool:
    """Whether the engine behind *program* runs."""
    try:
        done = subprocess.run(
            [program, "info"], check=False, capture_output=True, timeout=_PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
