"""What the comparison promises, piece by piece."""
