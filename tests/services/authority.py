"""Certificates for servers that show one, and for clients that must."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NEW = ("-newkey", "rsa:2048", "-nodes", "-days", "2")


class Authority:
    """Signs certificates."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self.certificate = directory / f"{name}.pem"
        _openssl("req", "-x509", *_NEW, "-subj", f"/CN={name}", "-keyout", self._key(name), "-out", self.certificate)

    def sign(self, name: str, *extra: str) -> tuple[Path, Path]:
        """A certificate for a name, and its key."""
        request, signed = self.directory / f"{name}.csr", self.directory / f"{name}.crt"
        _openssl("req", *_NEW, "-subj", f"/CN={name}", *extra, "-keyout", self._key(name), "-out", request)
        signer: list[str | Path] = ["-CA", self.certificate, "-CAkey", self._key(self.name), "-CAcreateserial"]
        _openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-copy_extensions", "copy", "-out", signed)
        self._key(name).chmod(0o600)
        return signed, self._key(name)

    def _key(self, name: str) -> Path:
        return self.directory / f"{self.name}-{name}.key"


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
