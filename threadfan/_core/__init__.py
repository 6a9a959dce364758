"""The private floors: each imports only those below it.

From the ground up: base, events, scope, policies, limits, pool, calls, batches, graph and pipeline, fan.
"""
