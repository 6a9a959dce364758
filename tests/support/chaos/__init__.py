"""Faults on purpose: a proxy that misbehaves, calls that do, and what must hold whatever they do."""
