"""``kcsim cluster``: trained weights to indexes and codebooks."""

from __future__ import annotations

from kcsim.cli.options import (
    ClusteredOutput,
    ClusterToMake,
    Layers,
    Names,
    NetworkName,
    PrintedFormat,
    Seed,
    Starts,
    TrainedWeights,
)

EXACT = ("found", "scalar")
"""Clusterings that are the best there are, wherever a search starts."""


def command(
    network: NetworkName,
    cluster: ClusterToMake,
    weights: TrainedWeights = None,
    output: ClusteredOutput = None,
    names: Names = None,
    layers: Layers = None,
    seed: Seed = None,
    starts: Starts = None,
    format_: PrintedFormat = "table",
) -> None:
    """Cluster trained weights; print what was lost and saved, and write them to a file."""
    from kcsim.cli.running import (
        check_ending,
        check_output,
        choose_format,
        refuse_unused,
        report,
        waiting,
    )
    from kcsim.report.cluster_data import cluster_tables
    from kcsim.weights.cluster import cluster_network
    from kcsim.weights.clustered_writer import save_clustered
    from kcsim.workload.reader import load_network

    chosen_format = choose_format(format_, None)
    check_ending(output, (".safetensors",))
    check_output(output)
    scheme = cluster.partition(":")[0].strip()
    if scheme in EXACT:
        refuse_unused({"--seed": seed, "--starts": starts}, f"'{scheme}' makes no random choices")
    chosen = load_network(network)
    chosen = chosen.select(layers) if layers else chosen
    if weights is None:
        refuse_unused({"--names": names}, "the network brings its weights", "--weights beside it")
    with waiting("clustering") as progress:
        result = cluster_network(
            chosen, weights, cluster, names=names, seed=seed or 0, starts=starts or 3,
            progress=progress,
        )  # fmt: skip
    if output is not None:
        save_clustered(result, output)
    report(chosen_format, None, result, cluster_tables)
