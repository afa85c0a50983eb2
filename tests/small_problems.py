"""Random small layers on random small hardware of every kind: all mappings can be listed."""

from __future__ import annotations

from hypothesis import strategies as st
from uneven_space import count_all

from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.schema import Compute, Dataflow, Hardware, LevelConstraint, Precision
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

TENSORS = ("weights", "inputs", "outputs")
ENERGIES = (0.0, 0.0, 0.1, 0.5, 1.0, 2.0, 3.7, 10.0, 60.0)
SHARES = (0.0, 0.25, 0.5, 0.75)
GATING = (
    {},
    {},
    {"inputs": "gate"},
    {"weights": "skip"},
    {"inputs": "gate", "weights": "gate"},
    {"inputs": "skip", "weights": "gate"},
    {"inputs": "skip", "weights": "skip"},
)


def layer_of(sizes, stride=(1, 1), dilation=(1, 1), zeros=None):
    """A layer with given sizes of its loops."""
    height, width = (
        stride[axis] * (sizes.get(p, 1) - 1) + dilation[axis] * (sizes.get(r, 1) - 1) + 1
        for axis, (p, r) in enumerate(("PR", "QS"))
    )
    groups = sizes.get("G", 1)
    return ConvLayer(
        "small", sizes.get("C", 1) * groups, sizes.get("M", 1) * groups, height, width,
        sizes.get("R", 1), sizes.get("S", 1), stride, 0, dilation, groups, sizes.get("N", 1),
        zeros=zeros or ZeroShares(),
    )  # fmt: skip


@st.composite
def hardwares(draw, free=False):
    """Hardware of 1 to 4 levels; `free` of dataflow constraints, bypasses and zeros."""
    count = draw(st.sampled_from((1, 2, 2, 3, 3, 3, 4)))
    names = ("DRAM", "L2", "L1", "L0")[:count]
    levels = tuple(_level(draw, i, names, free) for i in range(count))
    gating = draw(st.sampled_from(GATING))
    compute = Compute(
        mac_pj=draw(st.sampled_from(ENERGIES)),
        cycles_per_mac=draw(st.sampled_from((1, 1, 1, 2))),
        leakage_pj_per_cycle=draw(st.sampled_from((0.0, 0.0, 0.3, 5.0))),
        zeros={} if free else gating,
        gated_mac_pj=draw(st.sampled_from((0.0, 0.1))),
    )
    constraints = {}
    if not free and draw(st.integers(0, 2)) == 0:
        constraints = {name: _constraint(draw, i) for i, name in enumerate(names)}
    bits = st.sampled_from((16, 16, 16, 8, 12))
    return Hardware(
        name="random",
        levels=levels,
        compute=compute,
        precision_bits=Precision(weights=draw(bits), inputs=draw(bits), outputs=draw(bits)),
        dataflow=Dataflow(levels=constraints),
        static_pj_per_cycle=draw(st.sampled_from((0.0, 0.0, 0.7, 20.0))),
        skipped_pixels=draw(st.sampled_from(("moved", "moved", "left_out"))),
    )


def _constraint(draw, index):
    some = st.one_of(st.none(), st.lists(st.sampled_from("NGMCPQRS"), unique=True).map(tuple))
    return LevelConstraint(
        temporal=draw(some) if index else None,
        spatial_x=draw(some),
        spatial_y=draw(some),
        stationary=draw(st.sampled_from((None, None, *TENSORS))),
    )


def _level(draw, index, names, free):
    energy, rare = st.sampled_from(ENERGIES), st.sampled_from((None, None, 0.2, 0.5, 1.0, 2.0))
    keeps, partitions, may_bypass, compression = TENSORS, (), (), {}
    if index:
        subsets = st.lists(st.sampled_from(TENSORS), unique=True).map(tuple)
        keeps = draw(st.one_of(st.just(TENSORS), subsets))
        if keeps and draw(st.integers(0, 3)) == 0:
            partitions = _partitions(draw, keeps)
        if keeps and not free and draw(st.integers(0, 3)) == 0:
            may_bypass = tuple(t for t in keeps if draw(st.booleans()))
    if not free and draw(st.integers(0, 2)) == 0:
        coding = st.sampled_from(("run_length", "bitmask"))
        compression = {t: draw(coding) for t in keeps if draw(st.booleans())}
        if index:
            compression.pop("outputs", None)
    children = st.sampled_from((1, 1, 1, 2, 2, 3, 4))
    fanout = Fanout(
        x=draw(children),
        y=draw(children),
        multicast=draw(st.sampled_from(("tile", "word", "none"))),
        reduction=draw(st.booleans()),
        transfer_pj=draw(st.sampled_from((0.0, 0.0, 0.4, 3.0))),
    )
    return Level(
        name=names[index],
        read_pj=draw(energy),
        write_pj=draw(energy),
        update_pj=draw(st.one_of(st.none(), energy)),
        **_width(draw),
        block_words=draw(st.sampled_from((1, 1, 2, 4))),
        capacity_words=draw(st.sampled_from((3, 4, 6, 8, 12, 20, 40, 10**6)))
        if index and not partitions
        else None,
        partitions=partitions,
        keeps=keeps,
        may_bypass=may_bypass,
        buffering=draw(st.sampled_from(("overlapped", "overlapped", "double", "single"))),
        read_words_per_cycle=draw(rare),
        write_words_per_cycle=draw(rare),
        compression=compression,
        leakage_pj_per_cycle=draw(st.sampled_from((0.0, 0.0, 0.2, 4.0))),
        fanout=fanout,
    )


def _width(draw):
    """The width of a word, given or not."""
    return draw(st.sampled_from(({}, {"word_bits": 16}, {"word_bits": 8}, {"word_bits": 24})))


def _partitions(draw, keeps):
    apart = [((t,), tuple(k for k in keeps if k != t)) for t in keeps]
    groups = draw(st.sampled_from(((keeps,), *apart)))
    capacity = st.sampled_from((2, 3, 5, 8, 16, 50))
    return tuple(
        Partition(
            tensors=group,
            capacity_words=draw(capacity),
            read_pj=draw(st.one_of(st.none(), st.sampled_from(ENERGIES))),
            write_pj=draw(st.one_of(st.none(), st.sampled_from(ENERGIES))),
            **_width(draw),
        )
        for group in groups
        if group
    )


@st.composite
def small_problems(draw, most=10_000, free=False):
    """A layer and a hardware, with at most so many mappings that fit."""
    hardware = draw(hardwares(free))
    strides, dilations = st.integers(1, 3), st.integers(1, 2)
    window = draw(st.tuples(strides, strides)), draw(st.tuples(dilations, dilations))
    shares = st.sampled_from(SHARES)
    zeros = ZeroShares(inputs=draw(shares), weights=draw(shares), outputs=draw(shares))
    zeros = None if free else zeros
    sizes = draw(sizes_of("NGMMCCPPPQQRRRSS", most, hardware, *window, zeros))
    return layer_of(sizes, *window, zeros), hardware


@st.composite
def sizes_of(draw, dimensions, most, hardware, *details):
    """Sizes of loops over some dimensions, as long as all mappings that fit can be listed."""
    sizes = {}
    primes = st.sampled_from((2, 2, 2, 3, 3, 5))
    for dimension, prime in draw(
        st.lists(st.tuples(st.sampled_from(dimensions), primes), min_size=2, max_size=6)
    ):
        larger = sizes | {dimension: sizes.get(dimension, 1) * prime}
        if count_all(layer_of(larger, *details), hardware, fitting=True) <= most:
            sizes = larger
    return sizes
