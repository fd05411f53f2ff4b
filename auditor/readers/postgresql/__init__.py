"""PostgreSQL, scanned by DuckDB over its own client."""
