"""Tiles of a shared convolution, executed one by one: real products and sums in every buffer.

A table is replayed as channels of its own, one for each entry, and an index as the filter that
picks one: so what an index gathers really was where it is gathered from.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kcsim.conv.work import Units
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.replay.dense import Replay, replay_layer
from kcsim.replay.sorted_units import sort_units
from kcsim.sharing.phases import (
    READS,
    entry_levels,
    first_levels,
    fitted_entries,
    gather_one_by_one,
    leave_out,
    phase_hardware,
)
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.strategies import ShareProducts, ShareSums
from kcsim.sharing.tiles import Tile
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import TENSORS, ConvLayer

_OUTPUTS = TENSORS.index("outputs")


class Tally:
    """What one part of a shared convolution counts while it is executed.

    Attributes
    ----------
    accesses, transfers : ndarray of int64, [levels, tensors, 3]
        As in `kcsim.Counts`.
    macs : int
        Products, or values gathered.
    passed : int
        Sums that filters passed on to another one with the same order.
    """

    def __init__(self, levels: int) -> None:
        self.accesses, self.transfers = np.zeros((2, levels, 3, 3), np.int64)
        self.macs = self.passed = 0

    def add(self, accesses: np.ndarray, transfers: np.ndarray, macs: int) -> None:
        """Add what one run counts."""
        self.accesses += accesses
        self.transfers += transfers
        self.macs += macs


class Execution(ABC):
    """A shared convolution while it is executed, tile by tile."""

    def __init__(
        self,
        shared: SharedLayer,
        mapping: SharedMapping,
        weights: ClusteredLayer,
        codebook: Codebook,
        inputs: np.ndarray,
    ) -> None:
        layer = shared.layer
        self.shared, self.mapping, order = shared, mapping, mapping.order
        self.shapes = shared.shapes(mapping.tile, order)
        self.home, self.last = (
            shared.hardware.level_index(name) for name in (mapping.home, mapping.gathered_at)
        )
        tile = mapping.tile
        self.gather_hardware = phase_hardware(shared, "gather", self.home, self.last, tile, order)
        self.entry_hardware = phase_hardware(shared, "entries", self.home, self.home, tile, order)
        self.width = max(shared.widths(tile, order))
        self.decoded = weights.decode(codebook)
        stored = [each.values for each in (weights.scales, weights.offsets) if each is not None]
        operands = self.decoded, codebook.entries.values, inputs, *stored
        exact = all(np.array_equal(array, np.rint(array)) for array in operands)
        self.values = np.int64 if exact else np.float64
        self.decoded = self.decoded.astype(self.values)
        self.units = Units.of(weights, codebook, self.values)
        self.keys = self.units.keys
        if shared.distinct.keys is not None:
            self.keys = np.where(shared.distinct.keys.reshape(self.keys.shape) < 0, -1, self.keys)
        top, bottom, left, right = layer.padding
        margins = ((0, 0), (0, 0), (top, bottom), (left, right))
        self.inputs = np.pad(inputs.astype(self.values), margins)
        shape = layer.batch, layer.out_channels, layer.out_height, layer.out_width
        self.outputs = np.zeros(shape, self.values)
        levels = len(shared.hardware.levels)
        self.gather, self.entries = Tally(levels), Tally(levels)

    @abstractmethod
    def run_tile(self, start: Tile) -> None:
        """Run both phases for the tile that starts at these indexes."""

    def _pixels(self, start: Tile) -> np.ndarray:
        """Inputs of a tile: [N, G, C, rows, columns]."""
        layer, tile = self.shared.layer, self.mapping.tile
        batch, _, height, width = self.inputs.shape
        grouped = self.inputs.reshape(batch, layer.groups, -1, height, width)
        rows, columns = self.shapes.windows
        top, left = start.P * rows.stride, start.Q * columns.stride
        return grouped[
            start.N : start.N + tile.N, start.G : start.G + tile.G, start.C : start.C + tile.C,
            top : top + rows.reach(tile.P), left : left + columns.reach(tile.Q),
        ]  # fmt: skip

    def _units(self, start: Tile) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Keys, and scales and offsets, of the units of a tile: [G, M, blocks, rows, columns]."""
        tile, first = self.mapping.tile, start.C // self.shared.unit.channels
        part = (
            slice(start.G, start.G + tile.G),
            slice(start.M, start.M + tile.M),
            slice(first, first + self.shapes.blocks),
        )
        keys = self.keys[part]
        scales, offsets = self.units.factors
        scale = np.ones(keys.shape, self.values) if scales is None else scales[part]
        return keys, (scale, np.zeros_like(scale) if offsets is None else offsets[part])

    def _ranked(self, keys: np.ndarray, kinds: int) -> tuple[np.ndarray, np.ndarray]:
        """Keys of a table, and the place of each key among them; negative keys are none.

        They are those that are used or, without lists, all of so many.
        """
        used = np.unique(keys[keys >= 0]) if self.shared.listed else np.arange(kinds)
        return used, np.where(keys >= 0, np.searchsorted(used, keys), -1)

    def _entries(self, block: int, used: np.ndarray) -> np.ndarray:
        """Entries that a block of channels uses: [entries, channels, rows, columns]."""
        unit = self.shared.unit
        own = self.units.block_entries(block)
        entries = np.zeros((len(used) + self.shared.has_offsets, unit.size), self.values)
        entries[: len(used), : own.shape[1]] = own[used]
        entries[len(used) :] = 1
        return entries.reshape(-1, *unit.shape)

    def _pick(
        self, picks: np.ndarray, ranks: np.ndarray, count: int, factors: Sequence[np.ndarray]
    ) -> None:
        """Let filters pick entries of one table, with their scales and offsets.

        Parameters
        ----------
        picks : [entries, filters, rows, columns]
            Filled.
        ranks : int64[filters, rows, columns]
            Place of each unit's entry in the table, -1 for none.
        count : int
            Entries in the table, the sum of whole blocks after them.
        factors : two of [filters, rows, columns]
        """
        scale, offset = factors
        picks[:] = (np.arange(len(picks)).reshape(-1, 1, 1, 1) == ranks) * scale
        if self.shared.has_offsets:
            picks[count] += offset

    def _multiply(
        self, phase: ConvLayer, count: int, inputs: np.ndarray, entries: np.ndarray
    ) -> np.ndarray:
        """Run the phase that multiplies once."""
        nest = fitted_entries(self.mapping.entries, self.shared, count)
        run = replay_layer(phase, self.entry_hardware, nest, inputs, entries)
        accesses, transfers = run.accesses.copy(), run.transfers.copy()
        leave_out(accesses, transfers, entry_levels(self.shared, self.home))
        self.entries.add(accesses, transfers, phase.macs)
        return run.outputs

    def _gather(self, loop: Loop, inputs: np.ndarray, picks: np.ndarray) -> Replay:
        """Run the phase that gathers once, with a loop over the entries of a table as channels."""
        layer, hardware = self.shapes.gather, self.gather_hardware
        channels = "in_channels" if loop.dimension == "C" else "out_channels"
        expanded = replace(layer, **{channels: getattr(layer, channels) * loop.bound})
        nest = _with_innermost(self.mapping.gather, hardware, loop)
        return replay_layer(expanded, hardware, nest, inputs, picks)

    def _count_gathered(self, moved: Replay, gathered: int, sums: int | None = None) -> None:
        """Add what one run of the phase that gathers counts.

        Tables move as a whole, as they did; indexes and the other tensor move as they do where
        tables are words. What is gathered was looked at entry by entry, but is one access; in
        order, complete sums are.
        """
        plain = replay_layer(self.shapes.gather, self.gather_hardware, self.mapping.gather)
        accesses, transfers = plain.accesses.copy(), plain.transfers.copy()
        role = TENSORS.index(self.shared.role)
        accesses[:, role], transfers[:, role] = moved.accesses[:, role], moved.transfers[:, role]
        accessed = gathered * (1 + self.shared.has_offsets)
        gather_one_by_one(accesses, transfers, self.last, self.shared.role, accessed, sums)
        leave_out(accesses, transfers, first_levels(self.shared.hardware, self.home))
        self.gather.add(accesses, transfers, gathered)

    def _deliver(self, start: Tile, results: np.ndarray) -> None:
        """Add the results of a tile to the outputs at the home: [N, G, M, P, Q]."""
        layer, tile = self.shared.layer, self.mapping.tile
        outputs = self.outputs.reshape(
            layer.batch, layer.groups, -1, layer.out_height, layer.out_width
        )
        part = tuple(
            slice(getattr(start, name), getattr(start, name) + getattr(tile, name))
            for name in "NGMPQ"
        )
        outputs[part] += results
        last = self.gather if self.shared.sharing.phases[1] == "gather" else self.entries
        last.accesses[self.home, _OUTPUTS, READS] += results.size * (start.C > 0)


