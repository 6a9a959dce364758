"""Threads and slots."""
