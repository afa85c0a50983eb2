"""What every tile of a shared convolution costs at least, all tiles of a layer at once."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from kcsim.cost.access import block_bits, rates
from kcsim.cost.rooms import room_of, rooms_of
from kcsim.cost.zero_savings import left_of_macs
from kcsim.hardware.level import Access
from kcsim.hardware.schema import LevelConstraint
from kcsim.sharing.places import index_level
from kcsim.sharing.plan import Arithmetic, SharedLayer
from kcsim.sharing.shapes import PhaseShapes
from kcsim.sharing.strategies import PhaseName
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import DIMENSIONS, TENSORS, Tensor

_AT_HOME: dict[Tensor, Access] = {"inputs": "read", "outputs": "update"}
"""What a phase does there with the intermediate tensor, by what it stands for."""


class LeastCosts:
    """All tiles of a layer as arrays.

    Attributes
    ----------
    units : Arithmetic
    width, widest, tables
        Entries of the widest table, likewise if units are not ordered, and words of the
        intermediate tensor, in one tile.
    tables_used, gathered, listed, words, macs
        Over all tiles: tables with entries, values gathered, entries in lists, words of the
        intermediate tensor that are computed, and products with entries.
    """

    def __init__(self, shared: SharedLayer, tiles: list[Tile], ordered: bool) -> None:
        self.shared, self.ordered = shared, ordered
        tile = Tile(*np.array(tiles, np.int64).T)
        self.shapes = shapes = PhaseShapes(shared.layer, shared.unit, shared.sharing, tile)
        _, first, at = np.unique(getattr(tile, shared.sharing.merged), True, True)
        widths = [shared.widths(tiles[i]) for i in first]
        self.width = np.array([float(max(each, default=0)) for each in widths])[at]
        entries = np.array([float(sum(e * n for e, n in each.items())) for each in widths])[at]
        used = np.array([float(sum(each.values())) for each in widths])[at]
        # A loop over entries may be bounded by more, rounded up to small factors, but not by twice.
        self.widest = self.width
        if ordered:
            self.width = np.minimum(self.width, 1 + shared.has_offsets)
        _, first, at = np.unique(tile.C, True, True)
        self.index_bits = np.array([float(shared.index_bits(tiles[i], ordered)) for i in first])[at]
        units = np.array([shared.arithmetic(tiles[i]) for i in first], np.float64)[at]
        self.units = Arithmetic(*units.T)
        rounds = tile.rounds(shared.layer)
        again = rounds.N * rounds.P * rounds.Q
        self.runs = again * rounds.G * rounds.M * rounds.C
        self.accumulated = shared.layer.output_words * (rounds.C - 1)
        self.tables, self.tables_used = shapes.shared_tables * self.width, used * again
        self.gathered = shapes.gathered * self.runs * (1 + shared.has_offsets)
        computed, multiplied = (
            tile.N * rows * columns
            for rows, columns in (shapes.shared_positions, shapes.positions("entries"))
        )
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
            self.shapes, home, self.index_bits, self.width, self.widest, self.units.bits
        )
        for room in rooms_of(shared.hardware.levels[home]):
            fits &= room.holds(needed)
        return np.asarray(fits)

    def gather_energy(self, home: int, last: int) -> np.ndarray:
        """Gathering and adding, and moving tables and the data tensor through the home once."""
        shared, hardware, shapes = self.shared, self.shared.hardware, self.shapes
        gathers = self.gathered / (1 + shared.has_offsets)
        energy = self.gathered * (self.units.add_pj + hardware.compute.address_pj)
        energy += gathers * self.units.factor_pj * (shared.has_factors + shared.has_offsets)
        # In order, only complete sums come to the level.
        moved = self.words if self.ordered else self.gathered
        if not self.ordered:
            energy += moved * self._price(last, shared.role, "read")
        other: Tensor = "inputs"
        if shared.role == "outputs":
            energy += moved * self._price(last, shared.role, "update")
        else:
            other = "outputs"
        bits = getattr(hardware.precision_bits, other)
        served = self._served_pj("weights", self.index_bits) + self._served_pj(other, bits)
        carried: Any = 0.0
        for i in range(last, len(hardware.levels)):
            carried = carried + self._carried_pj(i, self.units.bits)
        energy = self._left * (energy + gathers * served + moved * carried)
        if last != home:
            moved = self._home_price(home, "gather") + self._carried_pj(last - 1, self.units.bits)
            if shared.role == "inputs":
                moved += self._price(last, shared.role, "write")
            energy = energy + self.tables * self.runs * moved * self._touched
        if home < len(hardware.levels) - 1:
            energy += self._indexed_pj(home)
            if other == "outputs":
                sums = shapes.output_words * self.runs
                carried = self._carried_pj(-2, hardware.precision_bits.outputs)
                energy += sums * (self._at_home(home, "outputs", "update") + carried)
                energy += self._returned_pj(home, gathers, sums)
            else:
                pixels = self._covered(shapes.tile.P, shapes.tile.Q) * shapes.tile.N
                read = self._at_home(home, "inputs", "read")
                energy += shapes.tile.G * shapes.tile.C * pixels * self.runs * read
        return np.asarray(energy)

    def entries_energy(self, home: int) -> np.ndarray:
        """Multiplying, and moving operands through the home once."""
        shared, hardware, shapes = self.shared, self.shared.hardware, self.shapes
        precision = hardware.precision_bits
        decoded = shared.form.decode_level < len(hardware.levels) - 1
        served = self._served_pj("weights", precision.weights if decoded else 0)
        own: dict[Tensor, Any] = {"inputs": precision.inputs, "outputs": precision.outputs}
        own[shared.sharing.role("entries")] = self.units.bits
        served = sum((self._served_pj(tensor, bits) for tensor, bits in own.items()), served)
        total = self._left * self.macs * (self.units.mac_pj + served)
        if home < len(hardware.levels) - 1:
            words = self.words * self._home_price(home, "entries")
            if shared.role == "inputs":
                # Only blocks that have entries are read.
                pixels = self._covered(shapes.tile.P, shapes.tile.Q) * shapes.tile.N
                read = self._at_home(home, "inputs", "read")
                total += self.tables_used * shared.unit.channels * pixels * read + words
            else:
                total += shapes.output_words * self.runs * self._at_home(home, "outputs", "update")
                total += words * self._touched
        return np.asarray(total + self._listed_pj(home))

    def outer_energy(self, home: int) -> np.ndarray:
        """All outside of the home, and sums of other tiles that come back to it."""
        level, bits = self.shared.hardware.levels[home], self.shared.hardware.precision_bits.outputs
        # These reads share accesses with those of a phase, whose last one may have room for some.
        blocks = self.accumulated * bits // block_bits(level, "outputs")
        returned = blocks * level.price("outputs", "read")
        return np.asarray(returned + (self._fetched_pj(home) if home else 0.0))

    @cached_property
    def _touched(self) -> np.ndarray:
        """Share of the intermediate tensor that the second phase needs: strides may pass some."""
        share = np.ones(len(self.width))
        windows = self.shapes.phase_windows(self.shared.sharing.phases[1])
        for window, positions in zip(windows, self.shapes.tile[4:], strict=True):
            share = share * window.touched(positions) / window.reach(positions)
        return share

    def _price(self, index: int, tensor: Tensor, action: Access) -> Any:
        """Energy of one word of the intermediate tensor, that stands for another."""
        level = self.shared.hardware.levels[index]
        return self.units.bits / block_bits(level, tensor) * level.price(tensor, action)

    def _home_price(self, home: int, phase: PhaseName) -> Any:
        """Energy of one word of it that a phase takes from the home, or brings there."""
        role = self.shared.sharing.role(phase)
        return self._price(home, role, _AT_HOME[role])

    def _served_pj(self, tensor: Tensor, bits: Any) -> Any:
        """What the innermost level spends at least on one operand, or sum, of a MAC."""
        level = self.shared.hardware.levels[-1]
        if tensor not in level.kept_tensors or tensor in level.may_bypass:
            return 0.0
        action: Access = "update" if tensor == "outputs" else "read"
        # Units below one instance may share what it reads, or add up what it is sent.
        words = bits / (block_bits(level, tensor) * level.fanout.children)
        return words * level.price(tensor, action)

    def _carried_pj(self, index: int, bits: Any) -> Any:
        """Energy of a word of the intermediate tensor, or of outputs, on the network of a level."""
        level = self.shared.hardware.levels[index]
        return level.fanout.transfer_pj * bits / level.word_bits

    def _indexed_pj(self, home: int) -> Any:
        """Every index of a tile, read once by the phase that gathers, and brought to the units."""
        levels = self.shared.hardware.levels
        above, inner = levels[index_level(self.shared.hardware, home)], levels[-1]
        each = above.price("weights", "read") / block_bits(above, "weights")
        if "weights" in inner.kept_tensors and "weights" not in inner.may_bypass:
            each += inner.price("weights", "write") / block_bits(inner, "weights")
        return self.shapes.units * self.runs * self.index_bits * each

    def _listed_pj(self, home: int) -> Any:
        """Lists of entries, on their way from where they lie to the decoder."""
        shared, first = self.shared, self.shared.list_level(home)
        level, decoder = shared.hardware.levels[first], shared.form.decode_level
        each = self._brought_pj(decoder, "weights", first)
        if decoder == first:
            each = level.price("weights", "read") / block_bits(level, "weights")
        return self.listed * shared.entry_bits * each

    def _returned_pj(self, home: int, added: Any, sums: Any) -> Any:
        """What the innermost level spends at least on sums that come back to its MAC units.

        All do that are added to, but for those that start anew: as many as leave the level. Each
        of these more than there are `sums` crosses a network, and is taken by a level above.
        """
        levels, bits = self.shared.hardware.levels, self.shared.hardware.precision_bits.outputs
        inner = levels[-1]
        if "outputs" not in inner.kept_tensors or "outputs" in inner.may_bypass:
            return 0.0
        children, taken = 1, np.inf
        for level in reversed(levels[home:-1]):
            children *= level.fanout.children
            if "outputs" in level.kept_tensors:
                # What children send may be added up on the way.
                words = bits / (block_bits(level, "outputs") * children)
                taken = min(taken, words * level.price("outputs", "update"))
        taken += self._carried_pj(-2, bits)
        back = bits / block_bits(inner, "outputs") * inner.price("outputs", "read")
        # Neighbors below one instance may be added up before.
        added = self._left * added / inner.fanout.children
        return np.maximum(added - sums, 0) * min(back, taken)

    def _at_home(self, home: int, tensor: Tensor, action: Access) -> float:
        """Energy of a word of a data tensor at the home."""
        level, precision = self.shared.hardware.levels[home], self.shared.hardware.precision_bits
        bits: int = getattr(precision, tensor)
        return level.price(tensor, action) * bits / block_bits(level, tensor)

    def _fetched_pj(self, home: int) -> np.ndarray:
        """What levels outside of the home spend, and the home on what it is brought.

        Loops of one level alone above the home leave one tensor where it is from tile to
        tile, and one at most: that which the innermost loops do not index. Where there are more
        levels, each tensor is moved once at least.
        """
        shared, hardware = self.shared, self.shared.hardware
        layer, outermost, precision = shared.layer, hardware.levels[0], hardware.precision_bits
        if outermost.compression and layer.zeros:
            return np.zeros(len(self.width))
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        stored = self.index_bits * shared.distinct.part.units
        stored = stored + self.entries * shared.entry_bits * shared.has_lists(home)
        weights = stored * self._brought_pj(index_level(hardware, home), "weights")
        inputs = pixels * precision.inputs * self._brought_pj(home, "inputs")
        sums = layer.output_words * precision.outputs
        outputs = sums * self._taken_pj(home)
        returned = sums * self._brought_pj(home, "outputs")
        rounds = self.shapes.tile.rounds(layer)
        images, again = rounds.N * rounds.P * rounds.Q, rounds.C - 1
        if home > 1 or outermost.fanout.children > 1:
            return np.asarray(inputs + weights + outputs)
        spilled = outputs + again * (outputs + returned)
        return np.asarray(
            np.minimum.reduce([
                inputs * rounds.M + weights * images + outputs,
                inputs + weights * images + spilled,
                inputs * rounds.M + weights + spilled,
            ])
        )  # fmt: skip

    def _brought_pj(self, index: int, tensor: Tensor, first: int = 0) -> float:
        """What a bit costs at least on its way from the outermost, or another, level into one."""
        levels, total = self.shared.hardware.levels, 0.0
        for i in range(first, index + 1 if index > first else first):
            level = levels[i]
            if tensor in level.kept_tensors and tensor not in level.may_bypass:
                total += level.price(tensor, "write") / block_bits(level, tensor) * (i > first)
                total += level.price(tensor, "read") / block_bits(level, tensor) * (i < index)
            total += level.fanout.transfer_pj / level.word_bits * (i < index)
        return total

    def _taken_pj(self, home: int) -> float:
        """What a bit of an output costs at least on its way from the home to the outermost level.

        Networks may add up what children send: the least is paid for one of them.
        """
        total = 0.0
        for level in self.shared.hardware.levels[:home]:
            if "outputs" in level.kept_tensors and "outputs" not in level.may_bypass:
                total += level.price("outputs", "update") / block_bits(level, "outputs")
            total += level.fanout.transfer_pj / level.word_bits
        return total

    def _covered(self, rows: Any, columns: Any) -> Any:
        """Pixels of a channel that the windows of some outputs cover."""
        down, along = self.shapes.windows
        return down.touched(rows) * along.touched(columns)

    def gather_cycles(self, home: int, last: int) -> np.ndarray:
        """Of the phase that gathers: at its units, or at what levels give."""
        shared, shapes = self.shared, self.shapes
        is_taken, tile, taps = shared.role == "inputs", shapes.tile, shapes.units_per_kernel
        rows, columns = shapes.positions("gather")
        sizes = {
            "N": tile.N, "G": tile.G, "M": tile.M, "C": shapes.gathered_channels,
            "P": rows, "Q": columns, "R": taps, "S": taps,
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
            "N": shapes.tile.N, "P": rows, "Q": columns, "R": unit.height * unit.channels,
            "S": unit.width, **shapes.entry_sizes(2 * self.widest),
        }  # fmt: skip
        multiplying = self.macs * shared.hardware.compute.cycles_per_mac
        is_read = shared.role == "outputs"
        stored = self._transfer(home, self.words * self._touched, is_read=is_read)
        multiplying = multiplying / self._units(home, sizes)
        return np.asarray(self._left * np.maximum(multiplying, stored))

    def _units(self, home: int, sizes: dict[str, Any]) -> np.ndarray:
        """MAC units that loops of these sizes can be spread over, in all homes together."""
        hardware, units = self.shared.hardware, np.ones(len(self.width))
        for i, level in enumerate(hardware.levels):
            fanout = level.fanout
            constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
            axes = (fanout.x, constraint.spatial_x), (fanout.y, constraint.spatial_y)
            for children, allowed in axes:
                spread: Any = children
                if i >= home:
                    names = DIMENSIONS if allowed is None else allowed
                    spread = np.minimum(children, math.prod(sizes.get(d, 1) for d in names))
                units = units * np.maximum(spread, 1)
        return units

    def _transfer(self, index: int, words: Any, is_read: bool = True) -> np.ndarray:
        """Cycles that a level takes for words of the intermediate tensor, over all instances."""
        levels, bits = self.shared.hardware.levels, self.units.bits
        instances = math.prod(outer.fanout.children for outer in levels[:index])
        # At least: it stands for inputs in one phase, for outputs in the other.
        most = max(rates(levels[index], role)[0 if is_read else 1] for role in _AT_HOME)
        return np.asarray(words * bits / (most * instances))

    def outside_cycles(self) -> float:
        """Cycles of the outermost level for the least that it gives, or takes."""
        layer, hardware = self.shared.layer, self.shared.hardware
        outermost, precision = hardware.levels[0], hardware.precision_bits
        if outermost.compression and layer.zeros:
            return 0.0
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        given = int(pixels) * precision.inputs / outermost.word_bits_of("inputs")
        taken = layer.output_words * precision.outputs / outermost.word_bits_of("outputs")
        rates = outermost.read_words_per_cycle, outermost.write_words_per_cycle
        return max(
            words / rate if rate else 0.0 for words, rate in zip((given, taken), rates, strict=True)
        )

    @property
    def _left(self) -> float:
        """Share of the work that is left at least, where the MAC units leave out zeros."""
        zeros, units = self.shared.layer.zeros, self.shared.distinct.zero_share
        zeros = replace(zeros, weights=max(zeros.weights, units))
        return float(left_of_macs(self.shared.hardware.compute, zeros))
