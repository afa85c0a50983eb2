"""What is said while an exploration runs, and before."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kcsim.cli.streams import say
from kcsim.exploration.forecast import counted

if TYPE_CHECKING:
    from kcsim.exploration.exploration import Exploration
    from kcsim.exploration.forecast import Forecast
    from kcsim.exploration.running import State
    from kcsim.exploration.space import Space

QUIET_SECONDS = 30.0
"""Between lines where nobody looks at a terminal."""


def summary_lines(forecast: Forecast) -> Iterator[str]:
    """What an exploration amounts to, in one line or two."""
    left = forecast.points - forecast.known
    parts = [counted(forecast.points, "point")]
    if forecast.ruled_out:
        parts.append(f"{forecast.ruled_out:,} more ruled out by constraints")
    parts.append(f"{forecast.known:,} known" if forecast.known else f"{left:,} to evaluate")
    if forecast.known and left:
        parts.append(f"{left:,} to evaluate")
    if left:
        parts.append(counted(forecast.problems, "distinct mapping problem"))
    yield ", ".join(parts)
    if forecast.seconds is not None and left:
        yield f"about {duration(forecast.seconds)}, from {forecast.basis}"


def outcome_lines(found: Exploration) -> Iterator[str]:
    """What is to be known of an exploration that is done."""
    frame = found.points()
    points = counted(len(frame), "point")
    for each in found.failed:
        yield f"point {each.point} was given up: {each}"
    unfit = int(frame["error"].notna().sum()) if "error" in frame else 0
    if unfit:
        yield f"{unfit:,} of {points} cannot be had, as the column 'error' says"
    feasible = int(frame["feasible"].sum()) if "feasible" in frame else 0
    if feasible < len(frame) - unfit:
        yield f"{feasible:,} of {points} meet all constraints"


def search_line(space: Space) -> str:
    """What a search is about."""
    search = space.file.search
    assert search is not None
    goals = [*search.minimize, *(f"-{goal}" for goal in search.maximize)]
    size = f"{space.grid_size:,} combinations" if space.grid_size else "infinitely many points"
    return f"search for the front of {', '.join(goals)} in {size}, {search.evaluations:,} points"


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def state_text(state: State) -> str:
    """How far an exploration has come."""
    text = f"{state.points_per_second:.1f} points/s"
    if state.seconds_left is not None:
        text += f", {duration(state.seconds_left)} left"
    if state.best is not None:
        text += f", best {state.best:.4g}"
    if state.failed:
        text += f", {len(state.failed)} given up"
    return text


@contextmanager
def progress_line() -> Iterator[Callable[[State], None]]:
    """Show how far an exploration has come: as a bar on a terminal, else now and then a line."""
    bar: Any = None
    last = time.monotonic()

    def show(state: State) -> None:
        nonlocal bar, last
        if sys.stderr.isatty():
            bar = bar or _bar(state.points)
            bar.update(bar.task_ids[0], completed=state.done, state=state_text(state))
        elif time.monotonic() - last > QUIET_SECONDS:
            last = time.monotonic()
            say(f"kcsim: {state.done:,} of {state.points:,} points, {state_text(state)}")

    try:
        yield show
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    bar.add_task("", total=total, state="")
    bar.start()
    return bar
