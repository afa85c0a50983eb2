"""Mappings: loop nests over the levels of a hardware, read from files or found."""
