"""How long an exploration will take, from points of its folder or from a few that are tried."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcsim.exploration.designs import evaluate
from kcsim.exploration.plan import Plan, Point
from kcsim.exploration.problems import SharingMapper
from kcsim.exploration.store import read_points

TRIED = 5
TRIAL_SECONDS = 10.0
ENOUGH = 5


def counted(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


@dataclass(frozen=True)
class Forecast:
    """What an exploration amounts to.

    Attributes
    ----------
    points, known : int
        Of the space, and those that its folder has already.
    combinations, ruled_out : int
        Of inputs, and those that constraints rule out before anything runs.
    problems : int
        Distinct mapping problems of the points that are left.
    seconds : float, optional
        Until they are done on all workers; ``None`` if nothing is known.
    basis : str
        What the time rests on.
    """

    points: int
    known: int
    combinations: int
    ruled_out: int
    problems: int
    seconds: float | None
    basis: str


def forecast(plan: Plan, folder: Path | None, workers: int, *, tries: bool = True) -> Forecast:
    """Say what a plan amounts to.

    Parameters
    ----------
    plan : Plan
    folder : path, optional
        With what was found before.
    workers : int
    tries : bool
        Whether some points may be evaluated to see how long that takes, where the folder has none.
        What their searches find is kept as for any estimate.
    """
    found = read_points(folder) if folder is not None and folder.is_dir() else None
    known: dict[str, float] = {}
    if found is not None and len(found):
        pairs = zip(
            found["point"].to_pylist(), found["evaluation_seconds"].to_pylist(), strict=True
        )
        known = dict(pairs)
    left = [point for point in plan.points if point.name not in known]
    problems = plan.mapping_problems(left)
    seconds: float | None = 0.0
    basis = "nothing is left to do"
    if left:
        times, basis = list(known.values()), f"{counted(len(known), 'point')} of the folder"
        if len(times) < ENOUGH and tries:
            times = _tried(left)
            basis = f"{counted(len(times), 'point')} that were tried"
        seconds = sum(times) / len(times) * len(left) / workers if times else None
    return Forecast(
        len(plan.points), len(plan.points) - len(left), plan.combinations, plan.ruled_out,
        problems, seconds, basis,
    )  # fmt: skip


def _tried(points: Sequence[Point]) -> list[float]:
    """Seconds that some points took, from all over the space, until the time is up."""
    step = max(1, len(points) // TRIED)
    mapper, times = SharingMapper(), []
    until = time.monotonic() + TRIAL_SECONDS
    for point in points[step // 2 :: step][:TRIED]:
        started = time.monotonic()
        # A single point does not have its larger designs solved for it.
        evaluate(point.request, mapper)
        times.append(time.monotonic() - started)
        if time.monotonic() > until:
            break
    return times
