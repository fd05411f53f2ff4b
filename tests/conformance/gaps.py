"""What a reader delivers otherwise than its store holds it, with what comes instead: gaps of ours, by name.

`!x`: what arrived is no value of the type and shows as x.  The table is strict: a gap that closes, or that shows
another value, fails the suite.  What a store itself cannot hold stands with the store's spellings.
"""

from __future__ import annotations

GAPS: dict[tuple[str, str, str], dict[str, str | None]] = {}
"""Store, logical type and spelling, then value, to what comes out."""
