"""Clients of other libraries whose blocking operations end with the scope they run in: one module for each library."""
