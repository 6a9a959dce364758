"""Pipelines: items that go through stages."""
