"""Lower bounds for ranges of designs, by which points are left out that cannot be on a front.

Designs that differ in sizes and prices alone are put into boxes. One search for the best of all of
a box (`kcsim.mapping.as_mapped.relaxed`) bounds each of them from below: what such a search proves
holds for any mapping on any of these designs. A point that is no better than its bound, and even
so is beaten by a point that was found, is not on the front, whatever it comes to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kcsim.exploration.columns import KNOWN_BEFORE
from kcsim.exploration.designs import BOUND, hash_of
from kcsim.exploration.plan import Point

BOUNDED = {"energy": ("energy",), "cycles": ("cycles",), "edp": ("energy", "cycles")}
"""Figures with bounds, and the objectives whose least values they are products of."""
LARGEST_BOX = 16
_EXECUTIONS = ("dense", "decode")


@dataclass(frozen=True, eq=False)
class Box:
    """Points that are bounded together.

    Attributes
    ----------
    points : tuple of Point
    questions : dict of str to Point
        What is to be evaluated for its bounds, by objective.
    """

    points: tuple[Point, ...]
    questions: dict[str, Point]


def boxes_of(points: Sequence[Point], goals: Iterable[str]) -> list[Box]:
    """All points in boxes of at most so many, those with bounds.

    Parameters
    ----------
    points : sequence of Point
    goals : iterable of str
        Figures that are to be least.
    """
    objectives = sorted({each for goal in goals for each in BOUNDED.get(goal, ())})
    alike: dict[Any, list[Point]] = {}
    for point in points:
        request = point.request
        if point.inputs["execution"] in _EXECUTIONS and request.decode_level is None:
            key = (point.inputs["hardware"], request.workload, request.clustering,
                   request.weights, request.execution)  # fmt: skip
            alike.setdefault(key, []).append(point)
    found = []
    for same in alike.values():
        for part in _parts(same, _coordinates(same)):
            questions = {objective: _question(part, objective) for objective in objectives}
            found.append(Box(tuple(part), questions))
    return found


def _coordinates(points: Sequence[Point]) -> np.ndarray:
    """Where points are along each key of the hardware file that varies: int64[points, keys]."""
    columns = list(zip(*(point.request.settings for point in points), strict=True))
    ranks = []
    for column in columns:
        values = [value for _, value in column]
        numbers = [_number(value) for value in values]
        order = {number: i for i, number in enumerate(sorted(set(numbers)))}
        ranks.append([order[number] for number in numbers])
    return np.array(ranks, np.int64).reshape(len(columns), len(points)).T


def _number(value: Any) -> tuple[float, str]:
    """Something by which values of one key are in order."""
    text = str(value)
    head = text.split(" ")[0]
    try:
        return float(head), ""
    except ValueError:
        return 0.0, text


def _parts(points: list[Point], places: np.ndarray) -> Iterable[list[Point]]:
    """Points cut into boxes at the middle of the longest side, until they are small."""
    if len(points) <= LARGEST_BOX or not places.shape[1]:
        yield points
        return
    spread = [len(np.unique(column)) for column in places.T]
    axis = int(np.argmax(spread))
    if spread[axis] == 1:
        yield points
        return
    middle = np.unique(places[:, axis])[spread[axis] // 2]
    for side in (places[:, axis] < middle, places[:, axis] >= middle):
        rows = np.flatnonzero(side)
        yield from _parts([points[i] for i in rows], places[rows])


def _question(points: Sequence[Point], objective: str) -> Point:
    """A bound, as something to be evaluated and kept like a point."""
    first = points[0]
    settings = tuple(dict.fromkeys(point.request.settings for point in points))
    name = hash_of("bound", objective, sorted(point.name for point in points))
    request = replace(first.request, point=name, objective=objective, larger=(), bound_of=settings)
    return replace(first, name=name, request=request)


def least_goals(box: Box, answers: dict[str, Any], goals: Sequence[str]) -> np.ndarray:
    """What every point of a box has at least of some figures: float64[points, goals].

    Parameters
    ----------
    box : Box
    answers : dict of str to dict
        Rows by point, those of the questions among them.
    goals : sequence of str
        Figures; those that are known before a point is evaluated are exact.
    """
    least = np.zeros((len(box.points), len(goals)))
    for j, goal in enumerate(goals):
        if goal in KNOWN_BEFORE:
            values = [point.inputs.get(goal) for point in box.points]
            least[:, j] = [-np.inf if value is None else value for value in values]
            continue
        bounds = [
            (answers.get(box.questions[each].name) or {}).get(BOUND)
            for each in BOUNDED.get(goal, ())
        ]
        known = [float(bound) for bound in bounds if bound is not None]
        least[:, j] = math.prod(known) if known and len(known) == len(bounds) else -np.inf
    return least


def beaten(least: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Which points are not on the front, whatever they come to: bool[points].

    Parameters
    ----------
    least : float64[points, goals]
        What they have at least.
    found : float64[others, goals]
        What other points have.
    """
    if not len(found):
        return np.zeros(len(least), np.bool_)
    no_worse = (found[:, None, :] <= least[None, :, :]).all(axis=2)
    better = (found[:, None, :] < least[None, :, :]).any(axis=2)
    return np.asarray((no_worse & better).any(axis=0))
