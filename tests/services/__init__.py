"""Real servers for tests: fetched once, started on loopback, stopped at the end.

Tests use the fixtures of ``tests/conftest.py``; people use ``python -m tests.services``.
"""

from tests.services.availability import Unavailable
from tests.services.backends import Backends
from tests.services.database import DatabaseServer, StatementLog
from tests.services.kafka import Kafka
from tests.services.kafka_connect import KafkaConnect
from tests.services.mariadb import MariaDB
from tests.services.mysql import MySQL
from tests.services.postgresql import PostgreSQL
from tests.services.schema_registry import SchemaRegistry
from tests.services.service import Service
from tests.services.standby import PostgreSQLStandby

__all__ = [
    "Backends",
    "DatabaseServer",
    "Kafka",
    "KafkaConnect",
    "MariaDB",
    "MySQL",
    "PostgreSQL",
    "PostgreSQLStandby",
    "SchemaRegistry",
    "Service",
    "StatementLog",
    "Unavailable",
]
