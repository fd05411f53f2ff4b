"""The ledger keeps what runs found, on every database, through every accident."""
