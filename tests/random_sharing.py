"""Random small clustered layers that share products or sums, with values, on random hardware."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from random_clustered import random_clustered

from kcsim.clustering.precision import StoredValues
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.padding import with_padding_moved
from kcsim.hardware.counted import Counted
from kcsim.hardware.idle import Idle
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.port import Port
from kcsim.hardware.schema import CodebookStore, Compute, Hardware, Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.limits import possible_groups
from kcsim.sharing.places import can_order, gathering_levels, possible_homes
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares

TENSORS = ("weights", "inputs", "outputs")
SPECS = (
    "scalar:k=3",
    "row:k=2,dense=none",
    "row:k=4,dense=none",
    "kernel:k=1,dense=none",
    "kernel:k=3,dense=none",
    "kernel:k=3,transforms=4,dense=none",
    "scaled_kernel:k=2,transforms=2,dense=none",
    "linear_kernel:k=3,dense=none",
    "product:k=2,length=2",
    "product:k=3,length=3",
)
ROOM = 10**6


@dataclass(frozen=True)
class RandomSharing:
    """A shared layer, how it is mapped, and its weights: whole numbers."""

    shared: SharedLayer
    mapping: SharedMapping
    weights: ClusteredLayer
    codebook: Codebook


@st.composite
def shared_mappings(draw):
    """A shared layer with random tiles, places and loops; ``None`` if all weights are zero."""
    layer = _layer(draw)
    hardware = _hardware(draw)
    spec = draw(st.sampled_from(SPECS))
    if layer.is_pointwise and spec.startswith(("scaled", "linear")):
        spec = "kernel:k=3,dense=none"
    everything = random_clustered(Network("one", (layer,)), spec, draw(st.integers(0, 99)))
    weights = everything.layers["layer"]
    weights, codebook = _whole_numbers(weights, everything.codebooks[weights.part.codebook], draw)
    without_zeros = draw(st.booleans())
    distinct = DistinctEntries.of(weights, codebook, without_zeros=without_zeros)
    (form,) = weight_formats((layer,), hardware, replace(
        everything, layers={"layer": weights}, codebooks={weights.part.codebook: codebook}
    ))  # fmt: skip
    shared = SharedLayer(
        layer,
        with_padding_moved(hardware),
        form,
        distinct,
        SHARINGS[draw(st.sampled_from(tuple(SHARINGS)))],
    )
    home = draw(st.sampled_from(possible_homes(hardware)))
    last = draw(st.sampled_from(gathering_levels(hardware, home, shared.role)))
    ordered = can_order(hardware, home, shared.sharing) and draw(st.booleans())
    last = home if ordered else last
    tile = _tile(draw, shared, home)
    groups = [n for n in possible_groups(shared, home) if tile.M % n == 0]
    group = draw(st.sampled_from(groups)) if ordered else 1
    if not ordered and draw(st.booleans()):
        shared = shared.unlisted
    widths = shared.widths(tile, group * ordered)
    if not widths:
        return None
    shapes, names = shared.shapes(tile, group * ordered), hardware.level_names
    rounds, count = tile.rounds(layer), max(widths) + draw(st.integers(0, 1))
    outside = _loops(draw, hardware, dict(zip(Tile._fields, rounds, strict=True)), 0, home)
    inside = [Loop(d, n) for d, n in zip(Tile._fields, tile, strict=True) if n > 1]
    inside += [Loop("R", layer.kernel_height), Loop("S", layer.kernel_width)]
    outside[home] = LevelLoops(names[home], tuple(inside))
    mapping = SharedMapping(
        shared.sharing, names[home], names[last], ordered, tile, Mapping(tuple(outside)),
        *(
            Mapping(tuple(_loops(draw, hardware, phase.dimensions, home, len(names))))
            for phase in (shapes.gather, shapes.entries(count))
        ),
        group=group, listed=shared.listed,
    )  # fmt: skip
    return RandomSharing(shared, mapping, weights, codebook)


def _layer(draw):
    small = st.sampled_from((1, 1, 2, 3))
    groups = draw(st.sampled_from((1, 1, 1, 2)))
    kernel = draw(small), draw(small)
    stride, dilation = (
        draw(st.tuples(*[st.sampled_from((1, 1, 2, 3))] * 2)),
        draw(st.tuples(*[st.sampled_from((1, 1, 2))] * 2)),
    )
    sizes = draw(st.tuples(*[st.sampled_from((1, 2, 2, 3, 4))] * 2))
    image = [
        step * (size - 1) + apart * (taps - 1) + 1
        for step, size, apart, taps in zip(stride, sizes, dilation, kernel, strict=True)
    ]
    padding = draw(st.sampled_from((0, 0, 1)))
    if padding and min(image) <= 2:
        padding = 0
    channels = st.sampled_from((1, 2, 3, 4, 6))
    return ConvLayer(
        "layer", groups * draw(channels), groups * draw(channels), image[0] - 2 * padding,
        image[1] - 2 * padding, *kernel, stride, padding, dilation, groups,
        draw(st.sampled_from((1, 1, 2))),
    )  # fmt: skip


def _hardware(draw):
    names = ("DRAM", "buffer", "cluster", "registers")[: draw(st.sampled_from((1, 2, 2, 3, 3, 4)))]
    subsets = st.lists(st.sampled_from(TENSORS), unique=True).map(tuple)
    words = st.sampled_from(({}, {"word_bits": 8}, {"word_bits": 24}))
    levels = tuple(
        Level(
            name=name, read_pj=draw(st.sampled_from((0.5, 1, 2, 60))), write_pj=1,
            keeps=TENSORS if i == 0 else draw(st.one_of(st.just(TENSORS), subsets)),
            capacity_words=ROOM if i else None, **draw(words),
            fanout=Fanout(
                x=draw(st.sampled_from((1, 1, 2, 3))), y=draw(st.sampled_from((1, 1, 2))),
                multicast=draw(st.sampled_from(("tile", "word", "none"))),
                reduction=draw(st.booleans()), transfer_pj=draw(st.sampled_from((0, 1))),
            ),
        )
        for i, name in enumerate(names)
    )  # fmt: skip
    store = CodebookStore(
        level=draw(st.sampled_from(names)), capacity_kib=draw(st.sampled_from((0.01, 4))),
        read_pj=0.5, write_pj=0.7, **draw(words),
    )  # fmt: skip
    looks = st.sampled_from(({}, {}, {"weights": "gate"}, {"weights": "skip", "inputs": "gate"}))
    compute = Compute(
        mac_pj=2, zeros=draw(looks), address_pj=draw(st.sampled_from((0, 0, 0.25))),
        filter_group=draw(st.sampled_from((1, 1, 2, 3))),
        group_cap=draw(st.sampled_from((None, None, 1, 2, 3))),
    )  # fmt: skip
    bits = st.sampled_from((16, 16, 8, 12))
    own = st.sampled_from((None, None, 5, 24))
    precision = Precision(
        weights=draw(bits), inputs=draw(bits), outputs=draw(bits), products=draw(own),
        sums=draw(own),
    )  # fmt: skip
    return Hardware(
        name="random", levels=levels, compute=compute, codebook=store, precision_bits=precision
    )


@st.composite
def ports(draw):
    """Rates of a level: of reads and writes, of a port that they share, or of listed ports."""
    rates = st.sampled_from((0.5, 1, 3))
    if draw(st.integers(0, 2)):
        both = draw(st.tuples(*[st.none() | rates] * 2))
        given = dict(zip(("read_words_per_cycle", "write_words_per_cycle"), both, strict=True))
        return given | {"shared_port": any(both) and draw(st.booleans())}
    ways = (("inputs", "read"), ("outputs", "read"), ("outputs", "update"), ("inputs", "fill"))
    some = draw(st.lists(st.sampled_from(ways), unique=True, min_size=1))
    return {
        "ports": tuple(
            Port(tensors=(tensor,), directions=(way,), words_per_cycle=draw(rates))
            for tensor, way in some
        )
    }


@st.composite
def level_keys(draw, level, skips=False):
    """What real chips have and phases count: latencies, first reads and drains."""
    counted = Counted(first_reads=not skips and draw(st.booleans()), drains=draw(st.booleans()))
    hops = draw(st.sampled_from((0, 0, 1)))
    return {
        "latency_cycles": draw(st.sampled_from((0, 0, 7.5))),
        "counted": counted,
        "fanout": replace(level.fanout, hop_latency=hops),
    }


@st.composite
def with_chip_keys(draw, hardware):
    """A hardware with that, ports, wide partial sums and biases."""
    bits, skips = hardware.precision_bits, "skip" in hardware.compute.zeros.values()
    wide = bits.outputs + draw(st.sampled_from((0, 8, 16)))
    levels = tuple(
        replace(level, **draw(ports()), **draw(level_keys(level, skips)))
        for level in hardware.levels
    )
    return replace(
        hardware, levels=levels, precision_bits=replace(bits, partial_sums=wide),
        biases=draw(st.sampled_from(("counted", "left_out"))),
    )  # fmt: skip


@st.composite
def shared_mappings_on_chips(draw):
    """Shared layers on hardware with that, which leaks and stores zeros in fewer bits."""
    drawn = draw(shared_mappings())
    if drawn is None:
        return None
    hardware = draw(with_chip_keys(drawn.shared.hardware.with_given_words()))
    codings = st.sampled_from((None, "run_length", "bitmask"))
    levels = []
    for level in hardware.levels:
        # Partial sums are never coded, and all other levels hold them.
        may = ("inputs", "outputs") if not levels else ("inputs",)
        drawn_codings = {tensor: draw(codings) for tensor in may if tensor in level.kept_tensors}
        coded = {tensor: coding for tensor, coding in drawn_codings.items() if coding}
        leakage, clock = (draw(st.sampled_from((0, 0, 0.5))) for _ in range(2))
        levels.append(
            replace(
                level, compression=coded, leakage_pj_per_cycle=leakage, clock_pj_per_cycle=clock
            )
        )
    shares = st.sampled_from((0, 0.4, 0.9))
    zeros = ZeroShares(0, draw(shares), draw(shares))
    layer = replace(drawn.shared.layer, zeros=zeros, bias=draw(st.booleans()))
    static = draw(st.sampled_from((0, 0, 2)))
    shares = st.sampled_from((0, 0.5, 1))
    idle = Idle(leakage=draw(shares), clock=draw(shares))
    compute = replace(hardware.compute, leakage_pj_per_cycle=draw(st.sampled_from((0, 0.5))))
    hardware = replace(
        hardware, levels=tuple(levels), static_pj_per_cycle=static, idle=idle, compute=compute
    )
    return replace(drawn, shared=replace(drawn.shared, hardware=hardware, layer=layer))


def _whole_numbers(weights, codebook, draw):
    """The same weights with small whole numbers for entries, scales and offsets."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def small(stored, lowest):
        if stored is None:
            return None
        values = rng.integers(lowest, 4, stored.values.shape).astype(np.float32)
        return StoredValues(values, 32)

    entries = small(codebook.entries, -3)
    if len(entries.values) > 1 and draw(st.booleans()):
        values = entries.values.copy()
        values[-1] = 0
        entries = StoredValues(values, 32)
    return (
        replace(weights, scales=small(weights.scales, -3), offsets=small(weights.offsets, -3)),
        replace(codebook, entries=entries),
    )


