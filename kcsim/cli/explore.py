"""``kcsim explore``: all points of a space of designs, or the best of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcsim.cli.options import number_option, text_argument, text_option

if TYPE_CHECKING:
    from pathlib import Path

    from kcsim.exploration.space import Space

Sweep = Annotated[str, text_argument(metavar="SWEEP", help="A sweep file in YAML.")]
Folder = Annotated[
    str, text_option("-o --output FOLDER", "Where tables are kept; a run goes on from there.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check the sweep, say what it amounts to, and stop."),
]
Engine = Annotated[str, text_option("--engine NAME", "local, or dask.")]
Workers = Annotated[
    int | None, number_option("--workers N", "Processes. [default: one for each core]", min=1)
]
Scheduler = Annotated[
    str | None, text_option("--scheduler ADDRESS", "Of dask, as tcp://host:8786.")
]
Csv = Annotated[bool, typer.Option("--csv", help="Write the tables as CSV, too.")]


def command(
    sweep: Sweep,
    output: Folder,
    dry_run: DryRun = False,
    engine: Engine = "local",
    workers: Workers = None,
    scheduler: Scheduler = None,
    csv: Csv = False,
) -> None:
    """Evaluate a space of designs: thousands of points, each once, whatever is interrupted."""
    from pathlib import Path

    from kcsim.cli.exploring import outcome_lines, progress_line, search_line, summary_lines
    from kcsim.cli.running import waiting
    from kcsim.cli.streams import say
    from kcsim.exploration.exploration import write_csv
    from kcsim.exploration.explore import (
        check_engine,
        check_folder,
        engine_of,
        plan_space,
        run_plan,
    )
    from kcsim.exploration.forecast import forecast
    from kcsim.exploration.local_engine import cores
    from kcsim.exploration.search import Searcher
    from kcsim.exploration.space_reader import read_space

    check_engine(engine, workers, scheduler)
    check_folder(Path(output))
    space, folder = read_space(sweep), Path(output)
    runner = engine_of(engine, workers, scheduler)
    space = _retrained(space, folder, dry_run)
    if space.file.search:
        searcher = Searcher(space, folder, runner)
        say(f"kcsim: {search_line(space)}")
        if not dry_run:
            with progress_line() as progress, waiting(keeps=True):
                found = searcher.run(progress)
    else:
        plan = plan_space(space)
        with waiting():
            summary = forecast(plan, folder, workers or cores(), tries=dry_run)
        for line in summary_lines(summary):
            say(f"kcsim: {line}")
        if not dry_run:
            with progress_line() as progress, waiting(keeps=True):
                found = run_plan(plan, folder, runner, progress)
    if dry_run:
        return
    if csv:
        write_csv(folder)
    for line in outcome_lines(found):
        say(f"kcsim: {line}")
    typer.echo(folder / "points.parquet")
    if found.failed:
        raise typer.Exit(1)


def _retrained(space: Space, folder: Path, dry_run: bool) -> Space:
    """The space, its clusterings retrained where it asks for that."""
    from kcsim.cli.running import waiting
    from kcsim.exploration.explore import plan_space
    from kcsim.exploration.retraining import check_retraining, retrain_space

    if space.file.retrain is None:
        return space
    if not space.file.search:
        plan_space(space)
    if dry_run:
        check_retraining(space)
        return space
    with waiting("retraining") as progress:
        return retrain_space(space, folder, progress)
