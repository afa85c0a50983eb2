"""A second count of a shared convolution: written from the page on clustered execution alone.

Words of dense nests come from the walker of `oracle`, which knows no closed form. What the phases
are, which words are theirs, how wide these are, what units of that width cost and how long all of
it takes is written here once more, tile by tile and table by table. It counts layers without zeros
and decoders with stores of any rate.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from oracle import walk
from sums_walker import SumsWalk

from kcsim.workload.layer import ConvLayer

TENSORS = ("weights", "inputs", "outputs")
TABLES = "intermediate"


@dataclass
class Shared:
    """What the walk counted: by part, level, tensor and action."""

    words: Counter = field(default_factory=Counter)
    finished: Counter = field(default_factory=Counter)
    transfers: Counter = field(default_factory=Counter)
    units: Counter = field(default_factory=Counter)
    value_bits: int = 0
    home_bits: int = 0
    phase_cycles: int = 0
    cycles: int = 0
    energy: dict = field(default_factory=dict)


def bits_for(kinds):
    """Bits that tell so many things apart."""
    bits = 0
    while 2**bits < kinds:
        bits += 1
    return bits


class SharedWalk:
    """One layer, mapping and real indexes."""

    def __init__(self, shared, mapping):
        self.layer, self.hardware, self.mapping = shared.layer, shared.hardware, mapping
        self.settings, self.keys = shared.distinct.part.settings, shared.distinct.keys
        self.clusters, self.unit = shared.distinct.part.clusters, shared.unit.shape
        self.subspaces = self.settings.is_product
        self.products, self.tile = mapping.sharing.name == "share_products", mapping.tile
        self.decode = self.hardware.level_index(shared.decode_level)
        self.names = self.hardware.level_names
        self.home, self.last = map(self.names.index, (mapping.home, mapping.gathered_at))
        # Phases take indexes from the home, or from the next level above it that keeps them.
        keeping = [
            i for i, each in enumerate(self.hardware.levels) if "weights" in each.kept_tensors
        ]
        self.indexed = max(i for i in keeping if i <= self.home)
        kind = self.settings.kind
        self.more = int(kind.has_offsets)
        self.factors = int(kind.has_scales or kind.has_offsets) + self.more
        self.extras = kind.has_scales * self.settings.scale_bits
        self.extras += kind.has_offsets * self.settings.offset_bits
        self.blocks = -(-self.tile.C // self.unit[0])
        across = self.layer.kernel_height // self.unit[1], self.layer.kernel_width // self.unit[2]
        self.across, self.filter_units = across, self.blocks * across[0] * across[1]
        bits = self.hardware.precision_bits
        self.sum_bits = bits.partial_sums or bits.outputs
        self.found = Shared()
        # Filters that share an order, and inputs of a sum.
        self.group = mapping.group
        self.most = self.hardware.compute.group_cap if mapping.ordered else None

    def run(self):
        self.found.value_bits = self.width_of_values()
        self.passed, self.met = 0, 0
        self.places_in_group = [0] * self.group
        tables = self.all_tables = list(self.tables())
        self.widest = max(tables, default=0)
        self.index_bits = bits_for(self.clusters) + bits_for(self.settings.transforms) + self.extras
        if self.mapping.ordered:
            self.widest = 1 + self.more
            # One address for all filters of a group, and a bit for each. Units that are zero in all
            # of them are left out and have none.
            address = bits_for(self.filter_units) + self.group + self.extras
            self.index_bits = Fraction(address * self.met, self.keys.size)
            self.read_bits = address
        # An innermost level that keeps weights reads none for zeros, but looks at none here.
        if not self.mapping.ordered:
            self.read_bits = self.index_bits
        elif "weights" not in self.hardware.levels[-1].kept_tensors:
            self.read_bits = self.index_bits * self.group
        # Lists of entries come with the indexes, if they are decoded there or further in.
        self.entry_bits = bits_for(self.clusters) + bits_for(self.settings.transforms)
        if not self.mapping.listed:
            self.entry_bits = 0
        self.lists = self.indexed if self.decode >= self.indexed else 0
        self.at_most = self.tile.G * (self.blocks if self.products else self.tile.M)
        self.at_most *= max(tables, default=0)
        if self.mapping.ordered:
            self.at_most = self.tile.G * self.tile.M // self.group * sum(self.places_in_group)
        self.listed = self.at_most if self.decode >= self.indexed else 0
        listed = sum(tables) * self.entry_bits if self.decode >= self.indexed else 0
        self.stored_bits = self.index_bits + Fraction(listed, self.keys.size)
        self.found.home_bits = self.room()
        outer = self.part("outer", self.layer, self.hardware, self.mapping.outer)
        self.finish_outer(outer)
        gather = self.gather()
        entries = self.multiply(tables)
        self.found.cycles = self.time(gather, entries)
        self.found.energy = self.energy()
        return self.found

    # What is shared.

    def width_of_values(self):
        bits = self.hardware.precision_bits
        if self.products:
            return bits.products or bits.weights + bits.inputs + bits_for(math.prod(self.unit))
        factor = bits.weights if self.factors else 0
        added = min(self.filter_units, self.most or self.filter_units)
        return bits.sums or bits.inputs + factor + bits_for(added)

    def tables(self):
        """Entries of every table of the tiles that differ in groups, filters and channels."""
        if self.mapping.ordered:
            yield from self.sums_in_order()
            return
        groups, filters, blocks = self.keys.shape[:3]
        for g in range(groups):
            for m in range(0, filters, self.tile.M if self.products else 1):
                for b in range(0, blocks, 1 if self.products else self.blocks):
                    some = self.keys[g, m : m + self.tile.M] if self.products else self.keys[g, [m]]
                    some = some[:, [b]] if self.products else some[:, b : b + self.blocks]
                    count = len({key for key in some.ravel().tolist() if key >= 0})
                    if not self.mapping.listed:
                        count = self.clusters * self.settings.transforms
                        count *= self.blocks if self.subspaces and not self.products else 1
                    count += self.more
                    if count:
                        yield count

    def sums_in_order(self):
        """Sums of every filter of every group, of tiles likewise: units are laid out and walked."""
        groups, filters, blocks = self.keys.shape[:3]
        for g in range(groups):
            for m in range(0, filters, self.group):
                for b in range(0, blocks, self.blocks):
                    own = self.keys[g, m : m + self.group, b : b + self.blocks]
                    columns = own.reshape(self.group, -1).T.tolist()
                    units = sorted(column for column in columns if max(column) >= 0)
                    self.met += len(units)
                    for f, count in enumerate(self.walk_units(units)):
                        most = max(self.places_in_group[f], count + self.more)
                        self.places_in_group[f] = most
                        if count + self.more:
                            yield count + self.more

    def walk_units(self, units):
        """Units come one by one; every filter has a sum that is open, and how much it holds."""
        done, held, opened = [0] * self.group, [0] * self.group, [None] * self.group

        def close(first):
            """End the sums of a filter and of those behind it, the last one first."""
            for f in range(self.group - 1, first - 1, -1):
                if opened[f] is not None:
                    done[f] += opened[f][f] >= 0
                    self.passed += any(entry >= 0 for entry in opened[f][:f])
                opened[f], held[f] = None, 0

        for unit in units:
            for f in range(self.group):
                if opened[f] is not None and opened[f] != unit[: f + 1]:
                    close(f)
            first = min(f for f in range(self.group) if unit[f] >= 0)
            if self.most is not None and held[first] == self.most:
                close(first)
            for f in range(self.group):
                opened[f] = unit[: f + 1]
                held[f] += 1
        close(0)
        return done

    # The phases as layers.

    def windows(self):
        """Step, distance of taps and taps of both phases, along rows and columns."""
        found = []
        for axis in (0, 1):
            taps = (self.layer.kernel_height, self.layer.kernel_width)[axis]
            unit, step = self.unit[1 + axis], self.layer.stride[axis]
            apart = self.layer.dilation[axis]
            entry, kernel = [1, apart, unit], [1, apart * unit, taps // unit]
            first, second = (entry, kernel) if self.products else (kernel, entry)
            (second if second[2] > 1 else first)[0] = step
            found.append((entry, kernel))
        return found

    def positions(self, second):
        """Rows and columns that a phase makes."""
        found = []
        for (entry, kernel), outputs in zip(self.windows(), self.tile[4:], strict=True):
            step, apart, taps = kernel if self.products else entry
            between = step * (outputs - 1) + apart * (taps - 1) + 1
            found.append(outputs if second else between)
        return found

    def phase(self, channels, filters, groups, which, second):
        windows = [pair[which] for pair in self.windows()]
        image = [
            step * (size - 1) + apart * (taps - 1) + 1
            for (step, apart, taps), size in zip(windows, self.positions(second), strict=True)
        ]
        return ConvLayer(
            "phase", channels, filters, *image, windows[0][2], windows[1][2],
            (windows[0][0], windows[1][0]), 0, (windows[0][1], windows[1][1]), groups, self.tile.N,
        )  # fmt: skip

    def rounds(self):
        layer = self.layer.dimensions
        return {d: layer[d] // n for d, n in self.tile._asdict().items()}

    # The nests.

    def part(self, name, layer, hardware, mapping):
        return name, layer, walk(layer, hardware, mapping)

    def keep(self, part, walked, tensor, first, times, outside=False, scale=None):
        """Take over the words that are a part's own, from the level where it finds a tensor on."""
        for i, name in enumerate(self.names):
            more = times * (scale(i) if scale else 1)
            for action in ("reads", "fills", "updates"):
                inside = i > first or (i == first and action != "fills")
                if inside != outside:
                    words = getattr(walked, action)[name, tensor]
                    self.found.words[part, i, tensor, action] += words * more
            if (i >= first) != outside:
                below = scale(i + 1) if scale else 1
                for way in ("down", "up"):
                    words = getattr(walked, way)[name, tensor]
                    self.found.transfers[part, i, tensor, way] += words * times * below

    def finish_outer(self, outer):
        name, _, walked = outer
        for tensor in TENSORS:
            first = self.indexed if tensor == "weights" else self.home
            self.keep(name, walked, tensor, first, 1, outside=True)
        found = self.finished_of(self.layer, self.hardware, self.mapping.outer)
        self.found.finished |= {(name, *key): n for key, n in found.items() if key[1] < self.home}
        self.outside = walked.instances
        self.beside = self.outside[self.home]

    def gather(self):
        tile, rounds = self.tile, self.rounds()
        # As deep as the sums of an entry; one product stands for all channels of a unit.
        channels = tile.G * (self.blocks if self.products else tile.C)
        filters = tile.G * tile.M // self.group
        layer = self.phase(channels, filters, tile.G, 1, second=self.products)
        role = "inputs" if self.products else "outputs"
        levels = [
            replace(each, keeps=tuple(t for t in each.kept_tensors if t != role), may_bypass=())
            if i > self.last else each
            for i, each in enumerate(self.hardware.levels)
        ]  # fmt: skip
        hardware = replace(self.hardware.with_given_words(), levels=tuple(levels))
        walked, times = walk(layer, hardware, self.mapping.gather), math.prod(rounds.values())
        for tensor in TENSORS:
            first = self.indexed if tensor == "weights" else self.home
            every = self.widest * self.group
            wide = (lambda i, n=every: n * (i <= self.last)) if tensor == role else None
            self.keep("gather", walked, tensor, first, times, scale=wide)
        # Values gathered are read one by one; of sums, read and updated.
        gathered = layer.macs * (1 + self.more) * times
        for action in ("reads", "updates")[: 1 if self.products else 2]:
            self.found.words["gather", self.last, role, action] = gathered
        if self.mapping.ordered:
            # The running sum stays in the adder: each sum comes once.
            gathered = sum(self.all_tables) * self.places()
            gathered *= rounds["N"] * rounds["P"] * rounds["Q"]
            self.found.words["gather", self.last, role, "reads"] = 0
            self.found.words["gather", self.last, role, "updates"] = gathered
        for i in range(self.last, len(self.names)):
            self.found.transfers["gather", i, role, "down" if self.products else "up"] = gathered
            self.found.transfers["gather", i, role, "up" if self.products else "down"] = 0
        if self.mapping.sharing.phases[1] == "gather":
            self.add_up("gather")
        self.found.units["gathered"] = layer.macs * times
        finished = self.finish("gather", layer, hardware, self.mapping.gather, times)
        return walked, layer, times, finished

    def places(self):
        """Values that the intermediate tensor has for an entry of a table."""
        return self.tile.N * math.prod(self.positions(second=False))

    def finished_of(self, layer, hardware, mapping):
        """Words of outputs that come finished to a level, or over the network below it."""
        if self.sum_bits == hardware.precision_bits.outputs:
            return Counter()
        loops = mapping.loop_array(hardware).view((np.int64, 4))
        heights, keeps = mapping.heights_array(hardware), mapping.keeps_array(hardware)
        found = SumsWalk(hardware, shortened(loops, layer), heights, keeps)
        levels, adding = range(len(self.names)), found.keepers[-1]
        ends = Counter()
        for end, sums in (("arriving", found.arrived), ("crossing", found.crossed)):
            for i in levels:
                # Where sums are added to, all are partial ones unless each comes complete.
                ends[end, i] = sum(sums[i]) if i < adding or all(sums[i]) else 0
        return ends

    def finish(self, part, layer, hardware, mapping, times):
        """What one run of a phase finishes: nothing where other tiles add to the same outputs."""
        if part != self.mapping.sharing.phases[1] or self.rounds()["C"] > 1:
            return Counter()
        found = self.finished_of(layer, hardware, mapping)
        one = Counter({key: n for key, n in found.items() if key[1] >= self.home})
        for key, n in one.items():
            self.found.finished[part, *key] += n * times
        return one

    def add_up(self, part):
        """Outputs of tiles of other channels are added to those at home."""
        again = self.layer.output_words * (self.rounds()["C"] - 1)
        self.found.words[part, self.home, "outputs", "reads"] += again

    def multiply(self, tables):
        rounds = self.rounds()
        again, runs = rounds["N"] * rounds["P"] * rounds["Q"], []
        for entries, count in sorted(Counter(tables).items(), reverse=True):
            sizes = (self.unit[0], entries) if self.products else (entries, 1)
            layer = self.phase(*sizes, 1, 0, second=not self.products)
            nest = self.mapping.entries
            walked = walk(layer, self.hardware, nest)
            finished = self.finish("entries", layer, self.hardware, nest, count * again)
            for tensor in TENSORS:
                first = self.lists if tensor == "weights" else self.home
                self.keep("entries", walked, tensor, first, count * again)
            runs.append((walked, layer, count * again, finished))
            self.found.units["products"] += layer.macs * count * again
        if self.mapping.sharing.phases[1] == "entries":
            self.add_up("entries")
        return runs

    # Widths, room, energy and time.

    def width(self, part, tensor, index):
        """Bits of a word; of weights, of scalars alone."""
        if part != "outer" and self.role(part) == tensor:
            return self.found.value_bits
        if tensor == "weights":
            if part != "entries":
                return self.stored_bits if part == "outer" else self.read_bits
            if index <= self.decode:
                return self.entry_bits
        if tensor == "outputs":
            return self.sum_bits
        return getattr(self.hardware.precision_bits, tensor)

    def spared(self, part, tensor, finished):
        """Bits that finished words have less than partial sums."""
        if tensor != "outputs" or (part != "outer" and self.role(part) == tensor):
            return 0
        return finished * (self.sum_bits - self.hardware.precision_bits.outputs)

    def read(self, part, index, words, left):
        """Reads of a level, of sums as it says: as they are begun, too, and as they leave."""
        counted = self.hardware.levels[index].counted
        found = Counter(words)
        if part == "outer" or self.role(part) != "outputs":
            if counted.first_reads:
                found["outputs", "reads"] = words["outputs", "updates"]
            if counted.drains and index and "outputs" in self.hardware.levels[index].kept_tensors:
                found["outputs", "reads"] += left
        return found

    def room(self):
        """Bits of a tile at home: indexes, inputs, outputs, and tables of values."""
        tile, spans = self.tile, []
        for axis in (0, 1):
            taps = (self.layer.kernel_height, self.layer.kernel_width)[axis]
            reach = self.layer.stride[axis] * (tile[4 + axis] - 1)
            spans.append(reach + self.layer.dilation[axis] * (taps - 1) + 1)
        bits = self.hardware.precision_bits
        needed = tile.N * tile.G * tile.C * math.prod(spans) * bits.inputs
        needed += tile.N * tile.G * tile.M * tile.P * tile.Q * self.sum_bits
        if self.indexed == self.home:
            needed += tile.G * tile.M * self.filter_units * self.index_bits
            needed += self.listed * self.entry_bits
        places = tile.N * tile.G * math.prod(self.positions(second=False))
        places *= self.blocks if self.products else tile.M
        return math.ceil(needed + places * self.widest * self.found.value_bits)

    def energy(self):
        """Bits and energy by component, tensor and action; of all but weights, and of units."""
        precision, found = self.hardware.precision_bits, Counter()
        for part in ("outer", "gather", "entries"):
            for i, level in enumerate(self.hardware.levels):
                read = self.read(part, i, *self.of_level(part, i))
                for tensor in ("inputs", "outputs"):
                    width = self.width(part, tensor, i)
                    shown = TABLES if part != "outer" and self.role(part) == tensor else tensor
                    for action in ("reads", "fills", "updates"):
                        bits = read[tensor, action] * width
                        if action == "updates":
                            finished = self.found.finished[part, "arriving", i]
                            bits -= self.spared(part, tensor, finished)
                        accesses = -(-bits // (level.word_bits_of(tensor) * level.block_words))
                        price = level.read_pj if action == "reads" else level.write_pj
                        found[level.name, shown, action[:-1], "bits"] += bits
                        found[level.name, shown, action[:-1], "energy"] += accesses * price
                    words = sum(self.found.transfers[part, i, tensor, w] for w in ("down", "up"))
                    bits = words * width
                    finished = self.found.finished[part, "crossing", i]
                    bits -= self.spared(part, tensor, finished)
                    accesses = -(-bits // level.word_bits)
                    place = f"{level.name} network", shown, "transfer"
                    if level.fanout.children > 1 or level.fanout.transfer_pj:
                        found[*place, "bits"] += bits
                        found[*place, "energy"] += accesses * level.fanout.transfer_pj
        self.add_biases(found)
        wide, narrow, mac = precision.weights, precision.inputs, self.hardware.compute.mac_pj
        one_mac, value = wide * narrow + wide + narrow, self.found.value_bits
        operand = narrow if self.products else value
        share = Fraction(wide * operand + wide + operand, one_mac)
        gathered, products = (self.found.units[each] for each in ("gathered", "products"))
        found["MAC", "", "compute", "energy"] = float(products * share * mac)
        rounds = self.rounds()
        passed = self.passed * self.places() * rounds["N"] * rounds["P"] * rounds["Q"]
        adds = (gathered * (1 + self.more) + passed) * Fraction(value, one_mac)
        found["adder", "", "add", "energy"] = float(adds * mac)
        address = gathered * (1 + self.more) * self.hardware.compute.address_pj
        found["address", "", "compute", "energy"] = address
        scaled = value if self.products else narrow
        factors = gathered * self.factors * Fraction(wide * scaled, one_mac)
        found["multiplier", "", "multiply", "energy"] = float(factors * mac)
        return {key: value for key, value in found.items() if value}

    def add_biases(self, found):
        """Each is read once, and added to all outputs of its channel."""
        if self.layer.bias and self.hardware.biases == "counted":
            outermost, bits = self.hardware.levels[0], self.hardware.precision_bits
            accesses = -(-self.bias_bits() // (outermost.word_bits * outermost.block_words))
            found["bias", "", "load", "energy"] = accesses * outermost.read_pj
            share = Fraction(
                bits.weights + bits.inputs, bits.weights * bits.inputs + bits.weights + bits.inputs
            )
            added = self.layer.output_words * share * self.hardware.compute.mac_pj
            found["bias", "", "add", "energy"] = float(added)

    def bias_bits(self):
        counted = self.layer.bias and self.hardware.biases == "counted"
        return counted * self.layer.out_channels * self.sum_bits

    def of_level(self, part, index):
        """Words of a part at a level, and sums that leave it upwards."""
        words = Counter({key[2:]: n for key, n in self.found.words.items()
                         if key[:2] == (part, index)})  # fmt: skip
        return words, self.found.transfers[part, index - 1, "outputs", "up"]

    def role(self, part):
        """The tensor that products or sums are to a phase."""
        return "inputs" if (part == "gather") == self.products else "outputs"

    def ports(self, level):
        """What passes each port of a level: tensors and actions, with words in a cycle."""
        if isinstance(level.ports, tuple):
            for port in level.ports:
                actions = {"read": ("reads",), "fill": ("fills",), "update": ("updates",),
                           "write": ("fills", "updates")}  # fmt: skip
                serves = [a for way in port.directions for a in actions[way]]
                yield {(t, a): port.words_per_cycle for t in port.tensors for a in serves}
            return
        rates = level.read_words_per_cycle, level.write_words_per_cycle
        if level.shared_port:
            rates = rates[0] or rates[1], rates[1] or rates[0]
        ways = [
            {(t, a): rate for t in TENSORS for a in actions}
            for actions, rate in zip((("reads",), ("fills", "updates")), rates, strict=True)
            if rate is not None
        ]
        yield from [ways[0] | ways[1]] if level.shared_port else ways

    def passing(self, part, index, words, instances, finished=0):
        """Cycles that a level needs for some words, of its ports the slowest."""
        level, ports = self.hardware.levels[index], []
        for port in self.ports(level):
            passed = Fraction(0)
            for (tensor, action), rate in port.items():
                bits = words[tensor, action] * self.width(part, tensor, index)
                if action == "updates":
                    bits -= self.spared(part, tensor, finished)
                if (part, index, tensor, action) == ("outer", 0, "outputs", "reads"):
                    bits += self.bias_bits()
                passed += Fraction(bits) / level.word_bits_of(tensor) / Fraction(str(rate))
            ports.append(math.ceil(passed / instances))
        return max(ports, default=0)

    def own_words(self, part, walked, layer, index):
        """Words at a level that one run of a phase moves, the filling of the home left out."""
        words, role = Counter(), self.role(part)
        for tensor in TENSORS:
            for action in ("reads", "fills", "updates"):
                if index == self.home and action == "fills":
                    continue
                count = getattr(walked, action)[self.names[index], tensor]
                if part == "gather" and tensor == role:
                    count *= self.widest * self.group * (index <= self.last)
                    if index == self.last and action in ("reads", "updates")[: 2 - self.products]:
                        count = layer.macs * (1 + self.more)
                        if self.mapping.ordered:
                            # As if every table were as wide as the widest.
                            count = self.at_most * self.places() * (action == "updates")
                words[tensor, action] = count
        above = self.names[index - 1]
        return self.read(part, index, words, walked.up[above, "outputs"] * (index > self.home))

    def one_run(self, part, walked, layer, finished):
        """Cycles of one run of a phase: what computes, beside what each level moves."""
        cycles = walked.temporal_steps * self.hardware.compute.cycles_per_mac
        for i in range(len(self.names) - 1, self.home - 1, -1):
            words = self.own_words(part, walked, layer, i)
            arriving = finished["arriving", i]
            moved = self.passing(part, i, words, walked.instances[i], arriving)
            turns = self.hardware.levels[i].buffering == "single"
            cycles = max(cycles, cycles + moved if turns else moved)
        return cycles

    def time(self, gather, entries):
        walked, layer, times, finished = gather
        gathering = self.one_run("gather", walked, layer, finished) * (1 + self.more)
        runs = [(self.one_run("entries", w, each, done), n) for w, each, n, done in entries]
        multiplying = sum(cycles * n for cycles, n in runs)
        if self.beside > 1:
            whole = max(cycles for cycles, _ in runs) * sum(n for _, n in runs)
            multiplying = -(-whole // self.beside)
        self.found.phase_cycles = total = gathering * times // self.beside + multiplying
        # What comes to the home comes beside that; a single buffer takes turns with all inside.
        for i in range(len(self.names) - 1, -1, -1):
            inner = {"gather": walked, "entries": entries[0][0]}
            moved, outside = 0, 0
            for part in ("outer", "gather", "entries"):
                instances = self.outside[min(i, self.home)]
                if part != "outer" and i >= self.home:
                    instances = self.outside[self.home] * inner[part].instances[i]
                elif part == "outer":
                    instances = self.outside[i]
                words = self.read(part, i, *self.of_level(part, i))
                finished = self.found.finished[part, "arriving", i]
                cycles = self.passing(part, i, words, instances, finished)
                moved, outside = moved + cycles, cycles if part == "outer" else outside
            if self.hardware.levels[i].buffering == "single":
                total += outside
            total = max(total, moved)
        links = [
            (each.fanout.x + each.fanout.y - 2) * each.fanout.hop_latency
            for each in self.hardware.levels
        ]
        waits = sum(links) + sum(each.latency_cycles for each in self.hardware.levels)
        return total + math.ceil(waits)


def shortened(loops, layer):
    """Loops that cover no more than a layer has, from the inside out."""
    left, found = {}, []
    for level, kind, dimension, bound in loops[::-1].tolist():
        size = left.setdefault(dimension, list(layer.dimensions.values())[dimension])
        bound = min(bound, size)
        left[dimension] = -(-size // bound)
        found.append((level, kind, dimension, bound))
    return np.array(found[::-1], np.int64).reshape(-1, 4)
