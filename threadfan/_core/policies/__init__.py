"""Decisions as numbers and verdicts; nothing here waits."""
