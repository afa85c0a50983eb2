"""What commands share while they run: waiting, and writing results."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kcsim.cli.streams import say
from kcsim.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from kcsim.estimation.result import Result
    from kcsim.report.table import Table
    from kcsim.weights.clustered import ClusteredWeights
    from kcsim.workload.network import Network


FORMATS = ("table", "json", "csv", "markdown", "latex")
ENDINGS = {".txt": "table", ".json": "json", ".csv": "csv", ".md": "markdown", ".tex": "latex"}
PATIENCE_SECONDS = 1.0
TEXT_WIDTH = 120
LEAST_WIDTH = 40


def choose_format(name: str | None, output: str | None, *, has_json: bool = True) -> str:
    """The output format that was asked for, or that suits the file.

    Raises
    ------
    InputError
        If there is no such format, or the ending of the file stands for none.
    """
    if name is None:
        ending = check_ending(output, tuple(ENDINGS), ", or --format")
        name = ENDINGS[ending] if ending else "table"
    if name == "json" and not has_json:
        raise InputError(Problem("this result has no JSON form", "table, csv, markdown or latex"))
    if name not in FORMATS:
        raise InputError(
            Problem(f"there is no format '{name}'", "one of " + ", ".join(FORMATS),
                    nearest(name, FORMATS))
        )  # fmt: skip
    return name


def check_ending(output: str | None, endings: Sequence[str], otherwise: str = "") -> str:
    """The ending of a file, in small letters; empty where there is none.

    Raises
    ------
    InputError
        If it is none of `endings`.
    """
    ending = Path(output or "").suffix.lower()
    if ending and ending not in endings:
        problem = f"the ending of '{output}' names no format that is written here"
        expected = f"one of {', '.join(endings)}, none" + otherwise
        raise InputError(Problem(problem, expected, nearest(ending, endings)))
    return ending


def refuse_unused(given: Mapping[str, object], reason: str, expected: str = "") -> None:
    """Refuse options that would be without effect.

    Parameters
    ----------
    given : mapping
        Values of options by their names; those that are ``None``, false or empty are not given.
    reason : str
        Why they are without effect, to be read behind their names and a colon.
    expected : str

    Raises
    ------
    InputError
        If any of them is given.
    """
    unused = [
        name for name, value in given.items() if value not in (None, []) and value is not False
    ]
    if unused:
        verb = "have" if len(unused) > 1 else "has"
        names = " and ".join(unused)
        raise InputError(Problem(f"{names} {verb} no effect here: {reason}", expected))


def refuse_imperfect(imperfect: bool, fix: object) -> None:
    """Refuse fixed parts of mappings where bounds need not divide."""
    bounds = "one of them: what is fixed holds for bounds that divide"
    refuse_together({"--imperfect": imperfect, "--fix": fix}, bounds)


def check_picture(plot: str | None, size: str | None) -> None:
    """Refuse a figure that cannot be drawn into a file, and a size where nothing is drawn.

    Raises
    ------
    InputError
    """
    if plot is None:
        refuse_unused({"--size": size}, "nothing is drawn", "--plot")
        return
    from kcsim.report.pictures import COLUMN, check_plot_path, check_size

    check_plot_path(plot)
    check_size(size or COLUMN)


def refuse_together(given: Mapping[str, object], reason: str) -> None:
    """Refuse options of which only one can be served.

    Parameters
    ----------
    given : mapping
        Values of options by their names; those that are ``None`` or false are not given.
    reason : str

    Raises
    ------
    InputError
        If more than one is given.
    """
    names = [name for name, value in given.items() if value is not None and value is not False]
    if len(names) > 1:
        raise InputError(Problem(f"{' and '.join(names)} do not go together", reason))


@contextmanager
def waiting(
    work: str = "mapping layers", *, keeps: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Say that kernels are being compiled, and show progress where it takes over a second.

    Yields a function to be called with the number of steps done and of all; `work` is what they
    are. With `keeps`, say why no results are kept, if there is a reason.
    """
    from kcsim.kernels.compilation import announced_compilation, what_is_not_kept

    shown = _Progress(work)

    def announce() -> None:
        from kcsim.model.counts import compile_beside

        unusual = what_is_not_kept()
        note = f": {unusual}; NUMBA_CACHE_DIR may name a folder" if unusual else ""
        kept = "" if unusual else ", which are kept"
        say(f"kcsim: compiling its kernels{kept} (up to a minute){note}")
        compile_beside()

    if keeps:
        from kcsim.mapping.cache import CACHE_VARIABLE, why_nothing_is_kept

        reason = why_nothing_is_kept()
        if reason:
            say(f"kcsim: results are not kept: {reason}; {CACHE_VARIABLE} may name a folder")
    with shown, announced_compilation(announce):
        yield shown.update


