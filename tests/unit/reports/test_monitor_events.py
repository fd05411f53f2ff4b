"""The words of what a monitor tells."""

from __future__ import annotations

import pytest

from auditor.reports.monitor_events import consistency_lines


@pytest.mark.parametrize(
    ("share", "told"), [(1.0, "100%"), (0.9999999, "99.999%"), (0.5, "50%"), (10 / 11, "90.909%"), (0.0, "0%")]
)
def test_only_all_changes_are_a_hundred_percent(share: float, told: str) -> None:
    seen = {"24h": {"changes": 11, "within": {"1m": share, "5m": None}}}
    (line,) = consistency_lines([{"entity": "order", "replica": "search", "windows": seen}])
    assert line == f"order at search: of 11 changes within 24h, {told} in 1m, not known in 5m"
