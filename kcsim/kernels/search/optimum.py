"""The best mapping of a layer, as the cheapest way from the MAC units to the whole layer.

A partial mapping grows outwards by a loop over a prime factor, a node, or a spread over the
children of the next level. Labels of one stage and box of which another is no worse in all are
dropped, and so are those that cost too much, with the least that is still to come.
"""

from __future__ import annotations

from kcsim.kernels.compilation import kernel
from kcsim.kernels.nest import helper
from kcsim.kernels.reference import refer
from kcsim.kernels.search.choices import CHOICES, commit, loops_of
from kcsim.kernels.search.closing import spend_open
from kcsim.kernels.search.costs import cycles_of, is_too_much, keep_label
from kcsim.kernels.search.growth import (
    loop_over,
    place_node,
    spread_over,
)  # fmt: skip
from kcsim.kernels.search.labels import (
    ANY_LOOP,
    COMMIT_STEP,
    FORWARDS,
    GENERATED,
    HELD,
    INPUTS_OPEN,
    PLACED_STEP,
    SPENT,
    SPREAD_STEP,
    TWICE,
    WEIGHTS_OPEN,
)  # fmt: skip
from kcsim.kernels.search.machine import LEAK_PJ
from kcsim.kernels.search.padding import may_stay_bare
from kcsim.kernels.search.progress import (
    BOX,
    COUNT,
    CROSSED,
    DONE,
    FINISHED,
    FORGOTTEN,
    FOUND,
    FRONT,
    FULL,
    HELD_BACK,
    LABEL_AT,
    PAUSED,
    STAGE,
    STEPS,
    TOLERANCE,
    WAYS_OF,
)  # fmt: skip
from kcsim.kernels.search.spreading import spread_all
from kcsim.kernels.search.tilings import DIMENSION


@helper
def finish(search, new):
    """Take a whole mapping, if it is better than what has been found, or hold it back."""
    labels = search.labels
    row, amounts = labels.rows[new], labels.amounts[new]
    if not (row.state & GENERATED or may_stay_bare(search.problem.margins)):
        return
    for kind in range(WEIGHTS_OPEN, amounts.shape[0]):
        if kind < INPUTS_OPEN + 2 * row.nodes:
            spend_open(labels, new, kind)
    if row.state & FORWARDS:
        machine = search.problem.machine
        cycles = max(machine.macs * machine.cycles_per_mac / row.units, search.least_cycles)
        energy = machine.mac_pj + amounts[SPENT, 0] - amounts[HELD, 0] + row.copies - row.spare
        if machine.has_wide_sums:
            energy -= amounts[amounts.shape[0] - 1, 0]
        energy += cycles * (machine.static_pj + row.leak * row.units)
        too_much = is_too_much(search, energy, cycles)
        if not too_much and labels.tally[HELD_BACK] < search.held.shape[0]:
            search.held[labels.tally[HELD_BACK]] = new
            labels.tally[HELD_BACK] += 1
            labels.tally[COUNT] = new + 1
        return
    take(search, new)


@helper
def take(search, new):
    """Take a whole mapping of which nothing is open, if it is better than what has been found."""
    problem, labels = search.problem, search.labels
    machine, row, amounts = problem.machine, labels.rows[new], labels.amounts[new]
    labels.tally[FINISHED] += 1
    cycles = cycles_of(problem, amounts, 1.0, row.units, row.units, True)
    energy = machine.mac_pj + amounts[SPENT, 0] - amounts[HELD, 0] + row.copies
    if machine.has_wide_sums:
        energy -= amounts[amounts.shape[0] - 1, 0]
    energy += cycles * (machine.static_pj + row.leak * row.units)
    if is_too_much(search, energy, cycles):
        return
    kept = 0
    if search.objective == FRONT:
        for i in range(labels.tally[FOUND]):
            slack = 1 - TOLERANCE
            if search.best[i, 0] < energy * slack or search.best[i, 1] < cycles * slack:
                for column in range(2):
                    search.best[kept, column] = search.best[i, column]
                search.found[kept] = search.found[i]
                kept += 1
    if kept < search.found.shape[0]:
        search.best[kept, 0], search.best[kept, 1] = energy, cycles
        search.found[kept] = new
        labels.tally[FOUND] = kept + 1
        labels.tally[COUNT] = new + 1


@helper
def may_end(problem, label, level):
    """Whether a user lets a level end."""
    return not problem.places[level].limited or problem.ends[label.made]


@helper
def end_level(search, label, here):
    """Keep all labels that begin the level further out."""
    tally = search.labels.tally
    for choice in range(CHOICES):
        new = commit(search, label, choice)
        if new >= 0:
            count = tally[COUNT]
            spread_all(search, new, here.level - 1, here.kept)
            if tally[COUNT] == count:
                tally[COUNT] = new


@helper
def grow(search, label, stage):
    """Keep all labels that follow from one."""
    problem, labels = search.problem, search.labels
    here, step = problem.stages[stage], labels.rows[label].step
    ends = may_end(problem, labels.rows[label], here.level)
    ordered = problem.places[here.level].ordered
    if here.level == 0 and labels.rows[label].box + 1 == problem.rounds.shape[0]:
        if ends:
            finish(search, copy_final(labels, label))
        return
    placed = PLACED_STEP <= step < SPREAD_STEP and not ordered
    for tensor in range(3):
        after = here.after[tensor]
        if after < 0 or (placed and step - PLACED_STEP > tensor):
            continue
        new = place_node(search, label, stage, tensor)
        if new >= 0:
            keep_label(search, new, after)
    if here.loops:
        for factor in range(problem.lattice.digits.shape[0]):
            if labels.rows[label].near >> problem.lattice.digits[factor, DIMENSION] & 1:
                new = loop_over(search, label, stage, factor)
                if new >= 0:
                    keep_label(search, new, stage)
    if here.kept == here.placed and here.level > 0 and ends:
        end_level(search, label, here)


