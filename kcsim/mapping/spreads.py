"""The ways to spread factors over the children of every level, and what their links cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kcsim.cost.prices import Bare
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.problem import MESH_LOOP, SPLIT
from kcsim.kernels.search.tilings import Lattice
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.limits import Limits
from kcsim.mapping.mesh import (
    forwarding_placements,
    forwards,
    hop_placements,
    shared_words,
    slants_of,
)
from kcsim.mapping.placements import MeshLoops, Placements, plain_placements
from kcsim.mapping.space import find_splits
from kcsim.workload.layer import DIMENSIONS

UNSEEN = {
    tensor: [DIMENSIONS.index(name) for name in names]
    for tensor, names in ((WEIGHTS, "NPQ"), (INPUTS, "M"), (OUTPUTS, "CRS"))
}
"""Dimensions that do not index a tensor, for inputs but those along which windows slide."""
_BUNDLES = np.array([1 << 12, 1 << 6, 1])
"""Of words that are shared by so many powers of two, by tensor: what numbers a bundle."""


def place_children(
    hardware: Hardware,
    lattice: Lattice,
    machine: Machine,
    axes: list[list[np.ndarray]],
    slides: np.ndarray,
    limits: Limits,
    deadline: Deadline,
    spreads: Sequence[MeshLoops] | None,
) -> tuple[list[Placements], bool]:
    """The ways to spread factors below each level, with the places of the children; if all."""
    found, every = [], True
    has_hops = any(level.fanout.hop_pj for level in hardware.levels)
    slants = slants_of(lattice, machine.window)[0] if has_hops else []
    for i, level in enumerate(hardware.levels):
        along_x = find_splits(lattice, axes[i], deadline)
        if limits:
            along_x[~limits[i].may_spread(lattice.extents)] = -1
        may = limits[i].may_stand if limits and limits[i].is_placed else None
        own = spreads[i] if spreads else ()
        if level.fanout.hop_pj:
            shared = shared_words(level.fanout, innermost=i + 1 == len(hardware.levels))
            placed, complete = hop_placements(
                lattice, along_x, axes[i], shared, slants, deadline, own, may
            )
            found.append(Placements.of(placed))
            every = every and complete
        elif "inputs" in level.fanout.forwarding:
            found.append(
                forwarding_placements(lattice, along_x, axes[i], slides, deadline, own, may)
            )
        else:
            found.append(plain_placements(lattice, along_x))
        deadline.check()
    return found, every


def list_splits(
    lattice: Lattice,
    levels: list[Placements],
    machine: Machine,
    slides: np.ndarray,
    inputs: np.ndarray,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The ways to spread factors below each level, with their loops and what is tilted of them.

    Parameters
    ----------
    lattice, levels, machine
    slides : bool[2]
        Whether windows overlap along rows and columns.
    inputs : int64[tiles]
        All tiles without what inputs do not see.
    """
    found: list[np.ndarray] = []
    loops = np.concatenate([placed.loops for placed in levels])
    begun = 0
    tilted: list[np.ndarray] = []
    box_slants = np.zeros(len(lattice.extents), np.int64)
    if any(placed.tilted for placed in levels):
        box_slants = slants_of(lattice, machine.window)[1]
    for rule, placed in zip(machine.rules, levels, strict=True):
        rows = _level_splits(lattice, placed.tiles, inputs)
        rows["tilted"], rows["links"] = -1, placed.links
        if rule["forwards"][INPUTS]:
            rows["forwards"] = [forwards(each, slides) for each in lattice.extents[placed.tiles]]
        rows["last_loop"] = begun + np.cumsum(placed.counts)
        rows["first_loop"] = rows["last_loop"] - placed.counts
        begun += len(placed.loops)
        for number, links in placed.tilted:
            rows["tilted"][number] = len(tilted)
            tilted.append(np.array(links)[box_slants])
        found.append(rows[np.lexsort((-rows["children"], rows["bundle"]))])
    mesh_loops = np.zeros(len(loops), MESH_LOOP)
    for name, values in zip(("kind", "dimension", "bound"), loops.T, strict=True):
        mesh_loops[name] = values
    return found, mesh_loops, np.array(tilted).reshape(len(tilted), len(box_slants))


