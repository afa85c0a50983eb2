"""Values between the points of a table; beyond its ends they stay as they are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise


def log_log(points: Mapping[float, float], at: float) -> float:
    """The value at a place, straight between points on logarithmic scales.

    Parameters
    ----------
    points : mapping of float to float
        All positive.
    at : float
    """
    logs = {math.log(place): math.log(value) for place, value in points.items()}
    return math.exp(linear(logs, math.log(at)))


def linear(points: Mapping[float, float], at: float) -> float:
    """The value at a place, straight between points."""
    places = sorted(points)
    if at <= places[0]:
        return points[places[0]]
    for low, high in pairwise(places):
        if at == high:
            return points[high]
        if at < high:
            share = (at - low) / (high - low)
            return points[low] * (1 - share) + points[high] * share
    return points[places[-1]]
