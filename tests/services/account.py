"""The account that servers run under: they refuse root, or should."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from pathlib import Path


class ProcessCredentials(TypedDict, total=False):
    """The part of ``subprocess.Popen``'s arguments that sets who runs."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs a server: the caller, or an unprivileged account where the caller is root."""

    uid: int
    gid: int

    @classmethod
    def caller(cls) -> Account:
        """Return the account that the tests run under."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def for_server(cls, *preferred: str) -> Account:
        """Choose the caller; for root the first *preferred* account that exists, else ``nobody``."""
        if os.geteuid() != 0:
            return cls.caller()
        for name in (*preferred, "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise LookupError("this machine has no account 'nobody' to run a server under")

    @property
    def credentials(self) -> ProcessCredentials:
        """What to pass to ``subprocess`` so that the child runs as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> Path:
        """Give *path* to this account."""
        if os.geteuid() != self.uid:
            shutil.chown(path, self.uid, self.gid)
        return path
