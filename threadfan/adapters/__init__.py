"""A fan in the places that other libraries have for pools: one file for each, which bears the library's name."""
