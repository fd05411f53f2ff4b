"""One suite that every reader passes."""
