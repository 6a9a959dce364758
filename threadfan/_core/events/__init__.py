"""What can be observed, and who receives it."""
