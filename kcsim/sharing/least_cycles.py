"""Cycles that no loops of the phases undercut, of all tiles at once."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from kcsim.cost.access import rates
from kcsim.cost.ports import ports_of
from kcsim.hardware.level import Access
from kcsim.hardware.schema import LevelConstraint
from kcsim.kernels.spreads import most_spread
from kcsim.sharing.shapes import smooth
from kcsim.sharing.tile_table import TileTable
from kcsim.workload.layer import DIMENSIONS, Tensor

AT_HOME: dict[Tensor, Access] = {"inputs": "read", "outputs": "update"}
"""What a phase does there with the intermediate tensor, by what it stands for."""


class LeastCycles(TileTable):
    """What tiles take at least."""

    def gather_cycles(self, home: int, last: int) -> np.ndarray:
        """Of the phase that gathers: at its units, or at what levels give."""
        shared, shapes = self.shared, self.shapes
        is_taken, tile = shared.role == "inputs", shapes.tile
        down, along = shapes.phase_windows("gather")
        rows, columns = shapes.positions("gather")
        sizes = {
            "N": tile.N, "G": tile.G, "M": shapes.gathering_filters,
            "C": shapes.gathered_channels, "P": rows, "Q": columns, "R": down.taps,
            "S": along.taps,
        }  # fmt: skip
        each = shared.hardware.compute.cycles_per_mac
        served = self._transfer(last, 0 * self.gathered if self.ordered else self.gathered)
        if not is_taken:
            moved = self.words if self.ordered else self.gathered
            served = np.maximum(served, self._transfer(last, moved, is_read=False))
        if last != home:
            moved = self._transfer(home, self.tables * self.runs * self._touched, is_read=is_taken)
            served = np.maximum(served, moved)
        adding = self.gathered * each / self._units(home, sizes)
        return np.asarray(self._left * np.maximum(adding, served))

    def entries_cycles(self, home: int) -> np.ndarray:
        """Of the phase that multiplies, likewise."""
        shared, shapes, unit = self.shared, self.shapes, self.shared.unit
        rows, columns = shapes.positions("entries")
        sizes = {
            "N": shapes.tile.N, "P": rows, "Q": columns, "R": unit.height, "S": unit.width,
        }  # fmt: skip
        if shapes.depth > 1:
            # The channels of a sum lie one below the other.
            sizes |= {"R": shapes.depth, "S": 1}
        multiplying = self.macs * shared.hardware.compute.cycles_per_mac
        is_read = shared.role == "outputs"
        stored = self._transfer(home, self.words * self._touched, is_read=is_read)
        spread = [
            self._units(home, sizes | shapes.entry_sizes(bound))
            for bound in self._loops_over_entries
        ]
        multiplying = multiplying / np.maximum.reduce(spread)
        return np.asarray(self._left * np.maximum(multiplying, stored))

    def outside_cycles(self, home: int) -> np.ndarray:
        """Cycles of the outermost level for the least that it gives and takes, in one way at least.

        The same ways as in `_fetched_pj`.
        """
        layer, outermost = self.shared.layer, self.shared.hardware.levels[0]
        precision, found = self.shared.hardware.precision_bits, np.full(len(self.width), np.inf)
        if outermost.compression and layer.zeros:
            return np.zeros(len(self.width))
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        stored = self.index_bits * self.shared.distinct.part.units
        weights = stored / outermost.word_bits_of("weights")
        inputs = int(pixels) * precision.inputs / outermost.word_bits_of("inputs")
        outputs = layer.output_words * precision.outputs / outermost.word_bits_of("outputs")
        for times in self._moved_times(home):
            words = {
                ("weights", "reads"): weights * times.weights,
                ("inputs", "reads"): inputs * times.inputs,
                ("outputs", "updates"): outputs * times.updates,
                ("outputs", "reads"): outputs * times.returned,
            }
            cycles = np.zeros(len(self.width))
            for port in ports_of(outermost):
                taken = (
                    words[key] / float(rate) for key, rate in port.rates.items() if key in words
                )
                cycles = np.maximum(cycles, sum(taken))
            found = np.minimum(found, cycles)
        return found

    @cached_property
    def _loops_over_entries(self) -> tuple[np.ndarray, ...]:
        """Bounds that loops over entries may have: the widest table, one more, or small factors."""
        widths, at = np.unique(self.widest, return_inverse=True)
        factors = np.array([smooth(max(width, 1)) for width in widths.tolist()], np.int64)[at]
        return self.widest, self.widest + 1, factors

    def _units(self, home: int, sizes: dict[str, Any]) -> np.ndarray:
        """MAC units that loops of these sizes can be spread over, in all homes together."""
        inside = self._children(home, len(self.shared.hardware.levels), sizes)
        return np.asarray(self.homes(home) * inside)

    def homes(self, home: int) -> np.ndarray:
        """Homes that tiles can be spread over, to work side by side."""
        return self._children(0, home, self.shapes.tile.rounds(self.shared.layer)._asdict())

    def _children(self, first: int, end: int, sizes: dict[str, Any]) -> np.ndarray:
        """Children of some levels that loops of these sizes can be spread over."""
        hardware, units = self.shared.hardware, np.ones(len(self.width))
        for level in hardware.levels[first:end]:
            fanout = level.fanout
            constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
            allowed = [
                frozenset(DIMENSIONS if names is None else names)
                for names in (constraint.spatial_x, constraint.spatial_y)
            ]
            if allowed[0] == allowed[1]:
                units *= self._spread(allowed[0], sizes, fanout.x, fanout.y)
            else:
                units *= self._spread(allowed[0], sizes, fanout.x)
                units *= self._spread(allowed[1], sizes, fanout.y)
        return units

    def _spread(
        self, names: frozenset[str], sizes: dict[str, Any], along_x: int, along_y: int = 1
    ) -> np.ndarray:
        """The most units that loops over some dimensions can be spread over."""
        product = math.prod(np.int64(sizes.get(name, 1)) for name in sorted(names))
        products, at = np.unique(np.broadcast_to(product, len(self.width)), return_inverse=True)
        found = np.empty(len(products))
        most_spread(np.maximum(products, 1), along_x, along_y, found)
        return found[at]

    def _transfer(self, index: int, words: Any, is_read: bool = True) -> np.ndarray:
        """Cycles that a level takes for words of the intermediate tensor, over all instances."""
        levels, bits = self.shared.hardware.levels, self.units.bits
        instances = math.prod(outer.fanout.children for outer in levels[:index])
        # At least: it stands for inputs in one phase, for outputs in the other.
        known = [rates(levels[index], role) for role in AT_HOME]
        most = max(each[0] if is_read else max(each[1:]) for each in known)
        return np.asarray(words * bits / (most * instances))
