"""A schema registry over HTTP: Confluent's API, which most of them speak, and Apicurio's own for its 8-byte ids.

A schema that was ever looked up is kept on disk, so that a registry that is down costs nothing for the ids that are
known.  For one that is not known, the feed pauses.  What was kept is compared once a run with what the registry says
now: a registry that lost its memory gives the same ids to other schemas, and then no record can be read with either.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from auditor.feeds.schemas import SchemaSource, UnknownSchemaError, WriterSchema
from auditor.feeds.wire import Naming, SchemaName
from contracts.errors import FeedError, PausedFeedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from auditor.feeds.registry_connection import Answer, RegistryConnection
    from auditor.feeds.schema_store import SchemaStore
    from auditor.settings import SchemaRegistry

REFERENCES_MAX = 200
"""Schemas that one schema may refer to, directly and through others."""

UNKNOWN_SECONDS = 60.0
"""How long the answer that there is no such schema is believed without asking again."""

_CCOMPAT, _OWN_API = "/apis/ccompat/", "/apis/registry/"


class Registry(SchemaSource):
    """Looks schemas up, and keeps them.

    Args:
        feed: The name of the feed, for messages.
        connection: To the registry.
        store: Where schemas are kept.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        feed: str,
        connection: RegistryConnection,
        store: SchemaStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed, self._connection, self._store, self._clock = feed, connection, store, clock
        self._unknown: dict[SchemaName, float] = {}
        self._is_answering = True

    def schema(self, name: SchemaName) -> WriterSchema:
        """The schema of that name; each is asked for once by its callers."""
        kept = self._store.get(name)
        if kept is not None:
            if self._is_answering:
                self._compare(name, kept)
            return kept
        if (until := self._unknown.get(name)) is not None and self._clock() < until:
            raise UnknownSchemaError(self._no_such(name))
        try:
            schema = self._look_up(name)
        except UnknownSchemaError:
            self._unknown[name] = self._clock() + UNKNOWN_SECONDS
            raise
        self._store.put(name, schema)
        return schema

    def _compare(self, name: SchemaName, kept: WriterSchema) -> None:
        """Hold a kept schema to what the registry says now; an answer that does not come proves nothing."""
        try:
            current = self._look_up(name)
        except UnknownSchemaError:
            return  # deleted, or forgotten: records still have it
        except PausedFeedError:
            self._is_answering = False  # ask no more in this run: every id would wait for it
            return
        if current != kept:
            raise FeedError(
                f"The schema with {name} is another one at {self._connection.address} than when it was looked up "
                f"first (feed {self._feed}): the registry gives ids anew, and a record does not tell which was meant",
                hint=f"if every record that is still to be read is younger than the change, remove "
                f"{self._store.path(name)}; else have the registry restored",
            )

    def _look_up(self, name: SchemaName) -> WriterSchema:
        if name.naming in (Naming.GLOBAL_ID, Naming.CONTENT_ID):
            return self._look_up_apicurio(name)
        kind = "ids" if name.naming is Naming.ID else "guids"
        document = self._document(self._get(f"/schemas/{kind}/{quote(name.text, safe='')}", self._no_such(name)))
        language = document.get("schemaType") or "AVRO"
        references: dict[tuple[str, str], Any] = {}
        if language == "AVRO":
            self._gather(document, references, depth=0)
        definition = _parsed(document["schema"]) if language == "AVRO" else None
        return WriterSchema(definition, str(language), tuple(references.values()))

    def _gather(self, document: dict[str, Any], found: dict[tuple[str, str], Any], depth: int) -> None:
        """Look up what a schema refers to, and what that refers to, each before those that need it."""
        for reference in document.get("references") or ():
            place = (str(reference.get("subject")), str(reference.get("version")))
            if place in found:
                continue
            if len(found) >= REFERENCES_MAX or depth >= REFERENCES_MAX:
                raise self._strange("a schema that refers to too many others")
            subject, version = (quote(part, safe="") for part in place)
            answer = self._get(f"/subjects/{subject}/versions/{version}", f"no version {version} of subject {subject}")
            inner = self._document(answer)
            self._gather(inner, found, depth + 1)
            found[place] = _parsed(inner["schema"])

    def _look_up_apicurio(self, name: SchemaName) -> WriterSchema:
        kind = "globalIds" if name.naming is Naming.GLOBAL_ID else "contentIds"
        path = f"/ids/{kind}/{quote(name.text, safe='')}"
        answer = self._get(path, self._no_such(name), own=True)
        try:
            definition = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self._strange("no schema in JSON") from None
        references: list[Any] = []
        self._gather_apicurio(path, references, set(), depth=0)
        return WriterSchema(definition, "AVRO", tuple(references))

    def _gather_apicurio(self, path: str, found: list[Any], seen: set[str], depth: int) -> None:
        answer = self._get(f"{path}/references", "no references", own=True)
        try:
            references = json.loads(answer.body)
        except ValueError:
            raise self._strange("no list of references") from None
        for reference in references if isinstance(references, list) else ():
            group, artifact, version = (
                quote(str(reference.get(part) or "default"), safe="") for part in ("groupId", "artifactId", "version")
            )
            place = f"/groups/{group}/artifacts/{artifact}/versions/{version}"
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > REFERENCES_MAX or depth >= REFERENCES_MAX:
                raise self._strange("a schema that refers to too many others")
            self._gather_apicurio(place, found, seen, depth + 1)
            found.append(_parsed(self._get(place, "no such version", own=True).body))

    def _get(self, path: str, missing: str, *, own: bool = False) -> Answer:
        answer = self._connection.get(path, _own_api if own else None)
        if answer.status == 404:  # noqa: PLR2004
            if _is_registry_error(answer.body):
                raise UnknownSchemaError(missing)
            raise self._strange("404 for what every registry has: is the path of its `url` right?")
        return answer

    def _document(self, answer: Answer) -> dict[str, Any]:
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
            raise self._strange("something that is no schema")
        return document

    def _strange(self, what: str) -> FeedError:
        return FeedError(
            f"The schema registry at {self._connection.address} (feed {self._feed}) answered {what}",
            hint="`schema_registry.url` is the address of a registry that speaks Confluent's API, such as "
            "http://host:8081 or http://host:8080/apis/ccompat/v7",
        )

    def _no_such(self, name: SchemaName) -> str:
        return f"the schema registry at {self._connection.address} has no schema with {name}"


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text if isinstance(text, str) else text.decode("utf-8", "replace")  # the name of a primitive type


def _is_registry_error(body: bytes) -> bool:
    """Whether a 404 comes from a registry: another server's has no such JSON."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and ("error_code" in document or "status" in document)


def _own_api(url: str) -> str:
    """The address of Apicurio's own API beside the one that it has for Confluent's clients."""
    path = urlsplit(url).path
    if _OWN_API in path:
        return url
    base = url.partition(_CCOMPAT)[0]
    return f"{base}{_OWN_API}v2"


def authorization(settings: SchemaRegistry) -> str | None:
    """The header that proves who asks."""
    if settings.auth is None:
        return None
    if settings.auth.bearer is not None:
        return f"Bearer {settings.auth.bearer.get_secret_value()}"
    assert settings.auth.basic is not None  # noqa: S101  the settings have one of the two
    return f"Basic {base64.b64encode(settings.auth.basic.get_secret_value().encode()).decode()}"