def _level_splits(lattice: Lattice, found: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """The ways to spread the tiles that were found below a level: SPLIT[splits]."""
    rows = np.zeros(len(found), SPLIT)
    rows["tile"] = found
    if not found.any():
        # Below most levels, nothing can be spread.
        rows["children"] = rows["copies"] = 1
        return rows
    extents = lattice.extents[found]
    shared = np.array([extents[:, UNSEEN[t]].prod(axis=1) for t in range(3)])
    rows["children"], rows["copies"] = extents.prod(axis=1), shared[OUTPUTS]
    rows["inputs"] = inputs[found]
    powers = np.log2(shared).astype(np.int64)
    _, rows["bundle"] = np.unique(_BUNDLES @ powers, return_inverse=True)
    return rows


def without(lattice: Lattice, dimensions: str) -> np.ndarray:
    """Every tile without its extent in some dimensions: int64[tiles]."""
    tiles = np.arange(len(lattice.extents))
    found = tiles.copy()
    for dimension, _, limit, stride, _ in lattice.digits.tolist():
        if DIMENSIONS[dimension] in dimensions:
            found -= tiles // stride % (limit + 1) * stride
    return found


def link_prices(
    hardware: Hardware, machine: Machine, bare: Bare
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a word on a link of the mesh below each level, and where the innermost does not keep it.

    They are part of the prices of transfers, as for one link. Then what of that finished outputs
    spare, and what transfers cost below the innermost level, where it does not keep a tensor.
    """
    levels, bare_pj = hardware.levels, bare.costs[-1, :, columns.TRANSFER_PJ].copy()
    prices = np.zeros((len(levels) + 1, 3))
    shares = np.array(
        [n.fanout.hop_pj and n.fanout.hop_pj / (n.fanout.hop_pj + n.fanout.transfer_pj)
         for n in levels]
    )  # fmt: skip
    prices[:-1] = shares[:, None] * machine.costs[:, :, columns.TRANSFER_PJ]
    prices[-1] = shares[-1] * bare_pj
    return prices, shares * machine.finished[:, columns.SPARED_TRANSFER_PJ], bare_pj


def include_least_links(
    splits: list[np.ndarray],
    machine: Machine,
    link_pj: np.ndarray,
    finished_link_pj: np.ndarray,
    bare_pj: np.ndarray,
) -> None:
    """Let the price of a transfer include the links that it takes at least, not one."""
    last = len(splits) - 1
    for i, own in enumerate(splits):
        has_links = link_pj[i].any() or (i == last and link_pj[-1].any())
        if not has_links or not len(own):
            continue
        links = own["links"]
        least = np.array([*links[:, :2].min(axis=0), links[:, 2:].min()])
        links -= least[[0, 1, 2, 2]]
        machine.costs[i, :, columns.TRANSFER_PJ] += (least - 1) * link_pj[i]
        machine.finished[i, columns.SPARED_TRANSFER_PJ] += (
            (least[OUTPUTS] - 1) * finished_link_pj[i]
        )  # fmt: skip
        if i == last:
            bare_pj += (least - 1) * link_pj[-1]


def most_spared(
    machine: Machine, splits: list[np.ndarray], finished_link_pj: np.ndarray, outputs: int
) -> np.ndarray:
    """The most that finished words spare further out than each level: float64[levels + 1]."""
    each = machine.finished[:, [columns.SPARED_PJ, columns.SPARED_TRANSFER_PJ]].sum(axis=1)
    # The price of a transfer includes one link.
    most = np.array([own["links"][:, OUTPUTS].max(initial=1.0) for own in splits])
    each = outputs * (each + (most - 1) * finished_link_pj)
    return np.concatenate([[0.0], np.cumsum(each)])
