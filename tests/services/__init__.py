"""Real database servers for tests: fetched once, started on loopback, stopped at the end.

Tests use the fixtures of ``tests/conftest.py``; people use ``python -m tests.services``.
"""

from tests.services.availability import Unavailable
from tests.services.backends import Backends
from tests.services.database import DatabaseServer, StatementLog
from tests.services.mariadb import MariaDB
from tests.services.mysql import MySQL
from tests.services.postgresql import PostgreSQL
from tests.services.standby import PostgreSQLStandby

__all__ = [
    "Backends",
    "DatabaseServer",
    "MariaDB",
    "MySQL",
    "PostgreSQL",
    "PostgreSQLStandby",
    "StatementLog",
    "Unavailable",
]
