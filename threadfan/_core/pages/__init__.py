"""What became of a batch as something to look at: a page, a trace, a table.  Stands on outcomes alone."""
