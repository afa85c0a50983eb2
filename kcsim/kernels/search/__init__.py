"""The search of a map space: tilings, bounds, costs in stages, the proved optimum."""
