"""A slow and plain count of a mapped layer, by walking it with explicit sets of words.

Written from the rules of the counting page, not from the kernel: nothing here knows a closed
form. A word is its coordinates in the tensor. Every temporal step is taken, every instance
of every level is looked at, and each remembers what it held one step before.

* Every tensor that a level keeps has a place among the level's loops in time, in front of all of
  them unless the mapping says otherwise. What is behind the place is inside.
* A tile is the box around all words that the loops inside of its place can touch. Where bounds
  multiply to more than a dimension has, the last tile is short, and instances whose tile would lie
  outside the layer stay idle: they keep what they hold and ask for nothing.
* Operands: what an instance is filled with is what its tile has and the previous one had not,
  if the window slid forward along exactly one axis and still overlaps; nothing, if nothing
  moved; else the whole tile. On its way down it passes every network in between: ``tile``
  sends requests of siblings for the same words once, ``none`` sends all, and ``word`` at the
  network right above sends the union. MACs request one word each and the last network shares
  nothing.
* Where a level generates padding, all of this goes by boxes, padding included; of what is moved to
  it and to levels outside, and of what these hold, only pixels of the image are counted.
* Outputs: all tiles of a level rise when that of its first instance is about to change, also from
  instances that are idle just then; a MAC's sum rises at every step; siblings with equal tiles
  become one where the network reduces. A word that comes a second time was read
  and sent down before; the first time it was not.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import lru_cache, partial

DIMENSIONS = "NGMCPQRS"
TENSORS = ("weights", "inputs", "outputs")
PLAIN_AXES = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}


@dataclass
class Walk:
    """What the walk counted; every counter by (level, tensor)."""

    reads: Counter = field(default_factory=Counter)
    fills: Counter = field(default_factory=Counter)
    updates: Counter = field(default_factory=Counter)
    down: Counter = field(default_factory=Counter)
    up: Counter = field(default_factory=Counter)
    forwarded: Counter = field(default_factory=Counter)
    tile_words: Counter = field(default_factory=Counter)
    instances: list[int] = field(default_factory=list)
    temporal_steps: int = 1


class Nest:
    """A mapping on a hardware, reduced to loops: one (dimension, bound, step) each."""

    def __init__(self, layer, hardware, mapping):
        self.layer, self.hardware, self.sizes = layer, hardware, layer.dimensions
        self.levels = len(hardware.levels)
        given = {level.level: level for level in mapping.levels}
        self.temporal, self.axes, self.outside, self.extents = [], [], {}, {}
        running = dict.fromkeys(DIMENSIONS, 1)

        def stepped(loops):
            result = []
            for loop in reversed(loops):
                result.append((loop.dimension, loop.bound, running[loop.dimension]))
                running[loop.dimension] *= loop.bound
            return result[::-1]

        for tensor in TENSORS:
            self.outside[self.levels, tensor] = 0
            self.extents[self.levels, tensor] = dict(running)
        for number, level in reversed(list(enumerate(hardware.levels))):
            own = given.get(level.name)
            nests = (own.temporal, own.spatial_x, own.spatial_y) if own else ((), (), ())
            y, x = stepped(nests[2]), stepped(nests[1])
            self.axes.insert(0, (x, y))
            below = dict(running)
            self.temporal.insert(0, stepped(nests[0]))
            for place, tensor in enumerate(TENSORS):
                outside = own.heights[place] if own and tensor in level.kept_tensors else 0
                inside = dict(below)
                for dimension, bound, _ in self.temporal[0][outside:]:
                    inside[dimension] *= bound
                self.outside[number, tensor], self.extents[number, tensor] = outside, inside
        self.keeps = {
            (i, tensor): tensor in level.kept_tensors
            and tensor not in (given[level.name].bypass if level.name in given else ())
            for i, level in enumerate(hardware.levels)
            for tensor in TENSORS
        }
        # Where the children below one instance stand, and at which indices they begin.
        self.children = [
            {
                (x, y): _added(one, other)
                for x, one in enumerate(_indices(loops_x))
                for y, other in enumerate(_indices(loops_y))
            }
            for loops_x, loops_y in self.axes
        ]

    def steps(self, level, tensor):
        """Start indices of the tiles of a tensor that an instance of a level sees, step by step."""
        loops = [loop for above in self.temporal[:level] for loop in above]
        if level < self.levels:
            loops += self.temporal[level][: self.outside[level, tensor]]
        found = _indices(loops)
        return [start for start in found if self.lies_inside(start)]

    def lies_inside(self, start, dimensions=DIMENSIONS):
        """Whether there is anything of the layer at some indices."""
        return all(start[d] < self.sizes[d] for d in dimensions)

    def instances(self, level):
        """Every instance of a level: its way down, and the indices at which it begins."""
        found = {(): dict.fromkeys(DIMENSIONS, 0)}
        for children in self.children[:level]:
            found = {
                (*way, place): _added(start, offset)
                for way, start in found.items()
                for place, offset in children.items()
                if self.lies_inside(_added(start, offset))
            }
        return found

    def box(self, tensor, level, start):
        """Lowest coordinates and extents of a tile that begins at some indices."""
        extents = self.extents[level, tensor].items()
        extent = {d: min(n, self.sizes[d] - start[d]) for d, n in extents}
        low = [start[d] for d in PLAIN_AXES[tensor]]
        size = [extent[d] for d in PLAIN_AXES[tensor]]
        if tensor == "inputs":
            for axis, (output, kernel) in enumerate(("PR", "QS")):
                stride, dilation = self.layer.stride[axis], self.layer.dilation[axis]
                low.append(stride * start[output] + dilation * start[kernel])
                high = stride * (start[output] + extent[output] - 1)
                high += dilation * (start[kernel] + extent[kernel] - 1)
                size.append(high - low[-1] + 1)
        return tuple(low), tuple(size)

    def generates(self):
        """The level that generates padding, -1 for none."""
        if self.hardware.padding == "moved":
            return -1
        named = self.hardware.padding_level
        last = self.levels - 1 if named is None else self.hardware.level_names.index(named)
        return max(i for i in range(last + 1) if self.keeps[i, "inputs"])

    def real(self, tensor, level, words):
        """Of some words, those that are moved to a level."""
        if tensor != "inputs" or level > self.generates():
            return words
        top, _, left, _ = self.layer.padding
        rows = range(top, top + self.layer.in_height)
        columns = range(left, left + self.layer.in_width)
        return [word for word in words if word[3] in rows and word[4] in columns]

    def largest_tile(self, tensor, level):
        """Words of the largest tile that an instance of a level ever holds."""
        child = self.next_keeper(tensor, level)
        is_free = tensor == "inputs" and level < self.generates() and child <= self.generates()
        if not is_free:
            return len(words_of(*self.box(tensor, level, dict.fromkeys(DIMENSIONS, 0))))
        return max(
            len(self.real(tensor, level, words_of(*self.box(tensor, level, _added(start, offset)))))
            for start in self.steps(level, tensor)
            for offset in self.instances(level).values()
            if self.lies_inside(_added(start, offset))
        )

    def next_keeper(self, tensor, level):
        return next(
            (i for i in range(level + 1, self.levels) if self.keeps[i, tensor]), self.levels
        )


def _added(one, other):
    return {d: one[d] + other[d] for d in DIMENSIONS}


def _indices(loops):
    """Start indices of every iteration of some loops, the last one fastest."""
    found = []
    for iteration in itertools.product(*(range(bound) for _, bound, _ in loops)):
        start = dict.fromkeys(DIMENSIONS, 0)
        for index, (dimension, _, step) in zip(iteration, loops, strict=True):
            start[dimension] += index * step
        found.append(start)
    return found


@lru_cache(200_000)
def words_of(low, size):
    """All words of a box."""
    return frozenset(itertools.product(*(range(a, a + n) for a, n in zip(low, size, strict=True))))


def new_words(tensor, box, previous, may_slide=True):
    """What an instance must be given when its tile becomes `box`.

    A window that moves forward, or grows, along one axis keeps what it still covers, if it may.
    """
    words = words_of(*box)
    if previous is None:
        return words
    axes = range(len(box[0]))
    is_ahead = [
        box[0][axis] > previous[0][axis]
        or (box[0][axis] == previous[0][axis] and box[1][axis] > previous[1][axis])
        for axis in axes
    ]
    moved = [axis for axis in axes if box[0][axis] != previous[0][axis] or is_ahead[axis]]
    if not moved:
        return frozenset()
    is_window = tensor == "inputs" and len(moved) == 1 and moved[0] >= len(axes) - 2
    if may_slide and is_window and is_ahead[moved[0]]:
        return words - words_of(*previous)
    return words


def may_slide(slides, box, previous, last):
    """Whether a window may keep what it covers, and the move that its next one has to repeat."""
    if slides == "any" or previous is None or box[0] == previous[0]:
        return True, last
    move = tuple(a - b for a, b in zip(box[0], previous[0], strict=True))
    return (True, move) if last in (None, move) else (False, None)


def walk(layer, hardware, mapping):
    """Count everything that `kcsim.count_layer` counts."""
    nest, result = Nest(layer, hardware, mapping), Walk()
    result.instances = [len(nest.instances(level)) for level in range(nest.levels + 1)]
    result.temporal_steps = len(nest.steps(nest.levels, "outputs"))
    for tensor in TENSORS:
        for level in range(nest.levels):
            if nest.keeps[level, tensor]:
                name = hardware.levels[level].name
                result.tile_words[name, tensor] = nest.largest_tile(tensor, level)
                child = nest.next_keeper(tensor, level)
                if tensor == "outputs":
                    _walk_outputs(nest, level, child, result)
                else:
                    _walk_operand(nest, tensor, level, child, result)
    return result


def fills_of_one_instance(layer, hardware, mapping, level, tensor):
    """Words that the first instance of a level is filled with: for layers too large for `walk`."""
    nest = Nest(layer, hardware, mapping)
    index = hardware.level_names.index(level)
    previous, fills = None, 0
    for start in nest.steps(index, tensor):
        box = nest.box(tensor, index, start)
        fills += len(new_words(tensor, box, previous))
        previous = box
    return fills


def _walk_operand(nest, tensor, parent, child, result):
    levels = nest.hardware.levels
    instances = nest.instances(child)
    previous = dict.fromkeys(instances)
    given_before = dict.fromkeys(instances, frozenset())
    last = dict.fromkeys(instances)
    forwards = child < nest.levels and tensor in levels[child - 1].fanout.forwarding
    for start in nest.steps(child, tensor):
        given = {}
        for way, offset in instances.items():
            if not nest.lies_inside(_added(start, offset)):
                continue
            box = nest.box(tensor, child, _added(start, offset))
            if child == nest.levels:
                given[way] = words_of(*box)  # a MAC keeps nothing from step to step
            else:
                slides, last[way] = may_slide(nest.hardware.slides, box, previous[way], last[way])
                given[way] = new_words(tensor, box, previous[way], slides)
                real = nest.real(tensor, child, given[way])
                result.fills[levels[child].name, tensor] += len(real)
            previous[way] = box
        requests = {}
        for way, words in given.items():
            if forwards and words and _neighbor_has(words, way, given_before):
                real = nest.real(tensor, child, words)
                result.forwarded[levels[child - 1].name, tensor] += len(real)
                result.reads[levels[child].name, tensor] += len(real)
            else:
                requests[way] = tuple(sorted(words))
        given_before = given
        for network in range(child - 1, parent - 1, -1):
            name, fanout = levels[network].name, levels[network].fanout
            moved = [len(nest.real(tensor, child, words)) for words in requests.values()]
            result.down[name, tensor] += sum(moved)
            by_word = fanout.multicast == "word" and network == child - 1
            shares = fanout.multicast != "none"
            if network == nest.levels - 1:
                by_word = shares = False
            requests = {
                way: _merged(siblings, shares, by_word, partial(_moved, nest, tensor, child))
                for way, siblings in _by_parent(requests).items()
            }
        read = [len(nest.real(tensor, child, words)) for words in requests.values()]
        result.reads[levels[parent].name, tensor] += sum(read)


def _neighbor_has(words, way, given_before):
    """Whether a mesh neighbor was given exactly these words one step before."""
    *above, (x, y) = way
    around = ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))
    return any(given_before.get((*above, place)) == words for place in around)


def _by_parent(requests):
    siblings = defaultdict(list)
    for way, words in requests.items():
        siblings[way[:-1]].append(words)
    return siblings


def _moved(nest, tensor, level, words):
    return len(nest.real(tensor, level, words))


def _merged(siblings, shares, by_word, size=len):
    """What the requests of siblings amount to above their network.

    Siblings that ask for the same words share a stream, also if a network below has one of them
    ask more often for some word than the other, some of whose children are idle.
    """
    if by_word:
        return tuple(sorted(set().union(*siblings)))
    if shares:
        largest = {}
        for words in siblings:
            if size(words) > size(largest.get(frozenset(words), ())):
                largest[frozenset(words)] = words
        siblings = largest.values()
    return tuple(sorted(itertools.chain.from_iterable(siblings)))


def _walk_outputs(nest, parent, child, result):
    levels, tensor = nest.hardware.levels, "outputs"
    seen = {level: defaultdict(set) for level in range(parent, child + 1)}
    for came, rising in _output_changes(nest, child):
        if child < nest.levels:
            for way, words in came.items():
                back = sum(word in seen[child][way] for word in words)
                seen[child][way].update(words)
                result.fills[levels[child].name, tensor] += back
                result.down[levels[child - 1].name, tensor] += back
        for network in range(child - 1, parent - 1, -1):
            result.up[levels[network].name, tensor] += sum(map(len, rising.values()))
            shares = levels[network].fanout.reduction
            rising = {
                way: _merged(siblings, shares, False)
                for way, siblings in _by_parent(rising).items()
            }
            again = _seen_again(rising, seen[network])
            if network > parent and child < nest.levels:
                # What passes a second time had come back down in between.
                result.down[levels[network - 1].name, tensor] += again
        result.updates[levels[parent].name, tensor] += sum(map(len, rising.values()))
        result.reads[levels[parent].name, tensor] += again


def _output_changes(nest, child):
    """Step by step, the tiles that come to the children and those that leave them upwards."""
    instances, is_mac = nest.instances(child), child == nest.levels
    steps = nest.steps(child, "outputs")
    outputs = [tuple(start[d] for d in PLAIN_AXES["outputs"]) for start in steps]
    held = {}
    for start, now, following in zip(steps, outputs, [*outputs[1:], None], strict=True):
        came, rising = {}, {}
        for way, offset in instances.items():
            if nest.lies_inside(_added(start, offset)):
                words = tuple(sorted(words_of(*nest.box("outputs", child, _added(start, offset)))))
                if is_mac or way not in held:
                    came[way] = words
                held[way] = words
            if way in held and (is_mac or now != following):
                rising[way] = held.pop(way)
        yield came, rising


def _seen_again(rising, seen):
    again = 0
    for way, words in rising.items():
        for word in words:
            again += word in seen[way]
            seen[way].add(word)
    return again
