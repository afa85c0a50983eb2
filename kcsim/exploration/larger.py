"""Which designs take optima over from which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kcsim.hardware.variants import Setting
from kcsim.mapping.as_mapped import Sizes


class Design(NamedTuple):
    """What is known of the hardware of points.

    Attributes
    ----------
    figures : dict
        By column.
    group, kind, sizes
        See `kcsim.exploration.plan.Point`.
    siblings : str
        What it has in common with designs that differ in the sizes of memories alone.
    """

    figures: dict[str, Any]
    group: str
    kind: str
    sizes: Sizes
    siblings: str


def larger_designs(
    designs: Mapping[str, tuple[Design, tuple[Setting, ...]]],
) -> dict[str, tuple[tuple[Setting, ...], ...]]:
    """By group, the settings of the designs from which it takes optima over: the next larger first.

    Such a design differs in the sizes of memories alone and has at least as much of each: of
    several the one with the least room in all. What follows from the sizes must be equal, too.

    Parameters
    ----------
    designs : mapping of str to (Design, settings)
        By group.
    """
    alike: dict[str, list[tuple[Sizes, str]]] = {}
    for group, (design, _) in designs.items():
        alike.setdefault(design.siblings, []).append((design.sizes, group))
    chains: dict[str, tuple[tuple[Setting, ...], ...]] = {}
    for same in alike.values():
        # The largest first, so that those below find the chain of what is above them.
        same.sort(reverse=True)
        sizes = np.array([each[0] for each in same])
        room = np.where(np.isinf(sizes), 0.0, sizes).sum(axis=1)
        for i, (_, group) in enumerate(same):
            above = np.flatnonzero((sizes[:i] >= sizes[i]).all(axis=1))
            if len(above):
                nearest = same[int(above[np.argmin(room[above])])][1]
                chains[group] = (designs[nearest][1], *chains.get(nearest, ()))
    return chains
