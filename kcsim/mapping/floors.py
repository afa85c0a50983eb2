"""What is still to come at least, for every stage and tile of a search; see `Floors`."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from kcsim.kernels.layout import INPUTS, NO_MULTICAST, OUTPUTS, WEIGHTS, WORD_MULTICAST
from kcsim.kernels.search import bounds
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.labels import Ways
from kcsim.kernels.search.problem import Problem
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.least import cycles_of_any
from kcsim.mapping.limits import may_grow_into
from kcsim.mapping.problem import SLACK, Built
from kcsim.mapping.tables import SharedTables
from kcsim.mapping.ways import build_ways


class Floors(NamedTuple):
    """Bounds of a problem; see `kcsim.kernels.search.labels.Search`, which has the same names."""

    rest: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    inward: np.ndarray
    outward: np.ndarray
    shares: np.ndarray
    least_cycles: float
    sent: np.ndarray
    ways: Ways


class _Kept(NamedTuple):
    """Which levels can keep a tensor, and which must: bool[levels, 3]."""

    can: np.ndarray
    must: np.ndarray


def build_floors(
    built: Built, deadline: Deadline | None = None, tables: SharedTables | None = None
) -> Floors:
    """Bound what is still to come, level by level from the outermost in.

    Also sets the ``shares`` of the problem's splits.

    Parameters
    ----------
    built : Built
    deadline : Deadline, optional
    tables : SharedTables, optional
        With the bounds of other problems.

    Raises
    ------
    OutOfTime
        If the deadline passes.
    """
    deadline, problem = deadline or Deadline(), built.problem
    levels, tiles = len(problem.places) - 1, len(problem.rounds)
    kept = _kept(problem, levels)
    inward, outward, shares = _word_prices(problem, kept)
    rest, entry = np.empty((len(problem.stages), tiles)), np.empty((levels, tiles))
    beyond = np.empty_like(rest)
    sent, boundary, may_follow = np.zeros(levels), np.full(tiles, np.inf), _may_follow(problem)
    boundary[-1] = 0
    for level in range(levels):
        prices, sent[level], back = _node_prices(problem, level, outward)
        bounds_of = _LevelBounds(
            problem, level, prices, back, boundary, may_follow[level], level < built.filled
        )
        for own in sorted({key[1] for key in built.numbers if key[0] == level}, reverse=True):
            deadline.check()
            stages = [n for key, n in built.numbers.items() if key[:2] == (level, own)]
            make = partial(_bound_stages, bounds_of, built, own)
            # Those of the innermost level are made fast, and few problems have them in common.
            if tables and level + 1 < levels:
                rest[stages] = tables.of(bounds_of.parts(own), make)
            else:
                rest[stages] = make()
        first, last = problem.places[level]["first_stage"], problem.places[level]["last_stage"]
        begun = rest[first:last]
        if len(problem.alive):
            begun = np.where(problem.alive[problem.places["start"][level]], begun, np.inf)
        entry[level] = begun.min(axis=0, initial=np.inf)
        for stage in range(first, last):
            beyond[stage] = _inside(built, level, begun[stage - first], deadline)
        boundary = beyond[first:last].min(axis=0, initial=np.inf)
    return Floors(
        rest, entry, beyond, inward, outward, shares, cycles_of_any(problem), sent,
        build_ways(problem),
    )  # fmt: skip


def _may_follow(problem: Problem) -> np.ndarray:
    """Whether a box lacks nothing that neither its level nor one further out adds.

    bool[levels, tiles]
    """
    extents, places = problem.lattice.extents, problem.places[:-1]
    found, grows = np.empty((len(places), len(extents)), np.bool_), np.zeros(8, np.bool_)
    for each, place in zip(found, places, strict=True):
        grows |= place["dimensions"] > 0
        each[:] = ((extents == extents[-1]) | grows).all(axis=1)
        spread = problem.splits["tile"][place["first_split"] : place["last_split"]]
        grows |= (extents[spread] > 1).any(axis=0)
    return found


def _kept(problem: Problem, levels: int) -> _Kept:
    bits = problem.stages["kept"][:, None] >> np.arange(3) & 1
    of_level = [bits[problem.stages["level"] == level].astype(bool) for level in range(levels)]
    can = np.array([each.any(axis=0) for each in of_level])
    return _Kept(can, np.array([each.all(axis=0) for each in of_level]))


def _word_prices(problem: Problem, kept: _Kept) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least energy of words, inwards and outwards, and the least shares that are sent."""
    machine, levels = problem.machine, len(problem.places) - 1
    inward, outward = np.zeros((levels, 4)), np.zeros((levels + 1, 4))
    inward[:, :2] = machine.costs[:, :2, columns.READ_PJ]
    inward[:, 2] = machine.costs[:, OUTPUTS, columns.UPDATE_PJ]
    inward[:, 3] = machine.costs[:, OUTPUTS, columns.READ_PJ]
    least = np.ones((levels, 4))
    for level in range(1, levels + 1):
        place, network = problem.places[level - 1], level - 1
        shares = _shares(problem, network)
        problem.splits["shares"][place["first_split"] : place["last_split"]] = shares
        least[network] = [*shares.min(axis=0, initial=1), shares.prod(axis=1).min(initial=1)]
        for price in range(4):
            tensor = min(price, OUTPUTS)
            if not kept.can[network, tensor]:
                inward[network, price] = outward[network, price]
            elif not kept.must[network, tensor]:
                inward[network, price] = min(inward[network, price], outward[network, price])
            moved = machine.costs[network, tensor, columns.TRANSFER_PJ]
            if level == levels:
                moved = min(moved, problem.bare_pj[tensor])
            elif tensor == INPUTS and machine.rules[network]["forwards"][INPUTS]:
                moved = min(moved, problem.forward_pj[level])
            moved = moved if price <= OUTPUTS else 0.0
            outward[level, price] = moved + least[network, tensor] * inward[network, price]
    return inward, outward, least