@helper
def copy_final(labels, label):
    """The label, copied behind the last one."""
    new = labels.tally[COUNT]
    labels.rows[new] = labels.rows[label]
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[new, kind, k] = labels.amounts[label, kind, k]
    return new


@helper
def begin(search):
    """Fill the first label: nothing but a MAC unit."""
    problem, labels = search.problem, search.labels
    row, levels = labels.rows[0], problem.places.shape[0] - 1
    row.parent, row.step, row.next, row.box, row.state, row.nodes = -1, -1, -1, 0, 0, 0
    row.within = -1
    row.made, row.units, row.copies, row.loops, row.near = 0, 1.0, 0.0, ANY_LOOP, ANY_LOOP
    row.spare, row.share = 0.0, 1.0
    if search.width < 0:
        row.state = FORWARDS | TWICE
    row.leak = problem.machine.cycles[levels, LEAK_PJ]
    for k in range(labels.strips.shape[2]):
        labels.strips[0, labels.strips.shape[1] - 1, k] = 0.0
    for i in range(3):
        row.flight[i], row.used[i] = problem.machine.macs, 0.0
    for i in range(4):
        row.whole[i] = 1
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[0, kind, k] = 0.0
    labels.tally[COUNT] = 1
    labels.tally[LABEL_AT] = labels.tally[WAYS_OF] = -1


@helper
def grow_along(search, path):
    """Grow the first label by steps, and take what comes out as found, unless one is not allowed.

    Parameters
    ----------
    path : int64[steps, 2]
        See `search_on`.
    """
    problem, labels = search.problem, search.labels
    label, kept = 0, 0
    for i in range(path.shape[0]):
        step, stage, new = path[i, 0], path[i, 1], -1
        labels.tally[COUNT] = label + 1
        if step >= SPREAD_STEP:
            level = problem.stages[stage].level
            new = spread_over(search, label, level, step - SPREAD_STEP, kept, stage)
            kept = problem.stages[stage].kept
        elif step >= PLACED_STEP:
            new = place_node(search, label, path[i - 1, 1], step - PLACED_STEP)
        elif step >= 0:
            new = loop_over(search, label, stage, step)
        else:
            for choice in range(CHOICES):
                follows = loops_of(problem, labels, label, choice) >> (COMMIT_STEP - step) & 1
                if new < 0 and follows:
                    new = commit(search, label, choice)
        if new < 0 or labels.tally[FORGOTTEN]:
            return
        label = new
    labels.tally[COUNT] = label + 1
    finish(search, label)


@kernel
def search_on(search, steps, path):
    """Begin a search, or go on with it for some steps; or follow one mapping.

    Nothing comes first: a MAC unit, spread below the innermost level in all ways.

    Parameters
    ----------
    search : Search
    steps : int
    path : int64[:, 2]
        Empty for a search. Steps of a mapping, as labels have them, and the stages after them;
        where a level ends, ``COMMIT_STEP`` minus the dimension of the next loop, or if there is
        none, one that is spread to the last. It is taken as found, unless a step is not allowed.

    Returns
    -------
    int
        `DONE`, `PAUSED` after the steps, or `FULL`: more room is needed.
    """
    search = refer(search)
    problem, labels = search.problem, search.labels
    tally, tiles = labels.tally, problem.rounds.shape[0]
    if tally[COUNT] == 0:
        begin(search)
        if path.shape[0] > 0:
            grow_along(search, path)
            return DONE
        spread_all(search, 0, problem.places.shape[0] - 2, 0)
    choices = 1
    for place in problem.places:
        choices = max(choices, place.last_stage - place.first_stage)
    room = 64 + search.held.shape[0] + CHOICES * choices * problem.splits.shape[0]
    until = tally[CROSSED] + 10 * tally[STEPS] + steps
    while tally[STAGE] < problem.stages.shape[0]:
        while tally[BOX] < tiles:
            if tally[LABEL_AT] < 0:
                tally[LABEL_AT] = labels.heads[tally[STAGE], tally[BOX]]
            while tally[LABEL_AT] >= 0:
                if tally[COUNT] + room > labels.rows.shape[0]:
                    return FULL
                late = tally[CROSSED] + 10 * tally[STEPS] >= until
                if late or tally[HELD_BACK] == search.held.shape[0]:
                    return PAUSED
                label = tally[LABEL_AT]
                grow(search, label, tally[STAGE])
                tally[STEPS] += 1
                tally[LABEL_AT] = labels.rows[label].next
            tally[BOX] += 1
        tally[BOX] = 0
        tally[STAGE] += 1
    return DONE


@kernel
def take_held(search, label, energy, cycles):
    """Take a whole mapping that was held back, if it is better than what has been found.

    Parameters
    ----------
    search : Search
    label : int
    energy : float
        What forwarding adds to it, or spares.
    cycles : float64[accounts]
        Likewise, of each port, times the MAC units.
    """
    search = refer(search)
    labels = search.labels
    new = copy_final(labels, label)
    labels.amounts[new, SPENT, 0] += energy
    for k in range(1, cycles.shape[0]):
        labels.amounts[new, SPENT, k] += cycles[k]
    take(search, new)