class ProductExecution(Execution):
    """Products that are shared."""

    def run_tile(self, start: Tile) -> None:
        """Multiply the inputs of a tile by entries, then gather the products."""
        shapes, tile, unit = self.shapes, self.mapping.tile, self.shared.unit
        pixels, keys, factors = self._pixels(start), *self._units(start)
        positions = shapes.shared_positions
        tables = np.zeros((tile.N, tile.G, shapes.blocks, self.width, *positions), self.values)
        picks = np.zeros((*keys.shape[:3], self.width, *keys.shape[3:]), self.values)
        for g, block in np.ndindex(tile.G, shapes.blocks):
            number = start.C // unit.channels + block
            used, ranks = self._ranked(keys[g, :, block], len(self.units.block_entries(number)))
            entries = self._entries(number, used)
            if not len(entries):
                continue
            phase = shapes.entries(len(entries))
            first = block * unit.channels
            given = np.zeros((tile.N, unit.channels, *pixels.shape[3:]), self.values)
            there = pixels[:, g, first : first + unit.channels]
            given[:, : there.shape[1]] = there
            given = given[:, :, : phase.in_height, : phase.in_width]
            found = self._multiply(phase, len(entries), given, entries)
            tables[:, g, block, : len(entries)] = found
            own = [factor[g, :, block] for factor in factors]
            self._pick(picks[g, :, block].swapaxes(0, 1), ranks, len(used), own)
        moved = self._gather(
            Loop("C", self.width), tables.reshape(tile.N, -1, *positions),
            picks.reshape(tile.G * tile.M, -1, *keys.shape[3:]),
        )  # fmt: skip
        self._count_gathered(moved, keys.size * tile.N * tile.P * tile.Q)
        self._deliver(start, moved.outputs.reshape(tile.N, tile.G, tile.M, tile.P, tile.Q))


