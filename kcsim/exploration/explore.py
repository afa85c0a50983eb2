"""Exploring a space of designs: run what is new, keep all, and hand back the tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.exploration import Exploration, write_exploration, write_plan
from kcsim.exploration.local_engine import LocalEngine, cores
from kcsim.exploration.plan import Plan, Planner
from kcsim.exploration.retraining import retrain_space
from kcsim.exploration.running import Progress, State, run_points
from kcsim.exploration.search import search_space
from kcsim.exploration.space import Space
from kcsim.exploration.space_reader import read_space
from kcsim.exploration.store import Store
from kcsim.reading.arguments import checked

ENGINES = ("local", "dask")


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
    check_folder(Path(folder))
    found, runner = read_space(space), engine_of(engine, workers, scheduler)
    if found.file.retrain:
        if not found.file.search:
            plan_space(found)
        found = retrain_space(found, Path(folder))
    if found.file.search:
        return search_space(found, Path(folder), runner, progress)
    return run_plan(plan_space(found), Path(folder), runner, progress)


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


def check_folder(folder: Path) -> None:
    """Raise an InputError if nothing can be kept there, before long work."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(Problem(f"cannot write to '{folder}': '{place}' is no folder", "a folder"))
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to '{folder}': no permission to write to '{place}'")


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
