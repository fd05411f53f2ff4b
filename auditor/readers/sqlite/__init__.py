"""SQLite, read by its own library."""
