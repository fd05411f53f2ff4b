"""A schema registry with Confluent's API: Apicurio Registry, from Maven's central repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.services.java import JavaService
from tests.services.maven import Artifact, fetch_unpacked
from tests.services.ports import LOOPBACK, free_port
from tests.services.web import ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.account import Account

VERSION = "2.6.13.Final"
_ARCHIVE = Artifact("io.apicurio", "apicurio-registry-app", VERSION, "tar.gz", "all")


class SchemaRegistry(JavaService):
    """One registry that keeps its schemas in memory: after `launch` they are gone, and ids begin at 1 again."""

    name: ClassVar[str] = "schema_registry"
    title: ClassVar[str] = "Apicurio Registry"
    heap: ClassVar[str] = "256m"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.port = free_port()

    @classmethod
    def fetch(cls) -> Path:
        """Return the directory of the registry's jars."""
        return fetch_unpacked(_ARCHIVE)

    @property
    def url(self) -> str:
        """Where Confluent's API is."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    @property
    def converter_url(self) -> str:
        """Where Apicurio's own API is, which its converters use."""
        return f"http://{LOOPBACK}:{self.port}/apis/registry/v2"

    def launch(self) -> None:
        """Start the registry, again after `shut` too, on its port."""
        program = self.fetch() / f"{_ARCHIVE.name}-{VERSION}-runner.jar"
        options = {"quarkus.http.host": LOOPBACK, "quarkus.http.port": str(self.port), "quarkus.log.level": "WARN"}
        self._run(self._java("-jar", program, properties=options))

    def shut(self) -> None:
        """Stop it for a while, which loses everything in it."""
        self._stop_process()

    def register(self, subject: str, schema: object) -> int:
        """Register an Avro schema and return its id."""
        answer = ask(f"{self.url}/subjects/{subject}/versions", {"schema": json.dumps(schema)})
        return int(answer["id"])

    def schema(self, number: int) -> Any:
        """The schema of an id."""
        return json.loads(ask(f"{self.url}/schemas/ids/{number}")["schema"])

    def _answers(self) -> bool:
        try:
            ask(f"{self.url}/subjects")
        except (OSError, ValueError):
            return False
        return True

    def _read_version(self) -> str:
        return VERSION
