"""`audit reconcile --incremental`: what has changed since a clean run and a share of the rest, and nothing unsaid."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

ROWS = 300
TOPIC = "shop.public.orders"
CONTRACT = """\
entity: order
version: 1
team: t
owner: {{service: shop, dataset: shop/orders{owner_feed}}}
key: [id]
fields:
  id: {{type: int}}
  status: {{type: text}}
replicas:
  - {{service: index, dataset: copy/orders, lag_bound: 1s{replica_feed}}}
"""
OWNER_FEED = f", feed: {{name: replay, topic: {TOPIC}}}"
COPY_TOPIC = "copy.public.orders"


@dataclass
class World:
    """Three hundred orders and their copy in SQLite, with the recorded feed of either."""

    directory: Path
    audit: Callable[..., Outcome]
    records: list[dict[str, Any]] = field(default_factory=list)

    def settle(self, owner_feed: str = OWNER_FEED, replica_feed: str = "", settings: str = "") -> None:
        (self.directory / "auditor.yaml").write_text(
            "version: 1\ncontracts: contracts\nconnections:\n  shop: {url: 'sqlite:///shop.db'}\n"
            "  copy: {url: 'sqlite:///copy.db'}\nfeeds:\n  replay: {type: recorded, path: records.jsonl}\n" + settings
        )
        (self.directory / "contracts").mkdir(exist_ok=True)
        text = CONTRACT.format(owner_feed=owner_feed, replica_feed=replica_feed)
        (self.directory / "contracts" / "order.yaml").write_text(text)

    def fill(self) -> None:
        for name in ("shop", "copy"):
            with self.store(name) as connection:
                connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
                connection.executemany("INSERT INTO orders VALUES (?, 'new')", [(key,) for key in range(1, ROWS + 1)])
        self.tell(1, "new")

    def store(self, name: str) -> Any:
        """A connection whose work is committed and which is closed at the end."""
        return _Committed(self.directory / f"{name}.db")

    def write(self, name: str, key: int, status: str | None) -> None:
        with self.store(name) as connection:
            connection.execute("DELETE FROM orders WHERE id = ?", [key])
            if status is not None:
                connection.execute("INSERT INTO orders VALUES (?, ?)", [key, status])

    def tell(self, key: int, status: str | None, topic: str = TOPIC, operation: str = "") -> None:
        """Append a record to the recording."""
        number = len(self.records)
        source = {"connector": "postgresql", "name": topic.partition(".")[0], "schema": "public", "table": "orders",
                  "lsn": 1_000 + number, "txId": 700 + number, "ts_ms": 1_770_000_000_000 + number * 1000,
                  "snapshot": "false"}  # fmt: skip
        after = None if status is None else {"id": key, "status": status}
        value = {"before": None, "after": after, "source": source, "op": operation or ("d" if after is None else "u")}
        offset = sum(1 for one in self.records if one["topic"] == topic)
        record_key = None if operation == "t" else _base64({"id": key})
        self.records.append({"topic": topic, "partition": 0, "offset": offset, "timestamp": 1_770_000_000_000 + number,
                             "key": record_key, "value": _base64(value), "headers": []})  # fmt: skip
        self.record()

    def record(self) -> None:
        lines = "".join(f"{json.dumps(one)}\n" for one in self.records)
        (self.directory / "records.jsonl").write_text(lines)

    def change(self, key: int, status: str | None, *, copied: bool = True) -> None:
        """The owner changes a row, tells of it, and its copy follows or does not."""
        self.write("shop", key, status)
        self.tell(key, status)
        if copied:
            self.write("copy", key, status)

    def reconcile(self, *arguments: str) -> Outcome:
        return self.audit("reconcile", "--recheck-after", "0s", "--format", "json", *arguments)

    def clean(self, *arguments: str) -> dict[str, Any]:
        """The report of a run that must be clean."""
        outcome = self.reconcile(*arguments)
        assert outcome.code == 0, outcome.out + outcome.err
        assert outcome.json["findings"] == []
        report: dict[str, Any] = outcome.json
        return report


class _Committed:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()


def _base64(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    """A world with its rows, in whose directory commands are called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    made = World(tmp_path, audit)
    made.settle()
    made.fill()
    return made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome]) -> World:
    return filled(tmp_path, monkeypatch, audit)


def told(report: dict[str, Any]) -> dict[str, Any]:
    """What the replica's coverage says of an incremental run."""
    found: dict[str, Any] = report["entities"][0]["replicas"][0]["coverage"]["incremental"]
    assert report["entities"][0]["owner"]["coverage"]["incremental"] == found
    return found


def reason(report: dict[str, Any]) -> str:
    """Why everything was read."""
    entity = report["entities"][0]
    assert "incremental" not in entity["owner"]["coverage"]
    assert "incremental" not in entity["replicas"][0]["coverage"]
    assert entity["replicas"][0]["compared_rows"] >= ROWS - 1
    return " ".join(entity["owner"]["coverage"].get("remarks", ()))


