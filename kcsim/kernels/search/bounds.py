"""What is still to come at least: a relaxed search from the whole layer inwards.

Every tensor of a level has all of its room for itself, shares are the least of any spread, windows
slide for free along one axis, and of what is open where a level ends one tensor stays open for
good. Then a partial mapping's stage and box say all, and its least costs are found box by box.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import INDEXES, INPUTS, OUTPUTS, WEIGHTS, WORD_MULTICAST, M, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.reference import refer
from kcsim.kernels.search.tilings import DIMENSION, LIMIT, PRIME, STRIDE

FRESH, ROWS, COLUMNS = 1, 2, 3
"""Inputs that are open: not moved yet, or moved along one axis."""


def _number_states() -> np.ndarray:
    """Numbers of what is placed and what of it is open, -1 for what cannot be: int64[8, 16]."""
    states = np.full((8, 16), -1)
    for placed, code in np.ndindex(states.shape):
        opened = code & 1 | (code >> 1 & 1) << 2 | (2 if code >> 2 else 0)
        if not opened & ~placed:
            states[placed, code] = states.max() + 1
    return states


STATE = _number_states()
STATES = int(STATE.max()) + 1
NEAR_BOXES = 2048
"""Tiles of which all that is known of them stays in the fastest memory."""


class Closing(NamedTuple):
    """Cost of closing each tensor around a box; of inputs, if they have not moved, or have."""

    weights: float
    outputs: float
    fresh: float
    moved: float


@helper
def closing_costs(problem, prices, box):
    """What it costs to close what is open around a box."""
    rounds = problem.rounds[box]
    return Closing(
        prices[WEIGHTS] * problem.words[WEIGHTS, box] * rounds,
        prices[OUTPUTS] * problem.words[OUTPUTS, box] * rounds,
        prices[INPUTS] * problem.words[INPUTS, box] * rounds,
        prices[INPUTS] * problem.distinct[box] * rounds,
    )


@helper
def charge(closing, code):
    """Cost of closing what is open; see `STATE`."""
    cost, inputs = 0.0, code >> 2
    if code & 1:
        cost += closing.weights
    if code & 2:
        cost += closing.outputs
    if inputs == FRESH:
        cost += closing.fresh
    elif inputs:
        cost += closing.moved
    return cost


@helper
def charge_anew(problem, level, closing, box, inputs, bound):
    """The least cost of inputs that have slid, and which a loop of others begins anew.

    None of them stay then. Slides that follow go on where the last ones ended, but once in so many
    iterations.
    """
    spared = problem.resumed[inputs - ROWS, box]
    if spared > 0 and problem.machine.rules[level - 1].multicast == WORD_MULTICAST:
        spared = 1.0
    return closing.moved * (1 - spared / bound)


@helper
def may_slide(problem, box, first):
    """Whether a loop over output positions (`P`) or taps (`R`) is left that may slide windows."""
    extent, whole = problem.lattice.extents[box], problem.lattice.extents[-1]
    for axis in range(2):
        if problem.slides[axis] and extent[first + axis] < whole[first + axis]:
            return True
    return False


@helper
def may_iterate(problem, place, factor, box):
    """Whether a loop of a level over a prime factor may stand around a box."""
    digits = problem.lattice.digits
    limit = digits[factor, LIMIT]
    left_out = box // digits[factor, STRIDE] % (limit + 1) == limit
    return place.dimensions[digits[factor, DIMENSION]] and not left_out


@helper
def loops_left(problem, box):
    """Dimensions of which loops are left around a box, as bits."""
    extent, whole, found = problem.lattice.extents[box], problem.lattice.extents[-1], 0
    for dimension in range(8):
        if extent[dimension] < whole[dimension]:
            found |= 1 << dimension
    return found


@helper
def left(problem, box, first):
    """Iterations left of loops over output positions (`P`) or taps (`R`) along which windows slide.

    They only slide along one axis, and no other loops may come in between.
    """
    extent, whole, most = problem.lattice.extents[box], problem.lattice.extents[-1], 1.0
    for i in range(first, first + 2):
        if problem.slides[i - first]:
            most = max(most, whole[i] / extent[i])
    return most


class Spared(NamedTuple):
    """Shares of a cost that loops around a box spare at most.

    Attributes
    ----------
    weights, outputs : float
        By all loops that do not index them.
    positions, taps : float
        By those along which windows slide.
    """

    weights: float
    outputs: float
    positions: float
    taps: float


@helper
def spared_shares(problem, box):
    """What loops around a box spare of weights and outputs at most, and by slides alone."""
    return Spared(
        1 - 1 / problem.unseen[WEIGHTS, box], 1 - 1 / problem.unseen[OUTPUTS, box],
        1 - 1 / left(problem, box, P), 1 - 1 / left(problem, box, R),
    )  # fmt: skip


@helper
def most_saved(shares, weights, outputs, inputs):
    """The most of some costs that loops around a box can spare.

    A loop spares weights or outputs, with what inputs spare by sliding, or what inputs do not see.
    Once inputs have slid along one axis, and anything else moves, they are spared no more.

    Parameters
    ----------
    shares : Spared
    weights, outputs : float
        Costs of what is open.
    inputs : tuple of float
        Of inputs, too, and what of it can be spared: by any loops, by slides alone, by those over
        positions, by those over taps.
    """
    best = max(inputs[1], inputs[2])
    best = max(best, weights * shares.weights + min(inputs[2], inputs[3]))
    best = max(best, weights * shares.positions + inputs[2])
    best = max(best, outputs * shares.outputs + min(inputs[2], inputs[4]))
    return max(best, outputs * shares.taps + inputs[2])


@helper
def leave(problem, prices, box, closing, shares, code):
    """Cost of what is open where a level ends, if as much as can stay stays open."""
    weights, outputs = charge(closing, code & 1), charge(closing, code & 2)
    inputs = charge(closing, code & ~3)
    # Every word is moved once at least.
    most = max(0.0, inputs - prices[INPUTS] * problem.distinct[-1])
    slides = min(most, inputs * (1 - 1 / problem.along[box]))
    sparing = (
        inputs,
        min(most, inputs * (1 - 1 / problem.unseen[INPUTS, box])) if code >> 2 == FRESH else slides,
        slides,
        inputs * shares.positions,
        inputs * shares.taps,
    )
    return weights + outputs + inputs - most_saved(shares, weights, outputs, sparing)


@helper
def place_codes(code, tensor):
    """A code with one more tensor open."""
    if tensor == WEIGHTS:
        return code | 1
    if tensor == OUTPUTS:
        return code | 2
    return (code & 3) | FRESH << 2


@helper
def code_after(problem, code, dimension):
    """What stays open when a loop follows."""
    stay = 0
    if code & 1 and not INDEXES[WEIGHTS, dimension]:
        stay |= 1
    if code & 2 and not INDEXES[OUTPUTS, dimension]:
        stay |= 2
    inputs = code >> 2
    if inputs:
        if dimension == M and inputs == FRESH:
            stay |= inputs << 2
        elif dimension >= P:
            axis = (dimension - P) % 2
            if problem.slides[axis] and inputs != COLUMNS - axis:
                stay |= (ROWS + axis) << 2
    return stay


@helper
def charge_loop(problem, level, closing, box, code, stay, factor):
    """Cost of closing what a code has open, but has not after a loop over a prime factor."""
    digits, closed, anew = problem.lattice.digits, code & ~stay & 3, 0.0
    if stay >> 2 == 0:
        inputs = code >> 2
        if inputs > FRESH and digits[factor, DIMENSION] == M:
            anew = charge_anew(problem, level, closing, box, inputs, digits[factor, PRIME])
        else:
            closed |= inputs << 2
    return anew + charge(closing, closed)


@helper
def may_be(problem, placed, code):
    """Whether a code has nothing open but what is placed, and moved where windows slide."""
    inputs = code >> 2
    return STATE[placed, code] >= 0 and (inputs < ROWS or problem.slides[inputs - ROWS])


@helper
def least_of_nodes(kept, placed, box, code, values):
    """The least of what is to come if a node follows."""
    best = np.inf
    for tensor in range(3):
        bit = 1 << tensor
        if kept & ~placed & bit:
            best = min(best, values[STATE[placed | bit, place_codes(code, tensor)], box])
    return best


@helper
def factors_around(problem, level, box, found):
    """Fill the prime factors of which a loop of a level may stand around a box; how many."""
    place, count = problem.places[level], 0
    for factor in range(problem.lattice.digits.shape[0]):
        if may_iterate(problem, place, factor, box):
            found[count] = factor
            count += 1
    return count


@helper
def least_of_loops(problem, level, closing, placed, box, code, factors, after, values):
    """The least of what is to come if a loop over one of some prime factors follows.

    Parameters
    ----------
    after : int64[16, 8]
        See `code_after`.
    """
    digits, best = problem.lattice.digits, np.inf
    for factor in factors:
        stay = after[code, digits[factor, DIMENSION]]
        cost = values[STATE[placed, stay], box + digits[factor, STRIDE]]
        if cost < best:
            best = min(best, cost + charge_loop(problem, level, closing, box, code, stay, factor))
    return best


@helper
def copy_mirrored(problem, placed, box, values):
    """Fill what is known from where rows and columns are exchanged; whether it is."""
    if problem.mirror.shape[0] == 0 or problem.mirror[box] <= box:
        return False
    for code in range(16):
        if may_be(problem, placed, code):
            other = code ^ (ROWS ^ COLUMNS) << 2 if code >> 2 >= ROWS else code
            values[STATE[placed, code], box] = values[STATE[placed, other], problem.mirror[box]]
    return True


@helper
def rule_out(kept, fits, box, values):
    """Let nothing become of what does not fit in a box; whether anything does."""
    any_fits = False
    for placed in range(kept + 1):
        if placed & ~kept:
            continue
        any_fits |= fits[placed, box]
        for code in range(16):
            if not fits[placed, box] and STATE[placed, code] >= 0:
                values[STATE[placed, code], box] = np.inf
    return any_fits


@kernel
def bound_level(problem, level, kept, prices, fits, boundary, values):
    """Fill the least of what is to come for the stages of a level that keeps some tensors.

    Parameters
    ----------
    kept : int
        The tensors, as bits.
    prices : float64[3]
        Of a word that a node of each tensor is filled with.
    fits : bool[8, tiles]
        By the tensors that are placed: whether tiles of the others fit together.
    boundary : float64[tiles]
        The least of what is to come outside of the level.
    values : float64[states, tiles]
        Filled where something fits; see `STATE`.
    """
    problem = refer(problem)
    found = np.empty(problem.lattice.digits.shape[0], np.int64)
    after = np.empty((16, 8), np.int64)
    for code, dimension in np.ndindex(16, 8):
        after[code, dimension] = code_after(problem, code, dimension)
    for box in range(boundary.shape[0] - 1, -1, -1):
        if not rule_out(kept, fits, box, values):
            continue
        factors = found[: factors_around(problem, level, box, found)]
        closing, shares = closing_costs(problem, prices, box), spared_shares(problem, box)
        for placed in range(kept, -1, -1):
            if placed & ~kept or not fits[placed, box]:
                continue
            if copy_mirrored(problem, placed, box, values):
                continue
            for code in range(16):
                if not may_be(problem, placed, code):
                    continue
                best = least_of_nodes(kept, placed, box, code, values)
                if placed == kept:
                    out = boundary[box] + leave(problem, prices, box, closing, shares, code)
                    best = min(best, out)
                if placed != kept or kept == 0:
                    loops = least_of_loops(
                        problem, level, closing, placed, box, code, factors, after, values
                    )
                    best = min(best, loops)
                values[STATE[placed, code], box] = best


@kernel
def least_of_spreads(lattice, tiles_on_axis, values, found):
    """Fill `found` (float64[tiles]) with the least value of a tile times one of some tiles."""
    lattice = refer(lattice)
    tiles = values.shape[0]
    rest = lattice.exponents[-1] + lattice.spare
    found[:] = np.inf
    for first in range(0, tiles, NEAR_BOXES):
        for tile in tiles_on_axis:
            last = min(first + NEAR_BOXES, tiles - tile)
            if last <= first:
                continue
            boxes, own = lattice.exponents[first:last], found[first:last]
            larger, most = values[first + tile : last + tile], rest - lattice.exponents[tile]
            for i in range(last - first):
                fits = (most - boxes[i]) & lattice.spare == lattice.spare
                value = larger[i] if fits else np.inf
                own[i] = min(own[i], value)
