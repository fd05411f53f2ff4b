"""Faults planted in copies of a shop on real servers: each is found with exactly its key, and nothing else."""
