"""Puts this folder on the import path, for `oracle` and `reference`."""
