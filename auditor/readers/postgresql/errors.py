"""What PostgreSQL refuses, told so that a person can act on it.

DuckDB hands over the server's answer inside a message of its own, which holds the statement too, and with it keys and
other values.  Only the server's own first line is passed on, without the values that it quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contracts.errors import InterruptedReadError, StoreError, UnreachableStoreError

if TYPE_CHECKING:
    from auditor.readers.connection import ConnectionParts

PORT = 5432

_SEVERITY = re.compile(r"(?<=: )[^\W\d_]{3,}:  (?=\S)")
"""`: ERROR:  `, in whatever language the server speaks; `DETAIL:  ` and the like begin lines of their own."""

_CONNECTING = re.compile(r'Unable to connect to Postgres at "[^"]*": ')
_CLASS = re.compile(r"\A[A-Z][A-Za-z ]* Error: ")
"""How DuckDB begins its messages."""

_ADDRESS = re.compile(r"\Aconnection to server (?:at|on) .*? failed: ")
"""How libpq begins; the place is in our own message already."""

_OWN_LINES = re.compile(r"\n+LINE \d+: ")
"""Where PostgreSQL or DuckDB begins to show a part of the statement."""

_NO_SELECT = "must be a SELECT statement"
_CLOSED = "server closed the connection"

_QUOTED_VALUES = (re.compile(r': ".*', re.DOTALL), re.compile(r'(?<=value )".*" (?=is out of range)', re.DOTALL))
_TEXT_LENGTH_MAX = 400
"""Characters of an answer that has no known form; enough for a sentence, too few for a statement full of keys."""

_CONFLICT = "conflict with recovery"

_KNOWN: tuple[tuple[str, str, str], ...] = (
    # a part of the server's answer, what it means in our words (empty: the answer says it), what to do next
    (
        _CONFLICT,
        "the standby cancelled the read: a change to replay removes rows that it still saw (conflict with recovery)",
        "run again; on the standby, hot_standby_feedback = on or a longer max_standby_streaming_delay prevents it",
    ),
    (
        "row-level security policy",
        "a row-level security policy would hide rows from this role without a word",
        "give the role BYPASSRLS, or audit as the owner of the table",
    ),
    ("statement timeout", "", "raise limits.statement_timeout, or read at a quieter time"),
    ("lock timeout", "somebody holds a lock on it, as ALTER TABLE does", "run again, or raise limits.lock_timeout"),
    ("idle-in-transaction timeout", "", "run again; the other side took too long meanwhile"),
    ("password authentication failed", "", "check user and password of the connection in the settings"),
    ("no password supplied", "", "give the connection a password in the settings"),
    ("Ident authentication failed", "", "let pg_hba.conf admit this user with a password"),
    ("Peer authentication failed", "", "let pg_hba.conf admit this user with a password"),
    (
        "pg_hba.conf",
        "",
        "let pg_hba.conf admit this user from here; where it wants TLS, set tls: {mode: require}",
    ),
    ("server does not support SSL", "", "switch TLS on at the server, or set tls: {mode: disable} for this connection"),
    ("certificate verify failed", "", "point tls.ca at the authority that signed the server's certificate"),
    ("root certificate file", "", "point tls.ca at the authority that signed the server's certificate"),
    ("server certificate for", "", "connect by a name that the certificate has, or set tls: {mode: verify-ca}"),
    ("private key file", "", "check tls.key: readable, and by its owner only"),
    ("could not read certificate file", "", "check tls.cert"),
    ("certificate", "", "check tls of the connection in the settings"),
    ("could not translate host name", "", "check the host in the settings"),
    ("Connection refused", "", "see whether the server is up, and check host and port in the settings"),
    (
        "timeout expired",
        "the server did not answer in time",
        "see whether the server is up and can be reached from here",
    ),
    ("No route to host", "", "see whether the server can be reached from here"),
    ("No such file or directory", "", "check the host in the settings; without one, a local socket is used"),
    ("too many", "", "the server has no connection left for us; run again later"),
    ("remaining connection slots", "", "the server has no connection left for us; run again later"),
    (
        "unsupported startup parameter",
        "",
        "let the pooler pass `options` (ignore_startup_parameters), or connect past it",
    ),
    ("starting up", "", "wait until the server is up, and run again"),
    ("shutting down", "", "wait until the server is up, and run again"),
    (_CLOSED, "", "see whether the server is up, and run again"),
    ("deadlock detected", "", "run again"),
    ("could not serialize access", "", "run again"),
    ("terminating connection", "", "see whether the server is up, and run again"),
    ("permission denied", "", "grant the role SELECT on what it is to read"),
    ("read-only transaction", "the statement does more than read", "let the query only read"),
    ("data-modifying statement", "the statement does more than read", "let the query only read"),
    ("multiple commands", "there is more than one statement", "let the query be one SELECT"),
    ("duplicate column name", "two of its columns have one name", "give each column of the query a name of its own"),
    ("syntax error", "", "let the query be one SELECT that the server accepts"),
    (_NO_SELECT, "the statement is no SELECT", "let the query be one SELECT"),
)

_PASSING = (
    _CONFLICT,
    _CLOSED,
    "deadlock detected",
    "could not serialize access",
    "lock timeout",
    "terminating connection",
    "could not receive data",
    "could not send data",
    "Connection reset",
    "Broken pipe",
    "SSL connection has been closed",
    "SSL SYSCALL error",
    "no connection to the server",
    "connection not open",
    "starting up",
    "shutting down",
    "in recovery mode",
    "cached plan must not change",  # somebody altered the table between two statements
    "could not open relation with OID",  # or made it anew
)
"""What may have passed when it is tried again."""

_NOT_THERE = ("Connection refused", "timeout expired", "No route to host")

_MISSING = re.compile(r'^(role|database) ".*" does not exist')


def answer(error: BaseException) -> str:
    """The server's own first line, without the statement and without the values that it quotes."""
    text = _OWN_LINES.split(str(error).strip(), maxsplit=1)[0]
    severities = list(_SEVERITY.finditer(text))
    if severities:
        line = text[severities[-1].end() :]
    elif connecting := _CONNECTING.search(text):
        line = text[connecting.end() :]
    elif _NO_SELECT in text:
        line = _NO_SELECT
    else:  # libpq's own words, behind the statement
        line = _CLASS.sub("", text).rpartition('": ')[2]
    line = _ADDRESS.sub("", line.partition("\n")[0].strip())
    for quoted in _QUOTED_VALUES:
        line = quoted.sub("", line)
    return line[:_TEXT_LENGTH_MAX] or type(error).__name__