def test_what_changed_and_a_share_are_read_and_the_coverage_says_exactly_that(world: World) -> None:
    """Two keys and the first of thirty segments: a dozen rows, of which nothing more is claimed than they show."""
    first = world.clean()
    world.change(7, "paid")
    world.change(300, "paid")
    report = world.clean("--incremental")
    found = told(report)
    assert found["since_run"] == first["run_id"]
    assert found["whole_run"] == first["run_id"]
    assert (found["changed_keys"], found["segment"], found["without_feed"]) == (2, 1, ["index"])
    assert found["runs_left"] == found["segments"] - 1
    (replica,) = report["entities"][0]["replicas"]
    assert 2 <= replica["compared_rows"] <= ROWS // 10
    (remark,) = report["entities"][0]["owner"]["coverage"]["remarks"]
    assert "2 keys that changed and segment 1 of" in remark
    assert "no feed tells what changes in index by itself" in remark


def test_a_change_that_the_copy_lacks_is_drift_and_the_next_run_reads_everything(world: World) -> None:
    """Drift is found among the changed keys; as long as it is open, nothing may pass for clean by not being read."""
    world.clean()
    world.change(250, "paid", copied=False)
    outcome = world.reconcile("--incremental")
    (finding,) = outcome.json["findings"]
    assert (outcome.code, finding["key"], finding["verdict"]) == (1, {"id": "250"}, "persistent")
    again = world.reconcile("--incremental")
    assert (again.code, len(again.json["findings"])) == (1, 1)
    assert "findings about it are open" in reason(again.json)
    world.write("copy", 250, "paid")
    assert "findings about it are open" in reason(world.clean("--incremental"))
    assert told(world.clean("--incremental"))["changed_keys"] == 0


