"""A layer and a hardware as the arrays that a search works on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts, build_machine
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels.layout import INPUTS, NO_MULTICAST, OUTPUTS, WEIGHTS
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search import tilings
from kcsim.kernels.search.problem import PLACE, SPLIT, STAGE, Problem
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.space import _lattice, _splits, _check_places
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_UNSEEN = {WEIGHTS: "NPQ", INPUTS: "M", OUTPUTS: "CRS"}


def build_problem(layer, hardware, form=DENSE, prices=None, even=False, coarse=None):
    _check_places(layer, hardware)
    deadline = Deadline()
    lattice = _lattice(layer, coarse)
    levels = hardware.levels
    count = len(levels)
    can = np.array([[t in level.kept_tensors for t in TENSORS] for level in levels])
    every = can.copy(); every[-1] = can[-1]
    machine = build_machine(layer, hardware, every, form, prices)
    bare = build_machine(layer, hardware, np.zeros_like(every), form, prices)
    bare_pj = np.array([*bare.costs[-1, :, columns.TRANSFER_PJ], bare.lookup_pj])
    stages, entries = [], {}
    for index in range(count - 1, -1, -1):
        level = levels[index]
        must = sum(1 << j for j, t in enumerate(TENSORS) if t in level.kept_tensors and t not in level.may_bypass)
        may = [1 << j for j, t in enumerate(TENSORS) if t in level.may_bypass]
        kepts = sorted({must | sum(c) for n in range(len(may) + 1) for c in itertools.combinations(may, n)}, reverse=True)
        first = len(stages)
        if index == 0:
            kepts = [7]
        for kept in kepts:
            stages.append([index, kept, 0])
        entries[index] = first, len(stages)
        if index == 0:
            continue
        for size in range(1, 4):
            for kept in kepts:
                for placed in range(1, 8):
                    if placed & ~kept == 0 and placed.bit_count() == size:
                        stages.append([index, kept, placed])
    number = {tuple(s): i for i, s in enumerate(stages)}
    table = np.zeros(len(stages), STAGE)
    for i, (index, kept, placed) in enumerate(stages):
        row = table[i]
        row["level"], row["kept"], row["placed"] = index, kept, placed
        row["after"] = [number.get((index, kept, placed | 1 << t), -1) if kept & ~placed & 1 << t else -1 for t in range(3)]
        row["loops"] = placed != kept or not kept
        if even and placed:
            row["loops"] = False
    table['after'][table['level'] == 0] = -1
    places = np.zeros(count + 1, PLACE)
    splits = []
    extents = lattice.extents.astype(np.int64)
    ports = 1
    for i, level in enumerate(levels):
        constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
        choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
        may = np.array([[c is None or d in c for d in DIMENSIONS] for c in choices])
        row = places[i]
        row["dimensions"] = may[0]
        row["stationary"] = -1 if constraint.stationary is None else TENSORS.index(constraint.stationary)
        row["first_stage"], row["last_stage"] = entries[i]
        along_x = _splits(lattice, may[1:], (level.fanout.x, level.fanout.y), deadline)
        found = np.flatnonzero(along_x >= 0)
        e = extents[found]
        children = e.prod(axis=1)
        copies = children / e[:, [0, 1, 2, 4, 5]].prod(axis=1)
        project = _without(lattice, "M")[found]
        rows = np.zeros(len(found), SPLIT)
        rows["tile"], rows["along_x"], rows["children"], rows["copies"], rows["inputs"] = found, along_x[found], children, copies, project
        rows = rows[np.argsort(-children, kind="stable")]
        row["first_split"], row["last_split"] = len(splits), len(splits) + len(rows)
        splits += list(rows)
        for name, column in (("read_port", columns.READ_CYCLES), ("write_port", columns.WRITE_CYCLES)):
            if machine.costs[i, :, column].any():
                row[name] = ports
                ports += 1
    splits = np.array(splits, SPLIT)
    units, copies = 1.0, 1.0
    for i in range(count + 1):
        places[i]["most_units"], places[i]["most_copies"] = units, copies
        if i < count:
            own = splits[places[i]["first_split"]:places[i]["last_split"]]
            units *= own["children"].max()
            copies *= own["copies"].max()
    store_port = 0
    if machine.lookup_cycles > 0 or bare.lookup_cycles > 0:
        store_port = ports
        ports += 1
    words, distinct = _words(layer, machine.window, extents)
    volume = extents.astype(float).prod(axis=1)
    rounds = machine.macs / volume
    whole = extents[-1]
    ratio = whole / extents
    slides = np.array([_slides(layer, machine.window, a) for a in range(2)])
    unseen = np.array([ratio[:, [0, 4, 5]].prod(axis=1), ratio[:, 2], ratio[:, [3, 6, 7]].prod(axis=1)])
    along, lines = np.ones(len(extents)), np.ones(2)
    for a in range(2):
        stride, dilation = machine.window[a].item()
        outs, taps = extents[:, 4 + a], extents[:, 6 + a]
        hull = stride * (outs - 1) + dilation * (taps - 1) + 1
        lines[a] = _positions(machine.window, a, outs[-1:], taps[-1:])[0]
        left = ratio[:, 4 + a] * ratio[:, 6 + a]
        if slides[a]:
            along = np.maximum(along, left * np.minimum(1.0, hull / lines[a]))
    unseen[1] *= along
    problem = Problem(lattice, machine, bare_pj, float(bare.lookup_cycles), table, places, splits, words, distinct, rounds, unseen, along, lines, _without(lattice, "M"), slides, store_port, max(form.unit) == 1, float(layer.output_words))
    return problem, ports


def _slides(layer, window, axis):
    stride, dilation = window[axis].item()
    taps = (layer.kernel_height, layer.kernel_width)[axis]
    return taps > 1


def _without(lattice, dims):
    tiles = np.arange(len(lattice.extents))
    out = tiles.copy()
    for row in lattice.digits:
        d, prime, limit, stride, shift = row
        if DIMENSIONS[d] in dims:
            out -= tiles // stride % (limit + 1) * stride
    return out


def _words(layer, window, e):
    n, g, m, c, p, q, r, s = e.T
    words = np.empty((3, len(e)))
    words[0] = g * m * c * r * s
    words[2] = n * g * m * p * q
    hull = np.ones(len(e)); dist = np.ones(len(e))
    for axis, (out, tap) in enumerate(((p, r), (q, s))):
        stride, dilation = window[axis].item()
        hull *= stride * (out - 1) + dilation * (tap - 1) + 1
        dist *= _positions(window, axis, out, tap)
    words[1] = n * g * c * hull
    return words, n * g * c * dist


def _positions(window, axis, out, tap):
    stride, dilation = window[axis].item()
    div = math.gcd(stride, dilation)
    twice = np.maximum(0, out - dilation // div) * np.maximum(0, tap - stride // div)
    twice = np.where(np.minimum(out, tap) > 1, twice, 0)
    return (out * tap - twice).astype(float)
