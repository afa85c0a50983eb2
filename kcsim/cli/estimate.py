"""``kcsim estimate``: a whole network, dense and clustered."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import (
    Batch,
    Format,
    HardwareFile,
    Layers,
    Objective,
    Output,
    Overrides,
    TimeLimit,
    Zeros,
)

__all__ = ["command"]


NetworkName = Annotated[
    str | None,
    typer.Option(
        "--network",
        "-n",
        metavar="NETWORK",
        help="A known network ('kcsim networks' lists them) or a YAML file. "
        "[default: that of --weights, else alexnet]",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="SCHEME",
        help="Estimate clustered weights beside dense ones, as kernel:k=256,scope=network, "
        "row:rate=0.05, scalar:k=16 or product:k=128,length=8.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Clustered weights that 'kcsim cluster' wrote, in place of --cluster.",
    ),
]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw energy by level and layer: png, pdf or svg."),
]


def command(
    hw: HardwareFile,
    network: NetworkName = None,
    cluster: Cluster = None,
    weights: Weights = None,
    batch: Batch = None,
    zeros: Zeros = None,
    layers: Layers = None,
    objective: Objective = "edp",
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
    plot: Plot = None,
    time_limit: TimeLimit = None,
) -> None:
    """Estimate energy, traffic, storage and cycles of a network on a hardware."""
    from kcsim.cli.running import check_output, choose_format, report, waiting
    from kcsim.clustering.clustered_file import load_clustered
    from kcsim.errors import InputError, Problem
    from kcsim.hardware import load_hardware
    from kcsim.model.estimate import estimate
    from kcsim.workload import load_network
    from kcsim.workload.zeros_reader import network_with_zeros

    chosen_format = choose_format(format_, output)
    check_output(output)
    if plot:
        from kcsim.report.pictures import check_plot_path
        from kcsim.report.plots import plot_energy

        check_plot_path(plot)
    hardware = load_hardware(hw, overrides or ())
    if weights and cluster:
        raise InputError(Problem("both --weights and --cluster are given", "one of them"))
    clustered = load_clustered(weights) if weights else None
    if clustered and network is None:
        chosen = clustered.network
    else:
        chosen = load_network(network or "alexnet")
    # Before layers are selected, so that a file for the whole network matches them.
    chosen = chosen if zeros is None else network_with_zeros(chosen, zeros)
    chosen = chosen.select(layers) if layers else chosen
    with waiting() as progress:
        result = estimate(
            hardware, chosen, cluster, weights=clustered, batch=batch,
            objective=objective, time_limit=time_limit, progress=progress,
        )  # fmt: skip
    if plot:
        plot_energy(result, plot)
    report(chosen_format, output, result)
