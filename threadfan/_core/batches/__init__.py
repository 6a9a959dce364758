"""Many calls: run, stream, map, gather, join, and the reports they end in."""
