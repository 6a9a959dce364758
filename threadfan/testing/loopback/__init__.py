"""What runs in the loopback server's own process; users reach it through `threadfan.testing.MessagesServer`."""
