"""What the stages above a level hand down to it, and what loops leave where it is.

A row of *above*, float64[levels + 1, 30 + 2 * levels], for each level (see
`kcsim.kernels.search.stages`):

=========== ==================================================================
column      meaning
=========== ==================================================================
COST        energy so far, but for what a cycle costs
IDLE        energy that cycles cost at least, by the units that are spread so far
UNITS       instances of the level
HELD        distinct words of outputs, over all instances of the level
RUN         (3) innermost iterations around the level that leave a tile where it is
SHARE       (3) words read from (written to) where a tensor is kept, for one on the level's network
TRANSIT     (3) energy of the networks in between, for such a word
BUSY        cycles that the transfers above need at least
MOVES, AXIS see below
OWN         (3) words that the level above sends (takes in) for each that crosses its network
LOOKED      words of weights that left the decoder, for one on the level's network
SPREAD      (4) children over C, R, S and M on networks in between that share reads of weights
WIDE        (4) as SPREAD, on the networks below the decoder alone
MOVED       (2 by level) cycles of the reads and of the writes of a level, over all its instances;
            behind the last level, those of the stores of codebooks
=========== ==================================================================

and, for inputs, a row of *moves*, float64[levels + 1, loops, 2]: the bound of each of the innermost
loops around the level, from the inside out, and the words by which an iteration moves the tile.
All move it along the same axis of the window (``AXIS``: 0 rows, 1 columns, -1 none does), or not
at all; with the first other loop, every further iteration replaces the whole tile.
"""

from __future__ import annotations

from kcsim.kernels.count.counting import covered_words
from kcsim.kernels.layout import INDEXES, INPUTS, M, P, R
from kcsim.kernels.nest import helper, inlined, plain_product, window_extent

COST, IDLE, UNITS, HELD, RUN, SHARE, TRANSIT, BUSY, MOVES, AXIS, OWN = (
    0, 1, 2, 3, 4, 7, 10, 13, 14, 15, 16,
)  # fmt: skip
LOOKED, SPREAD, WIDE, MOVED = 19, 20, 24, 28
STILL = RUN + 1
"""Of inputs."""
READING, WRITING = 0, 1


@helper
def run_of(tensor, bounds, order, outer):
    """Innermost iterations that leave a tile of weights or outputs where it is.

    Parameters
    ----------
    bounds : int64[8]
        Bounds of the loops of a level.
    order : int64[8]
        Their dimensions, outermost first.
    outer : float
        Such iterations of the loops around, which follow where no loop of the level moves the tile.
    """
    run = 1.0
    for i in range(7, -1, -1):
        bound = bounds[order[i]]
        if bound > 1:
            if INDEXES[tensor, order[i]]:
                return run
            run *= bound
    return run * outer


@helper
def find_moves(level, bounds, order, extents, window, above, moves):
    """Fill what the row below a level says of the moves of inputs.

    Parameters
    ----------
    bounds, order : int64[8]
        Bounds and order of the loops of the level.
    extents : int64[8]
        What all children of the level span together: the step of its loops.
    """
    below, count, axis, ends = above[level + 1], 0, -1, False
    for i in range(7, -1, -1):
        dimension = order[i]
        bound = bounds[dimension]
        if bound == 1 or ends:
            continue
        shift, own = 0, axis
        if dimension >= P:
            own = (dimension - P) % 2
            scale = window[own].stride if dimension < R else window[own].dilation
            shift = scale * extents[dimension]
        if (dimension < P and dimension != M) or own == 1 - axis:
            ends = True
            continue
        axis = own
        moves[level + 1, count, 0], moves[level + 1, count, 1] = bound, shift
        count += 1
    outer = int(above[level, AXIS])
    for i in range(int(above[level, MOVES])):
        shift = moves[level, i, 1]
        if shift > 0 and outer == 1 - axis:
            ends = True
        if not ends:
            axis = outer if shift > 0 else axis
            moves[level + 1, count, 0], moves[level + 1, count, 1] = moves[level, i, 0], shift
            count += 1
    below[MOVES], below[AXIS], below[STILL] = count, axis, 1.0
    for i in range(count):
        if moves[level + 1, i, 1] > 0:
            return
        below[STILL] *= moves[level + 1, i, 0]


@inlined
def arriving_inputs(row, moves, spans, window, by_word):
    """Words of inputs that a child is given in one round of the moves around it.

    Parameters
    ----------
    row, moves : float64[:], float64[:, 2]
        Of the child, see the module.
    spans : SPAN[2]
        First: ``spatial`` of the network; second: ``extent`` of the child.

    Returns
    -------
    words : float
        For one child.
    covered : float
        Distinct words for all children of one parent together, if `by_word`.
    iterations : float
        Steps of one round.
    """
    extent = spans[1].extent
    rows, columns = window_extent(extent, window, 0), window_extent(extent, window, 1)
    line = plain_product(INPUTS, extent)
    axis, moved, iterations = row[AXIS], 0.0, 1.0
    length = columns if axis == 1 else rows
    full, words, full_covered, covered = 0.0, 0.0, 0.0, 0.0
    for i in range(-1, int(row[MOVES])):
        bound, advance, new_rows, new_columns = 1.0, 0.0, rows, columns
        if i >= 0:
            bound, advance = moves[i, 0], moves[i, 1] - moved
            if advance == 0:
                new_rows = 0
            elif 0 < advance < length:
                new_rows = int(advance) if axis == 0 else rows
                new_columns = int(advance) if axis == 1 else columns
        new, new_covered = float(line * new_rows * new_columns), 0.0
        if by_word and new_rows > 0:
            new_covered = float(covered_words(spans, 0, window, new_rows, new_columns))
        if i < 0:
            full, words, full_covered, covered = new, new, new_covered, new_covered
            continue
        # Another iteration repeats the round, whose first tile is now not all new.
        words = words * bound - (bound - 1) * (full - new)
        covered = covered * bound - (bound - 1) * (full_covered - new_covered)
        iterations *= bound
        moved += moves[i, 1] * (bound - 1)
    return words, covered, iterations
