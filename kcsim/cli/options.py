"""Every option of the commands, declared once: a command takes those that mean something to it."""

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


_CLUSTER = text_option(
    "--cluster",
    metavar="SCHEME",
    help="Clustered weights, as kernel:k=256,scope=network, row:rate=0.05, scalar:k=16 or "
    "product:k=128,length=8.",
)
_EXECUTIONS = "share_products, share_sums or auto"

# --- what is estimated

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
    str,
    text_option(
        "--network",
        "-n",
        metavar="NETWORK",
        help="A known network ('kcsim networks' lists them) or a YAML file.",
    ),
]
NetworkOfWeights = Annotated[
    str | None,
    text_option(
        "--network",
        "-n",
        metavar="NETWORK",
        help="As 'kcsim networks' lists them, or a YAML file. [default: that of --weights, else "
        "alexnet]",
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

# --- clustered weights

Cluster = Annotated[str | None, _CLUSTER]
ClusterToCheck = Annotated[str, _CLUSTER]
ClusterToMake = Annotated[
    str,
    text_option(
        "--cluster",
        metavar="SCHEME",
        help="As kernel:k=256, row:rate=0.05 or scalar:ratio=8; or 'found' for weights that are "
        "clustered already.",
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
WeightsToCheck = Annotated[
    str, text_option("--weights", metavar="FILE", help="Clustered weights, from 'kcsim cluster'.")
]
TrainedWeights = Annotated[
    str,
    text_option(
        "--weights", metavar="FILE", help="Trained weights: safetensors, npz, torch or ONNX."
    ),
]
NetworkToFit = Annotated[
    str | None,
    text_option("--network", "-n", metavar="NETWORK", help="What the weights must fit."),
]
Execution = Annotated[
    str | None,
    text_option(
        "--execution",
        metavar="NAME",
        help=f"How clustered layers run: decode, {_EXECUTIONS}, the best of these for each layer. "
        "[default: decode]",
    ),
]
SharingToCheck = Annotated[
    str, text_option("--execution", metavar="NAME", help=f"{_EXECUTIONS}, for both.")
]
ExecutionToCheck = Annotated[
    str,
    text_option(
        "--execution",
        metavar="NAME",
        help=f"decode, {_EXECUTIONS}, the one of fewest operations.",
    ),
]
DecodeLevel = Annotated[
    str | None,
    text_option(
        "--decode-level",
        metavar="LEVEL",
        help="The level at whose output entries are read from the codebook, or auto for the best. "
        "[default: as the hardware says; auto under --execution auto]",
    ),
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

# --- mappings

Objective = Annotated[
    str,
    text_option(
        "--objective",
        metavar="NAME",
        help="What mappings minimize: edp, energy, cycles.",
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
Imperfect = Annotated[
    bool, typer.Option("--imperfect", help="Also try bounds that do not divide their dimension.")
]
MappingFile = Annotated[str, text_option("--mapping", metavar="FILE", help="A mapping file.")]
MappingToCheck = Annotated[
    str | None,
    text_option("--mapping", metavar="FILE", help="A mapping file. [default: the best one]"),
]

# --- checks

Limit = Annotated[
    float,
    typer.Option(
        "--limit",
        metavar="SECONDS",
        min=0,
        show_default=False,
        help="Refuse what takes longer. [default: 60]",
    ),
]
Threads = Annotated[
    int,
    typer.Option("--threads", metavar="N", min=1, help="Of kcsim and of torch."),
]
Inputs = Annotated[
    str | None,
    text_option("--inputs", metavar="FILE", help="Arrays (N, C, H, W) by layer, as npz."),
]

# --- output

Format = Annotated[
    str | None,
    text_option(
        "--format",
        metavar="NAME",
        help="table, json, csv, markdown or latex. [default: by the ending of -o: .txt, .json, "
        ".csv, .md or .tex; else table]",
    ),
]
TableFormat = Annotated[
    str | None,
    text_option(
        "--format",
        metavar="NAME",
        help="table, csv, markdown or latex. [default: by the ending of -o: .txt, .csv, .md or "
        ".tex; else table]",
    ),
]
PrintedFormat = Annotated[
    str,
    text_option(
        "--format", metavar="NAME", help="What to print: table, json, csv, markdown, latex."
    ),
]
Output = Annotated[
    str | None, text_option("-o", "--output", metavar="FILE", help="Write to a file instead.")
]
ClusteredOutput = Annotated[
    str | None, text_option("-o", "--output", metavar="FILE", help="Write the clustered weights.")
]
Save = Annotated[
    str | None, text_option("--save", metavar="FOLDER", help="Write a mapping file of each layer.")
]
Loops = Annotated[
    bool, typer.Option("--loops", help="Print the loop nest and its tiles instead of YAML.")
]
EnergyPlot = Annotated[
    str | None,
    text_option("--plot", metavar="FILE", help="Draw energy by level and layer: png, pdf or svg."),
]
ComparisonPlot = Annotated[
    str | None,
    text_option(
        "--plot",
        metavar="FILE",
        help="Draw energy by component and by tensor, cycles and operations: png, pdf or svg.",
    ),
]
MappingPlot = Annotated[
    str | None,
    text_option(
        "--plot",
        metavar="FILE",
        help="Draw the nest, its tiles and where energy goes: png, pdf or svg.",
    ),
]