def _shares(problem: Problem, network: int) -> np.ndarray:
    """Share of the words of each tensor that a level sends apart, at least: [splits, 3]."""
    rules, place = problem.machine.rules[network], problem.places[network]
    tiles = problem.splits["tile"][place["first_split"] : place["last_split"]]
    n, _, m, c, p, q, r, s = problem.lattice.extents[tiles].astype(float).T
    one = np.ones(len(tiles))
    weights, outputs = 1 / (n * p * q), 1 / (c * r * s)
    if rules["multicast"] == WORD_MULTICAST or rules["forwards"][INPUTS]:
        inputs = 1 / (m * np.maximum(1, p * r) * np.maximum(1, q * s))
    else:
        # Windows meet along an axis: then the longer of its two loops is served apart, at least.
        inputs = 1 / (m * np.minimum(p, r) * np.minimum(q, s))
    if rules["multicast"] == NO_MULTICAST or network + 2 == len(problem.places):
        weights, inputs = one, inputs if rules["forwards"][INPUTS] else one
    if not rules["reduces"]:
        outputs = one
    return np.array([weights, inputs, outputs]).T


def _node_prices(
    problem: Problem, level: int, outward: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """Of a word that a node of each tensor is filled with: the least energy.

    Returns
    -------
    prices : float64[3]
    sent : float
        What is taken off for outputs that are sent upwards.
    back : float
        What is taken off for all outputs that do not come back.
    """
    costs = problem.machine.costs
    prices = costs[level, :, columns.FILL_PJ] + outward[level, :3]
    if level == 0:
        return np.zeros(3), 0.0, 0.0
    filled = costs[level, OUTPUTS, columns.FILL_PJ]
    prices[OUTPUTS] -= filled
    if problem.places["most_copies"][level] == 1:
        # A word that is filled has come back, as one that is read to be sent back.
        returning = filled + costs[level - 1, OUTPUTS, columns.TRANSFER_PJ] + outward[level, 3]
        prices[OUTPUTS] += returning
        return prices, 0.0, problem.outputs * returning
    reading = costs[level, OUTPUTS, columns.READ_PJ]
    if prices[OUTPUTS] > reading > 0:
        prices[OUTPUTS] -= reading
        return prices, float(reading), 0.0
    return prices, 0.0, 0.0


def _fitting(problem: Problem, level: int, kept: int) -> np.ndarray:
    """Whether what is not placed of a level's tensors fits together: bool[8, tiles]."""
    fits = np.ones((8, len(problem.rounds)), np.bool_)
    if len(problem.alive):
        _limit(problem, level, kept, fits)
    if level == 0:
        return fits
    rooms = problem.machine.rooms[level]
    bits = problem.machine.costs[level, :, columns.VALUE_BITS].copy()
    # Outputs may stand where all of them come finished.
    bits[OUTPUTS] -= problem.machine.finished[level, columns.SPARED_BITS]
    held = problem.words
    if problem.margins and problem.margins.clips[level + 1 :].any():
        # A level further in may generate padding.
        held = _with_inputs(held, problem.margins.held)
    # What is placed has one word at least, but for inputs that may be nothing but padding.
    least = np.minimum(1.0, held.min(axis=1, keepdims=True))
    is_kept, groups = kept >> np.arange(3) & 1, rooms[columns.GROUP :]
    for group in np.unique(groups).astype(int):
        own = bits * is_kept * (groups == group)
        used = (own * ~_PLACED) @ held + (own * _PLACED) @ least
        fits &= used <= rooms[columns.CAPACITY + group] * SLACK
    found: np.ndarray = fits[np.arange(8) & kept]
    return found


_PLACED = (np.arange(8)[:, None] >> np.arange(3) & 1).astype(np.bool_)
"""Whether bits of placed tensors have each of them: bool[8, 3]."""


def _with_inputs(words: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Words of tiles of all tensors, with other ones of inputs."""
    return np.array([words[WEIGHTS], inputs, words[OUTPUTS]])


def _limit(problem: Problem, level: int, kept: int, fits: np.ndarray) -> None:
    """Leave out boxes that nothing can become of, and those with too large tiles."""
    starts = [*problem.places["start"][:-1].tolist(), len(problem.alive)]
    fits &= problem.alive[starts[level] : starts[level + 1]].any(axis=0)
    if not len(problem.may_hold):
        return
    for tensor in range(3):
        if kept >> tensor & 1:
            may = may_grow_into(problem.lattice, problem.may_hold[level, tensor])
            for placed in range(8):
                if not placed >> tensor & 1:
                    fits[placed] &= may


class _LevelBounds(NamedTuple):
    """What all stages of a level have in common."""

    problem: Problem
    level: int
    prices: np.ndarray
    back: float
    boundary: np.ndarray
    may_follow: np.ndarray
    is_filled: bool

    @property
    def as_filled(self) -> Problem:
        """The problem with words of inputs that the level is filled with."""
        problem, margins = self.problem, self.problem.margins
        if margins is None or not margins.clips[self.level]:
            return problem
        return problem._replace(words=_with_inputs(problem.words, margins.filled))

    def parts(self, kept: int) -> tuple[Any, ...]:
        """All that bounds depend on of the stages that keep some tensors."""
        problem, lattice = self.problem, self.problem.lattice
        by_word = problem.machine.rules[self.level - 1]["multicast"] == WORD_MULTICAST
        return (
            lattice.digits, problem.places[self.level]["dimensions"], self.level == 0, by_word,
            self.as_filled.words, problem.distinct, problem.unseen, problem.along,
            problem.resumed, problem.slides, self.prices, self.back, self.boundary, kept,
            self.fitting(kept),
        )  # fmt: skip

    def fitting(self, kept: int) -> np.ndarray:
        """As `_fitting`; a level that is filled before has whole tensors."""
        fits: np.ndarray = _fitting(self.problem, self.level, kept) & self.may_follow
        if self.is_filled:
            fits[1:, :-1] = False
        return fits


def _bound_stages(known: _LevelBounds, built: Built, kept: int) -> np.ndarray:
    """`rest` for the stages of a level that keeps some tensors: float64[stages, tiles]."""
    level, tiles = known.level, len(known.boundary)
    placed = [key[2] for key in built.numbers if key[:2] == (level, kept)]
    values = np.empty((bounds.STATES, tiles))
    bounds.bound_level(
        # The outermost level has all tensors before any loop.
        known.as_filled, level, kept if level else 0, known.prices, known.fitting(kept),
        known.boundary, values,
    )  # fmt: skip
    later = [kept & ~each & 1 << OUTPUTS for each in placed]
    less = np.array([[known.back if each else 0.0] for each in later])
    found: np.ndarray = values[bounds.STATE[placed, 0]] - less
    return found


def _inside(built: Built, level: int, entry: np.ndarray, deadline: Deadline) -> np.ndarray:
    """The least that is to come before factors are spread below a level: float64[tiles]."""
    along_y, both = np.empty_like(entry), np.empty_like(entry)
    axis_x, axis_y = built.axes[level]
    deadline.check()
    place = built.problem.places[level]
    if place["limited"]:
        tiles = built.problem.splits["tile"][place["first_split"] : place["last_split"]]
        bounds.least_of_spreads(built.problem.lattice, np.sort(tiles), entry, both)
        return both
    bounds.least_of_spreads(built.problem.lattice, axis_y, entry, along_y)
    deadline.check()
    bounds.least_of_spreads(built.problem.lattice, axis_x, along_y, both)
    return both


def no_floors(built: Built) -> Floors:
    """Bounds that rule nothing out, for a search that asks for none."""
    levels, nothing = len(built.problem.places) - 1, np.zeros((0, 0))
    words = np.zeros((levels + 1, 4))
    return Floors(
        nothing, nothing, nothing, words, words, words, 0.0, words[:, 0].copy(),
        build_ways(built.problem),
    )  # fmt: skip
