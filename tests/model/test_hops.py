"""Hops against words that are walked over the array, link by link."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from mapped_layers import mapped_layers

from kcsim import count_layer, evaluate
from kcsim.errors import InputError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.hops import count_hops
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer


def route(x, y):
    """Links from the first child along the row, then along the column."""
    row = [((i, 0), (i + 1, 0)) for i in range(x)]
    return row + [((x, j), (x, j + 1)) for j in range(y)]


def words_of(tensor, layer, indices):
    """Words of a tensor that some iterations touch: a box, as tiles are."""
    touched = set()
    for values in indices:
        at = dict(zip(DIMENSIONS, values, strict=True))
        rows = layer.stride[0] * at["P"] + layer.dilation[0] * at["R"]
        columns = layer.stride[1] * at["Q"] + layer.dilation[1] * at["S"]
        touched.add(
            {
                "weights": (at["G"], at["M"], at["C"], at["R"], at["S"]),
                "inputs": (at["N"], at["G"], at["C"], rows, columns),
                "outputs": (at["N"], at["G"], at["M"], at["P"], at["Q"]),
            }[tensor]
        )
    return frozenset(touched)


def children(layer, hardware, mapping, index):
    """Place of every child, and the iterations it executes in the first step."""
    placed = []
    loops = [
        (i, kind, loop)
        for i, name in enumerate(hardware.level_names)
        for level in mapping.levels
        if level.level == name
        for kind, nest in enumerate(level.nests)
        for loop in nest
    ]
    for choice in itertools.product(*(range(loop.bound) for _, _, loop in loops)):
        at, place, first = dict.fromkeys(DIMENSIONS, 0), [0, 0], True
        for (i, kind, loop), value in zip(loops, choice, strict=True):
            at[loop.dimension] = at[loop.dimension] * loop.bound + value
            if i == index and kind:
                place[kind - 1] = place[kind - 1] * loop.bound + value
            if (i < index or (i == index and not kind)) and value:
                first = False
        if first:
            placed.append((tuple(place), tuple(at[d] for d in DIMENSIONS)))
    grouped = {}
    for place, indices in placed:
        grouped.setdefault(place, set()).add(indices)
    return grouped


@settings(max_examples=60, deadline=None)
@given(mapped_layers(largest=120))
def test_hops_are_those_of_words_walked_link_by_link(mapped):
    check_hops(*mapped)


@settings(max_examples=60, deadline=None)
@given(mapped_layers(largest=120, uneven=True))
def test_hops_of_uneven_mappings_are_those_of_words_walked_link_by_link(mapped):
    check_hops(*mapped)


def check_hops(layer, hardware, mapping):
    """Compare hops with routes of words; children share what all below them share."""
    counts = count_layer(layer, hardware, mapping)
    for index, level in enumerate(hardware.levels):
        # Whole subtrees: a child executes everything that is mapped below it.
        placed = children(layer, hardware, mapping, index)
        inner = index + 1 < len(hardware.levels)
        for tensor in TENSORS:
            hops = 0
            for direction, sharing in (
                ("down", level.fanout.multicast != "none"),
                ("up", level.fanout.reduction),
            ):
                sets = {}
                for place, indices in placed.items():
                    key = words_of(tensor, layer, indices) if sharing and inner else place
                    sets.setdefault(key, set()).update(route(*place))
                words = counts.moved(level.name, tensor, direction)
                hops += words * sum(map(len, sets.values())) / len(placed)
            assert count_hops(counts, index, tensor) == pytest.approx(hops)


LAYER = ConvLayer("conv", 1, 4, 1, 3, 1, 1)


def hardware(**fanout):
    levels = (
        Level(name="DRAM", read_pj=1, write_pj=1, fanout=Fanout(x=4, y=3, hop_pj=0.5, **fanout)),
        Level(name="PE", read_pj=1, write_pj=1, capacity_words=9),
    )
    return Hardware(name="mesh", levels=levels, compute=Compute(mac_pj=1))


def test_hops_by_hand():
    # 4 filters along X, 3 pixels along Y: each weight goes to a column, each input to a row.
    mapping = Mapping((LevelLoops("DRAM", (), (Loop("M", 4),), (Loop("Q", 3),)),))
    items = evaluate(LAYER, hardware(transfer_pj=2), mapping).items
    found = {i.tensor: (i.count, i.energy) for i in items if i.action == "hop"}
    assert found == {
        "weights": (0 + 1 + 2 + 3 + 4 * 2, 0.5 * 14),
        # The first row, and the rows above: up in every column.
        "inputs": (3 + (3 + 4 * 1) + (3 + 4 * 2), 0.5 * 21),
        # No two children share an output: x + y links each.
        "outputs": (3 * 6 + 4 * 3, 0.5 * 30),
    }
    plain = evaluate(LAYER, hardware(multicast="none"), mapping).items
    assert {i.tensor: i.count for i in plain if i.action == "hop"} == dict.fromkeys(TENSORS, 30)


def test_no_hops_where_they_cost_nothing():
    free = dataclasses.replace(hardware().levels[0], fanout=Fanout(x=4, y=3))
    design = dataclasses.replace(hardware(), levels=(free, hardware().levels[1]))
    mapping = Mapping((LevelLoops("DRAM", (), (Loop("M", 4),), (Loop("Q", 3),)),))
    assert all(item.action != "hop" for item in evaluate(LAYER, design, mapping).items)


def test_forwarding_leaves_hops_unknown():
    with pytest.raises(InputError, match="a network that forwards has no energy for hops"):
        Fanout(x=4, hop_pj=1, forwarding=("inputs",))