def store_error(error: BaseException, *, doing: str, parts: ConnectionParts, standby: bool = False) -> StoreError:
    """One message for one error of the server, the network or the scanner.

    Args:
        error: What DuckDB raised.
        doing: What was being done with which dataset.
        parts: The connection, of which place, user and database are shown, the password never.
        standby: The server replays another one's changes.
    """
    found = answer(error)
    if standby and _CLOSED in found:  # it says why while we are not listening, between two statements
        found = _CONFLICT
    meaning, hint = _meaning(found)
    message = without_password(f"{doing} failed at {place(parts)}: {meaning or found}", parts)
    if any(fragment in found for fragment in _PASSING):
        return InterruptedReadError(message, hint=hint)
    if any(fragment in found for fragment in _NOT_THERE):
        return UnreachableStoreError(message, hint=hint)
    return StoreError(message, hint=hint)


def place(parts: ConnectionParts) -> str:
    """Where the server is and as whom we came."""
    host = parts.host or "a local socket"
    return f"{host}:{parts.port or PORT}/{parts.database or parts.user} (user {parts.user or 'of the system'})"


def _meaning(found: str) -> tuple[str, str]:
    if _MISSING.match(found):
        return "", "check user and database of the connection in the settings"
    for fragment, meaning, hint in _KNOWN:
        if fragment in found:
            return meaning, hint
    return "", "see what the server's log says, and run again"


def without_password(text: str, parts: ConnectionParts) -> str:
    """Blot out the password, should any library ever repeat it."""
    if not parts.password or parts.password in (parts.user, parts.database):
        return text
    return text.replace(parts.password, "***")
