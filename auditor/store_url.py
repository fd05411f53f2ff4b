"""The URL of a store, taken apart: `postgresql://auditor@db:5432/orders`, `sqlite:///shop.db`, `file:./export`."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH_SCHEMES = ("sqlite", "file", "duckdb")
"""Stores that are a path on this machine."""

KNOWN_SCHEMES = (
    *("postgresql", "mysql", "mariadb", "sqlite", "file", "duckdb", "mssql", "oracle"),
    *("mongodb", "mongodb+srv", "redis", "rediss", "redis+cluster"),
    *("elasticsearch+http", "elasticsearch+https", "opensearch+http", "opensearch+https"),
    *("influxdb+http", "influxdb+https", "cassandra", "dynamodb", "couchdb+http", "couchdb+https"),
    *("solr+http", "solr+https", "clickhouse+http", "clickhouse+https"),
)

SQLALCHEMY_SCHEMES = ("postgresql", "mysql", "mariadb", "sqlite", "mssql", "oracle")
"""Dialects that SQLAlchemy brings along; they may name a driver after a plus sign."""

_MISTAKEN = {
    "postgres": "postgresql",
    "pg": "postgresql",
    "mongo": "mongodb",
    "sqlite3": "sqlite",
    "sqlserver": "mssql",
    "elasticsearch": "elasticsearch+http",
    "http": "elasticsearch+http",
    "https": "elasticsearch+https",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_SECRET_OPTION = re.compile(r"password|passwd|\bpwd\b|secret|token|api_?key|private_?key", re.IGNORECASE)
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where a store is, and as whom.  Shows itself without any password.

    Attributes:
        scheme: In lower case, such as `postgresql` or `elasticsearch+https`.
        user: Percent-decoded, or None.
        password: Percent-decoded, or None.
        hosts: Host and port (or None) of each server named; empty for a local socket or a path.
        database: What stands after the host, percent-decoded: a database, a keyspace, a bucket.
        path: The absolute path of a SQLite or DuckDB file, or of a directory of files; None for servers.
    """

    scheme: str
    user: str | None = None
    password: SecretStr | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    database: str = ""
    path: Path | None = None
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Percent-decoded options after the question mark; they may hold secrets."""

    @property
    def host(self) -> str:
        """The first host, or an empty string."""
        return self.hosts[0][0] if self.hosts else ""

    @property
    def port(self) -> int | None:
        """The first host's port."""
        return self.hosts[0][1] if self.hosts else None

    @property
    def dialect(self) -> str:
        """The scheme without a driver: `postgresql` of `postgresql+psycopg`."""
        return self.scheme.partition("+")[0]

    def without_password(self) -> str:
        """The URL for people: no password, and no secret option."""
        shown = {name: "***" if _SECRET_OPTION.search(name) else value for name, value in self.query.items()}
        return self._text(None, shown)

    def with_password(self) -> str:
        """The whole URL, for a driver; it must go nowhere else."""
        return self._text(self.password, self.query)

    def authenticated(self, password: SecretStr) -> StoreUrl:
        """The same store, with this password."""
        return replace(self, password=password)

    def secrets(self) -> tuple[str, ...]:
        """What of this URL must never be shown."""
        password = (self.password.get_secret_value(),) if self.password else ()
        return password + tuple(value for name, value in self.query.items() if _SECRET_OPTION.search(name))

    def public_words(self) -> tuple[str, ...]:
        """What of this URL messages may show."""
        hosts = tuple(host for host, _ in self.hosts)
        return tuple(word for word in (self.scheme, self.user or "", self.database, *hosts) if word)

    def _text(self, password: SecretStr | None, query: Mapping[str, str]) -> str:
        tail = f"?{urlencode(query, safe='*/:,', quote_via=quote)}" if query else ""
        if self.path is not None:
            lead = f"{self.scheme}:" if self.scheme == "file" else f"{self.scheme}:///"
            return f"{lead}{quote(str(self.path), safe='/ ')}{tail}"
        secret = f":{quote(password.get_secret_value(), safe='')}" if password else ""
        login = f"{quote(self.user or '', safe='')}{secret}@" if self.user is not None or password else ""
        hosts = ",".join(_host_text(host, port) for host, port in self.hosts)
        database = f"/{quote(self.database)}" if self.database else ""
        return f"{self.scheme}://{login}{hosts}{database}{tail}"

    def __str__(self) -> str:
        return self.without_password()


