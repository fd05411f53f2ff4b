"""The schema registry: what is asked once is known for ever, and what cannot be known now pauses the feed.

The registry here is a small HTTP server, because a real one cannot be told to fail in the ways that are tested.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from auditor.feeds import registry_connection
from auditor.feeds.decoded import Poison
from auditor.feeds.decoder import Decoder
from auditor.feeds.options import DecodingOptions
from auditor.feeds.record import Record
from auditor.feeds.registry import Registry, authorization
from auditor.feeds.registry_connection import ROUNDS, RegistryConnection
from auditor.feeds.schema_store import SchemaStore
from auditor.feeds.schemas import UnknownSchemaError, WriterSchema
from auditor.feeds.wire import Naming, SchemaName
from auditor.settings import RegistryAuth, RegistryTls, SchemaRegistry
from contracts.errors import FeedError, PausedFeedError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = {"type": "record", "name": "Value", "fields": [{"name": "id", "type": "long"}]}
OTHER = {"type": "record", "name": "Other", "fields": [{"name": "v", "type": "string"}]}
SEVEN = SchemaName(Naming.ID, "7")


class Served:
    """A registry that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.url = ""
        self.status: int | None = None
        self.hangs = threading.Event()
        self.hangs.set()

    def answer(self, path: str) -> tuple[int, Any]:
        if self.status is not None:
            return self.status, {"message": "no"}
        return self.answers.get(path, (404, {"error_code": 40403, "message": "Schema not found"}))

    def has(self, number: int, schema: Any, **more: Any) -> None:
        self.answers[f"/schemas/ids/{number}"] = (200, {"schema": json.dumps(schema), **more})


