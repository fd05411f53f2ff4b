"""Feeds read from Kafka, through kafka-python."""
