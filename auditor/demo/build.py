"""Builds the demo below a directory: stores, change streams, contracts, settings, and the list of what was planted."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from auditor.demo.copies import build_world
from auditor.demo.faults import Planted, plant_in_shop, plant_in_world
from auditor.demo.shop import build_shop
from auditor.demo.stores import write_csv, write_parquet, write_sqlite
from auditor.demo.stream import Stream, write_feed
from contracts.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.demo.tables import World

SETTINGS = "auditor.yaml"


def build(directory: Path) -> list[Planted]:
    """Make the whole demo.

    Args:
        directory: Empty, or not there yet.

    Returns:
        What was planted.

    Raises:
        UsageError: The directory holds something, or cannot be written.
    """
    try:
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(f"building the demo: {directory} is not empty", hint="name an empty directory with --dir")
        for name in ("lake", "export", "feeds", "contracts"):
            (directory / name).mkdir(parents=True)
        _copy_texts(directory)
        return _fill(directory)
    except OSError as error:
        raise UsageError(
            f"building the demo in {directory} failed: {error.strerror or error}",
            hint="name another directory with --dir",
        ) from error


def _copy_texts(directory: Path) -> None:
    settings = files("auditor.demo").joinpath(SETTINGS).read_text("utf-8")
    (directory / SETTINGS).write_text(settings, "utf-8")
    for contract in files("contracts").joinpath("entities").iterdir():
        if contract.name.endswith(".yaml"):
            (directory / "contracts" / contract.name).write_text(contract.read_text("utf-8"), "utf-8")


def _fill(directory: Path) -> list[Planted]:
    shop = build_shop()
    planted = list(plant_in_shop(shop))
    world = build_world(shop)
    planted += plant_in_world(world)
    write_sqlite(directory / "shop.db", world.shop.values())
    write_sqlite(directory / "reporting.db", world.reporting.values())
    for table in world.lake.values():
        write_parquet(directory / "lake", table)
    for table in world.export.values():
        write_csv(directory / "export", table)
    write_feed(directory / "feeds", _streams(world))
    return planted


def _streams(world: World) -> list[Stream]:
    times, amounts = ("created_at", "updated_at"), ("subtotal", "tax_amount", "shipping_amount", "total_amount")
    orders = dict.fromkeys(("id", "customer_id", "shipping_address_id"), "uuid") | {"status": "text", "email": "text"}
    orders |= dict.fromkeys(amounts, "money") | dict.fromkeys(times, "time")
    followed = {"order_id": "uuid", "state": "text", "changed": "time"}
    return [Stream("shop", "orders", orders, world.orders), Stream("tracking", "orders", followed, world.tracking)]
