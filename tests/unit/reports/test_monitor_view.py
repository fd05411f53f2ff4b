"""The monitor's terminal: nothing that matters is cut off, however narrow it is and however much there is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from auditor.reports.monitor_view import SHOWN_MAX, Glance, monitor_view

LONG = "shop/" + "dbserver1.inventory_and_warehouse.customer_order_items_archive"


def shown(width: int, partitions: int, copies: int, troubles: tuple[str, ...] = ()) -> list[str]:
    progress = {
        "records": {"shop": 1_234_567, "stock": 1},
        "lag": {f"{LONG}/{number}": 100_000 + number for number in range(partitions)},
        "open": {f"customer_order_item/storefront-cache-{number}": number * 1_000 for number in range(copies)},
        "suspects": 12,
        "drifting": 34,
    }
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=24, force_terminal=True, color_system=None)
    console.print(monitor_view(progress, Glance(12_345.6, 7, troubles)))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_everything_that_matters_is_there_and_fits(width: int) -> None:
    """Throughput, lag by partition, open obligations, suspects, drift and trouble, within 24 lines."""
    lines = shown(width, partitions=40, copies=20, troubles=("ledger", "shop"))
    assert len(lines) < 24
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for part in ("1,234,568", "12,346 a second", "in 40 of 40 partitions", "4,000,780", "and 35 more", "190,000",
                 "customer_order_item/storefront-cache-19", "in 19 of 20 copies", "ledger, shop"):  # fmt: skip
        assert part in text, text
    assert [line.split() for line in lines if line.startswith("suspects")] == [["suspects", "12"]]
    assert [line.split()[1] for line in lines if line.startswith("drift")] == ["34"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_partition_is_shown_with_its_own_lag(width: int) -> None:
    """The one that is furthest behind comes first."""
    lines = shown(width, partitions=SHOWN_MAX, copies=1)
    text = "".join("".join(line.split()) for line in lines)  # a long name goes on in the next line
    assert "".join(f"{100_000 + number:,}{LONG}/{number}" for number in reversed(range(SHOWN_MAX))) in text


def test_a_monitor_that_is_through_says_so() -> None:
    """Zeros are not silence."""
    text = "\n".join(shown(80, partitions=0, copies=1))
    assert "nothing, in 1 copy" in text
