"""A Kafka feed takes part of what its broker can do: logins, certificates, transactions, crashes, lost records."""

from __future__ import annotations

import re
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from kafka import TopicPartition

from auditor.feeds.continuity import LastRead, is_same_log
from auditor.feeds.kafka.broker import Broker
from auditor.feeds.kafka.source import KafkaSource
from auditor.feeds.kafka.topics import topic_facts
from auditor.feeds.opening import open_feed
from auditor.settings import load_settings
from contracts.errors import AuditorError, FeedError, PausedFeedError, RetentionGapError, SettingsError
from tests.integration.feeds.following import read_to_end, read_until

if TYPE_CHECKING:
    from pathlib import Path

    from auditor.feeds.ports import RecordSource
    from tests.services import Kafka


@pytest.fixture(scope="module")
def broker(kafka: Kafka) -> Broker:
    return Broker("shop", (kafka.url,))


@pytest.fixture(scope="module")
def topic(kafka: Kafka) -> str:
    """Has three records."""
    name = kafka.fresh_topic("guarded")
    send(kafka, name, 3)
    return name


def send(kafka: Kafka, topic: str, count: int, prefix: bytes = b"") -> None:
    with closing(kafka.producer()) as producer:
        for number in range(count):
            producer.send(topic, prefix + b"%d" % number)
        producer.flush()


def opened(directory: Path, address: str, security: str, topic: str) -> RecordSource:
    """The feed as settings with this `security` have it."""
    settings = directory / "auditor.yaml"
    feed = f"{{type: kafka, bootstrap_servers: ['{address}'], security: {security}}}"
    settings.write_text(f"version: 1\nfeeds: {{shop: {feed}}}\n")
    return open_feed(load_settings(settings), "shop", [topic])


def login(kafka: Kafka, mechanism: str = "SCRAM-SHA-512", password: str | None = None) -> str:
    return (
        f"{{protocol: SASL_SSL, mechanism: {mechanism}, username: {kafka.user}, "
        f"password: '{password or kafka.password}', ca: {kafka.authority_certificate}}}"
    )


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_login_over_tls(kafka: Kafka, topic: str, tmp_path: Path, mechanism: str) -> None:
    with closing(opened(tmp_path, kafka.login_url, login(kafka, mechanism), topic)) as source:
        assert len(read_to_end(source)) == 3


