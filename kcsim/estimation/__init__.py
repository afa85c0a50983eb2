"""Whole networks: what is planned, how layers are executed, and the result."""
