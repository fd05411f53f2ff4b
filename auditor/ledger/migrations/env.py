"""Runs the migrations on the connection that `auditor.ledger.schema` hands over, within its transaction."""

from alembic import context

from auditor.ledger.tables import METADATA
from auditor.ledger.version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
