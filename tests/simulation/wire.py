"""The bytes that a connector sends: Debezium's envelopes in JSON, JSON with its schema, and Avro with a registry."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro

from auditor.feeds.placeholder import DEFAULT_PLACEHOLDER
from auditor.feeds.schemas import UnknownSchemaError, WriterSchema
from contracts.errors import PausedFeedError

if TYPE_CHECKING:
    from auditor.feeds.wire import SchemaName
    from tests.simulation.table import Entry, Row

NAME = "shop"
FORMATS = ("json", "json-schema", "avro")


@dataclass
class Registry:
    """Knows every schema that was registered, and does not always answer; who has asked once need not ask again.

    Attributes:
        is_out: It does not answer now.
    """

    definitions: dict[str, Any] = field(default_factory=dict)
    is_out: bool = False
    asked: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    def register(self, definition: Any) -> int:
        """The id of a schema."""
        for known, one in self.definitions.items():
            if one == definition:
                return int(known)
        number = len(self.definitions) + 1
        self.definitions[str(number)] = definition
        return number

    def schema(self, name: SchemaName) -> WriterSchema:
        """See `auditor.feeds.schemas.SchemaSource.schema`."""
        self.asked += 1
        if self.is_out:
            self.happened["a registry out"] += 1
            raise PausedFeedError("the simulated registry does not answer", hint="ask again later")
        if name.text not in self.definitions:
            raise UnknownSchemaError(f"there is no schema with {name}")
        return WriterSchema(self.definitions[name.text])


@dataclass
class Wire:
    """Writes the records of one connector.

    Attributes:
        topic: Where they go.
        form: One of FORMATS.
        registry: Where Avro's schemas are registered.
        generation: Of the table: each has one more column that no contract names.
        grain: Of the times of commits, in microseconds: some databases tell whole seconds.
        mariadb: It is MariaDB: places are in files, and a transaction has an id.
        log: The server whose log is read.
        shifts: By server, by how much the places of its log are behind ours.
        eras: Who wrote what: from which of our places on, and which server.
    """

    topic: str
    form: str
    registry: Registry
    generation: int = 0
    grain: int = 1
    mariadb: bool = False
    log: int = 1
    shifts: dict[int, int] = field(default_factory=lambda: {1: -20_000})
    eras: list[tuple[int, int]] = field(default_factory=list)
    _plans: dict[Any, Any] = field(default_factory=dict)

    def take_over(self, server: int, lsn: int, shift: int) -> None:
        """A server writes from one of our places on, and its log is read, in which all is that came before.

        Args:
            server: Which.
            lsn: The place.
            shift: By how much its places are behind ours, where that is not known from before.
        """
        self.eras.append((lsn, server))
        self.shifts.setdefault(server, shift)
        self.log = server

    def key(self, key: int) -> bytes:
        """A record's key."""
        return self._written("key", {"id": key})

    def header(self, key: int) -> bytes:
        """A key in a header: plain JSON, whatever the records are."""
        return json.dumps({"id": key}).encode()

    def event(self, entry: Entry, owner_seconds: float, sent_ms: int) -> bytes:
        """A streamed event."""
        after = None
        if entry.row is not None and entry.key is not None:
            after = self._row(entry.key, entry.row, keeps_note=entry.keeps_note and not self.mariadb)
        source = self._source(owner_seconds, entry.lsn, entry.before, entry.transaction, "false")
        return self._envelope(entry.operation, after, source, sent_ms)

    def read(self, key: int, row: Row, owner_seconds: float, lsn: int, snapshot: str, sent_ms: int) -> bytes:
        """A row that a snapshot read."""
        place = None if snapshot == "incremental" and not self.mariadb else lsn
        source = self._source(owner_seconds, place, None, None, snapshot)
        return self._envelope("r", self._row(key, row, keeps_note=False), source, sent_ms)

    def _row(self, key: int, row: Row, *, keeps_note: bool) -> dict[str, Any]:
        told: dict[str, Any] = {"id": key, "status": row[0], "amount": row[1]}
        told["note"] = DEFAULT_PLACEHOLDER if keeps_note else row[2]
        return told | {f"added_{number}": f"v{number}" for number in range(self.generation)}

    def _source(
        self, owner_seconds: float, lsn: int | None, before: int | None, transaction: int | None, snapshot: str
    ) -> dict[str, Any]:
        micros = int(owner_seconds * 1_000_000) // self.grain * self.grain
        told: dict[str, Any] = {"name": NAME, "ts_ms": micros // 1000, "ts_us": micros, "snapshot": snapshot}
        told |= {"db": "shop", "schema": "public", "table": "orders"}
        if self.mariadb:
            place = lsn or 0
            made_by = next((server for since, server in reversed(self.eras) if place >= since), 1)
            gtid = None if transaction is None else f"0-{made_by}-{transaction}"
            told |= {"server_id": 0 if transaction is None else made_by, "gtid": gtid, "file": "binlog.000001"}
            return told | {"connector": "mariadb", "pos": place - self.shifts[self.log], "row": 0}
        sequence = None if before is None or lsn is None else json.dumps([str(before), str(lsn)])
        return told | {"connector": "postgresql", "lsn": lsn, "txId": transaction, "sequence": sequence}

    def _envelope(self, operation: str, after: dict[str, Any] | None, source: dict[str, Any], sent_ms: int) -> bytes:
        told = {"before": None, "after": after, "source": source, "op": operation, "ts_ms": sent_ms}
        return self._written("value", told)

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _written(self, role: str, told: dict[str, Any]) -> bytes:
        if self.form == "avro":
            return self._avro(role, told)
        if self.form == "json-schema":
            return json.dumps({"schema": self._connect(role), "payload": told}, separators=(",", ":")).encode()
        return json.dumps(told).encode()

    def _avro(self, role: str, told: dict[str, Any]) -> bytes:
        plan = self._plans.get((role, self.generation))
        if plan is None:
            definition = self._avro_key() if role == "key" else self._avro_envelope()
            plan = (self.registry.register(definition), fastavro.parse_schema(definition))
            self._plans[role, self.generation] = plan
        out = io.BytesIO(b"\0" + plan[0].to_bytes(4))
        out.seek(5)
        fastavro.schemaless_writer(out, plan[1], told)
        return out.getvalue()

    def _columns(self) -> list[tuple[str, str, bool]]:
        """Name, kind, whether NULL is lawful."""
        added = [(f"added_{number}", "string", True) for number in range(self.generation)]
        return [("id", "int", False), ("status", "string", False), ("amount", "int", True), ("note", "string", True),
                *added]  # fmt: skip

    def _avro_key(self) -> dict[str, Any]:
        return {"type": "record", "name": "Key", "namespace": self.topic, "fields": [{"name": "id", "type": "int"}]}

    def _avro_envelope(self) -> dict[str, Any]:
        columns = [
            {"name": name, "type": ["null", kind] if nullable else kind} for name, kind, nullable in self._columns()
        ]
        value = {"type": "record", "name": "Value", "fields": columns}
        source = {"type": "record", "name": "Source", "namespace": f"io.debezium.connector.{self._connector()}"}
        source["fields"] = [{"name": name, "type": ["null", kind]} for name, kind in self._source_fields()]  # type: ignore[assignment]
        fields: list[dict[str, Any]] = [
            {"name": "before", "type": ["null", value]},
            {"name": "after", "type": ["null", "Value"]},
            {"name": "source", "type": source},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"]},
        ]
        return {
            "type": "record", "name": "Envelope", "namespace": self.topic, "fields": fields,
            "connect.name": f"{self.topic}.Envelope",
        }  # fmt: skip

    def _connector(self) -> str:
        return "mariadb" if self.mariadb else "postgresql"

    def _source_fields(self) -> list[tuple[str, str]]:
        kinds = {int: "long", str: "string"}
        told = self._source(0.0, 1, 1, 1, "false")
        return [(name, kinds[type(value)]) for name, value in told.items()]

    def _connect(self, role: str) -> dict[str, Any]:
        if role == "key":
            return {"type": "struct", "optional": False, "fields": [_connect("id", "int", nullable=False)]}
        if ("connect", self.generation) not in self._plans:
            columns = [_connect(*column) for column in self._columns()]
            row = {"type": "struct", "optional": True, "name": f"{self.topic}.Value", "fields": columns}
            source = {
                "type": "struct", "optional": False, "name": f"io.debezium.connector.{self._connector()}.Source",
                "field": "source", "fields": [_connect(name, kind) for name, kind in self._source_fields()],
            }  # fmt: skip
            fields = [row | {"field": "before"}, row | {"field": "after"}, source]
            fields += [_connect("op", "string", nullable=False), _connect("ts_ms", "long")]
            self._plans["connect", self.generation] = {
                "type": "struct", "optional": False, "name": f"{self.topic}.Envelope", "fields": fields,
            }  # fmt: skip
        found: dict[str, Any] = self._plans["connect", self.generation]
        return found


def _connect(name: str, kind: str, nullable: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - of a row of data
    kinds = {"int": "int32", "long": "int64", "string": "string"}
    return {"type": kinds[kind], "optional": nullable, "field": name}
