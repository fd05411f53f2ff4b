"""What MySQL and MariaDB refuse, told so that a person can act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymysql.constants import CR, ER

from contracts.errors import InterruptedReadError, StoreError, UnreachableStoreError

if TYPE_CHECKING:
    from auditor.readers.connection import ConnectionParts

_HINTS = {
    ER.ACCESS_DENIED_ERROR: "check user and password in the settings",
    ER.DBACCESS_DENIED_ERROR: "grant the user SELECT on the database",
    ER.TABLEACCESS_DENIED_ERROR: "grant the user SELECT on it",
    ER.COLUMNACCESS_DENIED_ERROR: "grant the user SELECT on the column",
    ER.BAD_DB_ERROR: "check the database at the end of the URL",
    ER.NO_SUCH_TABLE: "check the relation in the contract",
    ER.BAD_FIELD_ERROR: "check the columns in the contract",
    ER.LOCK_WAIT_TIMEOUT: "somebody changes the table's definition; run again, or raise limits.lock_timeout",
    ER.QUERY_INTERRUPTED: "raise limits.statement_timeout, or read at a quieter time",
    ER.CON_COUNT_ERROR: "the server has no connection left for us; run again later",
    CR.CR_CONN_HOST_ERROR: "see whether the server is up, and check host, port and tls in the settings",
    CR.CR_SERVER_LOST: "see whether the server is up, and run again",
    CR.CR_SERVER_GONE_ERROR: "see whether the server is up, and run again",
    1412: "run again: the next snapshot sees the table as it is now",  # ER_TABLE_DEF_CHANGED
    1969: "raise limits.statement_timeout, or read at a quieter time",  # MariaDB's max_statement_time
    3024: "raise limits.statement_timeout, or read at a quieter time",  # MySQL's max_execution_time
}
_CHANGED = 1412
_PASSING = frozenset({
    CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR, ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.QUERY_INTERRUPTED,
    ER.SERVER_SHUTDOWN, ER.NORMAL_SHUTDOWN, ER.FORCING_CLOSE, ER.NEW_ABORTING_CONNECTION, _CHANGED,
    1158, 1159, 1160, 1161,  # ER_NET_…: the connection broke while it was used
    1927, 3169,  # somebody ended our connection: MariaDB's number, and MySQL's
})  # fmt: skip
"""What may have passed when it is tried again."""


def store_error(error: Exception, *, doing: str, parts: ConnectionParts) -> StoreError:
    """One message for one error of the server or the driver.

    Args:
        error: What PyMySQL raised.
        doing: What was being done with which dataset.
        parts: The connection, of which place, user and database are shown, the password never.
    """
    code, text = _code_and_text(error)
    where = f"{parts.host or 'localhost'}:{parts.port or 3306}"
    if code == _CHANGED:
        text = "the table was altered, truncated or made anew after the snapshot began"
    message = f"{doing} failed at {where} (user {parts.user or 'none'}): {text}" + (f" (error {code})" if code else "")
    kind = InterruptedReadError if code in _PASSING else StoreError
    if code == CR.CR_CONN_HOST_ERROR:
        kind = UnreachableStoreError
    return kind(message, hint=_HINTS.get(code, "see what the server says, and run again"))


def _code_and_text(error: Exception) -> tuple[int, str]:
    match error.args:
        case (int(code), str(text), *_):
            return code, text.strip() or "the connection is closed"
    return 0, str(error) or type(error).__name__