@contextmanager
def serving() -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.authorizations.append(self.headers["Authorization"])
            served.hangs.wait(5)
            status, document = served.answer(self.path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing goes to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as found:
        yield found


def registry(url: str, directory: Path, auth: RegistryAuth | None = None) -> Registry:
    settings = SchemaRegistry(url=url, auth=auth)
    connection = RegistryConnection("shop", settings.urls, authorization(settings), RegistryTls())
    return Registry("shop", connection, SchemaStore(directory, settings.urls[0]))


def test_a_schema_is_looked_up_by_its_id(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    assert registry(served.url, tmp_path).schema(SEVEN) == WriterSchema(SCHEMA)


def test_a_schema_is_looked_up_by_its_guid(served: Served, tmp_path: Path) -> None:
    guid = "89791762-2336-4186-9674-299b90a802e2"
    served.answers[f"/schemas/guids/{guid}"] = (200, {"schema": json.dumps(SCHEMA)})
    assert registry(served.url, tmp_path).schema(SchemaName(Naming.GUID, guid)).definition == SCHEMA


def test_a_global_id_is_looked_up_at_apicurios_own_address(served: Served, tmp_path: Path) -> None:
    served.answers["/apis/registry/v2/ids/globalIds/9"] = (200, SCHEMA)
    served.answers["/apis/registry/v2/ids/globalIds/9/references"] = (200, [])
    own = registry(f"{served.url}/apis/ccompat/v7", tmp_path)
    assert own.schema(SchemaName(Naming.GLOBAL_ID, "9")).definition == SCHEMA


def test_what_a_schema_refers_to_comes_with_it_innermost_first(served: Served, tmp_path: Path) -> None:
    address = {"type": "record", "name": "Address", "fields": [{"name": "city", "type": "City"}]}
    city = {"type": "record", "name": "City", "fields": [{"name": "name", "type": "string"}]}
    person = {"type": "record", "name": "Person", "fields": [{"name": "at", "type": "Address"}]}
    served.has(7, person, references=[{"name": "Address", "subject": "a/b", "version": 2}])
    served.answers["/subjects/a%2Fb/versions/2"] = (
        200,
        {"schema": json.dumps(address), "references": [{"name": "City", "subject": "city", "version": 1}]},
    )
    served.answers["/subjects/city/versions/1"] = (200, {"schema": json.dumps(city)})
    schema = registry(served.url, tmp_path).schema(SEVEN)
    assert schema.references == (city, address)
    decoder = Decoder(DecodingOptions("confluent", form="flattened"), _Fixed(schema))
    (change,) = decoder.decode([Record("t", 0, 0, -1, None, b"\0\0\0\0\7" + b"\x0aParis")])
    assert not isinstance(change, Poison)


class _Fixed:
    def __init__(self, schema: WriterSchema) -> None:
        self._schema = schema

    def schema(self, _name: SchemaName) -> WriterSchema:
        return self._schema


def test_a_registry_that_is_down_costs_nothing_for_ids_that_are_known(tmp_path: Path) -> None:
    with serving() as served:
        served.has(7, SCHEMA)
        registry(served.url, tmp_path).schema(SEVEN)
        url = served.url
    later = registry(url, tmp_path)
    assert later.schema(SEVEN) == WriterSchema(SCHEMA)
    with pytest.raises(PausedFeedError, match="nothing is skipped"):
        later.schema(SchemaName(Naming.ID, "8"))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_registry_in_trouble_pauses_the_feed_after_a_limit(served: Served, tmp_path: Path, status: int) -> None:
    served.status = status
    with pytest.raises(PausedFeedError, match=str(status)):
        registry(served.url, tmp_path).schema(SEVEN)
    assert len(served.asked) == ROUNDS


def test_a_registry_that_says_nothing_pauses_the_feed(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_connection, "ANSWER_SECONDS", 0.2)
    served.hangs.clear()
    with pytest.raises(PausedFeedError, match="no answer within"):
        registry(served.url, tmp_path).schema(SEVEN)


def test_the_next_address_is_asked_when_one_is_down(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    both = registry(f"http://127.0.0.1:1, {served.url}/", tmp_path)
    assert both.schema(SEVEN).definition == SCHEMA


def test_an_unknown_id_is_poison_and_is_not_asked_for_again_at_once(served: Served, tmp_path: Path) -> None:
    decoder = Decoder(DecodingOptions("confluent"), registry(served.url, tmp_path))
    record = Record("t", 0, 0, -1, None, b"\0\0\0\0\7\2")
    outcomes = decoder.decode([record, record])
    assert [type(outcome) for outcome in outcomes] == [Poison, Poison]
    assert len(served.asked) == 1


def test_another_servers_404_is_a_wrong_address_and_no_unknown_schema(served: Served, tmp_path: Path) -> None:
    served.answers["/schemas/ids/7"] = (404, b"<html>not here</html>")
    with pytest.raises(FeedError, match="is the path of its `url` right") as raised:
        registry(served.url, tmp_path).schema(SEVEN)
    assert not isinstance(raised.value, PausedFeedError)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_a_wrong_setting_and_shows_no_password(served: Served, tmp_path: Path, status: int) -> None:
    served.status = status
    auth = RegistryAuth(basic=SecretStr("ann:c4n4ry"))
    with pytest.raises(FeedError, match="refuses us") as raised:
        registry(served.url, tmp_path, auth).schema(SEVEN)
    assert not isinstance(raised.value, PausedFeedError)
    assert "c4n4ry" not in str(raised.value)
    assert base64.b64encode(b"ann:c4n4ry").decode() not in str(raised.value)


def test_a_redirect_is_refused_because_it_would_carry_the_password_away(served: Served, tmp_path: Path) -> None:
    served.status = 302
    with pytest.raises(FeedError, match="redirects are not followed"):
        registry(served.url, tmp_path, RegistryAuth(bearer=SecretStr("token"))).schema(SEVEN)


def test_basic_and_bearer_logins_are_sent(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    registry(served.url, tmp_path / "a", RegistryAuth(basic=SecretStr("ann:pä"))).schema(SEVEN)
    registry(served.url, tmp_path / "b", RegistryAuth(bearer=SecretStr("token"))).schema(SEVEN)
    assert served.authorizations == [f"Basic {base64.b64encode('ann:pä'.encode()).decode()}", "Bearer token"]


def test_a_registry_that_lost_its_memory_is_said(served: Served, tmp_path: Path) -> None:
    """It gives the same ids to other schemas: a record does not tell which of the two was meant."""
    served.has(7, SCHEMA)
    registry(served.url, tmp_path).schema(SEVEN)
    served.has(7, OTHER)
    with pytest.raises(FeedError, match="gives ids anew"):
        registry(served.url, tmp_path).schema(SEVEN)


def test_a_schema_that_was_deleted_since_is_still_known(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    registry(served.url, tmp_path).schema(SEVEN)
    served.answers.clear()
    assert registry(served.url, tmp_path).schema(SEVEN).definition == SCHEMA


def test_two_registries_have_their_own_schemas_under_one_id(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    registry(served.url, tmp_path).schema(SEVEN)
    with serving() as second:
        second.has(7, OTHER)
        assert registry(second.url, tmp_path).schema(SEVEN).definition == OTHER


def test_a_kept_schema_that_is_not_whole_is_as_good_as_none(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA)
    store = SchemaStore(tmp_path, served.url)
    store.put(SEVEN, WriterSchema(SCHEMA))
    whole = store.path(SEVEN).read_bytes()
    for damaged in (b"", whole[:-9], whole.replace(b"long", b"int "), b"[1]", b"\xff"):
        store.path(SEVEN).write_bytes(damaged)
        assert store.get(SEVEN) is None
    assert registry(served.url, tmp_path).schema(SEVEN).definition == SCHEMA
    assert store.get(SEVEN) == WriterSchema(SCHEMA)


WRITER = """
import sys
from pathlib import Path
from auditor.feeds.schema_store import SchemaStore
from auditor.feeds.schemas import WriterSchema
from auditor.feeds.wire import Naming, SchemaName
store = SchemaStore(Path(sys.argv[1]), "http://r")
print("writing", flush=True)
while True:
    store.put(SchemaName(Naming.ID, "7"), WriterSchema({"type": "string", "doc": "x" * 200_000}))
"""


def test_two_writers_killed_at_any_instant_leave_a_whole_schema(tmp_path: Path) -> None:
    store = SchemaStore(tmp_path, "http://r")
    for _ in range(3):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        while store.get(SEVEN) is None:
            assert all(writer.poll() is None for writer in writers)
        for writer in writers:
            writer.kill()
            writer.communicate()
        schema = store.get(SEVEN)
        assert schema is not None
        assert len(schema.definition["doc"]) == 200_000


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "schemas").write_text("in the way")
    with pytest.raises(WorkspaceError, match="could not be kept"):
        SchemaStore(tmp_path, "http://r").put(SEVEN, WriterSchema(SCHEMA))


def test_an_answer_that_is_no_schema_is_said(served: Served, tmp_path: Path) -> None:
    served.answers["/schemas/ids/7"] = (200, b"<html>")
    with pytest.raises(FeedError, match="something that is no schema"):
        registry(served.url, tmp_path).schema(SEVEN)


def test_schemas_without_end_are_refused(served: Served, tmp_path: Path) -> None:
    served.has(7, SCHEMA, references=[{"name": "a", "subject": "a", "version": 1}])
    loop = {"schema": json.dumps(SCHEMA), "references": [{"name": "a", "subject": "a", "version": 1}]}
    served.answers["/subjects/a/versions/1"] = (200, loop)
    with pytest.raises(FeedError, match="refers to too many others"):
        registry(served.url, tmp_path).schema(SEVEN)


def test_an_unknown_schema_is_told_from_one_that_cannot_be_had(served: Served, tmp_path: Path) -> None:
    with pytest.raises(UnknownSchemaError, match="has no schema with id 7"):
        registry(served.url, tmp_path).schema(SEVEN)
