"""Random tiny layers on random hardware of every kind, of which `uneven_space` lists all mappings.

Energies, rates and shares are short decimals, so that equal costs are common, as on paper.
"""

from __future__ import annotations

import random

from small_problems import GATING, SHARES, layer_of
from uneven_space import count_all

from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.schema import Compute, Dataflow, Hardware, LevelConstraint, Precision
from kcsim.workload.layer import DIMENSIONS, TENSORS
from kcsim.workload.zeros import ZeroShares

MOST = 300_000
_NAMES = ("DRAM", "L2", "L1", "L0")
_INWARDS = ((60.0, 100.0, 200.0), (2.0, 6.0, 10.0), (0.5, 1.0, 3.7), (0.0, 0.1, 1.0))
"""Energies of an access, as they mostly are: less further in."""
_SIZES = (2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 12, 14, 16, 20, 30, 60, 10**6)
_DIMENSIONS = "NGMMMCCCPPPPQQQRRRSSS"


def random_problem(seed, most=MOST, plain=False):
    """A layer and a hardware with at most so many mappings that fit; rarely with none.

    Parameters
    ----------
    seed : int
    most : int
    plain : bool
        Without zeros, and with slides of any length: as the search of even mappings has it.
    """
    rng = random.Random(seed)
    while True:
        layer, hardware, count = _drawn(rng, most, plain)
        if count or rng.random() < 0.2:
            return layer, hardware


def _drawn(rng, most, plain):
    """A layer, a hardware, and how many of its mappings fit."""
    hardware = random_hardware(rng, plain)
    strides, dilations = ((1, 1, 2, 3), (1, 1, 1, 2))
    window = [tuple(rng.choice(values) for _ in "RC") for values in (strides, dilations)]
    if not plain and rng.random() < 0.3:
        window.append(ZeroShares(**{tensor: rng.choice(SHARES) for tensor in TENSORS}))
    sizes, count, factors = {}, 0, rng.choice((2, 3, 4, 5, 5, 6, 6, 6))
    for _ in range(factors + 2):
        dimension, prime = rng.choice(_DIMENSIONS), rng.choice((2, 2, 2, 3, 3, 5))
        larger = sizes | {dimension: sizes.get(dimension, 1) * prime}
        if dimension in "RS" and larger[dimension] > 3:
            continue
        found = count_all(layer_of(larger, *window), hardware, fitting=True)
        if found > most:
            continue
        sizes, count, factors = larger, found, factors - 1
        if not factors:
            break
    return layer_of(sizes, *window), hardware, count


def random_hardware(rng, plain):
    """Hardware of 2 to 4 levels; `plain` as of `random_problem`."""
    levels = rng.choice((2, 2, 3, 3, 3, 4))
    names = _NAMES[:levels]
    networks = rng.sample(range(levels), rng.choice((0, 1, 1, 1, min(2, levels))))
    open_to = rng.choice((0, 0, 0, 1, 1, 2, 3))
    places = [(i, tensor) for i in range(1, levels) for tensor in TENSORS]
    bypassed = rng.sample(places, min(open_to, len(places)))
    built = [
        _level(rng, i, i in networks, tuple(t for j, t in bypassed if j == i))
        for i in range(levels)
    ]
    constraints = {}
    if rng.random() < 0.25:
        constraints = {name: _constraint(rng, i) for i, name in enumerate(names)}
    widths = rng.choice(((16, 16, 16), (16, 16, 16), (8, 8, 16), (16, 8, 24)))
    return Hardware(
        name="random",
        levels=tuple(built),
        compute=Compute(
            mac_pj=rng.choice((0.0, 1.0, 2.0)),
            cycles_per_mac=rng.choice((1, 1, 1, 2)),
            leakage_pj_per_cycle=rng.choice((0.0, 0.0, 0.3, 5.0)),
            zeros={} if plain else rng.choice(GATING),
            gated_mac_pj=rng.choice((0.0, 0.1)),
        ),
        precision_bits=Precision(**dict(zip(TENSORS, widths, strict=True))),
        dataflow=Dataflow(levels=constraints),
        static_pj_per_cycle=rng.choice((0.0, 0.0, 0.7, 20.0, 300.0)),
        skipped_pixels=rng.choice(("moved", "moved", "left_out")),
        slides="any" if plain else rng.choice(("any",) * 5 + ("repeated",)),
    )


def _constraint(rng, index):
    """What a dataflow allows at a level: most dimensions, or any."""

    def some(share):
        if rng.random() < 0.5:
            return None
        return tuple(d for d in DIMENSIONS if rng.random() < share)

    temporal = some(0.8) if index else None
    stationary = rng.choice((None, None, *TENSORS))
    return LevelConstraint(
        temporal=temporal, spatial_x=some(0.6), spatial_y=some(0.6), stationary=stationary
    )


def _level(rng, index, spreads, may_bypass):
    keeps = TENSORS
    if index and rng.random() < 0.25:
        chosen = [t for t in TENSORS if t in may_bypass or rng.random() < 0.6]
        keeps = tuple(chosen)
    size, energies = {}, _INWARDS[index]
    if rng.random() < 0.15:
        energies = sum(_INWARDS, ())
    if index and keeps and rng.random() < 0.2:
        size["partitions"] = _partitions(rng, keeps, energies)
    elif index:
        size["capacity_words"] = rng.choice(_SIZES)
    return Level(
        name=_NAMES[index],
        read_pj=rng.choice(energies),
        write_pj=rng.choice(energies),
        update_pj=rng.choice((None, None, *energies)),
        block_words=rng.choice((1, 1, 1, 2)),
        keeps=keeps,
        may_bypass=may_bypass,
        buffering=rng.choice(("overlapped", "overlapped", "double", "single")),
        read_words_per_cycle=rng.choice((None, None, None, 0.2, 0.5, 1.0, 2.0)),
        write_words_per_cycle=rng.choice((None, None, None, 0.2, 0.5, 1.0, 2.0)),
        leakage_pj_per_cycle=rng.choice((0.0, 0.0, 0.0, 0.2, 4.0)),
        fanout=_fanout(rng, spreads),
        **size,
    )


def _fanout(rng, spreads):
    children = (1, 2, 2, 3, 4, 5, 6) if spreads else (1,)
    return Fanout(
        x=rng.choice(children),
        y=rng.choice(children),
        multicast=rng.choice(("tile", "tile", "word", "none")),
        reduction=rng.random() < 0.7,
        transfer_pj=rng.choice((0.0, 0.0, 0.4, 3.0)),
    )


def _partitions(rng, keeps, energies):
    """Parts of a level, one or two of them."""
    alone = rng.choice(keeps)
    groups = rng.choice(((keeps,), ((alone,), tuple(t for t in keeps if t != alone))))
    return tuple(
        Partition(
            tensors=group,
            capacity_words=rng.choice(_SIZES),
            read_pj=rng.choice((None, *energies)),
            write_pj=rng.choice((None, *energies)),
        )
        for group in groups
        if group
    )
