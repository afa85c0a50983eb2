"""The command line: options in, calls of the Python API, text out."""
