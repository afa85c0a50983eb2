"""What every tile of a shared convolution costs at least, all tiles of a layer at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from kcsim.cost.access import block_bits
from kcsim.hardware.level import Access
from kcsim.sharing.least_cycles import AT_HOME, LeastCycles
from kcsim.sharing.places import index_level
from kcsim.sharing.strategies import PhaseName
from kcsim.workload.layer import Tensor


class LeastCosts(LeastCycles):
    """What tiles spend at least, and take."""

    def gathered_energy(self, last: int) -> np.ndarray:
        """Reading (or updating) what is gathered, one by one, with its factors."""
        shared, levels = self.shared, self.shared.hardware.levels
        gathers = self.gathered / (1 + shared.has_offsets)
        # In order, only complete sums come to the level.
        moved = self.words if self.ordered else self.gathered
        each = 0.0 if self.ordered else self._price(last, shared.role, "read")
        if shared.role == "outputs":
            each = each + self._price(last, shared.role, "update")
        for i in range(last, len(levels)):
            each = each + self._carried_pj(i, self.units.bits)
        factors = gathers * self.units.factor_pj * (shared.has_factors + shared.has_offsets)
        return np.asarray(self._left * (moved * each + factors))

    def gather_energy(self, home: int, last: int) -> np.ndarray:
        """Gathering and adding, and moving tables and the data tensor through the home once."""
        shared, hardware, shapes = self.shared, self.shared.hardware, self.shapes
        gathers = self.gathered / (1 + shared.has_offsets)
        other: Tensor = "inputs" if shared.role == "outputs" else "outputs"
        bits = getattr(hardware.precision_bits, other)
        served = self._served_pj("weights", self.index_bits * shapes.group)
        served = served + self._served_pj(other, bits)
        added = self.units.add_pj + hardware.compute.address_pj
        energy = self._left * (self.gathered * added + gathers * served)
        energy = energy + self.passed * self.units.add_pj
        energy = energy + self.gathered_energy(last)
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
        for tensor, bits in own.items():
            served = served + self._served_pj(tensor, bits)
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
        if level.counted.first_reads:
            # The phase itself reads a sum for each that it updates.
            returned = 0 * blocks
        return np.asarray(returned + (self._fetched_pj(home) if home else 0.0))

    def _price(self, index: int, tensor: Tensor, action: Access) -> Any:
        """Energy of one word of the intermediate tensor, that stands for another."""
        level = self.shared.hardware.levels[index]
        return self.units.bits / block_bits(level, tensor) * level.price(tensor, action)

    def _home_price(self, home: int, phase: PhaseName) -> Any:
        """Energy of one word of it that a phase takes from the home, or brings there."""
        role = self.shared.sharing.role(phase)
        return self._price(home, role, AT_HOME[role])

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
        """What levels outside of the home spend, and the home on what it is brought."""
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
        return np.asarray(
            np.minimum.reduce([
                inputs * times.inputs + weights * times.weights
                + outputs * times.updates + returned * times.returned
                for times in self._moved_times(home)
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
