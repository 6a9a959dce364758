"""Graphs: functions that start as what they depend on ends.

`node` is a task as it was given, `plan` what all of them come to, `cell` and `running` one run of it, `report` what
became of that, `drawing` and `picture` how it looks.
"""
