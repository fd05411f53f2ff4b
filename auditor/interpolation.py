"""`${NAME}` and `${file:/path}` in settings: what must not stand in a file that is committed.

`$${` writes a literal `${`.  What was put in is not looked at again.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_FILE_BYTES_MAX = 64 * 1024
"""A secret is a line, not a document; a wrong path such as /dev/zero must not be read for ever."""

_PIECES = re.compile(r"\$\$\{|\$\{[^{}]*\}|\$\{")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FILE_PREFIX = "file:"


class InterpolationError(ValueError):
    """A reference cannot be resolved; the message names it, and never holds a value."""


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Where references are looked up.

    Attributes:
        environment: Variables by name.
        directory: What the paths of secret files are relative to.
    """

    environment: Mapping[str, str]
    directory: Path

    @classmethod
    def for_settings(cls, path: Path) -> Interpolation:
        """What the settings file at `path`, and the contracts it names, may refer to."""
        return cls(os.environ, Path(os.path.abspath(path.parent)))  # noqa: PTH100 - links are left as written

    def expand(self, text: str) -> str:
        """The text with every reference replaced by what it stands for.

        Raises:
            InterpolationError: A variable is not set, a file cannot be read, or a reference is none.
        """
        return _PIECES.sub(lambda piece: self._replacement(piece[0]), text)

    def expand_url(self, text: str) -> str:
        """The same for a URL: between `://` and `@`, a `/`, `?` or `#` of a value is percent-encoded.

        Generated passwords hold slashes, which would end the host part early.  What is percent-encoded already stays.

        Raises:
            InterpolationError: As `expand`.
        """
        begin, end = _user_information(text)
        inside = _PIECES.sub(lambda piece: quote(self._replacement(piece[0]), safe=_KEPT), text[begin:end])
        return self.expand(text[:begin]) + inside + self.expand(text[end:])

    def _replacement(self, piece: str) -> str:
        if piece == "$${":
            return "${"
        name = piece[2:-1]
        if piece != "${" and name.startswith(_FILE_PREFIX):
            return self._file(name.removeprefix(_FILE_PREFIX))
        if piece == "${" or not _VARIABLE.match(name):
            raise InterpolationError(
                "a reference is ${NAME} or ${file:/path}; write $${ for the characters ${ themselves"
            )
        if name not in self.environment:
            raise InterpolationError(f"the environment variable {name} is not set")
        return self.environment[name]

    def _file(self, name: str) -> str:
        path = self.directory / name
        try:
            with path.open("rb") as stream:
                content = stream.read(SECRET_FILE_BYTES_MAX + 1)
        except (OSError, ValueError) as failure:
            reason = failure.strerror if isinstance(failure, OSError) else "not a path"
            raise InterpolationError(f"cannot read the file {path}: {reason}") from None
        if len(content) > SECRET_FILE_BYTES_MAX:
            raise InterpolationError(f"the file {path} is larger than {SECRET_FILE_BYTES_MAX} bytes; expected a secret")
        try:
            return content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise InterpolationError(f"the file {path} is not UTF-8 text") from None


def without_user_information(url: str) -> str:
    """A URL without its `user:password`."""
    begin, end = _user_information(url)
    return url[:begin] + url[end:]


# Every printable ASCII character but the three that end the authority of a URL.
_KEPT = "".join(chr(code) for code in range(33, 127) if chr(code) not in "/?#")


def _user_information(text: str) -> tuple[int, int]:
    """Where a URL's `user:password` stands, as a half-open range; empty where there is none."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return 0, 0
    begin = len(scheme) + len(separator)
    # References hold slashes of their own; blank them while the ends are looked for.
    blanked = _PIECES.sub(lambda piece: "x" * len(piece[0]), rest)
    authority = re.split(r"[/?#]", blanked, maxsplit=1)[0]
    at = authority.rfind("@")
    return begin, begin + max(at, 0)
