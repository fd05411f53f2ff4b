"""Runs, findings and their history, in SQLite or in a team's PostgreSQL.

`auditor.ledger.ledger` is the door.  Nothing is imported here: SQLAlchemy takes a quarter of a second, which commands
that need no ledger, or only its key (`auditor.ledger.hash_key`), do not pay.
"""
