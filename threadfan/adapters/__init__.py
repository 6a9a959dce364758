"""Fans with the interfaces of other libraries' pools: one module for each library, named after it."""
