"""Making room in the memory of a search: partial mappings that nothing rests on are left out."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.search.labels import Search
from kcsim.kernels.search.progress import BOX, COUNT, FOUND, HELD_BACK, LABEL_AT, STAGE

WORTHWHILE = 0.2
"""Share of all partial mappings that has to be left out, or the memory counts as full."""
_CHUNK = 1 << 14


def make_room(search: Search) -> bool:
    """Leave out partial mappings of a full search that have grown and of which nothing was kept.

    Returns
    -------
    bool
        Whether there is so much more room now that the search may go on.
    """
    labels, tally = search.labels, search.labels.tally
    labels.heads[: tally[STAGE]] = -1
    labels.heads[tally[STAGE], : tally[BOX]] = -1
    labels.heads[tally[STAGE], tally[BOX]] = tally[LABEL_AT]
    kept = np.flatnonzero(_needed(search))
    if len(kept) > (1 - WORTHWHILE) * tally[COUNT]:
        return False
    # The last number stands for none, as -1 does.
    numbers = np.full(tally[COUNT] + 1, -1)
    numbers[kept] = np.arange(len(kept))
    for start in range(0, len(kept), _CHUNK):
        # None takes the place of one that has not moved yet.
        moved = kept[start : start + _CHUNK]
        for part in (labels.rows, labels.amounts, labels.nodes, labels.strips):
            part[start : start + len(moved)] = part[moved]
    rows = labels.rows[: len(kept)]
    rows["parent"], rows["next"] = numbers[rows["parent"]], numbers[rows["next"]]
    labels.heads[:] = numbers[labels.heads]
    found, held = search.found[: tally[FOUND]], search.held[: tally[HELD_BACK]]
    found[found >= 0] = numbers[found[found >= 0]]
    held[:] = numbers[held]
    tally[LABEL_AT], tally[COUNT] = numbers[tally[LABEL_AT]], len(kept)
    return True


def _needed(search: Search) -> np.ndarray:
    """Labels that may still grow, or are found, and what they have grown from: bool[labels]."""
    labels, tally = search.labels, search.labels.tally
    needed = np.zeros(tally[COUNT], np.bool_)
    at = labels.heads[labels.heads >= 0]
    while len(at):
        needed[at] = True
        at = labels.rows["next"][at]
        at = at[at >= 0]
    needed[[n for n in search.found[: tally[FOUND]] if n >= 0]] = True
    needed[search.held[: tally[HELD_BACK]]] = True
    at = np.flatnonzero(needed)
    while len(at):
        at = np.unique(labels.rows["parent"][at])
        at = at[at >= 0]
        at = at[~needed[at]]
        needed[at] = True
    return needed
