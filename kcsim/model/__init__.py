"""Estimates: counts, cycles and energy of layers on hardware."""
