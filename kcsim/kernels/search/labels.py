"""Partial mappings, from the MAC units outwards."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import float64, int64

from kcsim.kernels.layout import INDEXES, record
from kcsim.kernels.nest import helper
from kcsim.kernels.search.problem import Problem
from kcsim.kernels.search.progress import COUNT

SPENT, HELD, WEIGHTS_OPEN, OUTPUTS_OPEN, INPUTS_OPEN = range(5)
"""Rows of *amounts*, float64[labels, rows, accounts].

What has been spent; what is taken off again for every instance with the same outputs; what closing
weights, outputs and each open node of inputs costs (two rows each: what each child is given, and
what all children of a network together are). Where partial sums are wide, a last row has what
finished outputs spare, unless a level further out adds up several instances. Account 0 is energy,
the others are cycles of ports times the MAC units.
"""

OPEN_WEIGHTS, OPEN_OUTPUTS, RETURNS, WAITS, PHASE, MIRRORED, AGAIN, APART = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
MAY_FORWARD, FORWARDS, UNMOVED, TWICE, GENERATED = 256, 512, 1024, 2048, 4096

LABEL = record(
    parent=int64, step=int64, next=int64, box=int64, state=int64, made=int64, nodes=int64,
    loops=int64, near=int64, within=int64, units=float64, leak=float64, copies=float64,
    flight=(float64, 3), used=(float64, 3), whole=(int64, 4), least=float64, spare=float64,
    share=float64,
)  # fmt: skip
"""A partial mapping.

parent, step
    The mapping without its outermost part, and that part.
next
    Another one with the same stage and box, -1 for none.
state
    Bits: weights are open, outputs are open, outputs return (a level further in keeps them),
    inputs are closed but wait for a network, a loop has moved the stationary tensor, rows and
    columns have been exchanged after the step; where partial sums are wide: each of them arrives
    more than once, a network further in has left sums of the same outputs apart; children of the
    next network may take inputs from neighbors, those of one further in do, no loop has moved
    these, those of two networks do; a level further in generates padding.
made
    What of the level there is, as a state of `Problem.moves`; 0 where nothing is limited.
nodes
    Open nodes of inputs.
loops
    Dimensions of which the next loop may be, as bits; see `ANY_LOOP`.
near
    The same, if it is one of this level: outside of nodes that no loop stands outside of yet.
within
    Dimension of the last loop of the level, -1 for none.
units
    MAC units in use.
leak
    Leakage of all levels so far, for each MAC unit.
copies
    Energy of writing codebooks, for one instance of the level.
flight
    Words that cross the present network, of each tensor that the level does not keep.
used
    Bits of each room of the level.
whole
    Channels, rows, columns and filters of weights that are sent together; 1 along what a unit of
    them does not span.
least
    What the whole mapping costs at least.
spare, share
    Energy that forwarding may spare at most, and the share that it leaves, at least, of the words
    of inputs in flight: what they cost is that of a network that does not forward. The loops of the
    whole mapping decide on it, so that such labels are not compared.
