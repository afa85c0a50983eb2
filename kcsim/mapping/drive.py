from __future__ import annotations
import time
from typing import NamedTuple
import numpy as np
from kcsim.kernels.search import optimum, bounds, tilings
from kcsim.hardware.schema import LevelConstraint
from kcsim.kernels.search.labels import LABEL, WAY, Labels, Search
from kcsim.kernels.search.inputs import NODE
from kcsim.kernels.layout import NO_MULTICAST, INPUTS
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.growth import PLACED_STEP, SPREAD_STEP
from kcsim.kernels.search.optimum import COUNT, FOUND, STEPS
from kcsim.workload.layer import DIMENSIONS, TENSORS

class Floors(NamedTuple):
    rest: np.ndarray
    inward: np.ndarray
    outward: np.ndarray
    cycles: float
    entry: np.ndarray
    sent: np.ndarray
    staying: np.ndarray
    stay_pj: np.ndarray
    more: tuple

def least_shares(problem, network):
    m = problem.machine
    levels = len(problem.places) - 1
    p = problem.places[network]
    e = problem.lattice.extents[problem.splits["tile"][p["first_split"]:p["last_split"]]].astype(float)
    n, g, mm, c, pp, q, r, s = e.T
    one = np.ones(len(e))
    w = 1 / (n * pp * q)
    i = 1 / (mm * np.maximum(1, pp * r) * np.maximum(1, q * s)) if m.rules["multicast"][network] == 2 else 1 / (mm * np.minimum(pp, r) * np.minimum(q, s))
    o = 1 / (c * r * s)
    if m.rules["multicast"][network] == NO_MULTICAST or network == levels - 1:
        w, i = one, one
    if not m.rules["reduces"][network]:
        o = one
    return np.array([w * one, i * one, o * one]).T

def fitting(problem, level, kept):
    """Whether what is not placed fits together; bool[8, tiles]."""
    m = problem.machine
    fits = np.ones((8, len(problem.rounds)), bool)
    if level == 0:
        return fits
    for placed in range(8):
        for room in range(3):
            bits = np.zeros(len(problem.rounds)); any_ = False
            for t in range(3):
                if kept >> t & 1 and int(m.rooms[level, columns.GROUP + t]) == room:
                    any_ = True
                    bits += (1 if placed >> t & 1 else problem.words[t]) * m.costs[level, t, columns.VALUE_BITS]
            if any_:
                fits[placed] &= bits <= m.rooms[level, columns.CAPACITY + room] * (1 + 1e-12)
    return fits

