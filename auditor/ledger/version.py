"""The version of the ledger's tables, and the names by which a ledger is recognised."""

SCHEMA_VERSION = "0006"
"""The newest migration; a test holds it to the files."""

VERSION_TABLE = "ledger_version"
"""Where the migrations note which of them was the last."""

HASH_KEY = "hash_key"
"""The row of `ledger_metadata` that holds the key for hashes of sensitive values, in hex."""
