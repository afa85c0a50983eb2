"""All tiles of a layer that shares as arrays: sizes, rooms, and how often words are moved."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kcsim.cost.rooms import room_of, rooms_of
from kcsim.cost.zero_savings import left_of_cycles, left_of_macs
from kcsim.sharing.arithmetic import Arithmetic
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.shapes import PhaseShapes
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import TENSORS, Tensor
from kcsim.workload.zeros import ZeroShares


class Times(NamedTuple):
    """How often all words of a tensor are read, updated and, of outputs, read back."""

    weights: Any
    inputs: Any
    updates: Any
    returned: Any


class TileTable:
    """All tiles of a layer as arrays.

    Attributes
    ----------
    tiles : int64[tiles, 6]
        As `Tile`.
    rounds : Tile
        How many tiles there are along each dimension.
    units : Arithmetic
    width, widest, room, tables
        Entries of the widest table, likewise if units are not ordered and on average of those that
        share an order, and words of the intermediate tensor, in one tile.
    tables_used, gathered, passed, listed, words, macs
        Over all tiles: tables with entries, values gathered, sums passed on among filters that
        share an order, entries in lists, words of the intermediate tensor that are computed, and
        products with entries.
    """

    def __init__(self, shared: SharedLayer, tiles: np.ndarray, ordered: int) -> None:
        self.shared, self.tiles, self.ordered = shared, tiles, ordered
        tile, group = Tile(*np.ascontiguousarray(tiles.T)), max(ordered, 1)
        self.shapes = shapes = PhaseShapes(shared.layer, shared.unit, shared.sharing, tile, group)
        _, first, at = np.unique(getattr(tile, shared.sharing.merged), True, True)
        some = [Tile(*sizes) for sizes in tiles[first].tolist()]
        widths = [shared.widths(each, ordered) for each in some]
        self.width = np.array([float(max(each, default=0)) for each in widths])[at]
        self.room = self.width
        if ordered:
            self.room = np.array([float(shared.room(each, ordered)) for each in some])[at]
        entries = np.array([float(sum(e * n for e, n in each.items())) for each in widths])[at]
        used = np.array([float(sum(each.values())) for each in widths])[at]
        self.widest = self.width.astype(np.int64)
        if ordered:
            self.width = np.minimum(self.width, 1 + shared.has_offsets)
        _, first, at = np.unique(tile.C, True, True)
        some = [Tile(*sizes) for sizes in tiles[first].tolist()]
        self.index_bits = np.array([float(shared.index_bits(each, ordered)) for each in some])[at]
        units = np.array([shared.arithmetic(each, ordered) for each in some], np.float64)[at]
        passed = [shared.sums(each, ordered).passed if ordered > 1 else 0 for each in some]
        self.units = Arithmetic(*units.T)
        self.rounds = rounds = tile.rounds(shared.layer)
        again = rounds.N * rounds.P * rounds.Q
        self.runs = again * rounds.G * rounds.M * rounds.C
        self.accumulated = shared.accumulated(tile)
        self.tables, self.tables_used = shapes.shared_tables * self.width, used * again
        self.gathered = shapes.gathered * self.runs * (1 + shared.has_offsets)
        computed, multiplied = (
            tile.N * rows * columns
            for rows, columns in (shapes.shared_positions, shapes.positions("entries"))
        )
        self.passed = np.array(passed, np.float64)[at] * computed * shared.depth * again
        self.entries, self.listed = entries, entries * again
        self.words = entries * computed * shared.depth * again
        self.macs = entries * shared.unit.size * multiplied * again

    def fits(self, home: int, last: int) -> np.ndarray:
        """Whether tiles of all tensors have room in the home, and one table where it goes."""
        shared, fits = self.shared, self.width > 0
        table = dict.fromkeys(TENSORS, 0) | {shared.role: self.width * self.units.bits}
        for level in shared.hardware.levels[home + 1 : last + 1]:
            if shared.role in level.kept_tensors:
                fits &= room_of(level, shared.role).holds(table)
        needed = shared.home_bits(
            self.shapes, home, self.index_bits, self.width, self.room, self.units.bits
        )
        for room in rooms_of(shared.hardware.levels[home]):
            fits &= room.holds(needed)
        return np.asarray(fits)

    @cached_property
    def _touched(self) -> np.ndarray:
        """Share of the intermediate tensor that the second phase needs: strides may pass some."""
        share = np.ones(len(self.width))
        windows = self.shapes.phase_windows(self.shared.sharing.phases[1])
        for window, positions in zip(windows, self.shapes.tile[4:], strict=True):
            share = share * window.touched(positions) / window.reach(positions)
        return share

    def _covered(self, rows: Any, columns: Any) -> Any:
        """Pixels of a channel that the windows of some outputs cover."""
        down, along = self.shapes.windows
        return down.touched(rows) * along.touched(columns)

    @cached_property
    def _moved_times(self) -> list[Times]:
        """How often homes are given all words of a tensor, and give them up, in several ways.

        From one tile to the next, a home keeps one tensor at most: the one that the innermost loop
        above does not index.
        """
        rounds = self.rounds
        images, again = rounds.N * rounds.P * rounds.Q, rounds.C - 1
        return [
            Times(images, rounds.M, 1, 0),
            Times(images, 1, 1 + again, again),
            Times(1, rounds.M, 1 + again, again),
        ]

    def _is_alone(self, home: int, tensor: Tensor) -> bool:
        """Whether the level above a home shares nothing that homes are given, or send there."""
        level = self.shared.hardware.levels[home - 1]
        is_kept = tensor in level.kept_tensors and tensor not in level.may_bypass
        sends_each = tensor == "outputs" and not level.fanout.reduction
        return (level.fanout.children == 1 or sends_each) and (home == 1 or is_kept)

    def _is_single(self, index: int) -> bool:
        """Whether there is a single instance of a level."""
        return all(level.fanout.children == 1 for level in self.shared.hardware.levels[:index])

    @cached_property
    def _left(self) -> float:
        """Share of the work that is left at least, where the MAC units leave out zeros."""
        return float(left_of_macs(self.shared.hardware.compute, self._zeros))

    @cached_property
    def _left_cycles(self) -> float:
        """Likewise, where they take no cycle for them."""
        return float(left_of_cycles(self.shared.hardware.compute, self._zeros))

    @property
    def _zeros(self) -> ZeroShares:
        zeros = self.shared.layer.zeros
        return replace(zeros, weights=max(zeros.weights, self.shared.distinct.zero_share))