UNREADABLE = {
    "not reached": ("{type: kafka, bootstrap_servers: ['127.0.0.1:1']}", TOPIC, "127.0.0.1:1"),
    "not whole": ("{type: recorded, path: broken.jsonl}", TOPIC, "broken.jsonl"),
    "of another topic": ("{type: recorded, path: records.jsonl}", "shop.public.order", "no record of the topic"),
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_feed_that_cannot_be_read_is_named_and_stops_nothing(world: World, how: str) -> None:
    """Drift is told without its cause, with or without `--incremental`, and so is that nobody could tell the cause."""
    feed, topic, why = UNREADABLE[how]
    world.settle(f", feed: {{name: replay, topic: {topic}}}")
    settings = world.directory / "auditor.yaml"
    settings.write_text(settings.read_text().replace("{type: recorded, path: records.jsonl}", feed))
    (world.directory / "broken.jsonl").write_text('{"topic": "shop.public.orders", "part\n')
    clean = world.clean()
    world.write("copy", 250, "by hand")
    for report, code in ((clean, 0), (world.reconcile().json, 1), (world.reconcile("--incremental").json, 1)):
        said = reason(report)
        assert f"the change stream replay/{topic} could not be read (" in said
        assert why in said
        assert "and causes are told without it" in said
        assert report["exit_code"] == code
    entity = world.audit("entity", "order", "250", "--format", "json")
    (remark,) = entity.json["remarks"]
    assert (entity.code, remark.startswith(f"the change stream replay/{topic} ")) == (1, True)
    shown = world.audit("entity", "order", "250").out
    assert "".join(remark.split()) in "".join(shown.split())  # lines are broken at hyphens, too
    world.settle()
    assert "remarks" not in world.audit("entity", "order", "1", "--format", "json").json


def test_a_copys_own_feed_that_cannot_be_read_is_named_too(world: World) -> None:
    """Its dataset is compared all the same."""
    feed = "  gone: {type: kafka, bootstrap_servers: ['127.0.0.1:1']}\n"
    world.settle(replica_feed=f", feed: {{name: gone, topic: {COPY_TOPIC}}}", settings=feed)
    world.write("copy", 250, "by hand")
    outcome = world.reconcile("--no-recheck")
    assert (outcome.code, len(outcome.json["findings"])) == (1, 1)
    said = reason(outcome.json)
    assert f"the change stream gone/{COPY_TOPIC} could not be read (" in said
    assert f"replay/{TOPIC}" not in said


def test_the_segments_take_their_turns_until_every_row_was_read(world: World) -> None:
    """A copy changed by hand, which no feed tells, is found in its segment's turn: not before, and not never."""
    world.clean()
    world.write("copy", 299, "by hand")
    turns = []
    for _ in range(40):
        outcome = world.reconcile("--incremental")
        turns.append(told(outcome.json)["segment"])
        if outcome.code:
            break
    segments = told(outcome.json)["segments"]
    assert (outcome.code, turns) == (1, list(range(1, segments + 1)))
    assert told(outcome.json)["runs_left"] == 0
    assert [one["key"] for one in outcome.json["findings"]] == [{"id": "299"}]


def test_after_the_last_segment_the_first_has_its_turn_again(world: World) -> None:
    """The rotation never ends, and the run that read everything at once stays named."""
    first = world.clean()
    segments = told(world.clean("--incremental"))["segments"]
    for _ in range(segments - 1):
        last = told(world.clean("--incremental"))
    assert (last["segment"], last["runs_left"]) == (segments, 0)
    again = told(world.clean("--incremental"))
    assert (again["segment"], again["whole_run"]) == (1, first["run_id"])


def test_a_copy_with_a_feed_of_its_own_shows_at_once_what_was_done_to_it_by_hand(world: World) -> None:
    """Its own feed tells the key, whatever its owner did."""
    world.settle(replica_feed=f", feed: {{name: replay, topic: {COPY_TOPIC}}}")
    world.tell(1, "new", COPY_TOPIC)
    world.clean()
    world.write("copy", 299, "by hand")
    world.tell(299, "by hand", COPY_TOPIC)
    outcome = world.reconcile("--incremental")
    assert (outcome.code, [one["key"] for one in outcome.json["findings"]]) == (1, [{"id": "299"}])
    assert told(outcome.json)["without_feed"] == []


def test_a_row_that_was_deleted_is_a_key_that_changed(world: World) -> None:
    """An orphan needs no scan: its delete was told."""
    world.clean()
    world.change(280, None, copied=False)
    outcome = world.reconcile("--incremental")
    (finding,) = outcome.json["findings"]
    assert (finding["key"], finding["divergence"]) == ({"id": "280"}, "orphan")


def test_without_a_clean_run_before_everything_is_read(world: World) -> None:
    """The first run has nothing to go on from; it leaves something for the second."""
    assert "no run has found it clean yet" in reason(world.clean("--incremental"))
    assert told(world.clean("--incremental"))["segment"] == 1


def test_without_a_feed_everything_is_read(world: World) -> None:
    """Nobody tells what has changed."""
    world.settle(owner_feed="")
    world.clean()
    assert "its owner has no feed" in reason(world.clean("--incremental"))


def test_a_side_that_cannot_be_read_in_shares_is_read_whole(world: World) -> None:
    """A copy that is known by its feed alone has no index to cut it by."""
    path = world.directory / "contracts" / "order.yaml"
    path.write_text(path.read_text().replace("dataset: copy/orders", f"feed: {{name: replay, topic: {COPY_TOPIC}}}"))
    for key in range(1, ROWS + 1):
        world.tell(key, "new", COPY_TOPIC)
    world.clean()
    assert f"not incrementally: replay/{COPY_TOPIC} (feed) cannot be cut by id" in reason(world.clean("--incremental"))


def test_a_changed_contract_or_setting_has_everything_read(world: World) -> None:
    """What was clean was clean under other rules."""
    world.clean()
    path = world.directory / "contracts" / "order.yaml"
    path.write_text(path.read_text().replace("lag_bound: 1s", "lag_bound: 2s"))
    assert "its contract has changed" in reason(world.clean("--incremental"))
    world.settle(settings="tolerate: {undecided: 1}\n")
    world.clean()
    world.settle(settings="tolerate: {undecided: 2}\n")
    assert "the settings have changed" in reason(world.clean("--incremental"))


def test_a_truncate_a_lost_record_and_a_topic_made_anew_have_everything_read(world: World) -> None:
    """Where the feed does not tell which keys changed, none is taken for unchanged."""
    world.clean()
    world.tell(0, None, operation="t")
    assert "tells of a truncate" in reason(world.clean("--incremental"))
    told(world.clean("--incremental"))
    for one in world.records:
        one["offset"] += 10
    world.record()
    assert "were removed before they were read" in reason(world.clean("--incremental"))
    world.records = world.records[:1]
    world.records[0]["offset"] = 0
    world.record()
    assert "ends before where it ended then" in reason(world.clean("--incremental"))
    world.records[0]["timestamp"] += 1
    world.record()
    assert "another record is in its place" in reason(world.clean("--incremental"))


def test_an_incremental_run_closes_nothing_that_it_did_not_look_at(world: World) -> None:
    """What another run found of a row that was not read stays open."""
    world.clean()
    world.change(250, "paid", copied=False)
    assert world.reconcile("--incremental").code == 1
    assert len(world.audit("findings", "--open", "--format", "json").json["findings"]) == 1


@pytest.mark.parametrize("beside", [("--where", "id > 3"), ("--replica", "index"), ("--resume", "last")])
def test_incremental_is_about_whole_entities(world: World, beside: tuple[str, str]) -> None:
    """What it goes on from was said of all rows of all replicas."""
    outcome = world.reconcile("--incremental", *beside)
    assert outcome.code == 2
    assert f"--incremental goes on from a clean run over whole entities, and not with {beside[0]}" in " ".join(
        outcome.err.split()
    )


def test_people_read_that_not_everything_was_read(world: World) -> None:
    """The terminal never says clean without saying of what."""
    world.clean()
    world.clean("--incremental")
    text = world.audit("report", "--format", "terminal").out
    assert "incremental" in text
    assert "only what has changed since a clean run and one segment were looked at" in " ".join(text.split())
    with closing(sqlite3.connect(world.directory / "auditor.db")) as ledger:
        assert ledger.execute("SELECT count(*) FROM anchors").fetchone() == (1,)
