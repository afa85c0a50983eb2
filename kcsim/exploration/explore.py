"""Exploring a space of designs: run what is new, keep all, and hand back the tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.designs import Request
from kcsim.exploration.exploration import Exploration, write_exploration, write_plan
from kcsim.exploration.local_engine import Batches, Failed, LocalEngine, cores
from kcsim.exploration.plan import Plan, Planner, Point, batches_of
from kcsim.exploration.space import Space, read_space
from kcsim.exploration.store import Store
from kcsim.exploration.worker import Answer
from kcsim.mapping.search import objective_value
from kcsim.reading.arguments import checked

ENGINES = ("local", "dask")


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
        return (self.points - self.done) / rate if rate else None


Progress = Callable[[State], None] | None


@checked
def explore(
    space: str | os.PathLike[str] | dict[str, Any] | Space,
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    engine: str = "local",
    scheduler: str | None = None,
    progress: Progress = None,
) -> Exploration:
    """Evaluate all points of a space of designs that a folder does not have yet.

    Parameters
    ----------
    space : str, path, dict or Space
        A sweep file, or what it would hold; see docs/exploration.md.
    folder : str or path
        Where results are kept. A run that was killed goes on from there; a wider space costs its
        new points alone; several processes may share the work.
    workers : int, optional
        Processes; one for each core when absent.
    engine : {"local", "dask"}
        Where points are evaluated.
    scheduler : str, optional
        Address of a dask scheduler; with the engine ``dask`` and none, a cluster on this machine.
    progress : callable, optional
        Called with the `State` whenever a point is done.

    Returns
    -------
    Exploration
        The tables of points and of layers, and what can be asked of them.

    Raises
    ------
    InputError
        If the space is wrong, with all that is; if the folder cannot be written.

    Examples
    --------
    >>> import kcsim, tempfile
    >>> space = {
    ...     "hardware": "simple", "networks": ["lenet5"],
    ...     "axes": {"levels.buffer.capacity": ["16 KiB", "64 KiB"]},
    ... }
    >>> found = kcsim.explore(space, tempfile.mkdtemp(), workers=1)
    >>> len(found.points())
    2
    """
    check_engine(engine, workers, scheduler)
    plan = plan_space(read_space(space))
    return run_plan(plan, Path(folder), engine_of(engine, workers, scheduler), progress)


def plan_space(space: Space) -> Plan:
    """All points of a space, checked.

    Raises
    ------
    InputError
        With all that is wrong with any of them.
    """
    return Planner(space).plan()


def check_engine(engine: str, workers: int | None, scheduler: str | None) -> None:
    """Raise an InputError if there is no such engine, or settings do not suit it."""
    if engine not in ENGINES:
        expected = "one of " + ", ".join(ENGINES)
        raise InputError(
            Problem(f"there is no engine '{engine}'", expected, nearest(engine, ENGINES))
        )
    if workers is not None and workers < 1:
        raise InputError(Problem(f"{workers} workers evaluate nothing", "1 or more"))
    if scheduler is not None and engine != "dask":
        raise InputError(Problem("a scheduler is for the engine dask", "--engine dask"))
    if scheduler is not None and workers is not None:
        raise InputError(Problem("the scheduler has its own workers", "no number of workers"))


def engine_of(engine: str, workers: int | None, scheduler: str | None) -> Any:
    """What evaluates points."""
    if engine == "dask":
        from kcsim.exploration.dask_engine import DaskEngine

        return DaskEngine(workers or cores(), scheduler)
    return LocalEngine(workers or cores())


def run_plan(plan: Plan, folder: Path, engine: Any, progress: Progress = None) -> Exploration:
    """Evaluate the points of a plan that a folder does not have, and write the tables."""
    store = Store(folder)
    try:
        write_plan(plan, folder)
        wanted = {point.name for point in plan.points}
        state = State(len(wanted), len(wanted & store.done))
        run_points(plan.points, store, engine, state, progress)
    except BaseException:
        store.let_go()
        raise
    store.close()
    return write_exploration(plan, folder, state.failed)


def run_points(
    points: tuple[Point, ...], store: Store, engine: Any, state: State, progress: Progress = None
) -> None:
    """Evaluate points that are not done, beside what other processes do."""
    objectives = {point.name: point.request.objective for point in points}
    wanted, before = set(objectives), set(store.done)
    for outcome in engine.run(_batches(points, store, state)):
        if isinstance(outcome, Failed):
            state.failed.append(outcome)
            store.leave([outcome.point])
        elif outcome is not None:
            _keep(outcome, store, state, objectives)
        found_elsewhere = len((store.done - before) & wanted) - state.found
        state.elsewhere = max(0, found_elsewhere)
        if progress:
            progress(state)


def _keep(answer: Answer, store: Store, state: State, objectives: dict[str, str]) -> None:
    row, layers = answer
    store.add(row, layers)
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
