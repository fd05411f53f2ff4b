"""The stores of the conformance suite: how each spells types and values, and which reader reads it."""
