"""Sweeps around one codebook: written to a file, or run and answered at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from kcsim.cli.streams import say
from kcsim.hardware.schema import Hardware

SWEEP_FILE = "sweep.yaml"


class Asked(NamedTuple):
    """What is asked of ``kcsim compare`` about a codebook.

    Attributes
    ----------
    sweep, break_even : str or None
        The file to write, or the folder to explore in.
    hardware, network, clustering, objective : str
    """

    sweep: str | None
    break_even: str | None
    hardware: str
    network: str
    clustering: str
    objective: str


def around_codebook(
    asked: Asked, hardware: Hardware, demanded: dict[str, Any], others: dict[str, Any]
) -> None:
    """Write a sweep around a codebook, or run it and say when what pays.

    Parameters
    ----------
    asked : Asked
    hardware : Hardware
    demanded : dict
        Values by keys of a sweep file.
    others : dict
        Options that a sweep has no place for, by name.
    """
    from kcsim.cli.running import refuse_together, refuse_unused
    from kcsim.exploration.codebook_sweep import codebook_sweep

    refuse_together({"--sweep": asked.sweep, "--break-even": asked.break_even}, "one of them")
    what = "a sweep is written, and nothing estimated" if asked.sweep else "a sweep is run"
    served = () if asked.sweep else ("--format", "--output")
    refuse_unused({name: each for name, each in others.items() if name not in served}, what)
    text = codebook_sweep(
        hardware, asked.clustering, hardware_file=asked.hardware, network=asked.network,
        objective=asked.objective, overrides=demanded.pop("set") or (), demanded=demanded,
    )  # fmt: skip
    if asked.sweep:
        _write_sweep(asked.sweep, text)
    else:
        folder, objective = asked.break_even or "", asked.objective
        _say_when_it_pays(folder, text, objective, others["--format"], others["--output"])


def _write_sweep(path: str, text: str) -> None:
    """Write a sweep file, and say what to do with it."""
    from kcsim.reading.files import write_whole

    write_whole(path, text)
    say(f"kcsim: wrote '{path}'; next: kcsim explore {path} -o FOLDER")
    say("kcsim: then: kcsim answer FOLDER --break-even k")


def _say_when_it_pays(
    folder: str, text: str, objective: str, form: str | None, output: str | None
) -> None:
    """Run a sweep in a folder, and show from where on each way is better."""
    from kcsim.cli.exploring import outcome_lines, progress_line, summary_lines
    from kcsim.cli.running import choose_format, show_as, waiting
    from kcsim.exploration.explore import check_folder, engine_of, plan_space, run_plan
    from kcsim.exploration.forecast import forecast
    from kcsim.exploration.local_engine import cores
    from kcsim.exploration.space_reader import read_space
    from kcsim.reading.files import write_whole
    from kcsim.report.exploration_data import Question, answer_tables

    shown = choose_format(form, output, has_json=False)
    place = Path(folder)
    check_folder(place)
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / SWEEP_FILE, text)
    space = read_space(place / SWEEP_FILE)
    plan = plan_space(space)
    for line in summary_lines(forecast(plan, place, cores(), tries=False)):
        say(f"kcsim: {line}")
    with progress_line() as progress, waiting(keeps=True):
        found = run_plan(plan, place, engine_of("local", None, None), progress)
    for line in outcome_lines(found):
        say(f"kcsim: {line}")
    joined = shown == "csv"
    # A file of numbers has one table: that of entries.
    along = ("k",) if joined else ("k", *space.file.axes)
    asked = [Question(break_even=each, of=objective, joined=joined) for each in along]
    show_as(shown, output, [table for each in asked for table in answer_tables(found, each)])