def _host_text(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else quote(host, safe="")
    return f"{name}:{port}" if port is not None else name


def parse_store_url(text: str, *, directory: Path, schemes: tuple[str, ...] = KNOWN_SCHEMES) -> StoreUrl:
    """Take a URL apart.

    Args:
        text: The URL as written, references already expanded.
        directory: What relative paths are relative to.
        schemes: Those allowed beside SQLAlchemy's and those of installed SQLAlchemy dialects.

    Raises:
        ValueError: It is no URL of a store.  The message holds no part of it but the scheme.
    """
    match = _SCHEME.match(text.strip())
    if match is None:
        raise ValueError(f"expected a URL that begins with a scheme; known are {', '.join(schemes)}")
    scheme = match[1].lower()
    _require_known(scheme, schemes)
    rest, _, query = text.strip()[match.end() :].partition("?")
    options = MappingProxyType(dict(parse_qsl(query, keep_blank_values=True)))
    if scheme.partition("+")[0] in PATH_SCHEMES:
        return StoreUrl(scheme, path=_local_path(scheme, rest, directory), query=options)
    if not rest.startswith("//"):
        raise ValueError(f"expected {scheme}://…, with two slashes")
    authority, _, database = rest[2:].partition("/")
    if "#" in rest + query or "@" in database or ("@" in query and "@" not in authority):
        raise ValueError(
            "a / ? # or @ stands where it ends a part of the URL: percent-encode it (%2F %3F %23 %40), "
            "or write the password in `password`, as it is"
        )
    return _server_url(scheme, authority, database, options)


def _require_known(scheme: str, schemes: tuple[str, ...]) -> None:
    dialect = scheme.partition("+")[0]
    if scheme in schemes or dialect in SQLALCHEMY_SCHEMES or _is_installed_dialect(scheme):
        return
    close = _MISTAKEN.get(scheme) or next(iter(difflib.get_close_matches(scheme, schemes, n=1)), None)
    question = f"; did you mean `{close}`?" if close in schemes else ""
    raise ValueError(
        f"unknown URL scheme `{scheme}`{question} "
        f"(known are {', '.join(schemes)} and every installed SQLAlchemy dialect)"
    )


def _is_installed_dialect(scheme: str) -> bool:
    """Whether some installed package brings this dialect to SQLAlchemy."""
    from importlib.metadata import entry_points  # slow, and seldom needed

    names = {entry.name for entry in entry_points(group="sqlalchemy.dialects")}
    return scheme.replace("+", ".") in names or scheme in names


def _local_path(scheme: str, rest: str, directory: Path) -> Path:
    """The path of `sqlite:///relative`, `sqlite:////absolute`, `file:./relative`, `file:///absolute`, `duckdb:x.db`."""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host or not slash:
            raise ValueError(f"expected a path after {scheme}:///, and no host")
        # A database URL has three slashes before the path itself; a file URL has two, and its path is absolute.
        rest = f"/{rest}" if scheme == "file" else rest
    name = unquote(rest)
    if not name or name == ":memory:" or "\0" in name:
        raise ValueError(f"expected the path of a file after {scheme}:")
    return Path(_normalised(directory / name))


def _normalised(path: Path) -> str:
    """Absolute and without `.` and `..`, as written: links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow links


def _server_url(scheme: str, authority: str, database: str, query: Mapping[str, str]) -> StoreUrl:
    login, _, servers = authority.rpartition("@")
    user, colon, password = login.partition(":")
    return StoreUrl(
        scheme,
        user=unquote(user) or None,
        password=SecretStr(unquote(password)) if colon else None,
        hosts=tuple(_host(server) for server in servers.split(",")) if servers else (),
        database=unquote(database),
        query=query,
    )


_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:]*))(?::(\d*))?\Z")


def _host(server: str) -> tuple[str, int | None]:
    match = _SERVER.match(server)
    port = int(match[3]) if match and match[3] else None
    if match is None or (port is not None and not 0 < port <= _PORT_MAX):
        raise ValueError("the part after :// is no host and port: expected user@host:port, IPv6 addresses in brackets")
    return unquote(match[1] or match[2]), port
