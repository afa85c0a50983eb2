"""Growing one mapping step by step, for what it costs."""

from __future__ import annotations

from kcsim.kernels.compilation import kernel
from kcsim.kernels.reference import refer
from kcsim.kernels.search.growth import (
    COMMIT_STEP,
    KEEP_INPUTS,
    KEEP_OUTPUTS,
    KEEP_WEIGHTS,
    PLACED_STEP,
    SPREAD_STEP,
    commit,
    loop_over,
    place_node,
    spread_over,
)  # fmt: skip
from kcsim.kernels.search.optimum import COUNT, FORGOTTEN, begin, finish


@kernel
def grow_along(search, steps, stages):
    """Grow the first label by steps, and take what comes out as found, unless one is not allowed.

    Parameters
    ----------
    search : Search
    steps : int64[:]
        As labels have them. Where a level ends, ``COMMIT_STEP`` minus the tensor that the next
        loop had best leave where it is.
    stages : int64[:]
        The stage after each.
    """
    search = refer(search)
    problem, labels = search.problem, search.labels
    begin(search)
    label, kept = 0, 0
    for i in range(steps.shape[0]):
        step, stage, new = steps[i], stages[i], -1
        labels.tally[COUNT] = label + 1
        if step >= SPREAD_STEP:
            level = problem.stages[stage].level
            new = spread_over(search, label, level, step - SPREAD_STEP, kept, stage)
            kept = problem.stages[stage].kept
        elif step >= PLACED_STEP:
            new = place_node(search, label, stages[i - 1], step - PLACED_STEP)
        elif step >= 0:
            new = loop_over(search, label, stage, step)
        else:
            for choice in (COMMIT_STEP - step, KEEP_INPUTS, KEEP_WEIGHTS, KEEP_OUTPUTS):
                if new < 0:
                    new = commit(search, label, choice)
        if new < 0 or labels.tally[FORGOTTEN]:
            return
        label = new
    labels.tally[COUNT] = label + 1
    finish(search, label)
