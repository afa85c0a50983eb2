"""``kcsim cluster``: trained weights to indexes and codebooks."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import Layers

__all__ = ["command"]


def command(
    weights: Annotated[
        str,
        typer.Option(
            "--weights", metavar="FILE", help="Trained weights: safetensors, npz, torch or ONNX."
        ),
    ],
    network: Annotated[
        str,
        typer.Option("--network", "-n", metavar="NETWORK", help="A known network or a YAML file."),
    ],
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster",
            metavar="SCHEME",
            help="As kernel:k=256, row:rate=0.05 or scalar:ratio=8; or 'found' for weights that "
            "are clustered already.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the clustered weights."),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option("--names", metavar="FILE", help="YAML with 'layer: tensor' a line."),
    ] = None,
    layers: Layers = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the k-means.")] = 0,
    starts: Annotated[
        int, typer.Option("--starts", metavar="N", min=1, help="Runs for each codebook.")
    ] = 3,
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="What to print: table, json, csv, markdown, latex."
        ),
    ] = "table",
) -> None:
    """Cluster trained weights; print what was lost and saved, and write them to a file."""
    from kcsim.cli.running import check_output, choose_format, report, waiting
    from kcsim.clustering.cluster import cluster_network
    from kcsim.clustering.clustered_file import save_clustered
    from kcsim.workload import load_network

    chosen_format = choose_format(format_, None)
    check_output(output)
    chosen = load_network(network)
    chosen = chosen.select(layers) if layers else chosen
    with waiting("clustering") as progress:
        result = cluster_network(
            chosen, weights, cluster, names=names, seed=seed, starts=starts, progress=progress
        )
    if output is not None:
        save_clustered(result, output)
    report(chosen_format, None, result)
