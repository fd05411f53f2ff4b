"""Files below one directory: Parquet, CSV, JSON Lines."""
