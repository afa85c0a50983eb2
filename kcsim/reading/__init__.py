"""Reading what users write: YAML with marks, scalars, validation, arguments, files."""
