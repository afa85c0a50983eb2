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


def text_option(usage: str, help: str) -> Any:
    """An option that takes a text, as ``-o --output FILE``; empty texts are refused."""
    *names, metavar = usage.split()
    return typer.Option(*names, metavar=metavar, help=help, callback=_not_empty)


def number_option(usage: str, help: str, min: int | None = None) -> Any:
    """Likewise, a number."""
    *names, metavar = usage.split()
    return typer.Option(*names, metavar=metavar, help=help, min=min)


def text_argument(*, metavar: str, help: str) -> Any:
    """Likewise, an argument."""
    return typer.Argument(metavar=metavar, help=help, callback=_not_empty)


_CLUSTER = text_option(
    "--cluster SCHEME",
    "Clustered weights, as kernel:k=256,scope=network, row:rate=0.05, scalar:k=16 or "
    "product:k=128,length=8.",
)
_EXECUTIONS = "share_products, share_sums or auto"

# --- what is estimated

HardwareFile = Annotated[
    str,
    text_option(
        "--hw FILE",
        "Hardware: a shipped file by its bare name ('kcsim hardware' lists them) or a path.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    text_option(
        "--set KEY=VALUE",
        "Change a value of the hardware file, as levels.buffer.read_pj=12. May be repeated.",
    ),
]
LayerName = Annotated[
    str, text_option("--layer LAYER", "NETWORK/LAYER, as alexnet/conv3, or a YAML file.")
]
NetworkName = Annotated[
    str,
    text_option(
        "--network -n NETWORK",
        "A known network ('kcsim networks' lists them), a file (YAML, ONNX, SCALE-Sim, Timeloop) "
        "or package.module:factory.",
    ),
]
NetworkOfWeights = Annotated[
    str | None,
    text_option(
        "--network -n NETWORK",
        "As 'kcsim networks' lists them, a file (YAML, ONNX, SCALE-Sim, Timeloop) or "
        "package.module:factory. [default: that of --weights, else alexnet]",
    ),
]
Layers = Annotated[
    list[str] | None, text_option("--layers PATTERN", "Only these, as 'conv*'. Repeatable.")
]
Batch = Annotated[int | None, number_option("--batch N", "Images at once. [default: 1]")]
Zeros = Annotated[
    str | None,
    text_option(
        "--zeros SHARES",
        "Shares of zeros, as inputs=0.5,outputs=0.6;conv1:inputs=0, or a YAML file.",
    ),
]
ValueBits = Annotated[
    str | None,
    text_option(
        "--precision BITS",
        "Widths of values that are not the hardware's, as weights=4;conv1:weights=8,inputs=8, or "
        "a YAML file.",
    ),
]

# --- clustered weights

Cluster = Annotated[str | None, _CLUSTER]
ClusterToCheck = Annotated[str, _CLUSTER]
ClusterToMake = Annotated[
    str,
    text_option(
        "--cluster SCHEME",
        "As kernel:k=256, row:rate=0.05 or scalar:ratio=8; or 'found' for weights that are "
        "clustered already.",
    ),
]
Weights = Annotated[
    str | None,
    text_option(
        "--weights FILE", "Clustered weights that 'kcsim cluster' wrote, in place of --cluster."
    ),
]
WeightsToCheck = Annotated[
    str, text_option("--weights FILE", "Clustered weights, from 'kcsim cluster'.")
]
TrainedWeights = Annotated[
    str | None,
    text_option(
        "--weights FILE",
        "Trained weights: safetensors, npz, torch or ONNX. [default: those of --network, where "
        "that brings them]",
    ),
]
NetworkToFit = Annotated[
    str | None, text_option("--network -n NETWORK", "What the weights must fit.")
]
Execution = Annotated[
    str | None,
    text_option(
        "--execution NAME",
        f"How clustered layers run: decode, {_EXECUTIONS}, the best of these for each layer. "
        "[default: decode]",
    ),
]
SharingToCheck = Annotated[str, text_option("--execution NAME", f"{_EXECUTIONS}, for both.")]
ExecutionToCheck = Annotated[
    str, text_option("--execution NAME", f"decode, {_EXECUTIONS}, the one of fewest operations.")
]
DecodeLevel = Annotated[
    str | None,
    text_option(
        "--decode-level LEVEL",
        "The level at whose output entries are read from the codebook, or auto for the best. "
        "[default: as the hardware says; auto under --execution auto]",
    ),
]
Names = Annotated[str | None, text_option("--names FILE", "YAML with 'layer: tensor' a line.")]
Seed = Annotated[int | None, number_option("--seed N", "Of the k-means. [default: 0]", min=0)]
Starts = Annotated[
    int | None, number_option("--starts N", "Runs for each codebook. [default: 3]", min=1)
]

