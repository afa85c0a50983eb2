"""Random small layers on random hardware under random mappings."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

TENSORS = ("weights", "inputs", "outputs")
ROOM = 10**6


@st.composite
def mapped_layers(
    draw, largest=240, most_instances=24, windows=False, words=True, imperfect=False, uneven=False,
    forwards=True,
):  # fmt: skip
    """A layer, a hardware and a mapping that covers the layer.

    The loops come first and the layer follows from them, so nothing has to be thrown away.
    With `windows`, the loops are those over sliding windows, in space and in time, and two of
    them are such that neighbors may pass words on; otherwise that hardly ever happens. Without
    `words` no network reads every distinct word once. With `imperfect`, bounds may multiply to
    more than the layer has. With `uneven`, the tensors of a level stand anywhere among its loops.
    """
    count = draw(st.integers(2, 4) if windows else st.integers(1, 6))
    names = ["DRAM", "L2", "buffer", "cluster", "registers", "latch"][:count]
    loops = [([], [], []) for _ in names]
    sizes = dict.fromkeys("NGMCPQRS", 1)
    macs, instances = 1, 1
    network, axis = (
        draw(st.integers(0, count - 2)) if windows else count,
        draw(st.sampled_from(("PR", "QS"))),
    )
    for _ in range(draw(st.integers(0, 9))):
        level = draw(st.integers(0, count - 1))
        kind = draw(st.sampled_from((0, 0, 0, 1, 2)))
        dimension = draw(st.sampled_from("PPPRRRQSCM" if windows else "NGMMCCPPPQQQRRRSSS"))
        bound = draw(st.integers(2, 4))
        if macs * bound > largest or (kind and instances * bound > most_instances):
            continue
        if level > network and dimension in axis:
            continue
        macs *= bound
        instances *= bound if kind else 1
        sizes[dimension] *= bound
        loops[level][kind].append(Loop(dimension, bound))
    # Where tensors have places of their own, what moves them may be a loop of their own level.
    inside = windows and uneven and draw(st.booleans())
    if windows:
        _pass_on(draw, sizes, loops[network], axis, loops[network + inside][0])
    if imperfect:
        _shorten(draw, sizes, loops)
    layer = _layer(draw, sizes, 1 if windows else 3)
    subsets = st.lists(st.sampled_from(TENSORS), unique=True).map(tuple)
    levels, nests = [], []
    for i, name in enumerate(names):
        x, y = (_product(loops[i][kind]) for kind in (1, 2))
        fanout = Fanout(
            x=x + draw(st.integers(0, 1)),
            y=y,
            multicast=draw(
                st.sampled_from(("tile", "none", "word") if words else ("tile", "none"))
            ),
            reduction=draw(st.booleans()),
            forwarding=() if not forwards else TENSORS if windows else draw(subsets),
        )
        keeps = (
            TENSORS
            if i == 0
            else draw(st.just(TENSORS) if windows else st.one_of(st.just(TENSORS), subsets))
        )
        # A partial keep comes from the hardware or from the mapping.
        # Above a level that keeps a tensor, networks forward past levels that do not.
        seldom = 1 if windows and i < count - 1 else 7
        bypass = () if i == 0 else tuple(t for t in keeps if draw(st.integers(0, seldom)) == 0)
        levels.append(
            Level(
                name=name, read_pj=1, write_pj=1, keeps=keeps, fanout=fanout,
                capacity_words=ROOM if i else None,
            )
        )  # fmt: skip
        heights = (0, 0, 0)
        if uneven and i:
            least = int(inside and i == network + 1)
            heights = draw(st.tuples(*[st.integers(least, len(loops[i][0]))] * 3))
            heights = tuple(n if t in keeps else 0 for t, n in zip(TENSORS, heights, strict=True))
        nests.append(LevelLoops(name, *map(tuple, loops[i]), bypass, heights))
    slides = "any" if imperfect else draw(st.sampled_from(("any", "any", "repeated")))
    hardware = Hardware(
        name="random", levels=tuple(levels), compute=Compute(mac_pj=1), slides=slides
    )
    return layer, hardware, Mapping(tuple(nests))


@st.composite
def padded_layers(draw, **options):
    """A layer of which lines at both ends are padding, that some level generates."""
    layer, hardware, mapping = draw(mapped_layers(**options))
    padding, sizes = [], []
    for size, stride in zip((layer.in_height, layer.in_width), layer.stride, strict=True):
        before = draw(st.integers(0, min(size - 1, 4)))
        behind = draw(st.integers(0, min(size - 1 - before, 4)))
        # Lines at the end that no window reaches.
        unused = draw(st.integers(0, stride - 1))
        padding += [before, behind]
        sizes.append(size - before - behind + unused)
    layer = dataclasses.replace(
        layer, padding=tuple(padding), in_height=sizes[0], in_width=sizes[1]
    )
    keeping = [level.name for level in hardware.levels if "inputs" in level.kept_tensors]
    named = draw(st.sampled_from([None, *keeping]))
    hardware = dataclasses.replace(hardware, padding="generated", padding_level=named)
    return layer, hardware, mapping


def _pass_on(draw, sizes, loops, axis, temporal):
    """Have children one index apart, and then a step by which each moves to where the next was."""
    one, other = draw(st.permutations(axis))
    outer = loops[draw(st.sampled_from((1, 2)))]
    outer.append(Loop(one, draw(st.integers(2, 3))))
    # As the last loop of its level, or the first one of the level below.
    place = len(temporal) if temporal is loops[0] else 0
    temporal.insert(place, Loop(other, draw(st.integers(2, 3))))
    for loop in (outer[-1], temporal[place]):
        sizes[loop.dimension] *= loop.bound


def _shorten(draw, sizes, loops):
    """Take something off dimensions, but leave something to every loop."""
    nest = [loop for level in loops for kind in level for loop in kind]
    for dimension in sizes:
        bounds = [loop.bound for loop in nest if loop.dimension == dimension]
        if bounds:
            step = sizes[dimension] // bounds[0]
            sizes[dimension] -= draw(st.integers(0, step - 1))


def _layer(draw, sizes, largest_stride):
    strides = st.integers(1, largest_stride)
    stride = draw(st.tuples(strides, strides))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    height, width = (
        stride[axis] * (sizes[p] - 1) + dilation[axis] * (sizes[r] - 1) + 1
        for axis, (p, r) in enumerate(("PR", "QS"))
    )
    return ConvLayer(
        "random", sizes["C"] * sizes["G"], sizes["M"] * sizes["G"], height, width,
        sizes["R"], sizes["S"], stride, 0, dilation, sizes["G"], sizes["N"],
    )  # fmt: skip


def _product(loops):
    product = 1
    for loop in loops:
        product *= loop.bound
    return product
