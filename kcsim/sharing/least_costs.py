"""What every tile of a shared convolution costs at least, all tiles of a layer at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kcsim.cost.access import block_bits
from kcsim.hardware.level import Access
from kcsim.sharing.least_bits import Bits
from kcsim.sharing.least_cycles import LeastCycles
from kcsim.sharing.places import index_level
from kcsim.workload.layer import Tensor


class LeastCosts(LeastCycles):
    """What tiles spend at least, and take."""

    def gathered_energy(self, last: int) -> np.ndarray:
        """Reading (or updating) what is gathered, one by one, with its factors."""
        shared, levels = self.shared, self.shared.hardware.levels
        bits = self.gathered_bits(last)
        energy, moved = self._pj(last, bits), max(bits.values(), key=np.sum)
        for i in range(last, len(levels)):
            energy = energy + self._carried_pj(i, self._left * moved)
        gathers = self.gathered / (1 + shared.has_offsets)
        factors = gathers * self.units.factor_pj * (shared.has_factors + shared.has_offsets)
        return np.asarray(energy + self._left * factors)

    def gather_energy(self, home: int, last: int) -> np.ndarray:
        """Gathering and adding, and moving tables and the data tensor through the home once."""
        shared, hardware, shapes = self.shared, self.shared.hardware, self.shapes
        gathers, inner = self.gathered / (1 + shared.has_offsets), len(hardware.levels) - 1
        other = shared.sharing.role("entries")
        added = self.units.add_pj + hardware.compute.address_pj
        energy = self._left * self.gathered * added + self.passed * self.units.add_pj
        energy = energy + self.gathered_energy(last)
        units = shapes.units * self.runs
        energy += self._served_pj(home, "weights", gathers, self.index_bits * shapes.group, units)
        if last != home:
            way = self._brought_pj if shared.role == "inputs" else self._taken_pj
            moved = way(home, last, shared.role, self.units.bits)
            energy = energy + self.tables * self.runs * self._touched * moved
        if home < inner:
            above = index_level(hardware, home)
            energy += units * self._brought_pj(above, inner, "weights", self.index_bits)
        if other == "outputs":
            made = self._made_pj(home, gathers, shapes.output_words * self.runs)
            return np.asarray(energy + made)
        channels = shapes.tile.G * shapes.tile.C * self.runs
        return np.asarray(energy + self._inputs_pj(home, gathers, channels))

    def entries_energy(self, home: int) -> np.ndarray:
        """Multiplying, and moving operands through the home once."""
        shared, hardware = self.shared, self.shared.hardware
        inner, macs = len(hardware.levels) - 1, self.macs
        weight_bits: float = hardware.precision_bits.weights
        if shared.form.decode_level == inner:
            weight_bits = shared.entry_bits / shared.unit.size
        total = self._left * macs * self.units.mac_pj + self._listed_pj(home)
        # Where another level serves them, that is among what is listed.
        total += self._served_pj(home, "weights", macs, weight_bits, np.inf)
        if shared.role == "inputs":
            # Only blocks that have entries are read.
            channels = self.tables_used * shared.unit.channels
            total += self._inputs_pj(home, macs, channels)
            return np.asarray(total + self._made_pj(home, macs, self.words, self.units.bits))
        total += self._made_pj(home, macs, self._multiplied_outputs)
        read, bits = self.words * self._touched, self.units.bits
        total += read * self._brought_pj(home, inner, "inputs", bits)
        return np.asarray(total + self._served_pj(home, "inputs", macs, bits, read))

    def outer_energy(self, home: int) -> np.ndarray:
        """All outside of the home, and sums of other tiles that come back to it."""
        level, bits = self.shared.hardware.levels[home], float(self.sum_bits)
        if self.shared.role == "inputs":
            # MACs that are left out do not read there; in the other phase, all are done.
            bits *= self._left_at(home)
        # These reads share accesses with those of a phase, whose last one may have room for some.
        blocks = self.accumulated * bits // block_bits(level, "outputs")
        returned = blocks * level.price("outputs", "read")
        if level.counted.first_reads:
            # The phase itself reads a sum for each that it updates.
            returned = 0 * blocks
        return np.asarray(returned + (self._fetched_pj(home) if home else 0.0))

    def _pj(self, index: int, passing: Bits) -> Any:
        """Energy of what passes the ports of a level."""
        level = self.shared.hardware.levels[index]
        accesses: dict[str, Access] = {"reads": "read", "updates": "update"}
        return sum(
            bits / block_bits(level, tensor) * level.price(tensor, accesses[action])
            for (tensor, action), bits in passing.items()
        )

    def _inputs_pj(self, home: int, macs: Any, channels: Any) -> Any:
        """What is spent at least on inputs in so many channels of all tiles, below the home."""
        inner, words = len(self.shared.hardware.levels) - 1, channels * self._pixels
        served = self._served_pj(home, "inputs", macs, None, words)
        return words * self._brought_pj(home, inner, "inputs") + served

    def _made_pj(self, home: int, macs: Any, sums: Any, bits: Any = None) -> Any:
        """What is spent at least on so many sums of products, to come to the home.

        They have so many bits or, of outputs, those of the layer once they are finished.
        """
        inner, wide = len(self.shared.hardware.levels) - 1, self.sum_bits if bits is None else bits
        last_bits, taken = wide, self._taken_pj(home, inner, "outputs", wide)
        if bits is None:
            last_bits, finished = self.made_bits(inner), self._taken_pj(home, inner, "outputs")
            taken = np.where(self.units.finishes, finished, taken)
        served = self._served_pj(home, "outputs", macs, wide, sums, last_bits)
        return sums * taken + served + self._returned_pj(home, macs, sums, wide)

    def _served_pj(
        self, home: int, tensor: Tensor, macs: Any, bits: Any, words: Any, first_bits: Any = None
    ) -> Any:
        """What the level that serves MAC units spends at least on an operand, or sum, of each.

        Words are as wide as there, or have so many bits, but for the first accesses to some of
        them. Those are among what is brought or taken, unless the level is the innermost one.
        """
        index, levels = self._serving(home, tensor), self.shared.hardware.levels
        if index is None:
            return 0.0
        action: Access = "update" if tensor == "outputs" else "read"
        bits = self.stored(index, tensor) if bits is None else bits
        asked = self._left_at(index) * macs / self._sharing(index, tensor)
        first = np.minimum(asked, words)
        passing = (asked - first) * bits
        if index == len(levels) - 1:
            passing = passing + first * (bits if first_bits is None else first_bits)
        return passing / block_bits(levels[index], tensor) * levels[index].price(tensor, action)

    def _serving(self, home: int, tensor: Tensor) -> int | None:
        """Position of the level that MAC units get a tensor from, if it is the same in any case."""
        levels = self.shared.hardware.levels
        for i in reversed(range(min(home + 1, len(levels) - 1), len(levels))):
            if tensor in levels[i].kept_tensors:
                return None if tensor in levels[i].may_bypass else i
        return None

    def _sharing(self, index: int, tensor: Tensor) -> int:
        """MAC units that may share what a level reads, or whose sums are added up on the way."""
        networks = [level.fanout for level in self.shared.hardware.levels[index:]]
        return math.prod(
            each.children
            for each in networks
            if (each.reduction if tensor == "outputs" else each.multicast != "none")
        )

    def _carried_pj(self, index: int, bits: Any) -> Any:
        """Energy of a word of the intermediate tensor, or of outputs, on the network of a level."""
        level = self.shared.hardware.levels[index]
        return level.fanout.transfer_pj * bits / level.word_bits

    def _listed_pj(self, home: int) -> Any:
        """Lists of entries, on their way to the decoder, and what they stand for to the units."""
        shared, inner = self.shared, len(self.shared.hardware.levels) - 1
        first, decoder = shared.list_level(home), shared.form.decode_level
        value_bits = shared.hardware.precision_bits.weights
        places = shared.entry_form(self.shapes).costs(shared.hardware)
        looked_up = min(place.lookup_pj for place in places)
        brought = self._brought_pj(first, decoder, "weights", shared.entry_bits)
        is_held = self._is_held(decoder, "weights", first)
        if decoder == inner and is_held:
            # Each MAC looks up its own weight.
            macs = self._left * self.macs / shared.hardware.levels[inner].fanout.children
            return self.listed * brought + macs * looked_up
        given = 0.0
        if decoder < inner:
            brought += self._pj(decoder, {("weights", "reads"): shared.entry_bits}) * is_held
            given = self._brought_pj(decoder, inner, "weights", value_bits)
            given -= self._pj(decoder, {("weights", "reads"): value_bits})
        return self.listed * (brought + shared.unit.size * (given + looked_up))

    def _returned_pj(self, home: int, added: Any, sums: Any, bits: Any) -> Any:
        """What the level that serves MAC units spends at least on sums that come back to them.

        All do that are added to, but for those that start anew: as many as leave the level. These
        cross a network, where those of all children may be added up, and a level above takes what
        comes of it: `sums` at least, which are accounted for elsewhere.
        """
        levels, index = self.shared.hardware.levels, self._serving(home, "outputs")
        if index is None or index == home:
            return 0.0
        children, taken = 1, np.inf
        for level in reversed(levels[home:index]):
            children *= level.fanout.children if level.fanout.reduction else 1
            if "outputs" in level.kept_tensors:
                updated = bits / block_bits(level, "outputs") * level.price("outputs", "update")
                taken = np.minimum(taken, updated)
        own = levels[index]
        back = bits / block_bits(own, "outputs") * own.price("outputs", "read")
        carried = self._carried_pj(index - 1, bits)
        # Neighbors below one instance may be added up before.
        added = self._left_at(index) * added / self._sharing(index, "outputs")
        added = np.maximum(added, sums)
        # The least is where one of these many leave the level.
        return np.minimum.reduce([
            (added - leaving) * back + (leaving - sums) * carried
            + np.maximum(leaving / children - sums, 0) * taken
            for leaving in (sums, np.minimum(added, children * sums), added)
        ])  # fmt: skip

    def _fetched_pj(self, home: int) -> np.ndarray:
        """What levels outside of the home spend, and the home on what it is brought."""
        hardware, layer = self.shared.hardware, self.shared.layer
        pixels = layer.batch * layer.in_channels * self._covered(layer.out_height, layer.out_width)
        stored = self.fetched_bits(home)
        above, words = index_level(hardware, home), layer.output_words
        once = self._brought_pj(0, above, "weights", stored)
        once = once + pixels * self._brought_pj(0, home, "inputs")
        once = once + words * self._taken_pj(0, home, "outputs")
        weights = self._refilled_pj(home, "weights", stored) if above == home else 0.0
        inputs = pixels * self._refilled_pj(home, "inputs")
        updates = words * self._resent_pj(home)
        returned = words * self._returned_to_home_pj(home)
        ways = [
            weights * (times.weights - 1) + inputs * (times.inputs - 1)
            + updates * (times.updates - 1) + returned * times.returned
            for times in self._moved_times
        ]  # fmt: skip
        return np.asarray(once + np.minimum.reduce(ways))

    def _refilled_pj(self, home: int, tensor: Tensor, bits: Any = None) -> Any:
        """What a word costs at least that comes to the home once more."""
        levels = self.shared.hardware.levels
        (stored, _), (above, carried) = (self._widths(i, tensor, bits) for i in (home, home - 1))
        written = stored / block_bits(levels[home], tensor) * levels[home].price(tensor, "write")
        read = above / block_bits(levels[home - 1], tensor) * levels[home - 1].price(tensor, "read")
        return written + self._carried_pj(home - 1, carried) + read * self._is_alone(home, tensor)

    def _returned_to_home_pj(self, home: int) -> Any:
        """What an output costs at least that comes back to the home to be added to.

        Several homes, or levels above them, may each have a sum of it that stays.
        """
        (above, level), bits = self.shared.hardware.levels[home - 1 : home + 1], self.sum_bits
        total: Any = 0.0
        if self._is_single(home):
            written = bits / block_bits(level, "outputs") * level.price("outputs", "write")
            total += written + self._carried_pj(home - 1, bits)
        if self._is_single(home - 1) and self._is_alone(home, "outputs"):
            total += bits / block_bits(above, "outputs") * above.price("outputs", "read")
        return total

    def _resent_pj(self, home: int) -> Any:
        """What an output costs at least that leaves the home once more."""
        # More are to be added to it.
        level, bits = self.shared.hardware.levels[home - 1], self.sum_bits
        updated = bits / block_bits(level, "outputs") * level.price("outputs", "update")
        return self._carried_pj(home - 1, bits) + updated * self._is_alone(home, "outputs")

    def _brought_pj(self, first: int, last: int, tensor: Tensor, bits: Any = None) -> Any:
        """What a word costs at least on its way from a level into one further in.

        It has so many bits or, of inputs and outputs, those of the layer.
        """
        total = 0.0
        for i in range(first, last + 1 if last > first else first):
            level, (stored, carried) = self.shared.hardware.levels[i], self._widths(i, tensor, bits)
            share = stored / block_bits(level, tensor) * self._is_held(i, tensor, first)
            total = total + share * level.price(tensor, "write") * (i > first)
            total = total + share * level.price(tensor, "read") * (i < last)
            total = total + self._carried_pj(i, carried) * (i < last)
        return total

    def _taken_pj(self, first: int, last: int, tensor: Tensor, bits: Any = None) -> Any:
        """Likewise, on its way outwards: of sums, those that children have are added up to one."""
        total = 0.0
        for i in range(first, last):
            level, (stored, carried) = self.shared.hardware.levels[i], self._widths(i, tensor, bits)
            share = stored / block_bits(level, tensor) * self._is_held(i, tensor, first)
            total = total + share * level.price(tensor, "update") + self._carried_pj(i, carried)
        return total

    def _is_held(self, index: int, tensor: Tensor, first: int) -> bool:
        """Whether a level has to hold what comes from, or goes to, the first one."""
        level = self.shared.hardware.levels[index]
        return index == first or (tensor in level.kept_tensors and tensor not in level.may_bypass)

    def _widths(self, index: int, tensor: Tensor, bits: Any) -> tuple[Any, Any]:
        """Bits of a word where a level stores it, and on the network below."""
        if bits is not None:
            return bits, bits
        return self.stored(index, tensor), getattr(self.shared.hardware.precision_bits, tensor)
