"""``kcsim compare``: every way to execute a clustered network, side by side."""

from __future__ import annotations

from typing import Annotated

from kcsim.cli.options import (
    Batch,
    Cluster,
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
    text_option,
)

Plot = Annotated[
    str | None,
    text_option(
        "--plot FILE",
        "Draw energies, work, where to decode and how layers are executed: png, pdf or svg.",
    ),
]
Sweep = Annotated[
    str | None,
    text_option(
        "--sweep FILE",
        "Write a sweep over entries and the largest memory for 'kcsim explore', and stop.",
    ),
]
BreakEven = Annotated[
    str | None,
    text_option(
        "--break-even FOLDER",
        "Run that sweep in a folder, and say from where on decoding and sharing pay.",
    ),
]


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
    plot: Plot = None,
    size: Size = None,
    sweep: Sweep = None,
    break_even: BreakEven = None,
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
) -> None:
    """Compare ways to execute a clustered network: decoded, with shared products, shared sums.

    Dense weights stand beside them, and 'auto', which takes the best way for each layer and
    decodes where it is best.
    """
    from kcsim.cli import running
    from kcsim.cli.codebook_sweeps import Asked, around_codebook
    from kcsim.errors import InputError, Problem
    from kcsim.estimation.compare import compare_executions
    from kcsim.estimation.result import Result
    from kcsim.hardware.reader import load_hardware
    from kcsim.report.compare_data import comparison_tables

    chosen_format = running.choose_format(format_, output, has_json=not break_even)
    running.check_output(output, plot)
    running.check_picture(plot, size)
    if not (cluster or weights):
        raise InputError(Problem("no clustered weights are given", "--cluster or --weights"))
    hardware = load_hardware(hw, overrides or ())
    if sweep or break_even:
        around_codebook(
            Asked(sweep, break_even, hw, network or "alexnet", cluster or "", objective), hardware,
            {"set": overrides, "batches": batch, "zeros": zeros, "precisions": precision,
             "even": even, "imperfect": imperfect, "time_limit": time_limit},
            {"--weights": weights, "--layers": layers, "--plot": plot, "--format": format_,
             "--output": output},
        )  # fmt: skip
        return
    chosen, clustered = running.read_workload(network, cluster, weights, zeros, layers, precision)
    with running.waiting(keeps=True) as progress:
        result = compare_executions(
            hardware, chosen, cluster, weights=clustered, batch=batch,
            objective=objective, time_limit=time_limit, progress=progress, even=even,
            imperfect=imperfect,
        )  # fmt: skip
    if plot:
        from kcsim.report.comparison_figure import plot_comparison
        from kcsim.report.pictures import PAGE

        plot_comparison(result, plot, size or PAGE)
    running.report(chosen_format, output, result, comparison_tables, Result.summary_rows)
