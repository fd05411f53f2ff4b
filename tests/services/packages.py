"""The system's packages, installed where this user may."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.services.availability import Unavailable
from tests.services.cache import exclusively

_DEADLINE_SECONDS = 900


def install_packages(*names: str, wanted_for: str) -> None:
    """Install Debian packages *names*.

    Raises:
        Unavailable: There is no apt, no right to use it, or it failed.
    """
    remedy = f"apt-get install {' '.join(names)}"
    if shutil.which("apt-get") is None:
        raise Unavailable(f"{wanted_for} is not installed and this machine has no apt-get")
    prefix = _root_prefix()
    if prefix is None:
        raise Unavailable(f"{wanted_for} is not installed and this user is not root: as root, {remedy}")
    with exclusively("apt"):
        _apt_get(prefix, "update", remedy=remedy)
        _apt_get(prefix, "install", "--yes", "--no-install-recommends", *names, remedy=remedy)


def require_program(name: str) -> None:
    """Install the package of the same name where a program is missing.

    Raises:
        Unavailable: It cannot be had.
    """
    if shutil.which(name) is None:
        install_packages(name, wanted_for=f"the {name} program")


def _root_prefix() -> list[str] | None:
    """Return what makes a command run as root, or None where nothing does."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _apt_get(prefix: list[str], *arguments: str, remedy: str) -> None:
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    command += ["-o", "DPkg::Lock::Timeout=300", *arguments]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_DEADLINE_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"{remedy}: not done within {_DEADLINE_SECONDS} s") from late
    if done.returncode != 0:
        raise Unavailable(f"{remedy} failed: {done.stderr.strip()[-500:]}")
