"""The services around change streams in their vendors' containers, on the machine's own network.

They have to reach each other and the databases on loopback, and be reached there, on ports that are chosen for them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from tests.services.contained import ContainedService
from tests.services.container import LOG_DIRECTORY, Container
from tests.services.java import JavaService
from tests.services.kafka import Kafka
from tests.services.kafka_connect import KafkaConnect
from tests.services.ports import LOOPBACK
from tests.services.schema_registry import SchemaRegistry

if TYPE_CHECKING:
    from pathlib import Path


class ContainedStream(ContainedService, JavaService):
    """What they have in common: a crash leaves the container, and what is in it, to be run again."""

    _made = False

    def launch(self) -> None:
        """Run the container, the same one again after `kill`."""
        name = self.directory.name
        command = self.engine.command_again(name) if self._made else self.engine.command(self.container())
        self._made = True
        self._run(command, environment=os.environ)

    def container(self) -> Container:
        """What is run."""
        return Container(
            name=self.directory.name,
            image=self.image,
            port=self.port,
            inner_port=0,
            directory=self.directory,
            environment=self._container_environment(),
            arguments=self._container_arguments(),
            kept=True,
        )

    def _stop_process(self) -> None:
        super()._stop_process()
        self._made = False  # what was in it is gone

    def _seen(self, path: Path) -> str:
        """A path below the server's directory, as the server sees it."""
        return f"{LOG_DIRECTORY}/{path.relative_to(self.directory)}"

    def _container_environment(self) -> dict[str, str]:
        return {"KAFKA_HEAP_OPTS": f"-Xmx{self.heap}"}

    def _container_arguments(self) -> tuple[str, ...]:
        return ()


class ContainedKafka(ContainedStream, Kafka):
    """Kafka in its vendor's image."""

    image: ClassVar[str] = "docker.io/apache/kafka:4.1.1"

    def _format(self) -> None:
        """The container makes the storage itself; it has to be able to read the certificates."""
        for path in self.directory.iterdir():
            if path.is_file():
                path.chmod(0o644)

    def _own_settings(self) -> dict[str, str]:
        return super()._own_settings() | {"log.dirs": "/tmp/auditor-data"}  # noqa: S108 - of the container

    def _container_arguments(self) -> tuple[str, ...]:
        settings = self._seen(self._settings_path)
        options = " ".join(f"'{argument}'" for argument in self._format_arguments(settings))
        programs = "/opt/kafka/bin"
        storage = f"{programs}/kafka-storage.sh {options} --ignore-formatted"
        return ("sh", "-c", f"{storage} && exec {programs}/kafka-server-start.sh {settings}")

    def _read_version(self) -> str:
        return self.image.rpartition(":")[2]


class ContainedSchemaRegistry(ContainedStream, SchemaRegistry):
    """Apicurio Registry in its vendor's image."""

    image: ClassVar[str] = "docker.io/apicurio/apicurio-registry-mem:2.6.13.Final"

    def _container_environment(self) -> dict[str, str]:
        return {
            "QUARKUS_HTTP_HOST": LOOPBACK,
            "QUARKUS_HTTP_PORT": str(self.port),
            "JAVA_OPTIONS": f"-Xmx{self.heap}",
        }


class ContainedKafkaConnect(ContainedStream, KafkaConnect):
    """Kafka Connect with Debezium in its vendor's image."""

    image: ClassVar[str] = "quay.io/debezium/connect:3.5"

    def _container_arguments(self) -> tuple[str, ...]:
        settings = self._write_settings("/kafka/connect,/kafka/external_libs")
        settings.chmod(0o644)
        return ("/kafka/bin/connect-distributed.sh", self._seen(settings))

    def _read_version(self) -> str:
        return f"Debezium {self.image.rpartition(':')[2]}"