# --- retraining

ClusterToRetrain = Annotated[
    str, text_option("--cluster SCHEME", "As kernel:k=64, row:k=16 or scalar:k=16,index=huffman.")
]
TrainedOrNone = Annotated[
    str | None,
    text_option(
        "--weights FILE",
        "Trained weights: safetensors, npz, torch or ONNX. [default: trained from nothing]",
    ),
]
ModelFactory = Annotated[
    str | None,
    text_option(
        "--model MODULE:FUNCTION",
        "Makes the torch model. [default: kcsim's of lenet5, resnet20, resnet56]",
    ),
]
TrainingImages = Annotated[
    str,
    text_option(
        "--data IMAGES",
        "A folder with one of pictures for each class, an npz with images and labels, or digits.",
    ),
]
TestImages = Annotated[
    str | None,
    text_option(
        "--test IMAGES", "What to test on. [default: that part of --data, or a tenth of it]"
    ),
]
TestLimit = Annotated[
    int | None, number_option("--test-limit N", "Test on the first N images only.", min=1)
]
Method = Annotated[
    str,
    text_option(
        "--method NAME",
        "tied: cluster, then train shared weights; hard or relaxed: train with the penalty of "
        "Deep k-Means, then cluster; none.",
    ),
]
Prune = Annotated[
    str | None,
    text_option(
        "--prune SHARES", "Prune first, as 0.7 or 0.7;conv1=0.3 of the layers; zeros stay zero."
    ),
]
Epochs = Annotated[
    int | None, number_option("--epochs N", "Of retraining, and of pruning. [default: 1]", min=1)
]
DenseEpochs = Annotated[
    int | None,
    number_option("--dense-epochs N", "Of training without --weights. [default: 15]", min=1),
]
LearningRate = Annotated[
    float | None,
    number_option("--lr RATE", "The largest learning rate. [default: 0.003; a penalty's 0.01]"),
]
Strength = Annotated[
    float | None,
    number_option("--strength LAMBDA", "Of the penalty: 5 to 10 serve hard. [default: 8]"),
]
Reassign = Annotated[
    int | None,
    number_option("--reassign STEPS", "Let units change entries every so many steps.", min=1),
]
ReassignUntil = Annotated[
    int | None, number_option("--reassign-until STEP", "But not after this step.", min=1)
]
Precision = Annotated[
    str | None,
    text_option(
        "--precision NAME", "Of activations while training: float32, bfloat16. [default: float32]"
    ),
]
Device = Annotated[
    str | None, text_option("--device NAME", "Where torch computes, as cuda. [default: cpu]")
]
Seeds = Annotated[
    int, number_option("--seeds N", "Runs, of the seeds 0 to N-1; the first is written.", min=1)
]
Channels = Annotated[
    str | None,
    text_option(
        "--mean VALUES",
        "Of the channels, as 0.485,0.456,0.406. [default: what the model was made for]",
    ),
]
ChannelDeviations = Annotated[
    str | None, text_option("--deviation VALUES", "Likewise, as 0.229,0.224,0.225.")
]
RetrainedOutput = Annotated[
    str | None, text_option("-o --output FILE", "Write the retrained clustered weights.")
]
AccuracyTable = Annotated[
    str | None,
    text_option("--table FILE", "Add a line of scheme, size and accuracy to a CSV file."),
]

