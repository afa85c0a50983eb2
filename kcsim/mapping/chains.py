"""Mappings as the steps of a search, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.labels import MIRRORED, PLACED_STEP, SPREAD_STEP, Labels
from kcsim.kernels.search.problem import Problem
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import DIMENSIONS, TENSORS

_EXCHANGE = str.maketrans("PQRS", "QPSR")


def mapping_of(hardware: Hardware, problem: Problem, labels: Labels, label: int) -> Mapping:
    """The mapping that a label stands for."""
    chains: list[list[Loop | str]] = [[]]
    splits: list[tuple[np.void, str]] = []
    for step, dimensions in _steps(labels, label):
        if step >= SPREAD_STEP:
            splits.append((problem.splits[step - SPREAD_STEP], dimensions))
            chains.append([])
        elif step >= PLACED_STEP:
            chains[-1].append(TENSORS[step - PLACED_STEP])
        else:
            dimension, bound = problem.lattice.digits[step, :2].tolist()
            _add_loop(chains[-1], dimensions[dimension], bound)
    extents, levels = problem.lattice.extents, []
    for index, (level, chain, (split, dimensions)) in enumerate(
        zip(hardware.levels, chains, splits, strict=False)
    ):
        tile, along_x = split[["tile", "along_x"]].item()
        bypass = tuple(t for t in level.kept_tensors if index and t not in chain)
        levels.append(
            LevelLoops(
                level.name,
                tuple(item for item in chain if isinstance(item, Loop)),
                _loops(extents[along_x], dimensions),
                _loops(extents[tile - along_x], dimensions),
                bypass,
                _heights(chain),
            )
        )
    return Mapping(tuple(levels))


def _steps(labels: Labels, label: int) -> Iterator[tuple[int, str]]:
    """The steps of a label that are part of a mapping, the outermost first.

    Each comes with the names of all dimensions in it: rows and columns may be exchanged.
    """
    dimensions = "".join(DIMENSIONS)
    while labels.rows[label]["parent"] >= 0:
        step = int(labels.rows[label]["step"])
        if labels.rows[label]["state"] & MIRRORED:
            dimensions = dimensions.translate(_EXCHANGE)
        if step >= 0:
            yield step, dimensions
        label = int(labels.rows[label]["parent"])


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


def _loops(extents: np.ndarray, dimensions: str) -> tuple[Loop, ...]:
    pairs = zip(dimensions, extents.tolist(), strict=True)
    return tuple(Loop(dimension, bound) for dimension, bound in pairs if bound > 1)


class Chain(NamedTuple):
    """One level of a mapping, with all that a search decides on.

    Attributes
    ----------
    kept : int
        The tensors that it keeps, as bits.
    spread : tuple of Loop
        Over its children.
    items : tuple of Loop or int
        Loops in time, and tensors where they stand, from inside out.
    """

    kept: int
    spread: tuple[Loop, ...]
    items: tuple[Loop | int, ...]

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
        found.append(Chain(bits, (*nest.spatial_x, *nest.spatial_y), tuple(items)))
    return found
