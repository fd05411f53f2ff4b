"""A redacted field in looks by key: which constant it is to hold only a whole run tells, so nothing else is proven."""

from __future__ import annotations

import json
import signal
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.worlds.change_feed import ChangeFeed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

SETTINGS = """\
version: 1
contracts: contracts
connections:
  own: {url: "sqlite:///own.db"}
  rep: {url: "sqlite:///rep.db"}
feeds:
  shop: {type: recorded, path: shop.jsonl}
"""

CONTRACT = """\
entity: guest
version: 1
owner: {service: own, dataset: own/guests, feed: {name: shop, topic: shop.guests}}
key: [id]
fields:
  id: {type: int}
  city: {type: text}
  name: {type: text}
replicas:
  - service: copy
    dataset: rep/guests
    lag_bound: 1s
    fields:
      city: city
      name: {path: name, equality: redacted}
"""

CONSTANT = "XXX"
LEAKED = 3
Row = tuple[str, str | None]


@dataclass
class Redacted:
    """Twenty guests, and a copy that holds one constant in place of their names."""

    directory: Path
    audit: Callable[..., Outcome]
    copy: dict[int, Row]

    def hold(self, key: int, name: str | None, city: str = "Ulm") -> None:
        """The copy comes to hold something."""
        self.copy[key] = (city, name)
        self._save("rep.db", self.copy)

    def _save(self, file: str, rows: dict[int, Row]) -> None:
        with sqlite3.connect(self.directory / file) as db:
            db.execute("CREATE TABLE IF NOT EXISTS guests (id INTEGER PRIMARY KEY, city TEXT, name TEXT)")
            db.execute("DELETE FROM guests")
            db.executemany("INSERT INTO guests VALUES (?, ?, ?)", [(key, *row) for key, row in rows.items()])
        db.close()

    def begin(self) -> None:
        """The owner and its feed, and the copy as it should be."""
        rows: dict[int, Row] = {key: ("Ulm", f"guest {key}") for key in range(20)}
        self._save("own.db", rows)
        self._save("rep.db", self.copy)
        feed = ChangeFeed("shop.guests")
        feed.snapshot([{"id": key, "city": city, "name": name} for key, (city, name) in rows.items()])
        feed.save(self.directory / "shop.jsonl")

    def reconcile(self) -> tuple[int, list[str]]:
        """Exit code, and the verdicts of a whole run."""
        return _told(self.audit("reconcile", "--format", "json"))

    def monitor(self) -> tuple[int, list[str]]:
        """The same of a look by key."""
        return _told(self.audit("monitor", "--until-caught-up", "--format", "json"))

    def entity(self) -> tuple[int, str]:
        """Exit code, and how the copy stands with the key that is leaked."""
        done = self.audit("entity", "guest", str(LEAKED), "--format", "json")
        return done.code, done.json["replicas"][0]["state"]

    def open(self) -> int:
        """How many findings are open."""
        return len(self.audit("findings", "--open", "--format", "json").json["findings"])


def _told(outcome: Outcome) -> tuple[int, list[str]]:
    return outcome.code, [one["verdict"] for one in outcome.json["findings"]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> Redacted:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "guest.yaml").write_text(CONTRACT)
    world = Redacted(tmp_path, audit, dict.fromkeys(range(20), ("Ulm", CONSTANT)))
    world.begin()
    return world


def test_a_copy_that_is_redacted_is_clean_in_every_mode(world: Redacted) -> None:
    """What remains unknown of a few rows is said beside."""
    outcome = world.audit("monitor", "--until-caught-up", "--format", "json")
    assert _told(outcome) == (0, [])
    remarks = outcome.json["entities"][0]["owner"]["coverage"]["remarks"]
    assert any("which constant name is to hold" in remark for remark in remarks)
    assert (world.entity(), world.reconcile()) == ((0, "consistent"), (0, []))


def test_a_leak_is_undecided_to_whoever_looks_by_key(world: Redacted) -> None:
    """Also where nobody has found it before: the constant of a few rows may be the leak itself."""
    world.hold(LEAKED, f"guest {LEAKED}")
    assert (world.monitor(), world.entity(), world.open()) == ((2, ["undecided"]), (2, "undecided"), 1)


def test_what_a_whole_run_has_found_stays_open_until_it_is_known_to_be_right(world: Redacted) -> None:
    """The owner's value, and any other that is not NULL, may be as wrong as what was found."""
    world.hold(LEAKED, f"guest {LEAKED}")
    assert world.reconcile() == (1, ["persistent"])
    for name in (f"guest {LEAKED}", "somebody else", CONSTANT):
        world.hold(LEAKED, name)
        assert (world.monitor(), world.entity(), world.open()) == ((2, ["undecided"]), (2, "undecided"), 1), name
    assert (world.reconcile()[0], world.open()) == (0, 0)
    assert (world.monitor(), world.entity()) == ((0, []), (0, "consistent"))


def test_a_leak_that_was_emptied_is_told_as_healed_once(world: Redacted) -> None:
    """NULL is right whatever the constant is."""
    world.hold(LEAKED, "somebody else")
    assert world.reconcile() == (1, ["persistent"])
    world.hold(LEAKED, None)
    assert (world.monitor(), world.entity(), world.open()) == ((0, ["healed"]), (0, "consistent"), 0)


def test_drift_of_another_field_heals_beside_a_constant(world: Redacted) -> None:
    """Nothing was ever wrong with the redacted field."""
    world.hold(LEAKED, CONSTANT, city="Bern")
    assert world.reconcile() == (1, ["persistent"])
    assert world.monitor() == (1, ["persistent"])
    world.hold(LEAKED, CONSTANT)
    assert (world.monitor(), world.open()) == ((0, ["healed"]), 0)


def test_a_monitor_that_goes_on_does_not_tell_a_leak_as_healed(
    world: Redacted, audit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    world.hold(LEAKED, f"guest {LEAKED}")
    assert world.reconcile() == (1, ["persistent"])
    world.hold(LEAKED, "somebody else")
    process = audit_process("monitor", "--format", "json")
    assert process.stdout is not None
    told = next(event for line in process.stdout if (event := json.loads(line))["event"] == "finding")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert (told["finding"]["verdict"], world.open()) == ("undecided", 1)
