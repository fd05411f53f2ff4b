"""What `auditor.yaml` says: connections, feeds, ledger, workspace, and how much trouble is tolerated.

`load_settings` reads the file, puts in what `${…}` refers to, checks everything and reports all errors at once, each
with its file and line.  Passwords are kept as `SecretStr` and told to `auditor.secrets`; nothing here shows one.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from auditor import secrets
from auditor.quantities import Window, parse_size, parse_window
from auditor.store_url import SQLALCHEMY_SCHEMES, StoreUrl, parse_store_url
from contracts.durations import parse_duration
from contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auditor.readers.meter import Meter

SETTINGS_VERSION = 1
WITH_STANDBY = ("postgresql", "mysql", "mariadb")
"""Stores of which a physical copy, or a replica that only reads, may be scanned in their place."""

LONGEST_SNAPSHOT_DEFAULT = "30m"
"""How long a store may have to keep the versions of rows that our snapshot still sees: a busy table bloats by minutes,
and a standby cancels what holds up its replay."""

NAME = re.compile(r"[^\s/\\$]{1,100}\Z")
"""Names of connections and feeds; a slash would end them in `connection/relation`."""

_Named = TypeVar("_Named")


def _directory(info: ValidationInfo) -> Path:
    """What relative paths are relative to: where the settings file stands."""
    context: Mapping[str, Path] = info.context or {}
    return context.get("directory", Path.cwd())


def _absolute(path: Path, info: ValidationInfo) -> Path:
    if not path.name or "\0" in str(path):
        raise ValueError("expected a path")
    return Path(os.path.abspath(_directory(info) / path))  # noqa: PTH100 - links are left as written


def _store_url(text: Any, info: ValidationInfo) -> Any:
    return parse_store_url(text, directory=_directory(info)) if isinstance(text, str) else text


def _ledger_url(text: Any, info: ValidationInfo) -> Any:
    if not isinstance(text, str):
        return text
    return parse_store_url(text, directory=_directory(info), schemes=SQLALCHEMY_SCHEMES)


def _zone(name: str) -> str:
    """A zone of the IANA database; any name where this machine has no such database, which a store may have."""
    if name != "UTC" and not _is_zone(name) and available_timezones():
        raise ValueError("unknown time zone; expected an IANA name such as UTC or Europe/Berlin")
    return name


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _duration(text: str) -> timedelta:
    """As contracts read it; their message shows the text, which here may have come from a secret."""
    try:
        return parse_duration(_text(text))
    except ValueError:
        raise ValueError("expected a duration with its unit (ms, s, m, h, d), such as 30s or 5m") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004 - pydantic's way
    return value


def _size(value: Any) -> Any:

    return parse_size(value if isinstance(value, str) else "")


def _window(value: Any) -> Window:
    return parse_window(value if isinstance(value, str) else "")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_PORT_MAX = 65535


def _server(text: str) -> str:
    """A broker: `host`, `host:port` or `[address]:port`; an IPv6 address alone has no port."""
    host, colon, port = text.rpartition(":")
    is_alone = not colon or text.endswith("]") or (":" in host and not host.endswith("]"))
    is_number = port.isascii() and port.isdecimal() and len(port) <= len(str(_PORT_MAX))
    if not is_alone and not (is_number and 0 < int(port) <= _PORT_MAX):
        raise ValueError(f"expected host:port, with a port from 1 to {_PORT_MAX}")
    return text


def _known_version(version: int) -> int:
    if version != SETTINGS_VERSION:
        raise ValueError(f"this auditor reads settings of version {SETTINGS_VERSION} only")
    return version


def _name(name: str) -> str:
    if not NAME.match(name):
        raise ValueError("expected a name of at most 100 characters without blanks, / \\ or $")
    return name


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("is empty")
    return secret


Location = Annotated[Path, AfterValidator(_absolute)]
Url = Annotated[InstanceOf[StoreUrl], BeforeValidator(_store_url), PlainSerializer(str)]
LedgerUrl = Annotated[InstanceOf[StoreUrl], BeforeValidator(_ledger_url), PlainSerializer(str)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Bytes = Annotated[int, BeforeValidator(_size)]
DayWindow = Annotated[InstanceOf[Window], BeforeValidator(_window), PlainSerializer(str)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]

THREADS_MAX = 256
"""Threads of the comparison: more than the cores of most servers.  DuckDB starts as many as it is told, and 20,000 of
them do not come to an end of it."""


class Group(BaseModel):
    """A group of settings: nothing unknown, nothing changed later, nothing secret in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: Any) -> Any:
        """A setting that is left blank is as good as none."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None or name not in cls.model_fields}


class Tls(Group):
    """How a connection is encrypted, and what proves who is who; modes as in PostgreSQL."""

    mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "verify-full"
    ca: Location | None = None
    cert: Location | None = None
    key: Location | None = None


class Limits(Group):
    """What the auditor may ask of a store.  None leaves it to the reader."""

    connections: Positive | None = None
    statement_timeout: Duration | None = None
    lock_timeout: Duration | None = None
    rows_per_second: Positive | None = None
    windows: Annotated[tuple[DayWindow, ...], BeforeValidator(_listed)] = ()
    segment_rows: Positive | None = None
    longest_snapshot: Duration = Field(default=LONGEST_SNAPSHOT_DEFAULT)  # type: ignore[assignment]  # as any other

    @model_validator(mode="after")
    def _last(self) -> Limits:
        if self.longest_snapshot < timedelta(seconds=1):
            raise ValueError("`longest_snapshot` is too short to read anything; expected at least 1s")
        return self


NO_LIMITS = Limits()


class ConnectionSettings(Group):
    """One connection as it is written; `Settings.connection` gives it its name."""

    url: Url
    password: SecretStr | None = None
    tls: Tls | None = None
    standby: Url | None = None
    timezone: Zone = "UTC"
    limits: Limits = NO_LIMITS

    @model_validator(mode="after")
    def _agree(self) -> ConnectionSettings:
        if self.password is not None and self.url.password is not None:
            raise ValueError("the password is given twice, in `url` and in `password`; leave one")
        if self.standby is not None and self.standby.dialect != self.url.dialect:
            raise ValueError(
                f"`standby` is {self.standby.dialect}, but `url` is {self.url.dialect}; expected the same store"
            )
        if self.standby is not None and self.standby.dialect not in WITH_STANDBY:
            raise ValueError(f"`standby` is for {', '.join(WITH_STANDBY)}; {self.url.dialect} has none")
        return self


class KafkaSecurity(Group):
    """How a Kafka client proves itself."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"] | None = None
    username: Text | None = None
    password: SecretStr | None = None
    ca: Location | None = None
    cert: Location | None = None
    key: Location | None = None


