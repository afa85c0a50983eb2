"""What parts of a chip cost: energy, leakage, area and time from sizes and technology."""
