"""The hardware: levels, networks, MAC units, and the files that describe them."""
