"""What the next loop around a level may leave where it is: a partial mapping for each choice."""

from __future__ import annotations

from kcsim.kernels.layout import OUTPUTS, WEIGHTS, P
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import loops_left
from kcsim.kernels.search.closing import close_inputs, spend_open
from kcsim.kernels.search.inputs import STILL, STUCK
from kcsim.kernels.search.labels import (
    ANY_LOOP,
    COMMIT_STEP,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    SEEN,
    WAITS,
    WEIGHTS_OPEN,
    copy_label,
)  # fmt: skip
from kcsim.kernels.search.progress import COUNT

SLIDE_WITH_WEIGHTS, SLIDE_WITH_OUTPUTS, KEEP_WEIGHTS, KEEP_OUTPUTS, KEEP_INPUTS = range(5)
CHOICES = 5


@helper
def loops_of(problem, labels, label, choice):
    """Dimensions of which the next loop may be with a choice, as bits; see `commit`."""
    row, sliding, blind = labels.rows[label], 0, 0
    moves = row.nodes > 0 and not row.state & WAITS
    for i in range(2):
        axis = labels.nodes[label, row.nodes - 1].axis if moves else STUCK
        for other in range(2):
            if problem.slides[other] and axis in (STILL, other):
                sliding |= 1 << P + 2 * i + other
    if row.state & OPEN_WEIGHTS:
        blind |= ANY_LOOP & ~SEEN[WEIGHTS]
    if row.state & OPEN_OUTPUTS:
        blind |= ANY_LOOP & ~SEEN[OUTPUTS]
    if choice == KEEP_INPUTS:
        return ANY_LOOP & ~blind if moves or not blind else 0
    own = blind & ~SEEN[WEIGHTS if choice in (SLIDE_WITH_WEIGHTS, KEEP_WEIGHTS) else OUTPUTS]
    if choice in (SLIDE_WITH_WEIGHTS, SLIDE_WITH_OUTPUTS):
        return own & sliding
    if moves or not own:
        return own & ~sliding
    # The others leave nothing where it is.
    return own | (ANY_LOOP & ~blind)


@helper
def commit(search, source, choice):
    """The label once it is known which loop comes next, and what it leaves where it is.

    No loop leaves more than one of weights, outputs and tiles of inputs that do not move; where
    nothing follows a level's nodes in the level, this is decided before its children are. Every
    loop goes with one choice at least.

    Parameters
    ----------
    choice : int
        A slide that leaves weights or outputs, something else that does, or what leaves inputs;
        -1 is returned if there is no such loop.
    """
    problem, labels = search.problem, search.labels
    row = labels.rows[source]
    loops, left = loops_of(problem, labels, source, choice), loops_left(problem, row.box)
    loops &= row.loops
    if not loops or not (loops & left or not left):
        return -1
    new = copy_label(labels, source, COMMIT_STEP)
    labels.tally[COUNT] = new + 1
    row = labels.rows[new]
    row.loops = loops
    if choice not in (SLIDE_WITH_WEIGHTS, KEEP_WEIGHTS):
        spend_open(labels, new, WEIGHTS_OPEN)
        row.state &= ~OPEN_WEIGHTS
    if choice not in (SLIDE_WITH_OUTPUTS, KEEP_OUTPUTS):
        spend_open(labels, new, OUTPUTS_OPEN)
        row.state &= ~OPEN_OUTPUTS
    if choice in (SLIDE_WITH_WEIGHTS, SLIDE_WITH_OUTPUTS):
        for i in range(row.nodes):
            labels.nodes[new, i].sliding = 1
    elif choice != KEEP_INPUTS and row.nodes > 0 and not row.state & WAITS:
        close_inputs(search, new)
    return new