class SumExecution(Execution):
    """Sums that are shared."""

    def run_tile(self, start: Tile) -> None:
        """Gather the inputs of a tile by index, then multiply the sums by entries."""
        shares_order = self.mapping.group > 1 or self.shared.hardware.compute.group_cap
        if self.mapping.ordered and shares_order:
            self._run_in_order(start)
        else:
            self._run(start)

    def _run(self, start: Tile) -> None:
        shapes, tile, depth = self.shapes, self.mapping.tile, self.shared.depth
        pixels, keys, factors = self._pixels(start), *self._units(start)
        blocks, taps, positions = shapes.blocks, keys.shape[3:], shapes.shared_positions
        spaces, kinds = np.zeros(keys.shape, np.int64), len(self.units.entries[0])
        if len(self.units.entries) > 1:
            kinds *= blocks
            spaces += np.arange(blocks)[:, None, None] * len(self.units.entries[0])
        keys = np.where(keys < 0, -1, keys + spaces)
        picks = np.zeros((tile.G, tile.M, self.width, depth, blocks, depth, *taps), self.values)
        filters: dict[tuple[int, int], np.ndarray] = {}
        for g, m in np.ndindex(tile.G, tile.M):
            used, ranks = self._ranked(keys[g, m], kinds)
            filters[g, m] = self._filter_entries(start, used)
            for channel, block in np.ndindex(depth, blocks):
                at = picks[g, m, :, channel, block, channel]
                own = [factor[g, m : m + 1, block] for factor in factors]
                self._pick(at[:, None], ranks[None, block], len(used), own)
        flat = picks.reshape(tile.G * tile.M * self.width * depth, blocks * depth, *taps)
        phase = shapes.gather
        given = pixels.reshape(tile.N, -1, *pixels.shape[3:])
        moved = self._gather(
            Loop("M", self.width * depth), given[:, :, : phase.in_height, : phase.in_width],
            flat[:, : tile.C],
        )  # fmt: skip
        places = tile.N * positions[0] * positions[1]
        sums = sum(map(len, filters.values())) * depth * places if self.mapping.ordered else None
        self._count_gathered(moved, keys[:, :, 0].size * tile.C * places, sums)
        tables = moved.outputs.reshape(tile.N, tile.G, tile.M, self.width, depth, *positions)
        results = np.zeros((tile.N, tile.G, tile.M, tile.P, tile.Q), self.values)
        for (g, m), entries in filters.items():
            if not len(entries):
                continue
            results[:, g, m] = self._multiplied(tables[:, g, m, : len(entries)], entries)
        self._deliver(start, results)

    def _run_in_order(self, start: Tile) -> None:
        """Likewise, where filters share an order, or sums are cut."""
        tile, depth, group = self.mapping.tile, self.shared.depth, self.mapping.group
        pixels, keys, factors = self._pixels(start), *self._units(start)
        blocks, taps, positions = self.shapes.blocks, keys.shape[3:], self.shapes.shared_positions
        if len(self.units.entries) > 1:
            spaces = np.arange(blocks)[:, None, None] * len(self.units.entries[0])
            keys = np.where(keys < 0, -1, keys + spaces)
        most, more = self.shared.hardware.compute.group_cap or 0, self.shared.has_offsets
        tables = tile.G, tile.M // group
        ordered = {
            (g, m): sort_units(keys[g, m * group : (m + 1) * group].reshape(group, -1), most)
            for g, m in np.ndindex(tables)
        }
        width = max(1, *(len(units.runs[-1]) + more for units in ordered.values()))
        picks = np.zeros((*tables, width, depth, blocks, depth, *taps), self.values)
        for (g, m), units in ordered.items():
            ranks = units.ranks.reshape(blocks, *taps)
            for channel, block in np.ndindex(depth, blocks):
                at = picks[g, m, :, channel, block, channel]
                own = [factor[g, m * group : m * group + 1, block] for factor in factors]
                self._pick(at[:, None], ranks[None, block], len(units.runs[-1]), own)
        flat = picks.reshape(math.prod(tables) * width * depth, blocks * depth, *taps)
        phase = self.shapes.gather
        given = pixels.reshape(tile.N, -1, *pixels.shape[3:])
        moved = self._gather(
            Loop("M", width * depth), given[:, :, : phase.in_height, : phase.in_width],
            flat[:, : tile.C],
        )  # fmt: skip
        found = moved.outputs.reshape(tile.N, *tables, width, depth, *positions)
        places, complete = tile.N * depth * math.prod(positions), 0
        results = np.zeros((tile.N, tile.G, tile.M, tile.P, tile.Q), self.values)
        for (g, m), units in ordered.items():
            sums, after = found[:, g, m], [*units.runs[1:], []]
            for f in range(group - 1, -1, -1):
                runs = units.runs[f]
                if f < group - 1:
                    self.gather.passed += sum(run.is_passed for run in after[f]) * places
                    sums = np.stack([sums[:, list(run.parts)].sum(axis=1) for run in runs], axis=1)
                kept = [i for i, run in enumerate(runs) if run.entry >= 0]
                used = np.array([runs[i].entry for i in kept], np.int64)
                kept += [len(runs)] * more
                complete += len(kept) * places
                entries = self._filter_entries(start, used)
                results[:, g, m * group + f] = self._multiplied(sums[:, kept], entries)
        self._count_gathered(moved, phase.macs, complete)
        self._deliver(start, results)

    def _multiplied(self, tables: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """Sums of a filter times their entries: [N, P, Q]."""
        tile, count = self.mapping.tile, len(entries)
        if not count:
            return np.zeros((tile.N, tile.P, tile.Q), self.values)
        phase = self.shapes.entries(count)
        if self.shared.depth > 1:
            # The channels of a sum lie one below the other; see `PhaseShapes.entries`.
            tables = tables.swapaxes(2, 3)
        given = tables.reshape(tile.N, count, phase.in_height, phase.in_width)
        return self._multiply(phase, count, given, entries[None])[:, 0]

    def _filter_entries(self, start: Tile, used: np.ndarray) -> np.ndarray:
        """Entries that a filter uses, as `PhaseShapes.entries` wants them."""
        size = len(self.units.entries[0])
        first = start.C // self.shared.unit.channels
        found = [self._entries(first + key // size, np.array([key % size]))[:1] for key in used]
        if self.shared.has_offsets:
            found.append(self._entries(first, used[:0]))
        stacked = np.concatenate(found) if found else np.zeros((0, *self.shared.unit.shape))
        return stacked.reshape(len(stacked), *self.shapes.entry_unit[1:])


EXECUTIONS: dict[str, type[Execution]] = {
    ShareProducts.name: ProductExecution,
    ShareSums.name: SumExecution,
}


def _with_innermost(mapping: Mapping, hardware: Hardware, loop: Loop) -> Mapping:
    """A mapping with one more loop, innermost of all."""
    levels = {level.level: level for level in mapping.levels}
    name = hardware.level_names[-1]
    last = levels.pop(name, LevelLoops(name))
    last = replace(last, temporal=(*last.temporal, loop))
    return Mapping((*levels.values(), last))
