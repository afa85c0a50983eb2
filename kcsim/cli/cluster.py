"""``kcsim cluster``: trained weights to indexes and codebooks."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import Layers, text_option

EXACT = ("found", "scalar")
"""Clusterings that are the best there are, wherever a search starts."""


Weights = Annotated[
    str,
    text_option(
        "--weights", metavar="FILE", help="Trained weights: safetensors, npz, torch or ONNX."
    ),
]
NetworkName = Annotated[
    str,
    text_option("--network", "-n", metavar="NETWORK", help="A known network or a YAML file."),
]
Cluster = Annotated[
    str,
    text_option(
        "--cluster",
        metavar="SCHEME",
        help="As kernel:k=256, row:rate=0.05 or scalar:ratio=8; or 'found' for weights that are "
        "clustered already.",
    ),
]
Output = Annotated[
    str | None,
    text_option("-o", "--output", metavar="FILE", help="Write the clustered weights."),
]
Names = Annotated[
    str | None, text_option("--names", metavar="FILE", help="YAML with 'layer: tensor' a line.")
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Of the k-means. [default: 0]")
]
Starts = Annotated[
    int | None,
    typer.Option("--starts", metavar="N", min=1, help="Runs for each codebook. [default: 3]"),
]
Format = Annotated[
    str,
    text_option(
        "--format", metavar="NAME", help="What to print: table, json, csv, markdown, latex."
    ),
]


def command(
    weights: Weights,
    network: NetworkName,
    cluster: Cluster,
    output: Output = None,
    names: Names = None,
    layers: Layers = None,
    seed: Seed = None,
    starts: Starts = None,
    format_: Format = "table",
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
    with waiting("clustering") as progress:
        result = cluster_network(
            chosen, weights, cluster, names=names, seed=seed or 0, starts=starts or 3,
            progress=progress,
        )  # fmt: skip
    if output is not None:
        save_clustered(result, output)
    report(chosen_format, None, result, cluster_tables)
