"""A redacted field in looks by key: which constant it is to hold only a whole run tells, so nothing else is proven."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
BY_FEED = "feed: {name: shop, topic: copy.guests}"
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

    def tell(self, *rows: tuple[int, str | None], types: str = "") -> None:
        """The copy is known by its feed alone, which tells some names that are not the constant."""
        contract = self.directory / "contracts" / "guest.yaml"
        contract.write_text(contract.read_text().replace("dataset: rep/guests", BY_FEED))
        columns = f", schemaless: {{columns: {{copy.guests: {{name: '{types}'}}}}}}" if types else ""
        (self.directory / "auditor.yaml").write_text(SETTINGS.replace("shop.jsonl", f"shop.jsonl{columns}"))
        names = dict.fromkeys(range(20), CONSTANT) | dict(rows)
        copy = ChangeFeed("copy.guests", connector="copy")
        copy.snapshot([{"id": key, "city": "Ulm", "name": name} for key, name in names.items()])
        owner = ChangeFeed("shop.guests")
        owner.snapshot([{"id": key, "city": "Ulm", "name": f"guest {key}"} for key in names])
        owner.save(self.directory / "shop.jsonl", copy)

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


@pytest.mark.parametrize("name", [f"guest {LEAKED}", f"guest {LEAKED}   ", "guest", "somebody else"])
def test_a_leak_in_a_copy_that_is_known_by_its_feed_is_no_padding(world: Redacted, name: str) -> None:
    """No blanks make the constant of it."""
    world.tell((LEAKED, name))
    assert world.reconcile() == (1, ["persistent"])


def test_a_leak_in_a_copy_that_is_known_by_its_feed_is_undecided_to_whoever_looks_by_key(world: Redacted) -> None:
    """For the reason that there is: the constant of a few rows may be the leak itself."""
    world.tell((LEAKED, f"guest {LEAKED}"))
    outcome = world.audit("monitor", "--until-caught-up", "--format", "json")
    assert _told(outcome) == (2, ["undecided"])
    assert "it is the owner's value, not redacted" in outcome.json["findings"][0]["evidence"]["note"]
    assert world.entity() == (2, "undecided")


@pytest.mark.parametrize(
    ("types", "expected"), [("", (2, ["undecided"])), ("varchar(9)", (1, ["persistent"])), ("char(9)", (0, []))]
)
def test_a_constant_with_blanks_may_be_one_that_was_padded_to_another_length(
    world: Redacted, types: str, expected: tuple[int, list[str]]
) -> None:
    """A char(n) that was made longer: what was written since has more blanks."""
    world.tell((LEAKED, f"{CONSTANT}  "), types=types)
    assert world.reconcile() == expected


def test_null_is_right_in_a_copy_that_is_known_by_its_feed(world: Redacted) -> None:
    world.tell((LEAKED, None))
    assert world.reconcile() == (0, [])


def test_what_the_owner_holds_need_not_be_known(world: Redacted) -> None:
    """A large value that a connector leaves out: whether the copy holds its constant is known all the same."""
    contract = world.directory / "contracts" / "guest.yaml"
    contract.write_text(contract.read_text().replace("dataset: own/guests, ", ""))
    feed = ChangeFeed("shop.guests")
    feed.snapshot([{"id": key, "city": "Ulm", "name": "__debezium_unavailable_value"} for key in range(20)])
    feed.save(world.directory / "shop.jsonl")
    assert world.reconcile() == (0, [])
    world.hold(LEAKED, "somebody else")
    assert world.reconcile() == (1, ["persistent"])


def test_a_default_that_may_stand_for_null_passes(world: Redacted) -> None:
    """As it does in any other field: NULL is right, and the feed does not tell which of them it is."""
    world.tell((LEAKED, "nobody"))
    path = world.directory / "shop.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["topic"] == "copy.guests":
            told = json.loads(base64.b64decode(record["value"]))
            record["value"] = base64.b64encode(json.dumps(_with_schema(told)).encode()).decode()
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert world.reconcile() == (0, [])


def _with_schema(told: dict[str, Any]) -> dict[str, Any]:
    """The same with a schema, by which NULL in the column `name` comes as a default."""
    source = _struct("source", "io.debezium.connector.postgresql.Source", told["source"])
    rows = [_struct(field, "copy.guests.Value", told["after"]) for field in ("before", "after")]
    for row in rows:
        row["fields"][-1]["default"] = "nobody"
    whole = _struct("", "copy.guests.Envelope", {"op": told["op"], "ts_ms": told["ts_ms"]})
    whole["fields"] += [*rows, source]
    return {"schema": whole, "payload": {one["field"]: told[one["field"]] for one in whole["fields"]}}


def _struct(field: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    fields = [
        {"type": "int64" if isinstance(value, int) else "string", "optional": True, "field": member}
        for member, value in values.items()
    ]
    return {"type": "struct", "optional": True, "name": name, "field": field, "fields": fields}


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
