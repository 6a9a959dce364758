"""What becomes of a limit that many machines share: the real policies, in virtual time, without threads or sockets."""
