"""Having points evaluated by an engine, beside what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kcsim.exploration.designs import BOUND, Request
from kcsim.exploration.local_engine import Batches, Failed
from kcsim.exploration.plan import Point
from kcsim.exploration.store import Store
from kcsim.exploration.worker import Answer
from kcsim.mapping.search import objective_value


@dataclass
class State:
    """How far an exploration has come.

    Attributes
    ----------
    points : int
        Of the space.
    known : int
        That were there when it began.
    found : int
        That this process has evaluated since.
    elsewhere : int
        That other processes have.
    best : float, optional
        Least objective so far of what this process has evaluated.
    started : float
        Of `time.monotonic`.
    failed : list of Failed
    """

    points: int
    known: int
    found: int = 0
    elsewhere: int = 0
    best: float | None = None
    started: float = field(default_factory=time.monotonic)
    failed: list[Failed] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Points that need no more work."""
        return self.known + self.found + self.elsewhere + len(self.failed)

    @property
    def points_per_second(self) -> float:
        """Of this process."""
        return self.found / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Until all points are done, as it goes; ``None`` before the first."""
        rate = (self.found + self.elsewhere) / max(time.monotonic() - self.started, 1e-9)
        return max(0, self.points - self.done) / rate if rate else None


Progress = Callable[[State], None] | None


def run_points(
    points: tuple[Point, ...], store: Store, engine: Any, state: State, progress: Progress = None
) -> None:
    """Evaluate points that are not done, beside what other processes do."""
    objectives = {point.name: point.request.objective for point in points}
    wanted, before = set(objectives), set(store.done)
    elsewhere, own = state.elsewhere, 0
    for outcome in engine.run(_batches(points, store, state)):
        if isinstance(outcome, Failed):
            state.failed.append(outcome)
            store.leave([outcome.point])
        elif outcome is not None:
            _keep(outcome, store, state, objectives)
            own += 1
        state.elsewhere = elsewhere + len((store.done - before) & wanted) - own
        if progress:
            progress(state)


def _keep(answer: Answer, store: Store, state: State, objectives: dict[str, str]) -> None:
    row, layers = answer
    store.add(row, layers)
    if BOUND in row:
        return
    state.found += 1
    if "error" not in row:
        value = objective_value(objectives[row["point"]], row["energy"], row["cycles"])
        state.best = value if state.best is None else min(state.best, value)


def _batches(points: tuple[Point, ...], store: Store, state: State) -> Batches:
    """What is left to do, claimed for this process; ``None`` while others are at all of it."""
    left = [point for point in points if point.name not in store.done]
    batches = [[p.request for p in batch] for batch in batches_of(left)]
    while batches:
        skipped = []
        for batch in batches:
            mine = set(store.claim([request.point for request in batch]))
            if mine:
                yield [request for request in batch if request.point in mine]
            others = [r for r in batch if r.point not in mine and r.point not in store.done]
            if others:
                skipped.append(others)
        # Whoever is at them may die, which leaves them to be claimed.
        batches = _not_done(skipped, store)
        if batches:
            yield None
            store.refresh()
            batches = _not_done(batches, store)


def _not_done(batches: list[list[Request]], store: Store) -> list[list[Request]]:
    left = ([r for r in batch if r.point not in store.done] for batch in batches)
    return [batch for batch in left if batch]


def batches_of(points: Sequence[Point], largest: int = 16) -> list[list[Point]]:
    """Points that are evaluated together: those of one group, the larger designs before others.

    Then groups with the same outer memories follow each other, as they have tables in common.
    """
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    order = sorted(groups.values(), key=lambda each: (len(each[0].request.larger), each[0].sizes))
    return [
        group[start : start + largest] for group in order for start in range(0, len(group), largest)
    ]
