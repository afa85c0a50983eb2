"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kcsim.errors import InputError, Problem


def _not_empty(parameter: typer.CallbackParam, value: Any) -> Any:
    """Refuse empty texts, which scripts pass whose variables are not set."""
    if value == "" or (isinstance(value, list | tuple) and "" in value):
        name = parameter.opts[0]
        name = name if name.startswith("-") else name.upper()
        raise InputError(Problem(f"{name} is given an empty text", "a value, or nothing at all"))
    return value


def text_option(*names: str, metavar: str, help: str) -> Any:
    """An option that takes a text, or one that may be repeated; empty ones are refused."""
    return typer.Option(*names, metavar=metavar, help=help, callback=_not_empty)


def text_argument(*, metavar: str, help: str) -> Any:
    """Likewise, an argument."""
    return typer.Argument(metavar=metavar, help=help, callback=_not_empty)


HardwareFile = Annotated[
    str,
    text_option(
        "--hw",
        metavar="FILE",
        help="Hardware: a shipped file by its bare name ('kcsim hardware' lists them) or a path.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    text_option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the hardware file, as levels.buffer.read_pj=12. May be repeated.",
    ),
]
LayerName = Annotated[
    str,
    text_option(
        "--layer", metavar="LAYER", help="NETWORK/LAYER, as alexnet/conv3, or a YAML file."
    ),
]
NetworkName = Annotated[
    str | None,
    text_option(
        "--network",
        "-n",
        metavar="NETWORK",
        help="A known network ('kcsim networks' lists them) or a YAML file. "
        "[default: that of --weights, else alexnet]",
    ),
]
Cluster = Annotated[
    str | None,
    text_option(
        "--cluster",
        metavar="SCHEME",
        help="Estimate clustered weights beside dense ones, as kernel:k=256,scope=network, "
        "row:rate=0.05, scalar:k=16 or product:k=128,length=8.",
    ),
]
Weights = Annotated[
    str | None,
    text_option(
        "--weights",
        metavar="FILE",
        help="Clustered weights that 'kcsim cluster' wrote, in place of --cluster.",
    ),
]
Layers = Annotated[
    list[str] | None,
    text_option("--layers", metavar="PATTERN", help="Only these, as 'conv*'. Repeatable."),
]
Batch = Annotated[
    int | None, typer.Option("--batch", metavar="N", help="Images at once. [default: 1]")
]
Zeros = Annotated[
    str | None,
    text_option(
        "--zeros",
        metavar="SHARES",
        help="Shares of zeros, as inputs=0.5,outputs=0.6;conv1:inputs=0, or a YAML file.",
    ),
]
Objective = Annotated[
    str | None,
    text_option(
        "--objective",
        metavar="NAME",
        help="What mappings minimise: edp, energy, cycles. [default: edp]",
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
    text_option(
        "--format",
        metavar="NAME",
        help="table, json, csv, markdown or latex. [default: by the ending of -o: .txt, .json, "
        ".csv, .md or .tex; else table]",
    ),
]
Output = Annotated[
    str | None, text_option("-o", "--output", metavar="FILE", help="Write to a file instead.")
]
