"""Compensations as statements: what is proposed, in the replica's own dialect and names.

Nothing here opens a store: `reconcilers.compensation` says what would put a finding right, the dialects write it as
SQL, and whoever owns the store applies it.
"""
