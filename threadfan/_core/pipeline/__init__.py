"""Pipelines: items that go through stages.

`stages` are functions as they were given, `stage_state` how far they and the items of a run are, `stage_queue` which
item may start, `pipeline_run` the run (with `inputs`, `waiters` and `progress`), `completion` and `stream` how it is
waited for and read from, `outcome`, `stage_stats`, `bottleneck` and `report` what became of it.
"""
