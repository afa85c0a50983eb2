"""Mappings as the steps of a search, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import SPATIAL_X, SPATIAL_Y
from kcsim.kernels.search.labels import MIRRORED, PLACED_STEP, SPREAD_STEP, Labels
from kcsim.kernels.search.problem import Problem
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.placements import MeshLoops
from kcsim.workload.layer import DIMENSIONS, TENSORS

_EXCHANGE = str.maketrans("PQRS", "QPSR")


def mapping_of(hardware: Hardware, problem: Problem, labels: Labels, label: int) -> Mapping:
    """The mapping that a label stands for."""
    chains: list[list[Loop | str]] = [[]]
    splits: list[tuple[int, str]] = []
    for step, dimensions in _steps(labels, label):
        if step >= SPREAD_STEP:
            splits.append((step - SPREAD_STEP, dimensions))
            chains.append([])
        elif step >= PLACED_STEP:
            chains[-1].append(TENSORS[step - PLACED_STEP])
        else:
            dimension, bound = problem.lattice.digits[step, :2].tolist()
            _add_loop(chains[-1], dimensions[dimension], bound)
    levels = []
    for index, (level, chain, (split, dimensions)) in enumerate(
        zip(hardware.levels, chains, splits, strict=False)
    ):
        along_x, along_y = _mesh_loops(problem, split, dimensions)
        bypass = tuple(t for t in level.kept_tensors if index and t not in chain)
        levels.append(
            LevelLoops(
                level.name,
                tuple(item for item in chain if isinstance(item, Loop)),
                along_x,
                along_y,
                bypass,
                _heights(chain),
            )
        )
    return Mapping(tuple(levels))


def _steps(labels: Labels, label: int) -> Iterator[tuple[int, str]]:
    """The steps of a label that are part of a mapping, the outermost first.

    Each comes with the names of all dimensions in it: rows and columns may be exchanged.
    """
    parents, steps, states = (labels.rows[name] for name in ("parent", "step", "state"))
    dimensions = "".join(DIMENSIONS)
    while parents[label] >= 0:
        if states[label] & MIRRORED:
            dimensions = dimensions.translate(_EXCHANGE)
        if steps[label] >= 0:
            yield int(steps[label]), dimensions
        label = int(parents[label])


def _add_loop(chain: list[Loop | str], dimension: str, bound: int) -> None:
    """Put a loop behind a chain: factors with nothing in between are one loop."""
    last = chain[-1] if chain else ""
    if isinstance(last, Loop) and last.dimension == dimension:
        chain[-1] = Loop(dimension, last.bound * bound)
    else:
        chain.append(Loop(dimension, bound))


def _heights(chain: Sequence[Loop | str]) -> tuple[int, int, int]:
    heights = [0, 0, 0]
    for position, item in enumerate(chain):
        if not isinstance(item, Loop):
            outside = chain[:position]
            heights[TENSORS.index(item)] = sum(isinstance(each, Loop) for each in outside)
    weights, inputs, outputs = heights
    return weights, inputs, outputs


def _mesh_loops(
    problem: Problem, split: int, dimensions: str
) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
    """The loops over children along X and Y, from outside in, with the names of dimensions."""
    first, last = problem.splits[split][["first_loop", "last_loop"]].item()
    loops = problem.mesh_loops[first:last].tolist()
    along_x, along_y = (
        tuple(Loop(dimensions[dimension], bound) for kind, dimension, bound in loops if kind == own)
        for own in (SPATIAL_X, SPATIAL_Y)
    )
    return along_x, along_y


def find_split(problem: Problem, level: int, chain: Chain, tile: int) -> int:
    """The way to spread a level's factors as a mapping does, -1 if there is none.

    Where their places do not matter, they may be others.
    """
    first, last = problem.places[level][["first_split", "last_split"]].item()
    splits = first + np.flatnonzero(problem.splits["tile"][first:last] == tile)
    for split in splits.tolist():
        own = problem.splits[split]
        loops = problem.mesh_loops[own["first_loop"] : own["last_loop"]].tolist()
        if tuple(loops) == chain.mesh:
            return int(split)
    matters = problem.splits["forwards"][splits].any() or problem.link_pj[level].any()
    return -1 if matters or not len(splits) else int(splits[0])


class Chain(NamedTuple):
    """One level of a mapping, with all that a search decides on.

    Attributes
    ----------
    kept : int
        The tensors that it keeps, as bits.
    spread : tuple of Loop
        Over its children, along X first.
    across : int
        How many of these lie along X.
    items : tuple of Loop or int
        Loops in time, and tensors where they stand, from inside out.
    """

    kept: int
    spread: tuple[Loop, ...]
    across: int
    items: tuple[Loop | int, ...]

    @property
    def mesh(self) -> MeshLoops:
        """The loops over children."""
        kinds = [SPATIAL_X] * self.across + [SPATIAL_Y] * (len(self.spread) - self.across)
        return tuple(
            (kind, DIMENSIONS.index(n.dimension), n.bound)
            for kind, n in zip(kinds, self.spread, strict=True)
        )

    @property
    def in_time(self) -> list[Loop]:
        """The loops in time, from inside out."""
        return [item for item in self.items if isinstance(item, Loop)]


def chains_of(mapping: Mapping, hardware: Hardware) -> list[Chain]:
    """The levels of a mapping, the outermost first; tensors that touch as `TENSORS` has them."""
    given, found = {level.level: level for level in mapping.levels}, []
    for index, level in enumerate(hardware.levels):
        nest = given.get(level.name, LevelLoops(level.name))
        kept = [t for t in TENSORS if t in level.kept_tensors and t not in nest.bypass]
        items: list[Loop | int] = []
        for position in range(len(nest.temporal), -1, -1):
            items += nest.temporal[position : position + 1]
            if index:
                items += [
                    j
                    for j, tensor in enumerate(TENSORS)
                    if tensor in kept and nest.heights[j] == position
                ]
        bits = sum(1 << TENSORS.index(tensor) for tensor in kept)
        spread = (*nest.spatial_x, *nest.spatial_y)
        found.append(Chain(bits, spread, len(nest.spatial_x), tuple(items)))
    return found
