"""Growing one mapping step by step, to see what it costs."""

from kcsim.kernels.compilation import kernel
from kcsim.kernels.reference import refer
from kcsim.kernels.search.growth import PLACED_STEP, SPREAD_STEP, commit, loop_over, place_node, spread_over
from kcsim.kernels.search.labels import is_no_worse
from kcsim.kernels.search.optimum import cycles_of, finish, may_follow


@kernel
def follow(search, source, steps, stages, worse):
    """Grow label `source` by steps; worse[i]: a label that is no worse than the mapping after it."""
    search = refer(search)
    problem, labels = search.problem, search.labels
    label = source
    for i in range(steps.shape[0]):
        step, stage = steps[i], stages[i]
        before = stages[i - 1] if i > 0 else -1
        if step >= SPREAD_STEP:
            kept = problem.stages[before].kept if i > 0 else 0
            new = spread_over(search, label, problem.stages[stage].level, step - SPREAD_STEP, kept, stage)
        elif step >= PLACED_STEP:
            new = place_node(search, label, before, step - PLACED_STEP)
        elif step < 0:
            new = commit(search, label, -step - 2)
            if new >= 0:
                labels.tally[0] = new
        else:
            if not may_follow(problem, labels, label, problem.lattice.digits[step, 0]):
                worse[i] = -7
            new = loop_over(search, label, stage, step)
        if new < 0:
            worse[i] = -9
            return -1
        labels.tally[0] = new + 1
        at = labels.heads[stage, labels.rows[new].box]
        while at >= 0:
            if is_no_worse(search, at, new) and at != new:
                worse[i] = at
                break
            at = labels.rows[at].next
        label = new
    return label
