"""Hardware as files of other tools, read and written."""
