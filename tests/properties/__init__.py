"""Rules that hold for every small world."""
