"""Whole batches decoded at once, column by column; the same answers as record by record, or none at all."""