class RegistryAuth(Group):
    """How a client proves itself to a schema registry: `user:password`, or a token."""

    basic: SecretStr | None = None
    bearer: Annotated[SecretStr, AfterValidator(_not_empty)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> RegistryAuth:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("expected either `basic` or `bearer`")
        if self.basic is not None and ":" not in self.basic.get_secret_value():
            raise ValueError('`basic` expects "user:password"')
        return self


class RegistryTls(Group):
    """What proves who is who between a client and a schema registry."""

    ca: Location | None = None
    cert: Location | None = None
    key: Location | None = None


class SchemaRegistry(Group):
    """Where schemas are looked up by the id that a message begins with; several URLs are one registry's."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@,]+(,\s*https?://[^\s@,]+)*$")]
    auth: RegistryAuth | None = None
    tls: RegistryTls = RegistryTls()
    format: Literal["confluent", "apicurio-8byte"] = "confluent"

    @property
    def urls(self) -> tuple[str, ...]:
        """Each address, in the order of preference."""
        return tuple(url.strip().rstrip("/") for url in self.url.split(","))


class Schemaless(Group):
    """What JSON without a schema does not say: how its connector is set, and the types of columns in the store.

    Nothing is assumed: what is not said stays unreadable.
    """

    time: (
        Literal["adaptive", "adaptive_time_microseconds", "connect", "microseconds", "nanoseconds", "isostring"] | None
    ) = None
    decimals: Literal["precise", "double", "string"] | None = None
    binary: Literal["bytes", "base64", "base64-url-safe", "hex"] | None = None
    columns: dict[Text, dict[Text, Text]] = {}


class Debezium(Group):
    """How a feed's records are to be understood, where they do not tell it themselves."""

    records: Literal["auto", "envelope", "flattened", "outbox"] = "auto"
    connector: Literal["postgresql", "mysql", "mariadb", "sqlserver", "mongodb"] | None = None
    placeholder: Text = "__debezium_unavailable_value"
    prefix: Text = "__"
    keys: Literal["auto", "text"] = "auto"
    whole_before: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    nulls: Literal["defaults", "kept"] = "defaults"
    tables: dict[Text, Annotated[tuple[Text, ...], BeforeValidator(_listed)]] = {}


MEMBER_SILENCE_MIN, MEMBER_SILENCE_MAX = timedelta(seconds=6), timedelta(minutes=30)
"""What a broker allows unless it is told otherwise (`group.min.session.timeout.ms`, `group.max.…`)."""

MEMBER_SILENCE_DEFAULT = "45s"
"""Kafka's own: a member that is started again within it finds its partitions as they were."""


class KafkaFeed(Group):
    """A feed read from Kafka."""

    type: Literal["kafka"]
    bootstrap_servers: Annotated[
        tuple[Annotated[Text, AfterValidator(_server)], ...], BeforeValidator(_listed), Field(min_length=1)
    ]
    group_id: Text = "auditor"
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    bootstrap_from: Literal["earliest", "latest"] = "earliest"
    member_silence: Duration = Field(default=MEMBER_SILENCE_DEFAULT)  # type: ignore[assignment]  # as any other
    security: KafkaSecurity = KafkaSecurity()
    schema_registry: SchemaRegistry | None = None
    dead_letter_topics: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    debezium: Debezium = Debezium()
    schemaless: Schemaless = Schemaless()

    @model_validator(mode="after")
    def _allowed(self) -> KafkaFeed:
        if not MEMBER_SILENCE_MIN <= self.member_silence <= MEMBER_SILENCE_MAX:
            raise ValueError("`member_silence` is none that brokers allow; expected 6s to 30m")
        return self


class RecordedFeed(Group):
    """A feed read from a file of records."""

    type: Literal["recorded"]
    path: Location
    schemas: Location | None = None
    format: Literal["confluent", "apicurio-8byte"] = "confluent"
    dead_letter_topics: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    debezium: Debezium = Debezium()
    schemaless: Schemaless = Schemaless()


Feed = Annotated[KafkaFeed | RecordedFeed, Field(discriminator="type")]


class LedgerSettings(Group):
    """Where runs and findings are kept."""

    url: LedgerUrl = Field(default="sqlite:///auditor.db")  # type: ignore[assignment]  # validated as any other
    password: SecretStr | None = None

    @model_validator(mode="after")
    def _agree(self) -> LedgerSettings:
        if self.password is not None and self.url.password is not None:
            raise ValueError("the password is given twice, in `url` and in `password`; leave one")
        return self

    def url_with_password(self) -> str:
        """The whole URL, for the ledger; it must go nowhere else."""
        return (self.url.authenticated(self.password) if self.password else self.url).with_password()


class ReportSettings(Group):
    """How reports show what is sensitive."""

    hash_key: Annotated[SecretStr, AfterValidator(_not_empty)] | None = None

    def key(self) -> bytes | None:
        """What `auditor.masking` hashes with, or None for the ledger's own key."""
        return self.hash_key.get_secret_value().encode() if self.hash_key else None


class WorkspaceSettings(Group):
    """The scratch space of a run."""

    directory: Location = Path(".auditor")
    memory_limit: Bytes = Field(default="1GB")  # type: ignore[assignment]  # validated as any other
    threads: Annotated[int, Field(ge=1, le=THREADS_MAX)] = 2
    max_disk: Bytes = Field(default="100GB")  # type: ignore[assignment]


class Tolerance(Group):
    """How much a run may leave open before it is trouble."""

    undecided: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """One named connection, ready for a reader.  Shows itself without its password."""

    name: str
    url: StoreUrl
    standby: StoreUrl | None = None
    tls: Tls | None = None
    timezone: str = "UTC"
    """IANA zone of columns that have none."""
    limits: Limits = NO_LIMITS
    is_standby: bool = False
    """`url` is another connection's standby."""
    meter: Meter | None = field(default=None, repr=False, compare=False)
    """Counts what its readers ask of the store."""

    def at_standby(self) -> Connection:
        """The same connection at its standby.

        Raises:
            ValueError: It has none.
        """
        if self.standby is None:
            raise ValueError(f"{self.name} has no standby")
        return replace(self, url=self.standby, standby=None, is_standby=True)

    @property
    def scheme(self) -> str:
        """Such as `postgresql` or `elasticsearch+https`."""
        return self.url.scheme

    @property
    def host(self) -> str:
        """The first host, or an empty string."""
        return self.url.host

    @property
    def port(self) -> int | None:
        """The first host's port, or None for the store's usual one."""
        return self.url.port

    @property
    def user(self) -> str | None:
        """Who we connect as, or None."""
        return self.url.user

    @property
    def password(self) -> SecretStr | None:
        """The password, from `password` or from the URL."""
        return self.url.password

    @property
    def database(self) -> str:
        """The database, keyspace or bucket, or an empty string."""
        return self.url.database

    @property
    def query(self) -> Mapping[str, str]:
        """The URL's options; they may hold secrets."""
        return self.url.query

    @property
    def path(self) -> Path | None:
        """The absolute path of a SQLite or DuckDB file, or of a directory of files."""
        return self.url.path

    @property
    def url_without_password(self) -> str:
        """For people."""
        return self.url.without_password()


class Settings(Group):
    """Everything that `auditor.yaml` says, defaults applied and paths absolute."""

    version: Annotated[int, AfterValidator(_known_version)] = SETTINGS_VERSION
    contracts: Annotated[tuple[Location, ...], BeforeValidator(_listed), Field(min_length=1)] = (
        Path("contracts/entities"),
    )
    connections: dict[Name, ConnectionSettings] = Field(default_factory=dict)
    feeds: dict[Name, Feed] = Field(default_factory=dict)
    ledger: LedgerSettings = Field(default_factory=dict)  # type: ignore[assignment]
    report: ReportSettings = ReportSettings()
    workspace: WorkspaceSettings = Field(default_factory=dict)  # type: ignore[assignment]
    tolerate: Tolerance = Tolerance()

    _path: Path = PrivateAttr(default=Path("auditor.yaml"))
    _digest: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """The settings file, as it was named."""
        return self._path

    @property
    def digest(self) -> str:
        """16 hex digits that change with the file's text and with what `${…}` in it stands for, but for secrets.

        The ledger keeps them with each run.
        """
        return self._digest

    def connection(self, name: str) -> Connection:
        """The connection of this name.

        Raises:
            UsageError: There is none; the message names those there are.
        """
        found = _find(self.connections, name, "connection", self._path)
        password = found.password or found.url.password
        url = found.url.authenticated(password) if password else found.url
        standby = found.standby
        if standby is not None and standby.password is None and password:
            standby = standby.authenticated(password)
        return Connection(name, url, standby, found.tls, found.timezone, found.limits)

    def feed(self, name: str) -> KafkaFeed | RecordedFeed:
        """The feed of this name.

        Raises:
            UsageError: There is none; the message names those there are.
        """
        return _find(self.feeds, name, "feed", self._path)


def _find(known: Mapping[str, _Named], name: str, kind: str, path: Path) -> _Named:
    if name in known:
        return known[name]
    listed = ", ".join(sorted(known)) or "none"
    raise UsageError(f"unknown {kind} `{name}`; {path} has {listed}", hint=f"add it under `{kind}s` in {path}")


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read, complete and check a settings file.

    Args:
        path: The file; relative paths in it are relative to its directory.
        environment: Where `${NAME}` is looked up; the process's environment by default.

    Raises:
        SettingsError: The file cannot be read, or something in it is wrong; the message has every error with its line.
    """
    from auditor.settings_check import checked_settings

    settings, text = checked_settings(Settings, path, os.environ if environment is None else environment)
    settings._path = path  # noqa: SLF001 - ours
    settings._digest = hashlib.sha256(text.encode()).hexdigest()[:16]  # noqa: SLF001
    for secret, public in _secrets(settings):
        secrets.remember(secret, public=public)
    return settings


def _secrets(settings: Settings) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every secret of the settings, each with the words that messages about it need."""
    for name, connection in settings.connections.items():
        urls = [connection.url, *([connection.standby] if connection.standby else [])]
        public = (name, *(word for url in urls for word in url.public_words()))
        yield from ((secret, public) for url in urls for secret in url.secrets())
        yield from ((secret, public) for secret in _plain(connection.password))
    for feed in settings.feeds.values():
        if isinstance(feed, KafkaFeed):
            yield from ((secret, ()) for secret in _feed_secrets(feed))
    yield from ((secret, settings.ledger.url.public_words()) for secret in settings.ledger.url.secrets())
    yield from ((secret, settings.ledger.url.public_words()) for secret in _plain(settings.ledger.password))
    yield from ((secret, ()) for secret in _plain(settings.report.hash_key))


def _feed_secrets(feed: KafkaFeed) -> Iterator[str]:
    yield from _plain(feed.security.password)
    if feed.schema_registry and feed.schema_registry.auth:
        for basic in _plain(feed.schema_registry.auth.basic):
            yield from (basic, basic.partition(":")[2])
        yield from _plain(feed.schema_registry.auth.bearer)


def _plain(secret: SecretStr | None) -> tuple[str, ...]:
    return (secret.get_secret_value(),) if secret else ()
