"""What a search looks for, and how far it is."""

from __future__ import annotations

ENERGY, CYCLES, ENERGY_DELAY, FRONT = range(4)
"""Objectives."""
(
    COUNT, STAGE, BOX, LABEL_AT, FOUND, STEPS, CROSSED, FORGOTTEN, WAYS_OF, FINISHED, HELD_BACK,
) = range(11)  # fmt: skip
"""Columns of the tally: labels; where the search stands (3); points found; labels that grew;
spreads that were tried; whether a label was kept that is not exact; for what the ways to spread are
listed; whole mappings, and those that are held back."""
DONE, PAUSED, FULL = range(3)
"""How a part of a search ends."""
TOLERANCE = 1e-9
"""By what share a mapping has to be better than another."""
