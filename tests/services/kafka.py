"""Apache Kafka, from Maven's central repository: one broker that is its own controller."""

from __future__ import annotations

import base64
import itertools
import re
import socket
import struct
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from tests.services.authority import Authority
from tests.services.deadline import wait_until
from tests.services.java import JavaService, class_path, properties_text
from tests.services.maven import Artifact, fetch_libraries
from tests.services.packages import require_program
from tests.services.ports import LOOPBACK, free_port
from tests.services.process import run_tool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.services.account import Account

VERSION = "4.1.2"
LOGGING = Artifact("org.slf4j", "slf4j-simple", "1.7.36")
QUIET = {"org.slf4j.simpleLogger.defaultLogLevel": "warn", "org.slf4j.simpleLogger.showDateTime": "true"}

# Quick to start and stop; one broker is all there is.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "500",
    "controlled.shutdown.enable": "false",
    "broker.session.timeout.ms": "3000",  # so long one that was killed is kept from coming back
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "2",
    # Whoever comes without a name may do everything, and everybody what nothing forbids.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
    "listener.name.mutual.ssl.client.auth": "required",
}
_PARTITIONS_SECONDS = 30.0
_API_VERSIONS, _CORRELATION = 18, 4711


class Kafka(JavaService):
    """One broker with three listeners: open, TLS with a login, and TLS with certificates on both sides."""

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    heap: ClassVar[str] = "384m"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.user = "auditor"
        self.port, self.login_port, self.mutual_port, self._controller_port = (free_port() for _ in range(4))
        self._numbers = itertools.count(1)

    @classmethod
    def fetch(cls) -> Path:
        """Return the directory of the broker's jars."""
        return fetch_libraries(f"kafka-{VERSION}", Artifact("org.apache.kafka", "kafka_2.13", VERSION), LOGGING)

    @property
    def url(self) -> str:
        """The address of the open listener."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def login_url(self) -> str:
        """The address of the listener with TLS and a login by SCRAM-SHA-512, as `user` with `password`."""
        return f"{LOOPBACK}:{self.login_port}"

    @property
    def mutual_url(self) -> str:
        """The address of the listener that asks for `client_certificate`."""
        return f"{LOOPBACK}:{self.mutual_port}"

    def launch(self) -> None:
        """Start the broker, again after `kill` too, on its data and its ports."""
        jars = class_path(self.fetch())
        self._run(self._java("-cp", jars, "kafka.Kafka", self._settings_path, properties=QUIET))

    def admin(self) -> Any:
        """Return an open administration client of kafka-python, to be closed."""
        from kafka import KafkaAdminClient

        return KafkaAdminClient(bootstrap_servers=self.url, bootstrap_timeout_ms=20_000)

    def producer(self, **options: Any) -> Any:
        """Return an open producer of kafka-python, to be closed."""
        from kafka import KafkaProducer

        return KafkaProducer(bootstrap_servers=self.url, bootstrap_timeout_ms=20_000, **options)

    def fresh_topic(
        self, name_hint: str = "test", partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> str:
        """Create an empty topic and return its name.

        Args:
            name_hint: A part of its name.
            partitions: How many it has.
            settings: Of the topic, such as `{"cleanup.policy": "compact"}`.
        """
        name = f"{re.sub(r'[^a-zA-Z0-9._-]+', '-', name_hint)}.{next(self._numbers)}"
        self.create_topic(name, partitions, settings)
        return name

    def create_topic(self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Create an empty topic of this name, and wait until it can be used."""
        from kafka.admin import NewTopic

        with closing(self.admin()) as admin:
            admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(settings or {}))])
            admin.wait_for_topics([name])

    def add_partitions(self, totals: Mapping[str, int]) -> None:
        """Give topics more partitions, and wait until they can be used.

        Args:
            totals: By topic, how many it has then.
        """
        with closing(self.admin()) as admin:
            admin.create_partitions(dict(totals))

            def there() -> bool:
                found = {one["name"]: len(one["partitions"]) for one in admin.describe_topics(list(totals))}
                return found == dict(totals)

            wait_until(there, seconds=_PARTITIONS_SECONDS, what="the partitions that were added")
            admin.wait_for_topics(list(totals))

    def make_anew(self, name: str, partitions: int = 1) -> None:
        """Delete a topic, and create an empty one of its name."""
        from kafka.admin import NewTopic

        with closing(self.admin()) as admin:
            admin.delete_topics([name])
            wait_until(lambda: name not in admin.list_topics(), seconds=_PARTITIONS_SECONDS, what="the topic's end")
            admin.create_topics([NewTopic(name, partitions, 1)])
            admin.wait_for_topics([name])

    def _make_certificates(self) -> None:
        require_program("openssl")
        authority = Authority(self.directory, "authority")
        certificate, key = authority.sign("broker", "-addext", f"subjectAltName=DNS:localhost,IP:{LOOPBACK}")
        self._keys = self.directory / "broker.pem"
        self._keys.write_bytes(key.read_bytes() + certificate.read_bytes())
        self.authority_certificate = authority.certificate
        self.client_certificate, self.client_key = authority.sign("client")

    def _prepare(self) -> None:
        self._make_certificates()
        self._settings_path = self.directory / "server.properties"
        self._settings_path.write_text(properties_text(_SETTINGS | self._own_settings()))
        self._format()

    def _format(self) -> None:
        """Make the storage, with the user who may log in."""
        tool = ["-cp", class_path(self.fetch()), "kafka.tools.StorageTool"]
        run_tool(
            self._java(*tool, *self._format_arguments(self._settings_path), properties=QUIET),
            account=self.account,
            home=self.directory,
            what="making Kafka's storage",
        )

    def _format_arguments(self, settings: str | Path) -> list[str | Path]:
        # Begins with a letter: a minus would be taken for an option.
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        user = f"SCRAM-SHA-512=[name={self.user},password={self.password}]"
        return ["format", "-t", cluster, "-c", settings, "--add-scram", user]

    def _seen(self, path: Path) -> str:
        """A path of this machine, as the broker sees it."""
        return str(path)

    def _own_settings(self) -> dict[str, str]:
        listeners = {"PLAINTEXT": self.port, "LOGIN": self.login_port, "MUTUAL": self.mutual_port}
        told = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in listeners.items())
        plain_login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return {
            "listeners": f"{told},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": told,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "log.dirs": self._seen(self.directory / "data"),
            "ssl.keystore.location": self._seen(self._keys),
            "ssl.truststore.location": self._seen(self.authority_certificate),
            "listener.name.login.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.login.plain.sasl.jaas.config": f'{plain_login} user_{self.user}="{self.password}";',
        }

    def _answers(self) -> bool:
        return _speaks_kafka(self.port) and self._has_broker()

    def _has_broker(self) -> bool:
        """Whether the broker has joined its own cluster: before that, no topic can be made."""
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            with closing(KafkaAdminClient(bootstrap_servers=self.url, bootstrap_timeout_ms=2_000)) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _read_version(self) -> str:
        return VERSION


def _speaks_kafka(port: int) -> bool:
    """Whether a broker answers there: the question for its versions, which needs no client."""
    question = struct.pack(">hhih", _API_VERSIONS, 0, _CORRELATION, -1)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(question)) + question)
            answer = connection.recv(8)
    except OSError:
        return False
    return answer[4:] == struct.pack(">i", _CORRELATION)
