"""Counts of a mapped loop nest with short tiles, walked where no closed form holds."""
