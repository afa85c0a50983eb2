"""Networks from files and models of other tools."""
