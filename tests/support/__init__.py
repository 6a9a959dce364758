"""What tests of several folders share: helpers, servers and programs, none of them a test."""
