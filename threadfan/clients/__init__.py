"""One seam file per outside client: each makes the client's blocking operations end with the scope they run in."""
