"""One layer: counts, traffic, cycles, energy."""