def test_certificates_on_both_sides(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    ours = f"cert: {kafka.client_certificate}, key: {kafka.client_key}"
    security = f"{{protocol: SSL, ca: {kafka.authority_certificate}, {ours}}}"
    with closing(opened(tmp_path, kafka.mutual_url, security, topic)) as source:
        assert len(read_to_end(source)) == 3


def refused(directory: Path, address: str, security: str, topic: str) -> AuditorError:
    with pytest.raises(AuditorError) as error:
        opened(directory, address, security, topic)
    return error.value


def test_a_wrong_password_is_told_without_showing_it(
    kafka: Kafka, topic: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    error = refused(tmp_path, kafka.login_url, login(kafka, password="open-sesame"), topic)
    assert "refuses to let us in as auditor by SCRAM-SHA-512" in error.message
    assert "open-sesame" not in str(error)
    assert capfd.readouterr() == ("", ""), "the client's own log stays out of ours"


def test_a_mechanism_that_the_broker_does_not_have_is_told(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    error = refused(tmp_path, kafka.login_url, login(kafka, "SCRAM-SHA-256"), topic)
    assert "does not log in by SCRAM-SHA-256; it does by" in error.message
    assert "SCRAM-SHA-512" in error.message


def test_a_certificate_of_an_authority_that_we_do_not_know_is_told(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    error = refused(tmp_path, kafka.mutual_url, "{protocol: SSL}", topic)
    assert "has a certificate that TLS does not accept" in error.message
    assert "`ca`" in error.hint


def test_tls_where_there_is_none_is_told(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    error = refused(tmp_path, kafka.url, "{protocol: SSL}", topic)
    assert "does not speak TLS with us" in error.message or "did not answer" in error.message


def test_a_certificate_that_a_listener_asks_for_and_does_not_get_is_told(
    kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    error = refused(tmp_path, kafka.mutual_url, f"{{protocol: SSL, ca: {kafka.authority_certificate}}}", topic)
    assert re.search("does not speak TLS with us: .* certificate", error.message)
    assert "`cert`" in error.hint


def test_a_listener_with_tls_is_told_where_none_is_spoken(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    error = refused(tmp_path, kafka.mutual_url, "{protocol: PLAINTEXT}", topic)
    assert "asks for another `protocol`" in error.message or "is no Kafka broker" in error.message


def test_a_listener_with_a_login_is_told_where_none_is_tried(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    error = refused(tmp_path, kafka.login_url, f"{{protocol: SSL, ca: {kafka.authority_certificate}}}", topic)
    assert "asks for another `protocol`" in error.message


def test_an_address_where_nobody_is_is_told_at_once(tmp_path: Path) -> None:
    error = refused(tmp_path, "127.0.0.1:1", "{protocol: PLAINTEXT}", "t")
    assert "no broker lets us in: 127.0.0.1:1 does not take a connection: connection refused" in error.message


@pytest.mark.parametrize(
    ("security", "told"),
    [
        ("{protocol: SASL_SSL}", "has no `mechanism`"),
        ("{protocol: SASL_SSL, mechanism: GSSAPI}", "does not log in by GSSAPI"),
        ("{protocol: SASL_SSL, mechanism: PLAIN, username: me}", "needs `username` and `password`"),
        ("{protocol: SSL, username: me}", "has credentials, but its protocol SSL has no login"),
        ("{protocol: SSL, ca: nowhere.pem}", "cannot be read: No such file"),
        ("{protocol: SSL, ca: auditor.yaml}", "is no PEM file"),
        ("{protocol: SSL, key: auditor.yaml}", "has a `key` and no `cert`"),
    ],
)
def test_settings_that_contradict_themselves_are_told_before_anything_is_tried(
    tmp_path: Path, security: str, told: str
) -> None:
    error = refused(tmp_path, "127.0.0.1:1", security, "t")
    assert isinstance(error, SettingsError)
    assert told in error.message


def test_a_topic_that_we_may_not_read_is_told(kafka: Kafka, tmp_path: Path) -> None:
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    secret = kafka.fresh_topic("secret")
    with closing(kafka.admin()) as admin:
        pattern = ResourcePattern(ResourceType.TOPIC, secret)
        admin.create_acls([ACL("User:somebody", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)])
        admin.create_acls([ACL("User:*", "*", ACLOperation.DESCRIBE, ACLPermissionType.ALLOW, pattern)])
    source = opened(tmp_path, kafka.login_url, login(kafka), secret)
    with closing(source), pytest.raises(FeedError, match=rf"auditor may not read the topic {secret}"):
        read_until(source, lambda _: False)


def transactional(kafka: Kafka, topic: str, name: str) -> None:
    """Five transactions of ten records, every other one of which is taken back."""
    with closing(kafka.producer(transactional_id=name)) as producer:
        producer.init_transactions()
        for number in range(5):
            producer.begin_transaction()
            for _ in range(10):
                producer.send(topic, b"%d" % number)
            producer.flush()
            if number % 2:
                producer.abort_transaction()
            else:
                producer.commit_transaction()


def test_what_a_transaction_took_back_is_left_out_and_its_markers_are_passed(kafka: Kafka, broker: Broker) -> None:
    """Fact 17: markers take offsets, so the position is behind the last record."""
    topic = kafka.fresh_topic("transactions")
    transactional(kafka, topic, "writer")
    with KafkaSource(broker, [topic]) as source:
        found = read_to_end(source)
        assert {one.value for one in found} == {b"0", b"2", b"4"}
        assert len(found) == 30
        assert source.position((topic, 0)) == source.end([(topic, 0)])[topic, 0] == 55
        assert found[-1].offset == 53
    with KafkaSource(broker, [topic], isolation_level="read_uncommitted") as source:
        assert len(read_to_end(source)) == 50


def test_what_is_not_committed_yet_is_behind_the_end(kafka: Kafka, broker: Broker) -> None:
    topic = kafka.fresh_topic("transactions")
    with closing(kafka.producer(transactional_id="slow")) as producer, KafkaSource(broker, [topic]) as source:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"open").get(timeout=30)
        assert source.end([(topic, 0)]) == {(topic, 0): 0}
        assert source.poll(0.5) == []
        producer.commit_transaction()
        found = read_until(source, bool)  # its marker is written soon, not at once
    assert [one.value for one in found] == [b"open"]


def test_records_that_were_removed_before_they_were_read_are_a_gap_of_so_many(kafka: Kafka, broker: Broker) -> None:
    topic = kafka.fresh_topic("cut")
    send(kafka, topic, 50)
    with KafkaSource(broker, [topic]) as source:
        source.seek((topic, 0), 10)
        with closing(kafka.admin()) as admin:
            admin.delete_records({TopicPartition(topic, 0): 40})
        with pytest.raises(RetentionGapError, match="30 offsets were removed before they were read") as error:
            read_until(source, lambda _: False)
        assert (error.value.wanted, error.value.beginning, error.value.end) == (10, 40, 50)
        assert source.position((topic, 0)) == 10
        source.seek((topic, 0), 40)
        assert len(read_to_end(source)) == 10


def test_a_topic_that_was_made_anew_is_known_by_its_last_record_and_by_its_id(kafka: Kafka, broker: Broker) -> None:
    topic = kafka.fresh_topic("anew")
    send(kafka, topic, 20)
    identity = topic_facts(broker, [topic])[topic].identity
    with KafkaSource(broker, [topic]) as source:
        last = LastRead.of(read_to_end(source)[-1])
    with KafkaSource(broker, [topic]) as source:
        assert is_same_log(source, (topic, 0), last) is True
        assert source.position((topic, 0)) == 20
    with closing(kafka.admin()) as admin:
        admin.delete_topics([topic])
    wait_for_absence(kafka, topic)
    kafka.create_topic(topic)
    with KafkaSource(broker, [topic]) as source:
        source.seek((topic, 0), 20)
        with pytest.raises(RetentionGapError, match=r"is not there yet.*made anew"):
            read_until(source, lambda _: False)
    send(kafka, topic, 30, b"other ")
    with KafkaSource(broker, [topic]) as source:
        assert is_same_log(source, (topic, 0), last) is False
    assert topic_facts(broker, [topic])[topic].identity != identity


def wait_for_absence(kafka: Kafka, topic: str) -> None:
    from tests.services.deadline import wait_until

    with closing(kafka.admin()) as admin:
        wait_until(lambda: topic not in admin.list_topics(), seconds=30, what=f"{topic}'s end")


def test_a_broker_that_dies_and_comes_back_is_read_on_without_loss_or_repetition(kafka: Kafka, broker: Broker) -> None:
    topic = kafka.fresh_topic("killed")
    send(kafka, topic, 1000)
    with KafkaSource(broker, [topic]) as source:
        found = read_until(source, lambda found: len(found) >= 500)
        kafka.kill()
        try:
            assert len(source.poll(1)) <= 1000
        finally:
            kafka.launch()
        send(kafka, topic, 1000)
        source.seek((topic, 0), found[-1].offset + 1)
        found += read_until(source, lambda more: len(found) + len(more) >= 2000)
    assert [one.offset for one in found] == list(range(2000))


def test_a_topic_that_is_deleted_while_it_is_read_is_told(
    kafka: Kafka, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.feeds.kafka.source.SILENCE_SECONDS", 0.5)
    monkeypatch.setattr("auditor.feeds.kafka.source.PROBE_SECONDS", 1.0)
    topic = kafka.fresh_topic("deleted")
    send(kafka, topic, 3)
    with KafkaSource(broker, [topic]) as source:
        read_to_end(source)
        with closing(kafka.admin()) as admin:
            admin.delete_topics([topic])
        wait_for_absence(kafka, topic)
        with pytest.raises(FeedError, match=rf"the topic {topic} is gone") as error:
            read_until(source, lambda _: False)
        assert not isinstance(error.value, PausedFeedError)


def test_a_broker_that_falls_silent_is_told_and_not_taken_for_a_quiet_topic(
    kafka: Kafka, broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.feeds.kafka.source.SILENCE_SECONDS", 0.5)
    monkeypatch.setattr("auditor.feeds.kafka.source.PROBE_SECONDS", 1.0)
    with KafkaSource(broker, [topic]) as source:
        read_to_end(source)
        assert source.poll(1) == [], "a quiet topic is no silence"
        kafka.freeze()
        thawing = threading.Timer(8, kafka.thaw)
        thawing.start()
        try:
            with pytest.raises(PausedFeedError, match="silent for"):
                read_until(source, lambda _: False)
        finally:
            thawing.cancel()
            kafka.thaw()
        assert read_until(source, lambda _: source.end([(topic, 0)]) == {(topic, 0): 3}) == []