def build_floors(problem, layer, hardware, rents=None):
    m = problem.machine
    levels = len(problem.places) - 1
    can = np.zeros((levels, 3), bool); must = np.zeros((levels, 3), bool)
    for st in problem.stages:
        for t in range(3):
            can[st["level"], t] |= bool(st["kept"] >> t & 1)
    must[:] = True
    for st in problem.stages:
        for t in range(3):
            must[st["level"], t] &= bool(st["kept"] >> t & 1)
    inward = np.zeros((levels, 4))
    inward[:, :2] = m.costs[:, :2, columns.READ_PJ]
    inward[:, 2] = m.costs[:, 2, columns.UPDATE_PJ]
    inward[:, 3] = m.costs[:, 2, columns.READ_PJ]
    outward = np.zeros((levels + 1, 4)); least = np.ones((levels, 4))
    for level in range(1, levels + 1):
        shares = least_shares(problem, level - 1)
        p_ = problem.places[level - 1]
        problem.splits['shares'][p_['first_split']:p_['last_split']] = shares
        least[level - 1] = [*shares.min(axis=0), shares.prod(axis=1).min()]
        shares = shares.min(axis=0)
        for t in range(4):
            u = min(t, 2)
            above = np.inf
            if can[level - 1, u]:
                above = inward[level - 1, t]
            if not must[level - 1, u]:
                above = min(above, outward[level - 1, t])
            tr = m.costs[level - 1, u, columns.TRANSFER_PJ]
            if level == levels:
                tr = min(tr, problem.bare_pj[u])
            outward[level, t] = (tr if t < 3 else 0.0) + shares[u] * above
    total = np.array([problem.words[0, -1], problem.distinct[-1], problem.words[2, -1]])
    nb = len(problem.rounds)
    rest = np.full((len(problem.stages), nb), np.inf)
    number = {(int(x["level"]), int(x["kept"]), int(x["placed"])): i for i, x in enumerate(problem.stages)}
    boundary = np.zeros(nb); boundary[:-1] = np.inf
    values = np.zeros((8, 16, nb))
    entries = []
    GRID = np.array([1.0, 16.0, 256.0])
    staying = np.zeros((len(problem.stages), 3, len(GRID), nb)); stay_pj = np.zeros((levels, 3, len(GRID)))
    found = np.zeros((8, 16, nb)); none = np.zeros((3, 0)); leaving = np.zeros((1, 3, 1, nb))
    FITS = {}; KEPTS = {}
    sent = np.zeros(levels)
    for level in range(levels):
        entry = np.full(nb, np.inf)
        mu = 0.0 if rents is None else rents[level]
        rent = mu * m.costs[level, :, columns.VALUE_BITS]
        cap = m.rooms[level, columns.CAPACITY]
        mu_cap = mu * cap if mu else 0.0
        prices = m.costs[level, :, columns.FILL_PJ] + outward[level, :3]
        rents_ = np.zeros(3)
        if level == 0:
            prices[:] = 0
        else:
            # Of outputs a word that is filled has come back, as one that is read to be sent back.
            returning = m.costs[level, 2, columns.FILL_PJ] + m.costs[level - 1, 2, columns.TRANSFER_PJ] + outward[level, 3]
            back = 0.0
            if problem.places["most_copies"][level] == 1:
                prices[2] += returning - m.costs[level, 2, columns.FILL_PJ]
                back = problem.outputs * returning
            else:
                prices[2] -= m.costs[level, 2, columns.FILL_PJ]
                if prices[2] > m.costs[level, 2, columns.READ_PJ] > 0:
                    sent[level] = m.costs[level, 2, columns.READ_PJ]
                    prices[2] -= sent[level]
        kepts = sorted({k for l, k, s_ in number if l == level})
        KEPTS[level] = kepts
        for kept in kepts:
            fits = fitting(problem, level, kept)
            FITS[level, kept] = fits
            if level == 0:
                bounds.bound_level(problem, 0, 0, prices, fits, boundary, values, leaving[0], none, 0.0, rents_)
                rest[number[0, 7, 0]] = entry = values[0, 0].copy()
                continue
            bounds.bound_level(problem, level, kept, prices, fits, boundary, values, leaving[0], none, 0.0, rents_)
            if level + 1 < levels and level > 0:
                for t in range(3):
                    inner = min(((m.costs[j, t, columns.FILL_PJ] if t < 2 else 0) + outward[j, t] for j in range(level + 1, levels) if can[j, t]), default=0)
                    if inner <= 0: continue
                    stay_pj[level, t] = inner * GRID
                    for i_ in range(len(GRID)):
                        bounds.bound_open(problem, level, kept, prices, fits, boundary, values, t, stay_pj[level, t, i_], found)
                        for placed in range(8):
                            if placed & ~kept: continue
                            r = found[placed, 0].copy()
                            if kept & 4 and not placed & 4:
                                r -= back
                            staying[number[level, kept, placed], t, i_] = r
            for placed in range(8):
                if placed & ~kept: continue
                r = values[placed, 0].copy()
                if level and kept & 4 and not placed & 4:
                    r -= back
                r -= mu_cap
                rest[number[level, kept, placed]] = r
            entry = np.minimum(entry, rest[number[level, kept, 0]])
        entries.append(entry)
        if level + 1 < levels:
            x, y = problem_axes(problem, hardware, level)
            bx = np.empty(nb); by = np.empty(nb)
            bounds.least_of_spreads(problem, y, entry, bx)
            bounds.least_of_spreads(problem, x, bx, by)
            boundary = by
    # cycles of the outermost level
    c = m.costs[0]
    cyc = total[0] * c[0, columns.READ_CYCLES] + total[1] * c[1, columns.READ_CYCLES] + m.load_cycles
    cyc = max(cyc, total[2] * c[2, columns.WRITE_CYCLES])
    return Floors(rest, np.minimum(inward, np.where(must[:, [0, 1, 2, 2]], np.inf, outward[:-1])), outward, float(cyc), np.array(entries), sent, staying, stay_pj, (FITS, KEPTS, number, least))

