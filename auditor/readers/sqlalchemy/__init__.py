"""Any other SQL database, as a stream of rows through its SQLAlchemy dialect."""
