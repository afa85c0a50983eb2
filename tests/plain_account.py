"""What a walked layer costs: energy, room and cycles, written once more from the pages alone.

Words come from the walk of `oracle`, what is finished from that of `sums_walker`; which widths,
prices, ports and turns they meet is written here, plainly. Dense weights without zeros.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
from oracle import Nest, walk
from sums_walker import SumsWalk

TENSORS = ("weights", "inputs", "outputs")
ACTIONS = {"reads": "read", "fills": "write", "updates": "update"}
WAYS = {"read": ("reads",), "fill": ("fills",), "update": ("updates",),
        "write": ("fills", "updates")}  # fmt: skip


class Account:
    """One mapped layer.

    Attributes
    ----------
    energy : Counter
        By component and tensor.
    cycles, standing : int
    needed_bits : dict
        Of the tiles of a level and tensor.
    """

    def __init__(self, layer, hardware, mapping):
        self.layer, self.hardware, self.mapping = layer, hardware, mapping
        self.levels, self.walk = hardware.levels, walk(layer, hardware, mapping)
        self.nest, self.instances = Nest(layer, hardware, mapping), self.walk.instances
        self.chip = self.widths_of_chip()
        self.widths = [self.widths_of(level) for level in self.levels] + [self.chip]
        self.sums = self.finished()
        self.energy = Counter()
        self.standing = self.stall()
        self.cycles = self.time()
        self.pay()

    # Widths.

    def widths_of_chip(self):
        bits = dict(vars(self.hardware.precision_bits)) | self.layer.precision_bits.given
        bits["partial_sums"] = bits["partial_sums"] or bits["outputs"]
        return {name: bits[name] for name in (*TENSORS, "partial_sums")}

    def widths_of(self, level):
        own = {name: bits for name, bits in vars(level.precision_bits).items() if bits}
        given = vars(self.hardware.precision_bits) | self.layer.precision_bits.given | own
        found = {name: given[name] for name in TENSORS}
        return found | {"partial_sums": given["partial_sums"] or found["outputs"]}

    def width(self, index, tensor):
        return self.widths[index]["partial_sums" if tensor == "outputs" else tensor]

    def finished(self):
        """Words of outputs that arrive finished, and that cross the network below so."""
        if all(bits["partial_sums"] == bits["outputs"] for bits in self.widths):
            return Counter()
        mapping, hardware = self.mapping, self.hardware
        loops = mapping.loop_array(hardware).view((np.int64, 4))
        heights, keeps = mapping.heights_array(hardware), mapping.keeps_array(hardware)
        found, ends = SumsWalk(hardware, loops, heights, keeps), Counter()
        adding = found.keepers[-1]
        for end, sums in (("arriving", found.arrived), ("crossing", found.crossed)):
            for i in range(len(self.levels)):
                ends[end, i] = sum(sums[i]) if i < adding or all(sums[i]) else 0
        for i in found.keepers:
            ends["held", i] = all(found.arrived[i]) and found.is_last(i)
        return ends

    def spared(self, index, end):
        """Bits that finished words have less, at a level or on the network below it."""
        bits = self.widths[index]
        if end == "crossing":
            below = self.widths[index + 1]
            bits = {name: min(n, below[name]) for name, n in bits.items()}
        return self.sums[end, index] * (bits["partial_sums"] - bits["outputs"])

    def needed_bits(self, index, tensor):
        """Room of a tile."""
        words, bits = self.walk.tile_words[self.levels[index].name, tensor], self.widths[index]
        if tensor == "outputs" and not self.sums["held", index]:
            return words * bits["partial_sums"]
        return words * bits[tensor]

    # Words.

    def words(self, index, tensor, action):
        """Those that are paid for."""
        level = self.levels[index]
        found = getattr(self.walk, action)[level.name, tensor]
        if action == "fills" and not level.counted.fills:
            return 0
        if (tensor, action) == ("outputs", "reads"):
            if level.counted.first_reads:
                found = self.walk.updates[level.name, tensor]
            if level.counted.drains and self.nest.keeps[index, tensor]:
                found += self.leaving(index)
        return found

    def leaving(self, index):
        """Sums that leave a level upwards."""
        return self.walk.up[self.levels[index - 1].name, "outputs"] if index else 0

    def bits(self, index, tensor, action):
        found = self.words(index, tensor, action) * self.width(index, tensor)
        if (tensor, action) == ("outputs", "updates"):
            found -= self.spared(index, "arriving")
        return found

    def bias_bits(self):
        counted = self.layer.bias and self.hardware.biases == "counted"
        return counted * self.layer.out_channels * self.widths[0]["partial_sums"]

    # Time.

    def rates(self, level):
        """Ports of a level: words in a cycle by tensor and action."""
        if isinstance(level.ports, tuple):
            return [
                {(t, a): port.words_per_cycle for t in port.tensors
                 for way in port.directions for a in WAYS[way]}
                for port in level.ports
            ]  # fmt: skip
        both = level.shared_bandwidth
        reads, writes = level.read_words_per_cycle or both, level.write_words_per_cycle or both
        if level.shared_port or both:
            reads, writes = reads or writes, writes or reads
        ports = [
            {(t, a): rate for t in TENSORS for a in actions}
            for rate, actions in ((reads, ("reads",)), (writes, ("fills", "updates")))
            if rate
        ]
        return [ports[0] | ports[1]] if level.shared_port or both else ports

    def rate(self, level, tensor, action):
        return next((p[tensor, action] for p in self.rates(level) if (tensor, action) in p), None)

    def stall(self):
        """Cycles in which the array waits for loads, dumps and passes."""
        found = Fraction(0)
        for i, level in enumerate(self.levels):
            for tensor in TENSORS:
                if not self.nest.keeps[i, tensor]:
                    continue
                words = Fraction(1, level.word_bits_of(tensor) * self.instances[i])
                rate = self.rate(level, tensor, "fills")
                if tensor in level.stalls.loads and rate:
                    found += self.bits(i, tensor, "fills") * words / Fraction(str(rate))
                rate = self.rate(level, tensor, "reads")
                if tensor == "outputs" and level.stalls.dumps and rate:
                    bits = self.leaving(i) * self.widths[i]["partial_sums"]
                    found += bits * words / Fraction(str(rate))
                if cycles := level.stalls.cycles_per_tile.get(tensor):
                    found += Fraction(cycles) * self.passes(i, tensor)
            array = level.fanout.systolic
            if array and (i + 1 == len(self.levels) or self.nest.keeps[i + 1, array.stationary]):
                x, y = level.fanout.x, level.fanout.y
                more = array.fill * (x + y - 2) + array.drain * y
                found += more * self.passes(i + 1, array.stationary)
        return math.ceil(found)

    def passes(self, index, tensor):
        """Tiles that an instance has, one after the other."""
        starts = self.nest.steps(index, tensor)
        tiles = [self.nest.box(tensor, index, start) for start in starts]
        return 1 + sum(one != other for one, other in itertools.pairwise(tiles))

    def time(self):
        total = self.walk.temporal_steps * self.hardware.compute.cycles_per_mac + self.standing
        for i in reversed(range(len(self.levels))):
            total = max(total, self.on_network(i))
            moved = self.at_level(i)
            turns = self.levels[i].buffering == "single"
            total = total + moved if turns else max(total, moved)
        waits = Fraction(0)
        for level in self.levels:
            links = level.fanout.x + level.fanout.y - 2
            waits += Fraction(level.latency_cycles) + links * Fraction(level.fanout.hop_latency)
        return total + math.ceil(waits)

    def at_level(self, index):
        level, longest = self.levels[index], 0
        for port in self.rates(level):
            found = Fraction(0)
            for (tensor, action), rate in port.items():
                bits = self.bits(index, tensor, action)
                if (index, tensor, action) == (0, "outputs", "reads"):
                    bits += self.bias_bits()
                found += Fraction(bits, level.word_bits_of(tensor)) / Fraction(str(rate))
            longest = max(longest, math.ceil(found / self.instances[index]))
        return longest

    def on_network(self, index):
        """What enters the network below a level, down or up, through its upper end."""
        level, longest = self.levels[index], 0
        if level.fanout.words_per_cycle is None:
            return 0
        above = self.levels[index - 1].name
        for way, action in (("down", "reads"), ("up", "updates")):
            bits = 0
            for tensor in TENSORS:
                kept, end = self.nest.keeps[index, tensor], "arriving" if way == "up" else ""
                words = getattr(self.walk, action if kept else way)[
                    level.name if kept else above, tensor
                ]
                if kept and way == "down" and index:
                    words -= self.walk.forwarded[above, tensor]
                if way == "down" and tensor == "outputs":
                    # Sums that are added to at a level do not go down to its MAC units.
                    further = range(index + 1, len(self.levels))
                    words *= any(self.nest.keeps[i, tensor] for i in further)
                ends = [self.widths[index], self.widths[index + 1]]
                name = "partial_sums" if tensor == "outputs" else tensor
                bits += words * min(each[name] for each in ends)
                if tensor == "outputs" and end:
                    place = (end, index) if kept else ("crossing", index - 1)
                    narrow = min(each["outputs"] for each in ends)
                    bits -= self.sums[place] * (min(each[name] for each in ends) - narrow)
            rate = Fraction(str(level.fanout.words_per_cycle))
            found = Fraction(bits, level.word_bits) / rate / self.instances[index]
            longest = max(longest, math.ceil(found))
        return longest

    # Energy.

    def pay(self):
        for i, level in enumerate(self.levels):
            for tensor in TENSORS:
                block = level.word_bits_of(tensor) * level.words_per_access(tensor)
                for action, access in ACTIONS.items():
                    accesses = -(-self.bits(i, tensor, action) // block)
                    self.energy[level.name, tensor] += accesses * level.price(tensor, access)
                self.pay_network(i, level, tensor)
        share, add = self.full_adders()
        compute = self.hardware.compute
        self.energy["MAC", ""] += self.layer.macs * compute.mac_pj * share
        if bits := self.bias_bits():
            level = self.levels[0]
            block = level.word_bits_of("outputs") * level.words_per_access("outputs")
            self.energy["bias", ""] += -(-bits // block) * level.price("outputs", "read")
            self.energy["bias", ""] += self.layer.output_words * self.hardware.add_pj * add
        self.pay_cycles()

    def pay_network(self, index, level, tensor):
        ends = [self.widths[index], self.widths[index + 1]]
        width = min(each["partial_sums" if tensor == "outputs" else tensor] for each in ends)
        name, price = f"{level.name} network", level.fanout.tensor_pj.get(tensor)
        price = level.fanout.transfer_pj if price is None else price
        words = self.walk.down[level.name, tensor] + self.walk.up[level.name, tensor]
        bits = words * width - (tensor == "outputs") * self.spared(index, "crossing")
        for moved in (bits, self.walk.forwarded[level.name, tensor] * width):
            self.energy[name, tensor] += -(-moved // level.word_bits) * price

    def full_adders(self):
        """What a MAC, and an addition, take of those of the hardware, at the layer's widths."""

        def of(bits):
            both = bits["weights"], bits["inputs"]
            return both[0] * both[1] + sum(both), sum(both)

        own, plain = of(self.chip), of(vars(self.hardware.precision_bits))
        return own[0] / plain[0], own[1] / plain[1]

    def pay_cycles(self):
        hardware, there = self.hardware, 1
        self.energy["static", ""] += hardware.static_pj_per_cycle * self.cycles
        for i, part in enumerate((*self.levels, hardware.compute)):
            used, idle = self.instances[i], part.idle or hardware.idle
            for pj, share, name in (
                (part.leakage_pj_per_cycle, idle.leakage, "static"),
                (part.clock_pj_per_cycle, idle.clock, getattr(part, "name", "MAC")),
            ):
                each = pj * (used + share * (there - used))
                self.energy[name, ""] += each * self.cycles
            there *= part.fanout.children if i < len(self.levels) else 1
