"""Small layers that share products or sums, and ways to execute them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st
from random_sharing import _hardware

import kcsim
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.padding import with_padding_moved
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import objective_value
from kcsim.sharing.account import evaluate_shared
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

LAYER = ConvLayer("layer", 2, 8, 4, 4, 3, 3)
KERNELS = "kernel:k=3,scope=layer,dense=none"
CLUSTERINGS = (
    "scalar:k=3",
    "row:k=2,dense=none",
    KERNELS,
    "product:k=2,length=2",
    "row:k=3,sparse=0.5,dense=none",
)
SMALL = Hardware(
    name="small",
    levels=(
        Level(name="DRAM", read_pj=200, write_pj=200),
        Level(name="buffer", read_pj=6, write_pj=6, capacity_words=300, fanout=Fanout(x=4)),
        Level(name="registers", read_pj=1, write_pj=1, capacity_words=24),
    ),
    compute=Compute(mac_pj=1),
    codebook=CodebookStore(level="DRAM", capacity_kib=1, read_pj=0.5, write_pj=0.5),
)


def reached(estimate, objective):
    return objective_value(objective, estimate.energy, estimate.cycles.total)


def layers_of(network, execution, objective="edp", hardware=SMALL, spec=KERNELS, **options):
    return kcsim.estimate(
        hardware, network, spec, execution=execution, objective=objective, **options
    )[execution].layers


@st.composite
def problems(draw):
    """One small layer, a clustering and a hardware."""
    channels = st.sampled_from((1, 2, 4))
    groups = draw(st.sampled_from((1, 1, 2)))
    kernel = draw(st.sampled_from((1, 2, 3)))
    size = kernel + draw(st.integers(0, 1))
    layer = ConvLayer(
        "layer", groups * draw(channels), groups * draw(channels), size, size, kernel, kernel,
        draw(st.sampled_from((1, 1, 2))), groups=groups,
        zeros=ZeroShares(inputs=draw(st.sampled_from((0, 0.5)))),
    )  # fmt: skip
    hardware = _hardware(draw)
    assume(len(hardware.levels) in (2, 3))
    room = draw(st.sampled_from((40, 200, 10**6)))
    levels = (
        replace(level, capacity_words=room if i else None)
        for i, level in enumerate(hardware.levels)
    )
    spec = draw(st.sampled_from(CLUSTERINGS))
    # With more clusters than units there is nothing to share, and an estimate says so.
    assume(not kcsim.clustering.resolve.resolve_layer(layer, kcsim.parse_clustering(spec)).clipped)
    return layer, replace(hardware, levels=tuple(levels)), spec


def shared_layer(layer, hardware, spec, sharing, **options):
    """The layer with expected entries."""
    clustering = kcsim.parse_clustering(spec)
    (part,) = kcsim.clustering.resolve.resolve_network((layer,), clustering)
    (form,) = weight_formats((layer,), hardware, clustering)
    distinct = DistinctEntries.expected(part, **options)
    return SharedLayer(layer, with_padding_moved(hardware), form, distinct, SHARINGS[sharing])


def on_one_level(layer, hardware, distinct, sharing, form):
    """The layer under one whole tile, every loop at the outermost level."""
    shared = SharedLayer(layer, with_padding_moved(hardware), form, distinct, SHARINGS[sharing])
    tile, name = Tile.whole(layer), hardware.level_names[0]
    shapes = shared.shapes(tile)

    def loops(dimensions):
        nest = (Loop(d, n) for d, n in dimensions.items() if n > 1)
        return Mapping((LevelLoops(name, tuple(nest)),))

    count = max(shared.widths(tile))
    return evaluate_shared(shared, SharedMapping(
        shared.sharing, name, name, False, tile, loops(layer.dimensions),
        loops(shapes.gather.dimensions), loops(shapes.entries(count).dimensions),
    ))  # fmt: skip
