"""Exploring hardware whose children take what they need from neighbors.

A search only bounds what that spares until a mapping is whole. So the best mapping without it is
found first; what it costs with neighbors rules out most of the others.
"""

from __future__ import annotations

import dataclasses
import math

from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import FRONT
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import Explorer, explore
from kcsim.mapping.explored import Explored, Point, front_of, objective_of
from kcsim.mapping.task import Task
from kcsim.mapping.verify import costs_in_space

ALONE_SHARE = 0.3
"""Share of the time to look for mappings without neighbors."""


def explore_all(explorer: Explorer) -> Explored:
    """As `kcsim.mapping.explore.explore`, for hardware of any kind."""
    task, objective, deadline = explorer.task, explorer.objective, explorer.deadline
    if not any("inputs" in level.fanout.forwarding for level in task.hardware.levels):
        return explore(explorer)
    alone = dataclasses.replace(task, hardware=_without_forwarding(task.hardware), is_counted=False)
    first = explore(Explorer(alone, objective, Deadline(ALONE_SHARE * deadline.left, deadline)))
    points = list(explorer.known.points)
    points += [priced for point in first.points for priced in _priced(task, point)]
    if objective == FRONT:
        points = front_of(points)
    elif points:
        points = [min(points, key=lambda point: objective_of(objective, *point[1:3]))]
    explorer.know(points)
    known = explore(explorer)
    known.evaluated += first.evaluated
    known.nodes += first.nodes
    return known


def _without_forwarding(hardware: Hardware) -> Hardware:
    levels = tuple(
        dataclasses.replace(level, fanout=dataclasses.replace(level.fanout, forwarding=()))
        for level in hardware.levels
    )
    return dataclasses.replace(hardware, levels=levels)


def _priced(task: Task, point: Point) -> list[Point]:
    """The mapping with what it costs on the hardware of the task."""
    forms = [form for form in task.weights if form.store_level == point.codebook_level]
    costs = costs_in_space(point.mapping, task.layer, task.hardware, forms, even=task.even)
    return [
        point._replace(energy=energy, cycles=cycles)
        for energy, cycles in costs
        if energy < math.inf
    ]