def make(problem, ports, floors, objective, width, most, capacity, best=None, classes=None):
    nb = len(problem.rounds)
    levels = len(problem.places) - 1
    rows = 4 + 2 * (levels - 1)
    points = 4096 if objective == optimum.FRONT else 1
    found_best = np.full((points, 2), np.inf) if best is None else best
    labels = Labels(np.zeros(capacity, LABEL), np.zeros((capacity, max(rows, 6), ports)), np.zeros((capacity, max(1, levels - 1)), NODE), np.full((len(problem.stages), nb), -1, np.int64), np.zeros(10, np.int64))
    if best is not None:
        labels.tally[FOUND] = np.isfinite(best[:, 0]).sum()
    m = problem.machine
    by_cycles = objective != optimum.ENERGY or m.static_pj > 0 or m.cycles[:, 0].any()
    return Search(problem, labels, objective, found_best, np.full(points, -1, np.int64), most, width, bool(by_cycles), floors.rest, floors.entry, floors.inward, floors.outward, floors.more[3], floors.cycles, floors.sent, floors.staying, floors.stay_pj, np.zeros(len(problem.splits), WAY), np.zeros(2), np.zeros(3))

def solve(problem, ports, floors, objective, hardware, width=10**9, capacity=1 << 15, best=None, most=np.inf, limit=10, classes=None):
    t0 = time.process_time()
    capacity = max(capacity, 80 * len(problem.splits))
    search = make(problem, ports, floors, objective, width, most, capacity, best, classes)
    optimum.start_search(search)
    while True:
        r = optimum.search_on(search, 2000000)
        labels = search.labels
        if labels.tally[0] > 5_000_000 or time.process_time() - t0 > limit: break
        if r == 0:
            break
        if r == 2:
            search = search._replace(labels=labels._replace(rows=np.concatenate([labels.rows, np.zeros(len(labels.rows), LABEL)]), amounts=np.concatenate([labels.amounts, np.zeros_like(labels.amounts)]), nodes=np.concatenate([labels.nodes, np.zeros_like(labels.nodes)])))
    return search.labels, search

def trace(problem, labels, label):
    """Steps outermost first: list of ('loop', d, p) / ('place', t) / ('spread', split)."""
    steps = []
    while labels.rows[label]["parent"] >= 0:
        s = int(labels.rows[label]["step"])
        if s == -2: pass
        elif s >= SPREAD_STEP: steps.append(("spread", s - SPREAD_STEP))
        elif s >= PLACED_STEP: steps.append(("place", s - PLACED_STEP))
        else:
            d, p = problem.lattice.digits[s, :2]
            steps.append(("loop", int(d), int(p)))
        label = int(labels.rows[label]["parent"])
    return steps

def chain(problem, hardware, steps):
    """Per level: nest (list), spatial."""
    levels = [[] for _ in hardware.levels]; sp = [None] * len(levels)
    cur = 0
    for s in steps:
        if s[0] == "spread":
            sp[cur] = s[1]; cur += 1
        elif s[0] == "place": levels[cur].append(TENSORS[s[1]])
        else:
            d, p = DIMENSIONS[s[1]], s[2]
            if levels[cur] and levels[cur][-1][0] == d and isinstance(levels[cur][-1], tuple):
                levels[cur][-1] = (d, levels[cur][-1][1] * p)
            else: levels[cur].append((d, p))
    return levels, sp


def problem_axes(problem, hardware, level):
    own = hardware.levels[level]
    constraint = hardware.dataflow.levels.get(own.name, LevelConstraint())
    out = []
    for allowed, room in ((constraint.spatial_x, own.fanout.x), (constraint.spatial_y, own.fanout.y)):
        may = np.array([allowed is None or d in allowed for d in DIMENSIONS])
        found = np.empty(len(problem.rounds), np.int64)
        out.append(found[: tilings.tiles_on_axis(problem.lattice, may, room, found)].copy())
    return out

def min_least(problem, ports, floors, objective, hardware, classes=None):
    """Least bound of the first labels."""
    search = make(problem, ports, floors, objective, 10**9, np.inf, 100 + 10 * len(problem.splits), None, classes)
    optimum.start_search(search)
    n = search.labels.tally[0]
    return search.labels.rows["least"][1:n].min()



def build_classes(problem, floors):
    return None