def _tile(draw, shared, home):
    whole = Tile.whole(shared.layer)
    if home == 0:
        return whole
    depth = shared.unit.channels

    def divisor(number):
        return draw(st.sampled_from([n for n in range(1, number + 1) if number % n == 0]))

    sizes = [divisor(number) for number in whole]
    sizes[3] = whole.C if whole.C % depth else depth * divisor(whole.C // depth)
    return Tile(*sizes)


def _loops(draw, hardware, sizes, first, end):
    """Random loops of given sizes over the levels from `first` on, below `end`."""
    nests = [([], [], []) for _ in hardware.levels]
    for dimension, size in sizes.items():
        for factor in _factors(size):
            at = draw(st.integers(first, end - 1)) if end > first else first
            fanout = hardware.levels[at].fanout
            kind = draw(st.sampled_from((0, 0, 1, 2)))
            used = np.prod([loop.bound for loop in nests[at][kind]], initial=factor)
            if kind and used > (0, fanout.x, fanout.y)[kind]:
                kind = 0
            place = draw(st.integers(0, len(nests[at][kind])))
            nests[at][kind].insert(place, Loop(dimension, factor))
    return [
        LevelLoops(level.name, *map(tuple, nest))
        for level, nest in zip(hardware.levels, nests, strict=True)
    ]


def _factors(size):
    found, divisor = [], 2
    while size > 1:
        while size % divisor == 0:
            found.append(divisor)
            size //= divisor
        divisor += 1
    return found
