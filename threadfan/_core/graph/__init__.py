"""Graphs: functions that start as what they depend on ends.

`node` is a task as it was given, `plan` what all of them come to, `tree` with `node_state` how far one run is, `turn`
what goes on when something has ended, `graph_run` the run, `report` what became of it, `drawing` and `picture` how it
looks.
"""
