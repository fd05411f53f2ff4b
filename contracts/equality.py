"""When two values of a field count as the same.

An equality is a chain of steps.  *Maps* (truncated, case_insensitive, trimmed, unordered, and the owner-side maps
mask, hash, truncated_to) turn both values into something that is then compared exactly; they can be hashed.
`within` is a tolerance: it is not transitive, so it cannot be hashed, and it can only end a chain.
`redacted`, `at_creation` and `ignored` stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

TRUNCATION_UNITS = ("s", "ms", "us")

WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters that `trimmed` (and `trim` in expressions) takes off: those with Unicode's property White_Space."""


@dataclass(frozen=True, slots=True)
class Within:
    """Numbers at most `amount` apart, bounds included, computed in decimal."""

    amount: Decimal
    """In the field's own unit; in percent of the owner's value where `percent`; in seconds where `seconds`."""
    percent: bool = False
    seconds: bool = False


@dataclass(frozen=True, slots=True)
class Truncated:
    """Times cut toward the past to a whole unit, on both sides."""

    unit: str


@dataclass(frozen=True, slots=True)
class CaseInsensitive:
    """Text under full Unicode case folding, on both sides."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Text without white space at both ends, on both sides."""


@dataclass(frozen=True, slots=True)
class Unordered:
    """Lists as multisets."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The replica holds the owner's text with all but its last characters replaced by one character; length is kept."""

    character: str
    keep_last: int = 0


@dataclass(frozen=True, slots=True)
class Hashed:
    """The replica holds the lower-case hex of sha256 over salt and value, in UTF-8."""

    salt: str = ""
    algorithm: str = "sha256"

    def __repr__(self) -> str:
        return f"Hashed(algorithm={self.algorithm!r})"  # the salt is a secret


@dataclass(frozen=True, slots=True)
class TruncatedTo:
    """The replica holds the first `length` code points of the owner's text."""

    length: int


Step = Within | Truncated | CaseInsensitive | Trimmed | Unordered | Mask | Hashed | TruncatedTo


@dataclass(frozen=True, slots=True)
class Equality:
    """How one field of one replica is compared with the owner's.

    Attributes:
        steps: Applied in order; empty means exact.
        mode: `compared` (the steps decide), `ignored`, `at_creation` or `redacted`; a look at a history has
            `once_held`, too, which no contract says.
    """

    steps: tuple[Step, ...] = ()
    mode: str = "compared"

    @property
    def within(self) -> Within | None:
        """The tolerance that ends the chain, if there is one."""
        last = self.steps[-1] if self.steps else None
        return last if isinstance(last, Within) else None


EXACT = Equality()