# --- mappings

Objective = Annotated[
    str, text_option("--objective NAME", "What mappings minimize: edp, energy, cycles.")
]
TimeLimit = Annotated[
    float | None,
    number_option(
        "--time-limit SECONDS",
        "Seconds that the mapping of a layer may take; then the best one so far is taken, "
        "and said not to be proved. 'inf' for as long as it takes. [default: 60]",
    ),
]
Even = Annotated[
    bool,
    typer.Option(
        "--even",
        help="Only mappings where all tiles of a level change at the same place of the nest.",
    ),
]
Fix = Annotated[
    str | None,
    text_option(
        "--fix FILE", "YAML with what of the mapping is fixed: the best of the rest is found."
    ),
]
Fixes = Annotated[
    str | None,
    text_option(
        "--fix PATH",
        "What of the mapping of every layer is fixed: a file, or a folder with LAYER.yaml.",
    ),
]
Best = Annotated[
    int | None,
    number_option("--best N", "Print the N best mappings that differ, up to 100.", min=2),
]
Differ = Annotated[
    str | None,
    text_option(
        "--differ NAME",
        "What they differ in: spreads (or what levels keep), or tiles as well. [default: spreads]",
    ),
]
Why = Annotated[
    bool,
    typer.Option(
        "--why",
        help="Print why the best is the best: the next best, what is tight, what more of it would "
        "give.",
    ),
]
Imperfect = Annotated[
    bool,
    typer.Option(
        "--imperfect",
        help="Also try bounds that do not divide their dimension; proved for small layers alone.",
    ),
]
MappingFile = Annotated[str, text_option("--mapping FILE", "A mapping file.")]
MappingToCheck = Annotated[
    str | None, text_option("--mapping FILE", "A mapping file. [default: the best one]")
]

# --- checks

Limit = Annotated[float, number_option("--limit SECONDS", "Refuse what takes longer.", min=0)]
Threads = Annotated[int, number_option("--threads N", "Of kcsim and of torch.", min=1)]
Inputs = Annotated[
    str | None, text_option("--inputs FILE", "Arrays (N, C, H, W) by layer, as npz.")
]

# --- output

Format = Annotated[
    str | None,
    text_option(
        "--format NAME",
        "table, json, csv, markdown or latex. [default: by the ending of -o: .txt, .json, "
        ".csv, .md or .tex; else table]",
    ),
]
AnswerFormat = Annotated[
    str | None,
    text_option(
        "--format NAME",
        "Of --best and --why: table, json, csv, markdown or latex. [default: by the ending of -o: "
        ".txt, .json, .csv, .md or .tex; else table]",
    ),
]
TableFormat = Annotated[
    str | None,
    text_option(
        "--format NAME",
        "table, csv, markdown or latex. [default: by the ending of -o: .txt, .csv, .md or "
        ".tex; else table]",
    ),
]
PrintedFormat = Annotated[
    str, text_option("--format NAME", "What to print: table, json, csv, markdown, latex.")
]
Output = Annotated[str | None, text_option("-o --output FILE", "Write to a file instead.")]
ClusteredOutput = Annotated[
    str | None, text_option("-o --output FILE", "Write the clustered weights.")
]
Save = Annotated[str | None, text_option("--save FOLDER", "Write a mapping file of each layer.")]
Loops = Annotated[
    bool, typer.Option("--loops", help="Print the loop nest and its tiles instead of YAML.")
]
Size = Annotated[
    str | None,
    text_option(
        "--size NAME",
        "Of the plot: column (3.5 in) or page (7.16 in), with texts of 8 pt.",
    ),
]
EnergyPlot = Annotated[
    str | None, text_option("--plot FILE", "Draw energy by level and layer: png, pdf or svg.")
]
FrontPlot = Annotated[
    str | None, text_option("--plot FILE", "Draw energy over cycles: png, pdf or svg.")
]
MappingPlot = Annotated[
    str | None,
    text_option("--plot FILE", "Draw the nest, its tiles and where energy goes: png, pdf or svg."),
]
