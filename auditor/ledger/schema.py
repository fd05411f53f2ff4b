"""The version of a ledger's tables: read cheaply, raised by migrations, refused when it is newer than we are."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import Connection, column, insert, inspect, select, table

from auditor.ledger.tables import LEDGER_METADATA
from auditor.ledger.version import HASH_KEY, SCHEMA_VERSION, VERSION_TABLE
from contracts.errors import LedgerError

HASH_KEY_BYTES = 32

_VERSION = table(VERSION_TABLE, column("version_num"))


def found_version(connection: Connection, place: str) -> str | None:
    """The version of the ledger that is there, or None where the database is empty.

    Raises:
        LedgerError: Something else lives there, or a ledger that is newer than this program.
    """
    if inspect(connection).has_table(VERSION_TABLE):
        version = connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
        if version is None or not str(version).isdigit():
            raise _stranger(place, [VERSION_TABLE])
        if int(version) > int(SCHEMA_VERSION):
            raise LedgerError(
                f"the ledger {place} has schema {version}, made by a newer auditor; "
                f"this one knows schemas up to {SCHEMA_VERSION}",
                hint="upgrade consistency-auditor, or name another ledger in `ledger.url`",
            )
        return str(version)
    strangers = inspect(connection).get_table_names()
    if strangers:
        raise _stranger(place, strangers)
    return None


def _stranger(place: str, tables: list[str]) -> LedgerError:
    shown = ", ".join(sorted(tables)[:3]) + (", …" if len(tables) > 3 else "")  # noqa: PLR2004 - enough to recognise it
    return LedgerError(
        f"the database {place} is no ledger: it holds other tables ({shown}), and none of them will be touched",
        hint="give the ledger a database or schema of its own in `ledger.url`",
    )


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring an empty or older ledger to a schema and give it a key for hashes, in the open transaction.

    Args:
        connection: To the ledger's database.
        to: The newest schema, or (in tests) an earlier one.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    migrations = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    _make_hash_key(connection)


def _make_hash_key(connection: Connection) -> None:
    known = select(LEDGER_METADATA.c.value).where(LEDGER_METADATA.c.name == HASH_KEY)
    if connection.execute(known).first() is None:
        key = secrets.token_hex(HASH_KEY_BYTES)
        connection.execute(insert(LEDGER_METADATA), {"name": HASH_KEY, "value": key})
