"""Batches over the executor, and the reports they end in."""
