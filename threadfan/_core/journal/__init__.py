"""What a batch keeps in a file, so that a second run calls only what has not succeeded.  Imported on first use."""
