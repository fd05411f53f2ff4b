"""Tests of what is remembered of change streams."""