"""

PLACED_STEP, SPREAD_STEP = 64, 128
"""Steps below the first are loops over a factor; then come nodes of a tensor, then spreads."""
COMMIT_STEP = -2
"""The step by which it is decided what the next loop may leave where it is."""
ANY_LOOP = 255
SEEN = tuple(sum(1 << d for d in range(8) if row[d]) for row in INDEXES)
"""Dimensions that index each tensor, as bits; see `INDEXES`."""


class Labels(NamedTuple):
    """Labels by stage and box.

    Attributes
    ----------
    rows : LABEL[:]
    amounts : float64[:, rows, accounts]
        See `SPENT`.
    nodes : NODE[:, levels]
    strips : float64[:, slots, fields]
        Lines of inputs without padding; see `kcsim.kernels.search.padding`.
    heads : int64[stages, tiles]
        The first label of each stage and box, -1 for none.
    tally : int64[11]
        See `kcsim.kernels.search.progress`.
    """

    rows: np.ndarray
    amounts: np.ndarray
    nodes: np.ndarray
    strips: np.ndarray
    heads: np.ndarray
    tally: np.ndarray


class Spreads(NamedTuple):
    """Ways to spread factors over the children of levels, or bundles of them.

    Attributes
    ----------
    shares : float64[3, ways]
        Share of the words of each tensor that a level sends apart, at least.
    copies, units : float64[ways]
        Children, with those further out, that hold the same output at most, and in use at most.
    rest : float64[choices, ways]
        The least energy that is to come outside, by what the level keeps; room to work in, as are:
    energy, cycles, value : float64[ways]
        Of the label that is spread, at least; what is compared with `value_of_best`.
    """

    shares: np.ndarray
    copies: np.ndarray
    units: np.ndarray
    rest: np.ndarray
    energy: np.ndarray
    cycles: np.ndarray
    value: np.ndarray


class Ways(NamedTuple):
    """All ways to spread factors over children, and bundles of those that share words about alike.

    Attributes
    ----------
    each, bundled : Spreads
        Each way, in the order of `Problem.splits`, and the best of each bundle in everything.
    tiles, exponents : int64[ways]
        The factors of each way; see `kcsim.kernels.search.tilings.Lattice`.
    first : int64[bundles + 1]
        The first way of each bundle.
    of_level : int64[levels, 2]
        The first bundle of each level, and the one behind its last.
    listed : bool[bundles]
        Whether it is known what is to come with each way of a bundle; room to work in.
    """

    each: Spreads
    bundled: Spreads
    tiles: np.ndarray
    exponents: np.ndarray
    first: np.ndarray
    of_level: np.ndarray
    listed: np.ndarray


class Search(NamedTuple):
    """All that a search works with.

    Attributes
    ----------
    problem : Problem
    labels : Labels
    objective : int
        See `kcsim.kernels.search.progress`.
    best : float64[points, 2]
        Energy and cycles of the best mapping, or of the front.
    found : int64[points]
        Their labels.
    most : float
        What the objective must be below.
    width : int
        Labels to keep at most of a stage and box; below 0 for all, of which none are compared, and
        all whole mappings are held back.
    by_cycles : bool
        Whether cycles count as much as energy; else they do only where energies are equal.
    rest, entry : float64[stages, tiles], float64[levels, tiles]
        The least energy that is still to come in a stage, and as a level begins.
    beyond : float64[stages, tiles]
        What is to come before factors are spread below a level that begins in a stage; of others,
        nothing.
    inward, outward : float64[levels, 4]
        The least energy of a word that arrives at a level, or passes it by, and that leaves it
        outwards; behind those of each tensor, that of a partial sum that comes back for it.
    shares : float64[levels, 4]
        The least share of each tensor that a level sends apart, and of their product.
    least_cycles : float
        Of any mapping.
    sent : float64[levels]
        What `rest` takes off for a word that outputs send upwards; 0 for nothing.
    held : int64[:]
        Whole mappings of which it is not known yet what forwarding spares.
    ways : Ways
    factors, prices : float64[2], float64[3]
        Room to work in.
    kinds, path : float64[8, fields], int64[:]
        Likewise; see `kcsim.kernels.search.strips`.
    """

    problem: Problem
    labels: Labels
    objective: int
    best: np.ndarray
    found: np.ndarray
    most: float
    width: int
    by_cycles: bool
    rest: np.ndarray
    entry: np.ndarray
    beyond: np.ndarray
    inward: np.ndarray
    outward: np.ndarray
    shares: np.ndarray
    least_cycles: float
    sent: np.ndarray
    held: np.ndarray
    ways: Ways
    factors: np.ndarray
    prices: np.ndarray
    kinds: np.ndarray
    path: np.ndarray


@helper
def copy_label(labels, source, step):
    """Copy a label behind the last one, as its successor."""
    new = labels.tally[COUNT]
    labels.rows[new] = labels.rows[source]
    labels.rows[new].parent, labels.rows[new].step = source, step
    labels.rows[new].state &= ~MIRRORED
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[new, kind, k] = labels.amounts[source, kind, k]
    for i in range(labels.rows[new].nodes):
        labels.nodes[new, i] = labels.nodes[source, i]
        for k in range(labels.strips.shape[2]):
            labels.strips[new, i, k] = labels.strips[source, i, k]
    for k in range(labels.strips.shape[2]):
        last = labels.strips.shape[1] - 1
        labels.strips[new, last, k] = labels.strips[source, last, k]
    return new


@helper
def taken_off(held, copies):
    """The most that is taken off for so many instances with the same outputs; see `HELD`."""
    return held * (copies if held > 0 else 1.0)


@helper
def next_loops(problem, row, stage):
    """Dimensions of which the next loop may be, as bits, and whether there is one for certain.

    Nodes that touch are placed in the order of tensors, unless a user wants another one.
    """
    here = problem.stages[stage]
    in_order = PLACED_STEP <= row.step < SPREAD_STEP and not problem.places[here.level].ordered
    if in_order and here.kept & ~here.placed & ((1 << row.step - PLACED_STEP) - 1):
        return row.loops & row.near, True
    return row.loops, False
