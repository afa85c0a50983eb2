"""Bits that every tile of a shared convolution moves at its home at least."""

from __future__ import annotations

from typing import Any

import numpy as np

from kcsim.cost.zero_savings import value_bits
from kcsim.sharing.places import index_level
from kcsim.sharing.tile_table import TileTable
from kcsim.workload.layer import Tensor

Bits = dict[tuple[Tensor, str], Any]
"""By tensor and ``reads``, ``fills`` or ``updates``: float64[tiles], over all tiles of a layer."""


class LeastBits(TileTable):
    """What passes the ports of the home, and of the level that tables are gathered at."""

    def fetched_bits(self, home: int) -> Any:
        """Indexes, and lists that come with them, brought from the outermost level once."""
        shared = self.shared
        has_lists = shared.list_level(home) > 0 and shared.has_lists(home)
        bits = self.index_bits * shared.distinct.part.units
        return bits + self.entries * shared.entry_bits * has_lists

    def gathered_bits(self, last: int) -> Bits:
        """Values that are read from a table, or added to one, one by one."""
        role, moved = self.shared.role, self._left_at(last) * self.gathered * self.units.bits
        if role == "inputs":
            return {(role, "reads"): moved}
        if self.ordered:
            # In order, only complete sums come to the level.
            return {(role, "updates"): self._left_at(last) * self.words * self.units.bits}
        return {(role, "reads"): moved, (role, "updates"): moved}

    def table_bits(self) -> Bits:
        """Tables that the phase that gathers moves as a whole, where it gathers below the home."""
        role = self.shared.role
        moved = self.tables * self.runs * self._touched * self.units.bits
        return {(role, "reads" if role == "inputs" else "updates"): moved}

    def gather_bits(self, home: int) -> Bits:
        """What else that phase reads at its home, or brings there."""
        found: Bits = {}
        if home == len(self.shared.hardware.levels) - 1:
            return found
        if index_level(self.shared.hardware, home) == home:
            found["weights", "reads"] = self.shapes.units * self.runs * self.index_bits
        if self.shared.role == "inputs":
            found |= self._finished_bits(home, self.shapes.output_words * self.runs)
        else:
            channels = self.shapes.tile.G * self.shapes.tile.C * self.runs
            found["inputs", "reads"] = self._input_bits(home, channels)
        return found

    def entries_bits(self, home: int) -> Bits:
        """What the phase that multiplies reads at its home, or brings there."""
        shared, found = self.shared, Bits()
        made, is_inner = self.words * self.units.bits, home == len(shared.hardware.levels) - 1
        if not is_inner and shared.list_level(home) == home:
            found["weights", "reads"] = self.listed * shared.entry_bits
        if shared.role == "inputs":
            found["outputs", "updates"] = self._left_at(home) * made
            if not is_inner:
                # Only blocks that have entries are read.
                channels = self.tables_used * shared.unit.channels
                found["inputs", "reads"] = self._input_bits(home, channels)
            return found
        found["inputs", "reads"] = self._left_at(home) * made * self._touched
        return found if is_inner else found | self._finished_bits(home, self._multiplied_outputs)

    def _finished_bits(self, home: int, words: Any) -> Bits:
        """So many outputs, brought to the home once."""
        return {("outputs", "updates"): words * self.made_bits(home)}

    @property
    def _multiplied_outputs(self) -> Any:
        """Outputs of the phase that multiplies sums: filters without entries have none."""
        tile = self.shapes.tile
        return self.tables_used * tile.N * tile.P * tile.Q

    def _input_bits(self, home: int, channels: Any) -> Any:
        """Inputs in so many channels of all tiles."""
        return channels * self._pixels * self.stored(home, "inputs")

    @property
    def _pixels(self) -> Any:
        """Pixels of a channel that the windows of a tile cover, in all of its images."""
        return self._covered(self.shapes.tile.P, self.shapes.tile.Q) * self.shapes.tile.N

    def stored(self, index: int, tensor: Tensor) -> float:
        """Bits of an input, or of an output at least, at a level."""
        hardware = self.shared.hardware
        width: int = getattr(hardware.precision_bits, tensor)
        return float(value_bits(hardware.levels[index], tensor, width, self.shared.layer.zeros))

    @property
    def sum_bits(self) -> int:
        """Bits of an output that is not finished."""
        # No level has widths of its own.
        return self.shared.hardware.level_bits[0]["partial_sums"]

    def made_bits(self, index: int) -> np.ndarray:
        """Bits of an output of each tile at least, when it comes to a level for the last time."""
        return np.where(self.units.finishes, self.stored(index, "outputs"), self.sum_bits)

    def _left_at(self, index: int) -> float:
        """Share of the accesses of a level that are left at least: of the innermost, some are."""
        return self._left if index == len(self.shared.hardware.levels) - 1 else 1.0