class _Progress:
    """A line on a terminal, from a second on, while a block runs: what goes on, for how long."""

    def __init__(self, work: str) -> None:
        self._work, self._done, self._total = work, 0, 0
        self._bar: Any = None
        self._ended = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(PATIENCE_SECONDS, self._show)
        self._timer.daemon = True

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._bar is not None:
                self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Say how many steps are done, and of how many."""
        with self._lock:
            self._done, self._total = done, total
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        with self._lock:
            if self._ended:
                return
            self._bar = Progress(
                self._work, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.add_task("", completed=self._done, total=self._total or None)
            self._bar.start()


def check_output(output: str | None, plot: str | None = None) -> None:
    """Refuse a file that cannot be written, or one that is to be both, before long work."""
    if output is None:
        return
    from kcsim.reading.files import check_writable

    check_writable(output)
    if plot is not None and os.path.realpath(output) == os.path.realpath(plot):
        raise InputError(Problem(f"both -o and --plot write '{plot}'", "two files"))


def read_workload(
    network: str | None,
    cluster: str | None,
    weights: str | None,
    zeros: str | None,
    layers: Sequence[str] | None,
    precision: str | None = None,
) -> tuple[Network, ClusteredWeights | None]:
    """The network and the clustered weights that options ask for.

    Raises
    ------
    InputError
        If one cannot be read, or weights are given twice.
    """
    from kcsim.weights.clustered_reader import load_clustered
    from kcsim.workload.precision_reader import network_with_precision
    from kcsim.workload.reader import load_network
    from kcsim.workload.zeros_reader import network_with_zeros

    if weights and cluster:
        raise InputError(Problem("both --weights and --cluster are given", "one of them"))
    clustered = load_clustered(weights) if weights else None
    if clustered and network is None:
        chosen = clustered.network
    else:
        chosen = load_network(network or "alexnet")
    # Before layers are selected, so that a file for the whole network matches them.
    chosen = chosen if zeros is None else network_with_zeros(chosen, zeros)
    chosen = chosen if precision is None else network_with_precision(chosen, precision)
    return chosen.select(layers) if layers else chosen, clustered


def report(
    format_: str,
    output: str | None,
    result: Any,
    tables: Callable[[Any], Sequence[Table]],
    rows: Callable[[Any], Sequence[dict[str, Any]]] | None = None,
) -> None:
    """Print a result, or write it to a file as a whole, in one of `FORMATS`.

    Parameters
    ----------
    format_ : str
    output : str, optional
        The file.
    result : Result, LayerEstimate or ClusteredWeights
    tables : callable
        Makes of it what people read.
    rows : callable, optional
        Makes of a `Result` what programs read as CSV; the first table when absent.
    """
    if format_ == "json":
        from kcsim.report.documents import to_dict

        emit_json(to_dict(result), output)
    elif format_ == "csv" and rows is not None:
        from kcsim.report.tables import rows_to_csv

        emit(rows_to_csv(rows(result)), output)
        _tell_unproved(result)
        tell_unmodeled(result)
    else:
        show_as(format_, output, tables(result))


def show_as(format_: str, output: str | None, tables: Sequence[Table]) -> None:
    """Print tables, or write them to a file as a whole, in one of `FORMATS` but JSON."""
    if format_ == "table":
        show(tables, output)
        return
    from kcsim.report.latex import to_latex
    from kcsim.report.tables import to_csv, to_markdown

    renderers = {"csv": to_csv, "markdown": to_markdown, "latex": to_latex}
    emit(renderers[format_](tables), output)


def _tell_unproved(result: Result) -> None:
    """Say what is not proved, where a file of numbers alone has no place for notes."""
    from kcsim.report.search_data import unproved_note

    for note in unproved_note([each for run in result.runs.values() for each in run.searches]):
        say(f"kcsim: {note}")


def tell_unmodeled(result: Result) -> None:
    """Say what of the network is not modeled, where there is no place for tables."""
    from kcsim.report.unmodeled_data import unmodeled_note

    for note in (*unmodeled_note(result.network, result.hardware), *result.network.notes):
        say(f"kcsim: {note}")


def show(tables: Sequence[Table], output: str | None) -> None:
    """Print tables as wide as the terminal, or write them to a file."""
    from rich.console import Console

    from kcsim.cli.terminal import render

    if output is None:
        console = Console()
        console.width = max(console.width, LEAST_WIDTH)
        render(tables, console)
        return
    text = io.StringIO()
    render(tables, Console(file=text, width=TEXT_WIDTH))
    emit(text.getvalue(), output)


def emit_json(document: dict[str, Any], output: str | None) -> None:
    """Print a JSON document, or write it to a file as a whole."""
    emit(json.dumps(document, indent=2, allow_nan=False) + "\n", output)


def emit(text: str, output: str | None) -> None:
    """Print a text, or write it to a file as a whole."""
    if output is None:
        typer.echo(text, nl=False)
        return
    from kcsim.reading.files import write_whole

    write_whole(output, text)
