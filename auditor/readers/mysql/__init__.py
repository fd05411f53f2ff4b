"""MySQL and MariaDB, read from the wire."""
