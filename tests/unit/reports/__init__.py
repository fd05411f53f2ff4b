"""What reports show, and how."""
