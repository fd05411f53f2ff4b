"""What the comparison promises, rule by rule."""
