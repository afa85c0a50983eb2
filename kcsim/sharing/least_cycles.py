"""Cycles that no loops of the phases undercut, of all tiles at once."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from kcsim.cost.ports import ports_of
from kcsim.hardware.schema import LevelConstraint
from kcsim.kernels.spreads import most_spread
from kcsim.sharing.least_bits import Bits, LeastBits
from kcsim.sharing.shapes import smooth
from kcsim.sharing.tile_table import Times
from kcsim.workload.layer import DIMENSIONS


class LeastCycles(LeastBits):
    """What tiles take at least."""

    def gather_cycles(self, home: int, last: int) -> np.ndarray:
        """Of the phase that gathers: at its units, or at what levels give."""
        shared, shapes, tile = self.shared, self.shapes, self.shapes.tile
        down, along = shapes.phase_windows("gather")
        rows, columns = shapes.positions("gather")
        sizes = {
            "N": tile.N, "G": tile.G, "M": shapes.gathering_filters,
            "C": shapes.gathered_channels, "P": rows, "Q": columns, "R": down.taps,
            "S": along.taps,
        }  # fmt: skip
        inside = self.homes(home)
        passed, below = self.gathered_bits(last), inside * self._children(home, last, sizes)
        served = self._ported(last, passed, below)
        if last != home:
            passed = self.table_bits()
        served = np.maximum(served, self._ported(home, passed | self.gather_bits(home), inside))
        adding = self._left_cycles * self.gathered * shared.hardware.compute.cycles_per_mac
        return np.asarray(np.maximum(adding / self._units(home, sizes), served))

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
        multiplying = self._left_cycles * self.macs * shared.hardware.compute.cycles_per_mac
        spread = [
            self._units(home, sizes | shapes.entry_sizes(bound))
            for bound in self._loops_over_entries
        ]
        served = self._ported(home, self.entries_bits(home), self.homes(home))
        return np.asarray(np.maximum(multiplying / np.maximum.reduce(spread), served))

    def outside_cycles(self, home: int) -> np.ndarray:
        """Cycles of the outermost level for the least that it gives and takes, in one way at least.

        The same ways as in `_fetched_pj`. What phases take from there is accounted for in any.
        """
        layer, found = self.shared.layer, np.full(len(self.width), np.inf)
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        is_outermost = home > 0 and self.shared.list_level(home) == 0
        weights, listed = self.fetched_bits(home), self.listed * self.shared.entry_bits
        inputs, outputs = int(pixels) * self.stored(0, "inputs"), layer.output_words
        last = self.stored(0, "outputs")
        ways = [Times(1, 1, 1, 0)]
        if home == 1 and self._is_alone(home, "inputs"):
            ways = self._moved_times
        for times in ways:
            passing: Bits = {
                ("weights", "reads"): weights * times.weights + listed * is_outermost,
                ("inputs", "reads"): inputs * times.inputs,
                ("outputs", "updates"): outputs * (last + self.sum_bits * (times.updates - 1)),
                ("outputs", "reads"): outputs * self.sum_bits * times.returned,
            }
            found = np.minimum(found, self._ported(0, passing, np.ones(1)))
        return found

    @cached_property
    def _loops_over_entries(self) -> tuple[np.ndarray, ...]:
        """Bounds that loops over entries may have: the widest table, one more, or small factors."""
        widths, at = np.unique(self.widest, return_inverse=True)
        factors = np.array([smooth(max(width, 1)) for width in widths.tolist()], np.int64)[at]
        loops = self.widest, self.widest + 1, factors
        return loops[: 2 + bool((factors > self.widest + 1).any())]

    def _units(self, home: int, sizes: dict[str, Any]) -> np.ndarray:
        """MAC units that loops of these sizes can be spread over, in all homes together."""
        inside = self._children(home, len(self.shared.hardware.levels), sizes)
        return np.asarray(self.homes(home) * inside)

    def homes(self, home: int) -> np.ndarray:
        """Homes that tiles can be spread over, to work side by side."""
        if home not in self._homes:
            self._homes[home] = self._children(0, home, self.rounds._asdict())
        return self._homes[home]

    @cached_property
    def _homes(self) -> dict[int, np.ndarray]:
        """Those that are known, by position."""
        return {}

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
        if along_x == along_y == 1:
            return np.ones(1)
        product = math.prod(np.int64(sizes.get(name, 1)) for name in sorted(names))
        products, at = np.unique(product, return_inverse=True)
        found = np.empty(len(products))
        most_spread(np.maximum(products, 1), along_x, along_y, found)
        return found[at]

    def _ported(self, index: int, passing: Bits, instances: np.ndarray) -> np.ndarray:
        """Cycles that a level takes for what passes its ports, at so many instances."""
        level, most = self.shared.hardware.levels[index], np.zeros(len(self.width))
        for port in ports_of(level):
            taken = (
                passing[key] / (level.word_bits_of(key[0]) * float(rate))
                for key, rate in port.rates.items()
                if key in passing
            )
            most = np.maximum(most, sum(taken))
        return np.asarray(most / instances)
