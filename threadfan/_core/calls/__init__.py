"""One call and its attempts, and the queues that calls wait in."""
