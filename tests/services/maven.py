"""Archives and jars from Maven's central repository, through Maven, whose settings thus apply."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.services.availability import Unavailable
from tests.services.cache import cache_directory, exclusively
from tests.services.packages import install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GET = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_PROJECT = (
    "<project><modelVersion>4.0.0</modelVersion><groupId>auditor</groupId><artifactId>services</artifactId>"
    "<version>1</version><dependencies>{}</dependencies></project>"
)
_DEADLINE_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Artifact:
    """The coordinates of one file."""

    group: str
    name: str
    version: str
    kind: str = "jar"
    classifier: str = ""

    @property
    def coordinates(self) -> str:
        """The artifact as Maven's command line names it."""
        named = f"{self.group}:{self.name}:{self.version}:{self.kind}"
        return f"{named}:{self.classifier}" if self.classifier else named

    def path_in(self, repository: Path) -> Path:
        """Return where a local repository keeps the file."""
        directory = repository.joinpath(*self.group.split("."), self.name, self.version)
        classifier = f"-{self.classifier}" if self.classifier else ""
        return directory / f"{self.name}-{self.version}{classifier}.{self.kind}"

    @property
    def dependency(self) -> str:
        """The artifact as a project's file names it."""
        return (
            f"<dependency><groupId>{self.group}</groupId><artifactId>{self.name}</artifactId>"
            f"<version>{self.version}</version></dependency>"
        )


def fetch_artifact(artifact: Artifact) -> Path:
    """Return *artifact*'s file in a local repository of our own, where whoever unpacked it may delete it.

    Raises:
        Unavailable: There is no Maven, or it failed.
    """
    repository = _repository()
    if not artifact.path_in(repository).exists():
        _maven(_GET, f"-Dartifact={artifact.coordinates}", "-Dtransitive=false")
    return artifact.path_in(repository)


def fetch_unpacked(artifact: Artifact) -> Path:
    """Return the directory of an unpacked tar archive, fetching it where it is missing.

    Raises:
        Unavailable: There is no Maven, or it failed.
    """
    directory = cache_directory() / f"{artifact.name}-{artifact.version}"
    with exclusively(artifact.name):
        if not directory.exists():
            archive = fetch_artifact(artifact)
            with _made_whole(directory) as partial:  # by tar itself: Python 3.11.2 cannot be told whom to trust
                subprocess.run(["tar", "-xf", str(archive), "-C", str(partial)], check=True)
            archive.unlink()  # in a repository of our own
    return directory


def fetch_libraries(name: str, *artifacts: Artifact) -> Path:
    """Return a directory with some jars and all that they need, fetching them where they are missing.

    Args:
        name: Of the directory; it stands for exactly these artifacts.
        artifacts: What is wanted.

    Raises:
        Unavailable: There is no Maven, or it failed.
    """
    directory = cache_directory() / name
    with exclusively(name):
        if not directory.exists():
            with _made_whole(directory) as partial:
                project = partial / "pom.xml"
                project.write_text(_PROJECT.format("".join(artifact.dependency for artifact in artifacts)))
                _maven("-f", str(project), _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={partial}")
    return directory


@contextlib.contextmanager
def _made_whole(directory: Path) -> Iterator[Path]:
    """A directory to fill that gets its name when the block is done."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    yield partial
    partial.rename(directory)


def _repository() -> Path:
    return cache_directory() / "maven"


def _maven(*arguments: str) -> None:
    if shutil.which("mvn") is None:
        install_packages("maven", "default-jre-headless", wanted_for="Maven")
    try:
        with exclusively("maven"):  # two of them in one repository may take each other's half-written files
            done = subprocess.run(
                ["mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={_repository()}", *arguments],
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
