"""Alembic's migrations of the ledger, run by `auditor.ledger.schema`; there is no alembic.ini."""
