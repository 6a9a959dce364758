"""A fan whose calls are made by other processes, or on other machines: ``threadfan.over``.

The fan is as any other: its threads are the calls' *shepherds*, each of which sends one call at a time away and waits
for its answer.  So all that holds for calls holds for these: slots, limits, retries, hedging, journals, reports.  Where
they run is the executor's affair, and so are its processes, what they say to each other, and what becomes of a machine
that is lost.

`entry` is what users call, `sending` makes of a function the one that shepherds call, `carrier` brings calls together
to parcels and hands these to the executor, `there` is what runs in the other process, and `wire` what goes between.
"""
