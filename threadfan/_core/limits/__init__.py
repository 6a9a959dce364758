"""Who waits for a limit, and limits that processes share."""
