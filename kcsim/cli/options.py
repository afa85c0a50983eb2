"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Batch",
    "Cluster",
    "Format",
    "HardwareFile",
    "LayerName",
    "Layers",
    "NetworkName",
    "Objective",
    "Output",
    "Overrides",
    "TimeLimit",
    "Weights",
    "Zeros",
]

HardwareFile = Annotated[
    str,
    typer.Option(
        "--hw",
        metavar="FILE",
        help="Hardware: a shipped file by its bare name ('kcsim hardware' lists them) or a path.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the hardware file, as levels.buffer.read_pj=12. May be repeated.",
    ),
]
LayerName = Annotated[
    str,
    typer.Option(
        "--layer", metavar="LAYER", help="NETWORK/LAYER, as alexnet/conv3, or a YAML file."
    ),
]
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
Layers = Annotated[
    list[str] | None,
    typer.Option("--layers", metavar="PATTERN", help="Only these, as 'conv*'. Repeatable."),
]
Batch = Annotated[
    int | None, typer.Option("--batch", metavar="N", help="Images at once. [default: 1]")
]
Zeros = Annotated[
    str | None,
    typer.Option(
        "--zeros",
        metavar="SHARES",
        help="Shares of zeros, as inputs=0.5,outputs=0.6;conv1:inputs=0, or a YAML file.",
    ),
]
Objective = Annotated[
    str,
    typer.Option(
        "--objective", metavar="NAME", help="What mappings minimise: edp, energy, cycles."
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        help="Seconds that the mapping of a layer may take; then the best one so far is taken, "
        "and said not to be proved. 'inf' for as long as it takes. [default: 60]",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="table, json, csv, markdown or latex. [default: by the ending of -o, else table]",
    ),
]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="FILE", help="Write to a file instead.")
]
