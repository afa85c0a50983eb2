"""What every tile of a shared convolution costs at least, all tiles of a layer at once."""

from __future__ import annotations

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
        served = self._served_pj("weights", self.index_bits * shapes.group)
        served = served + self._served_pj(other, self.stored(inner, other))
        added = self.units.add_pj + hardware.compute.address_pj
        energy = self._left * (self.gathered * added + gathers * served)
        energy = energy + self.passed * self.units.add_pj
        energy = energy + self.gathered_energy(last)
        if last != home:
            way = self._brought_pj if shared.role == "inputs" else self._taken_pj
            moved = way(home, last, shared.role, self.units.bits)
            energy = energy + self.tables * self.runs * self._touched * moved
        if home < inner:
            above = index_level(hardware, home)
            indexes = self._brought_pj(above, inner, "weights", self.index_bits)
            energy += shapes.units * self.runs * indexes
            if other == "outputs":
                sums = shapes.output_words * self.runs
                energy += sums * self._taken_pj(home, inner, "outputs")
                energy += self._returned_pj(home, gathers, sums)
            else:
                channels = shapes.tile.G * shapes.tile.C * self.runs
                energy += channels * self._pixels * self._brought_pj(home, inner, "inputs")
        return np.asarray(energy)

    def entries_energy(self, home: int) -> np.ndarray:
        """Multiplying, and moving operands through the home once."""
        shared, hardware = self.shared, self.shared.hardware
        precision, inner = hardware.precision_bits, len(hardware.levels) - 1
        is_inner = shared.form.decode_level == inner
        index_bits = shared.entry_bits / shared.unit.size
        served = self._served_pj("weights", index_bits if is_inner else precision.weights)
        served = served + self._served_pj(shared.sharing.role("entries"), self.units.bits)
        served = served + self._served_pj(shared.role, self.stored(inner, shared.role))
        total = self._left * self.macs * (self.units.mac_pj + served)
        if home < inner:
            if shared.role == "inputs":
                # Only blocks that have entries are read.
                channels = self.tables_used * shared.unit.channels
                total += channels * self._pixels * self._brought_pj(home, inner, "inputs")
                total += self.words * self._taken_pj(home, inner, "outputs", self.units.bits)
                total += self._returned_pj(home, self.macs, self.words, self.units.bits)
            else:
                sums = self._multiplied_outputs
                total += sums * self._taken_pj(home, inner, "outputs")
                total += self._returned_pj(home, self.macs, sums)
                brought = self._brought_pj(home, inner, "inputs", self.units.bits)
                total += self.words * self._touched * brought
        return np.asarray(total + self._listed_pj(home))

    def outer_energy(self, home: int) -> np.ndarray:
        """All outside of the home, and sums of other tiles that come back to it."""
        level, bits = self.shared.hardware.levels[home], self.shared.hardware.precision_bits.outputs
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

    def _returned_pj(self, home: int, added: Any, sums: Any, bits: Any = None) -> Any:
        """What the innermost level spends at least on sums that come back to its MAC units.

        All do that are added to, but for those that start anew: as many as leave the level. These
        cross a network, where those of all children may be added up, and a level above takes what
        comes of it: `sums` at least, which are accounted for elsewhere.
        """
        levels, inner = self.shared.hardware.levels, self.shared.hardware.levels[-1]
        if "outputs" not in inner.kept_tensors or "outputs" in inner.may_bypass:
            return 0.0
        children, taken = 1, np.inf
        for i in reversed(range(home, len(levels) - 1)):
            level = levels[i]
            children *= level.fanout.children
            if "outputs" in level.kept_tensors:
                words = self._widths(i, "outputs", bits)[0] / block_bits(level, "outputs")
                taken = np.minimum(taken, words * level.price("outputs", "update"))
        _, carried = self._widths(-1, "outputs", bits)
        back = carried / block_bits(inner, "outputs") * inner.price("outputs", "read")
        carried = self._carried_pj(-2, carried)
        # Neighbors below one instance may be added up before.
        added = np.maximum(self._left * added / inner.fanout.children, sums)
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
        updates, returned = words * self._resent_pj(home), 0.0
        if self._is_alone(home, "outputs"):
            returned = words * self._refilled_pj(home, "outputs")
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

    def _resent_pj(self, home: int) -> Any:
        """What an output costs at least that leaves the home once more."""
        level, (stored, carried) = (
            self.shared.hardware.levels[home - 1],
            self._widths(home - 1, "outputs", None),
        )
        updated = stored / block_bits(level, "outputs") * level.price("outputs", "update")
        return self._carried_pj(home - 1, carried) + updated * self._is_alone(home, "outputs")

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
