"""Archives and jars from Maven's central repository, through Maven, whose settings thus apply."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.services.availability import Unavailable
from tests.services.cache import cache_directory
from tests.services.packages import install_packages

if TYPE_CHECKING:
    from pathlib import Path

_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get"
_DEADLINE_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Artifact:
    """The coordinates of one file."""

    group: str
    name: str
    version: str
    kind: str
    classifier: str

    @property
    def coordinates(self) -> str:
        """The artifact as Maven's command line names it."""
        return f"{self.group}:{self.name}:{self.version}:{self.kind}:{self.classifier}"

    def path_in(self, repository: Path) -> Path:
        """Return where a local repository keeps the file."""
        directory = repository.joinpath(*self.group.split("."), self.name, self.version)
        return directory / f"{self.name}-{self.version}-{self.classifier}.{self.kind}"


def fetch_artifact(artifact: Artifact) -> Path:
    """Return *artifact*'s file in a local repository of our own, where whoever unpacked it may delete it.

    Raises:
        Unavailable: There is no Maven, or it failed.
    """
    repository = cache_directory() / "maven"
    if not artifact.path_in(repository).exists():
        _maven(f"-Dmaven.repo.local={repository}", _GET, f"-Dartifact={artifact.coordinates}", "-Dtransitive=false")
    return artifact.path_in(repository)


def _maven(*arguments: str) -> None:
    if shutil.which("mvn") is None:
        install_packages("maven", "default-jre-headless", wanted_for="Maven")
    try:
        done = subprocess.run(
            ["mvn", "--batch-mode", "--quiet", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"Maven was not done within {_DEADLINE_SECONDS} s: {' '.join(arguments)}") from late
    if done.returncode != 0:
        raise Unavailable(f"Maven failed: {(done.stdout + done.stderr).strip()[-1000:]}")
