"""What estimates look like: tables, JSON, plots."""
