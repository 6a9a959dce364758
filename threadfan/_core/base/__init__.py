"""The ground floor: words that every other floor speaks, and the one source of time."""
