"""A seeded world around the production code of feeds and verdicts; see `docs/simulation.md`."""
