"""The comparison: canonical values, keys, divergences and verdicts."""
