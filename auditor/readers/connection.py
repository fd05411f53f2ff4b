"""Where a database server is, as whom we come, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from auditor.readers.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class TlsParts:
    """How a connection is encrypted; modes as in PostgreSQL, files as absolute paths."""

    mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "verify-full"
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionParts:
    """One connection, taken apart.

    Attributes:
        scheme: As in the URL, such as `postgresql` or `mysql`.
        host: Empty for a local socket.
        port: None for the store's usual one.
        user: Empty for the driver's default.
        password: Never shown.
        database: What stands after the host in the URL.
        options: What stands after the question mark.
        tls: None leaves it to the driver.
        timezone: IANA zone of columns that have none.
        statement_timeout: Most seconds one statement may take, or None.
        lock_timeout: Most seconds to wait for a lock, or None.
        connections: Most connections at once, or None.
        standby: The server must be one that only replays another's changes.
        meter: Counts what is asked.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    tls: TlsParts | None = None
    timezone: str = "UTC"
    statement_timeout: float | None = None
    lock_timeout: float | None = None
    connections: int | None = None
    standby: bool = False
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)
