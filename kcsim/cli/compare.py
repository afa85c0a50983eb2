"""``kcsim compare``: every way to execute a clustered network, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kcsim.cli.options import (
    Batch,
    Cluster,
    ComparisonPlot,
    ComparisonSweep,
    Even,
    Format,
    HardwareFile,
    Imperfect,
    Layers,
    NetworkOfWeights,
    Objective,
    Output,
    Overrides,
    Size,
    TimeLimit,
    ValueBits,
    Weights,
    Zeros,
)

if TYPE_CHECKING:
    from kcsim.hardware.schema import Hardware


def command(
    hw: HardwareFile,
    network: NetworkOfWeights = None,
    cluster: Cluster = None,
    weights: Weights = None,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    layers: Layers = None,
    objective: Objective = "edp",
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
    plot: ComparisonPlot = None,
    size: Size = None,
    sweep: ComparisonSweep = None,
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
) -> None:
    """Compare ways to execute a clustered network: decoded, with shared products, shared sums.

    Dense weights stand beside them, and 'auto', which takes the best way for each layer and
    decodes where it is best.
    """
    from kcsim.cli.running import (
        check_output,
        check_picture,
        choose_format,
        read_workload,
        report,
        waiting,
    )
    from kcsim.errors import InputError, Problem
    from kcsim.estimation.compare import compare_executions
    from kcsim.estimation.result import Result
    from kcsim.hardware.reader import load_hardware
    from kcsim.report.compare_data import comparison_tables

    chosen_format = choose_format(format_, output)
    check_output(output, plot)
    check_picture(plot, size)
    if not (cluster or weights):
        raise InputError(Problem("no clustered weights are given", "--cluster or --weights"))
    hardware = load_hardware(hw, overrides or ())
    if sweep:
        _write_sweep(sweep, hw, hardware, cluster or "", network or "alexnet", objective, {
            "--weights": weights, "--set": overrides, "--batch": batch, "--layers": layers,
            "--zeros": zeros, "--precision": precision, "--format": format_, "--output": output,
            "--plot": plot, "--time-limit": time_limit, "--imperfect": imperfect, "--even": even,
        })  # fmt: skip
        return
    chosen, clustered = read_workload(network, cluster, weights, zeros, layers, precision)
    with waiting(keeps=True) as progress:
        result = compare_executions(
            hardware, chosen, cluster, weights=clustered, batch=batch,
            objective=objective, time_limit=time_limit, progress=progress, even=even,
            imperfect=imperfect,
        )  # fmt: skip
    if plot:
        from kcsim.report.comparison_figure import plot_comparison
        from kcsim.report.pictures import PAGE

        plot_comparison(result, plot, size or PAGE)
    report(chosen_format, output, result, comparison_tables, Result.summary_rows)


def _write_sweep(
    path: str, hw: str, hardware: Hardware, cluster: str, network: str, objective: str,
    others: Mapping[str, object],
) -> None:  # fmt: skip
    """Write a sweep file, without any of the other options."""
    from kcsim.cli.running import refuse_unused
    from kcsim.cli.streams import say
    from kcsim.exploration.codebook_sweep import codebook_sweep
    from kcsim.reading.files import write_whole

    refuse_unused(others, "a sweep is written, and nothing estimated", "keys of the sweep file")
    text = codebook_sweep(hardware, cluster, hardware_file=hw, network=network, objective=objective)
    write_whole(path, text)
    say(f"kcsim: wrote '{path}'; next: kcsim explore {path} -o FOLDER")
    say("kcsim: then: kcsim answer FOLDER --break-even k --between execution=share_sums,decode")
