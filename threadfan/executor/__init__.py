"""Slots, threads and sources: who runs which call when."""
