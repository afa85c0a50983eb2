"""What forwarding spares of whole mappings that a search has held back: counted, one by one.

Which children take what they need from a neighbor depends on all loops around them, so that a
search only bounds it. What a mapping costs with it is what it costs without, but for the words that
the counter says are forwarded in place of being read further out.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.count.counting import count_mapping
from kcsim.kernels.layout import COUNT, INPUTS, LOOP, SPAN, TEMPORAL
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search import optimum
from kcsim.kernels.search.labels import PLACED_STEP, SPREAD_STEP, Labels, Search
from kcsim.kernels.search.problem import Problem
from kcsim.kernels.search.progress import HELD_BACK


def settle_held(search: Search) -> None:
    """Take those of the mappings that are held back that are better than what has been found."""
    tally = search.labels.tally
    for label in search.held[: tally[HELD_BACK]].tolist():
        energy, cycles = _spared(search.problem, search.labels, label)
        optimum.take_held(search, label, energy, cycles)
    tally[HELD_BACK] = 0


def _spared(problem: Problem, labels: Labels, label: int) -> tuple[float, np.ndarray]:
    """What forwarding adds to the energy of a mapping, and to each port: float64[accounts]."""
    machine = problem.machine
    loops, heights, keeps, splits = _nest_of(problem, labels, label)
    rules = machine.rules.copy()
    rules["keeps"] = keeps
    counts, spans = _counted(problem, loops, heights, rules)
    rules["forwards"] = 0
    without, _ = _counted(problem, loops, heights, rules)
    reads = (counts["reads"] - without["reads"])[:, INPUTS].astype(float)
    arriving = (counts["down"] - without["down"])[:, INPUTS].astype(float)
    forwarded = counts["forwarded"][:, INPUTS].astype(float)
    given = np.concatenate([[0.0], forwarded[:-1]])
    links, costs = problem.splits["links"][splits, INPUTS], machine.costs[:, INPUTS]
    transfer_pj = costs[:, columns.TRANSFER_PJ] + links * problem.link_pj[:-1, INPUTS]
    energy = given @ problem.forward_pj + (reads - given) @ costs[:, columns.READ_PJ]
    energy += arriving @ transfer_pj
    units = float(labels.rows[label]["units"]) / spans["instances"][:-1]
    cycles = np.zeros(labels.amounts.shape[2])
    taken = given * problem.forward_cycles
    taken += (reads - given) * costs[:, columns.READ_CYCLES]
    np.add.at(cycles, machine.ports[:, INPUTS, columns.READ], taken * units)
    # What enters the network below a level: what it reads for it, or lets pass.
    passed = np.concatenate([[0.0], arriving[:-1]])
    entering = np.where(keeps[:, INPUTS], reads - given, passed)
    crossed = entering * machine.network_cycles[:, INPUTS] * units
    np.add.at(cycles, machine.ports[:, INPUTS, columns.DOWN], crossed)
    cycles[0] = 0.0
    return float(energy), cycles


def _counted(
    problem: Problem, loops: np.ndarray, heights: np.ndarray, rules: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    levels = len(rules)
    spans, counts = np.zeros(levels + 1, SPAN), np.zeros((levels, 3), COUNT)
    count_mapping(loops, heights, problem.machine.window, rules, spans, counts)
    return counts, spans


def _nest_of(
    problem: Problem, labels: Labels, label: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """The loops of a mapping, its places, what levels keep, and the ways to spread."""
    levels = len(problem.places) - 1
    heights, keeps = np.zeros((levels, 3), np.int64), np.zeros((levels, 3), np.int64)
    keeps[0] = 1
    loops: list[tuple[int, int, int, int]] = []
    splits: list[int] = []
    level, height = 0, 0
    while labels.rows[label]["parent"] >= 0:
        step = int(labels.rows[label]["step"])
        label = int(labels.rows[label]["parent"])
        if step >= SPREAD_STEP:
            splits.append(step - SPREAD_STEP)
            first, last = problem.splits[splits[-1]][["first_loop", "last_loop"]].item()
            loops += [(level, *loop) for loop in problem.mesh_loops[first:last].tolist()]
            level, height = level + 1, 0
        elif step >= PLACED_STEP:
            heights[level, step - PLACED_STEP] = height
            keeps[level, step - PLACED_STEP] = 1
        elif step >= 0:
            loops.append((level, TEMPORAL, *problem.lattice.digits[step, :2].tolist()))
            height += 1
    return np.array(loops, LOOP), heights, keeps, splits
