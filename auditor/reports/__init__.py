"""A run, shown to people and machines."""
