"""What every tile of a shared convolution costs at least, all tiles of a layer at once."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from kcsim.cost.access import block_bits, rates
from kcsim.cost.ports import ports_of
from kcsim.cost.rooms import room_of, rooms_of
from kcsim.cost.zero_savings import left_of_macs
from kcsim.hardware.level import Access
from kcsim.hardware.schema import LevelConstraint
from kcsim.kernels.spreads import most_spread
from kcsim.sharing.moved_times import moved_times
from kcsim.sharing.places import index_level
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.shapes import PhaseShapes, smooth
from kcsim.sharing.strategies import PhaseName
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import DIMENSIONS, TENSORS, Tensor

_AT_HOME: dict[Tensor, Access] = {"inputs": "read", "outputs": "update"}
"""What a phase does there with the intermediate tensor, by what it stands for."""


class LeastCosts:
    """All tiles of a layer as arrays.

    Attributes
    ----------
    width, widest, tables
        Entries of the widest table, likewise if units are not ordered, and words of the
        intermediate tensor, in one tile.
    tables_used, gathered, listed, words, macs
        Over all tiles: tables with entries, values gathered, entries in lists, words of the
        intermediate tensor that are computed, and products with entries.
    """

    def __init__(self, shared: SharedLayer, tiles: list[Tile], ordered: bool) -> None:
        self.shared = shared
        tile = Tile(*np.array(tiles, np.int64).T)
        self.shapes = shapes = PhaseShapes(shared.layer, shared.unit, shared.sharing, tile)
        _, first, at = np.unique(getattr(tile, shared.sharing.merged), True, True)
        widths = [shared.widths(tiles[i]) for i in first]
        self.width = np.array([float(max(each, default=0)) for each in widths])[at]
        entries = np.array([float(sum(e * n for e, n in each.items())) for each in widths])[at]
        used = np.array([float(sum(each.values())) for each in widths])[at]
        self.widest = self.width.astype(np.int64)
        if ordered:
            self.width = np.minimum(self.width, 1 + shared.has_offsets)
        _, first, at = np.unique(tile.C, True, True)
        self.index_bits = np.array([float(shared.index_bits(tiles[i], ordered)) for i in first])[at]
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
        self.listed = entries * again
        self.words = entries * computed * shared.depth * again
        self.macs = entries * shared.unit.size * multiplied * again

    def fits(self, home: int, last: int) -> np.ndarray:
        """Whether tiles of all tensors have room in the home, and one table where it goes."""
        shared, fits = self.shared, self.width > 0
        table = dict.fromkeys(TENSORS, 0) | {
            shared.role: self.width * shared.hardware.precision_bits.outputs
        }
        for level in shared.hardware.levels[home + 1 : last + 1]:
            if shared.role in level.kept_tensors:
                fits &= room_of(level, shared.role).holds(table)
        needed = shared.home_bits(self.shapes, home, self.index_bits, self.width)
        for room in rooms_of(shared.hardware.levels[home]):
            fits &= room.holds(needed)
        return np.asarray(fits)

    def gathered_energy(self, last: int) -> np.ndarray:
        """Reading (or updating) what is gathered, one by one, with its factors."""
        shared, hardware = self.shared, self.shared.hardware
        gathers = self.gathered / (1 + shared.has_offsets)
        each = self._price(last, shared.role, "read")
        if shared.role == "outputs":
            each += self._price(last, shared.role, "update")
        each += math.fsum(self._carried_pj(i) for i in range(last, len(hardware.levels)))
        factors = gathers * hardware.multiply_pj * (shared.has_factors + shared.has_offsets)
        return np.asarray(self._left * (self.gathered * each + factors))

    def gather_energy(self, home: int, last: int) -> np.ndarray:
        """Gathering and adding, and moving tables and the data tensor through the home once."""
        shared, hardware, shapes = self.shared, self.shared.hardware, self.shapes
        gathers = self.gathered / (1 + shared.has_offsets)
        other: Tensor = "inputs" if shared.role == "outputs" else "outputs"
        bits = getattr(hardware.precision_bits, other)
        served = self._served_pj("weights", self.index_bits) + self._served_pj(other, bits)
        energy = self._left * (self.gathered * hardware.add_pj + gathers * served)
        energy = energy + self.gathered_energy(last)
        if last != home:
            moved = self._home_price(home, "gather") + self._carried_pj(last - 1)
            if shared.role == "inputs":
                moved += self._price(last, shared.role, "write")
            energy = energy + self.tables * self.runs * moved * self._touched
        if home < len(hardware.levels) - 1:
            energy += self._indexed_pj(home)
            if other == "outputs":
                sums = shapes.output_words * self.runs
                energy += sums * (self._at_home(home, "outputs", "update") + self._carried_pj(-2))
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
        served += self._served_pj("inputs", min(precision.inputs, precision.outputs))
        served += self._served_pj("outputs", precision.outputs)
        total = self._left * self.macs * (hardware.compute.mac_pj + served)
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
        return np.asarray(total + self._listed_pj())

    def outer_energy(self, home: int) -> np.ndarray:
        """All outside of the home, and sums of other tiles that come back to it."""
        returned = self.accumulated * self._at_home(home, "outputs", "read")
        return np.asarray(returned + (self._fetched_pj(home) if home else 0.0))

    @cached_property
    def _touched(self) -> np.ndarray:
        """Share of the intermediate tensor that the second phase needs: strides may pass some."""
        share = np.ones(len(self.width))
        windows = self.shapes.phase_windows(self.shared.sharing.phases[1])
        for window, positions in zip(windows, self.shapes.tile[4:], strict=True):
            share = share * window.touched(positions) / window.reach(positions)
        return share

    def _price(self, index: int, tensor: Tensor, action: Access) -> float:
        """Energy of one word of the intermediate tensor, that stands for another."""
        level, bits = self.shared.hardware.levels[index], self.shared.hardware.precision_bits
        words = bits.outputs / block_bits(level, tensor)
        return words * level.price(tensor, action)

    def _home_price(self, home: int, phase: PhaseName) -> float:
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

    def _carried_pj(self, index: int) -> float:
        """Energy of a word of the intermediate tensor, or of outputs, on the network of a level."""
        level, bits = self.shared.hardware.levels[index], self.shared.hardware.precision_bits
        return level.fanout.transfer_pj * bits.outputs / level.word_bits

    def _indexed_pj(self, home: int) -> Any:
        """Every index of a tile, read once by the phase that gathers, and brought to the units."""
        levels = self.shared.hardware.levels
        above, inner = levels[index_level(self.shared.hardware, home)], levels[-1]
        each = above.price("weights", "read") / block_bits(above, "weights")
        if "weights" in inner.kept_tensors and "weights" not in inner.may_bypass:
            each += inner.price("weights", "write") / block_bits(inner, "weights")
        return self.shapes.units * self.runs * self.index_bits * each

    def _listed_pj(self) -> Any:
        """Lists of entries, on their way from the outermost level to the decoder."""
        shared = self.shared
        outermost, decoder = shared.hardware.levels[0], shared.form.decode_level
        each = self._brought_pj(decoder, "weights")
        if not decoder:
            each = outermost.price("weights", "read") / block_bits(outermost, "weights")
        return self.listed * float(shared.entry_form(self.shapes).unit_bits) * each

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
        taken += self._carried_pj(-2)
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
        """What levels outside of the home spend, and the home on what it is brought."""
        shared, hardware = self.shared, self.shared.hardware
        layer, outermost, precision = shared.layer, hardware.levels[0], hardware.precision_bits
        if outermost.compression and layer.zeros:
            return np.zeros(len(self.width))
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        stored = self.index_bits * shared.distinct.part.units
        weights = stored * self._brought_pj(index_level(hardware, home), "weights")
        inputs = pixels * precision.inputs * self._brought_pj(home, "inputs")
        sums = layer.output_words * precision.outputs
        outputs = sums * self._taken_pj(home)
        returned = sums * self._brought_pj(home, "outputs")
        return np.asarray(
            np.minimum.reduce([
                inputs * times.inputs + weights * times.weights
                + outputs * times.updates + returned * times.returned
                for times in moved_times(shared.layer, shared.hardware, home, self.shapes.tile)
            ])
        )  # fmt: skip

    def _brought_pj(self, index: int, tensor: Tensor) -> float:
        """What a bit costs at least on its way from the outermost level into another one."""
        if not index:
            return 0.0
        levels, total = self.shared.hardware.levels, 0.0
        for i, level in enumerate(levels[: index + 1]):
            if tensor in level.kept_tensors and tensor not in level.may_bypass:
                total += level.price(tensor, "write") / block_bits(level, tensor) * (i > 0)
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
        is_taken, tile = shared.role == "inputs", shapes.tile
        down, along = shapes.phase_windows("gather")
        rows, columns = shapes.positions("gather")
        sizes = {
            "N": tile.N, "G": tile.G, "M": tile.M, "C": shapes.gathered_channels,
            "P": rows, "Q": columns, "R": down.taps, "S": along.taps,
        }  # fmt: skip
        each = shared.hardware.compute.cycles_per_mac
        served = self._transfer(last, self.gathered)
        if not is_taken:
            served = np.maximum(served, self._transfer(last, self.gathered, is_read=False))
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

    @cached_property
    def _loops_over_entries(self) -> tuple[np.ndarray, ...]:
        """Bounds that loops over entries may have: the widest table, one more, or small factors."""
        widths, at = np.unique(self.widest, return_inverse=True)
        factors = np.array([smooth(width) for width in widths.tolist()], np.int64)[at]
        return self.widest, self.widest + 1, factors

    def _units(self, home: int, sizes: dict[str, Any]) -> np.ndarray:
        """MAC units that loops of these sizes can be spread over, in all homes together."""
        hardware, units = self.shared.hardware, np.ones(len(self.width))
        for i, level in enumerate(hardware.levels):
            fanout = level.fanout
            if i < home:
                units *= fanout.children
                continue
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
        levels, bits = self.shared.hardware.levels, self.shared.hardware.precision_bits.outputs
        instances = math.prod(outer.fanout.children for outer in levels[:index])
        # At least: it stands for inputs in one phase, for outputs in the other.
        most = max(rates(levels[index], role)[0 if is_read else 1] for role in _AT_HOME)
        return np.asarray(words * bits / (most * instances))

    def outside_cycles(self, home: int) -> np.ndarray:
        """Cycles of the outermost level for the least that it gives and takes, in one way at least.

        See `kcsim.sharing.moved_times`.
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
        for times in moved_times(layer, self.shared.hardware, home, self.shapes.tile):
            words = {
                ("weights", "reads"): weights * times.weights,
                ("inputs", "reads"): inputs * times.inputs,
                ("outputs", "updates"): outputs * times.updates,
                ("outputs", "reads"): outputs * times.returned,
            }
            cycles = np.zeros(len(self.width))
            for port in ports_of(outermost):
                rates = {key: float(rate) for key, rate in port.rates.items() if key in words}
                cycles = np.maximum(cycles, sum(words[key] / rate for key, rate in rates.items()))
            found = np.minimum(found, cycles)
        return found

    @property
    def _left(self) -> float:
        """Share of the work that is left at least, where the MAC units leave out zeros."""
        zeros, units = self.shared.layer.zeros, self.shared.distinct.zero_share
        zeros = replace(zeros, weights=max(zeros.weights, units))
        return float(left_of_macs(self.shared.hardware.compute, zeros))
