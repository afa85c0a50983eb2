"""Numba kernels: plain arrays in, plain arrays out.

Numba's cache notices an edit of the file that holds a cached kernel, not of the
files from which that one takes helpers. After an edit here, delete the cache
(``__pycache__``); the tests use one of their own for every state of these files.
"""
