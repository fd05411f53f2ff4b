"""Runs and findings, kept."""
