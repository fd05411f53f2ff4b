"""MongoDB's documents as an owner's feed: numbers in several spellings, members that come and go, rows that go.

The records are written from the connector's documentation.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import Outcome

TOPIC, MOMENT = "m.shop.orders", 1_770_000_000_000
SETTINGS = """\
version: 1
contracts: contracts
connections: {lake: {url: "file:."}}
feeds: {replay: {type: recorded, path: records.jsonl}}
"""
CONTRACT = f"""\
entity: order
version: 1
team: t
owner: {{service: shop, feed: {{name: replay, topic: {TOPIC}}}}}
key: [_id]
fields: {{_id: {{type: int}}, total: {{type: "decimal(12,2)"}}, number: {{type: int}}, at: {{type: timestamp}}}}
replicas:
  - {{service: copy, dataset: lake/rows.csv, key: {{_id: id}}, lag_bound: 1s}}
"""
AT = {"$date": 1_700_000_000_123}
FIRST = {"_id": 1, "total": {"$numberDecimal": "12.50"}, "number": {"$numberLong": "9007199254740993"}, "at": AT}
TOLD = [
    (1, "r", FIRST, {"snapshot": "first"}),
    (2, "r", {"_id": 2, "total": {"$numberDecimal": "1E+1"}, "number": 5, "at": AT}, {"snapshot": "last"}),
    (3, "c", {"_id": 3, "total": 3, "number": {"$numberInt": "7"}, "at": AT}, {}),
    (2, "d", None, {}),
    (3, "u", {"_id": 3, "total": 3, "number": 7}, {}),
]
TRUE = "id,total,number,at\n1,12.50,9007199254740993,2023-11-14T22:13:20.123Z\n3,3,7,{at}\n"


def told(number: int, key: int, operation: str, document: Any, source: dict[str, str]) -> str:
    """A line of a recording."""
    origin = {"connector": "mongodb", "name": "m", "db": "shop", "collection": "orders", "snapshot": "false",
              "ts_ms": MOMENT + 1000 * number, "ord": 1, **source}  # fmt: skip
    after = None if document is None else json.dumps(document)
    value = {"before": None, "after": after, "source": origin, "op": operation, "ts_ms": MOMENT}
    texts = {"key": json.dumps({"id": str(key)}), "value": json.dumps(value)}
    record = {"topic": TOPIC, "partition": 0, "offset": number, "timestamp": MOMENT, "headers": []}
    return json.dumps(record | {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}) + "\n"


@pytest.mark.parametrize("command", [("reconcile", "--recheck-after", "0s"), ("monitor", "--until-caught-up")])
@pytest.mark.parametrize(("at", "code"), [("", 0), ("2023-11-14T22:13:20.123Z", 1)])
def test_a_member_that_a_document_lacks_is_null(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit: Callable[..., Outcome], command: tuple[str, ...], at: str,
    code: int,
) -> None:  # fmt: skip
    """Also where it was there before: what was removed is gone, and a copy that still has it is stale."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUDITOR_CONFIG", raising=False)
    (tmp_path / "auditor.yaml").write_text(SETTINGS)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "order.yaml").write_text(CONTRACT)
    (tmp_path / "records.jsonl").write_text("".join(told(number, *one) for number, one in enumerate(TOLD)))
    (tmp_path / "rows.csv").write_text(TRUE.format(at=at))
    outcome = audit(*command, "--format", "json")
    assert outcome.code == code
    found = [(one["key"]["_id"], one["cause"]) for one in outcome.json["findings"]]
    assert found == [("3", "stale")] * code
