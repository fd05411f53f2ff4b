"""What Debezium's records say: envelopes, flattened rows, outbox events, and what stands beside the changes."""
