"""What members of a group tell each other of truncates: each is told once, the latest are kept, feeds are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.ledger.ledger import Ledger
from auditor.ledger.truncates import KEPT_MAX
from reconcilers.streams.truncate import Truncate

if TYPE_CHECKING:
    from pathlib import Path


def truncate(number: int, part: int = 0) -> Truncate:
    return Truncate("orders", "postgresql/shop", (number, 0, 0), number, "2026-01-31T12:00:00+00:00", part, number)


def test_whoever_asks_hears_what_others_have_told(tmp_path: Path) -> None:
    """And nothing that it knows; another feed has nothing to do with it."""
    with Ledger.open(f"sqlite:///{tmp_path / 'auditor.db'}") as ledger:
        assert ledger.share_truncates("shop", [truncate(1)]) == []
        assert ledger.share_truncates("shop", [truncate(2, part=1)]) == [truncate(1)]
        assert ledger.share_truncates("shop", [truncate(1)]) == [truncate(2, part=1)]
        assert ledger.share_truncates("other", []) == []


def test_the_latest_are_kept(tmp_path: Path) -> None:
    """A later one took what an earlier one did; whoever knows more than is kept does not tell it again."""
    every = [truncate(number) for number in range(KEPT_MAX + 5)]
    with Ledger.open(f"sqlite:///{tmp_path / 'auditor.db'}") as ledger:
        ledger.share_truncates("shop", every)
        assert ledger.share_truncates("shop", []) == every[5:]
        ledger.share_truncates("shop", every)
        assert ledger.share_truncates("shop", []) == every[5:]
        assert len(ledger.hash_key()) == 32
