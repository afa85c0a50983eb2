"""``kcsim check``: execute a mapped layer or clustered layers, and compare what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcsim.cli.options import Batch, Layers, Overrides, text_option
from kcsim.cli.streams import say
from kcsim.errors import InputError, Problem

if TYPE_CHECKING:
    from kcsim.model.counts import Counts
    from kcsim.replay.dense import Difference, Replay
    from kcsim.workload.layer import ConvLayer

ANNOUNCED_SECONDS = 2.0
LIMIT_SECONDS = 60.0
EQUAL = "equal"


Hardware = Annotated[
    str | None, text_option("--hw", metavar="FILE", help="Hardware, for a mapped layer.")
]
MappedLayer = Annotated[
    str | None,
    text_option("--layer", metavar="LAYER", help="NETWORK/LAYER or a YAML file; with --hw."),
]
MappingFile = Annotated[
    str | None,
    text_option("--mapping", metavar="FILE", help="A mapping file. [default: found]"),
]
Cluster = Annotated[
    str | None,
    text_option(
        "--cluster", metavar="SCHEME", help="With --hw and --layer: share products and sums."
    ),
]
Weights = Annotated[
    str | None,
    text_option("--weights", metavar="FILE", help="Clustered weights, from 'kcsim cluster'."),
]
NetworkName = Annotated[
    str | None,
    text_option(
        "--network", "-n", metavar="NETWORK", help="What the weights must fit; with --weights."
    ),
]
Execution = Annotated[
    str | None,
    text_option(
        "--execution",
        metavar="NAME",
        help="decode, share_products, share_sums or auto; with --cluster or --weights. "
        "[default: auto]",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, help="Of both sides; with --weights. [default: 1]"
    ),
]
Inputs = Annotated[
    str | None,
    text_option(
        "--inputs", metavar="FILE", help="Arrays (N, C, H, W) by layer, as npz; with --weights."
    ),
]
Limit = Annotated[
    float | None,
    typer.Option(
        "--limit",
        metavar="SECONDS",
        min=0,
        help="Refuse what takes longer; with --hw and --layer. [default: 60]",
    ),
]


def command(
    hw: Hardware = None,
    layer: MappedLayer = None,
    mapping: MappingFile = None,
    cluster: Cluster = None,
    weights: Weights = None,
    network: NetworkName = None,
    layers: Layers = None,
    execution: Execution = None,
    threads: Threads = None,
    inputs: Inputs = None,
    batch: Batch = None,
    overrides: Overrides = None,
    limit: Limit = None,
) -> None:
    """Execute layers with real numbers and compare their counts and their outputs.

    With --hw and --layer, a mapped layer: every buffer of every level is filled, read and updated
    word by word. What is counted that way must equal what 'kcsim evaluate' says, and what the
    outermost level holds in the end must be the convolution. With --cluster, the layer has random
    clustered weights and shares products or sums: both phases are executed with real values, as
    'kcsim estimate --execution' counts them.

    With --weights, the clustered layers of a file: executed with random or given inputs, their
    outputs must be those of torch, and their multiplies and adds those of the closed forms.

    The exit code is 1 if anything differs.
    """
    from kcsim.cli.running import refuse_unused

    if weights is not None:
        if hw or layer or mapping or cluster or overrides:
            raise InputError(
                Problem("--weights checks no mapping", "no --hw, --layer or --mapping")
            )
        refuse_unused({"--limit": limit}, "it is for mapped layers")
        from kcsim.cli.check_weights import check_weights

        check_weights(
            network,
            weights,
            batch=batch,
            layers=layers,
            execution=execution or "auto",
            threads=threads or 1,
            inputs=inputs,
        )
        return
    if network or layers or inputs:
        raise InputError(
            Problem("--network, --layers and --inputs are given alone", "--weights with them")
        )
    refuse_unused({"--threads": threads}, "one executes a mapped layer", "--weights")
    if hw is None or layer is None:
        raise InputError(Problem("nothing to check", "--hw and --layer, or --weights"))
    if cluster and mapping:
        raise InputError(Problem("--mapping and --cluster are both given", "one of them"))
    if not cluster:
        refuse_unused({"--execution": execution}, "dense weights are multiplied", "--cluster")
    limit = LIMIT_SECONDS if limit is None else limit
    _check_mapped(hw, layer, mapping, batch, overrides, limit, cluster, execution or "auto")


def _check_mapped(
    hw: str,
    layer: str,
    mapping: str | None,
    batch: int | None,
    overrides: list[str] | None,
    limit: float,
    cluster: str | None,
    execution: str,
) -> None:
    from kcsim.cli.running import waiting
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.reader import read_mapping
    from kcsim.mapping.search import find_mapping
    from kcsim.model.counts import count_layer
    from kcsim.replay.dense import compare, least_cost, replay_cost, replay_layer
    from kcsim.workload.reader import load_layer

    hardware = load_hardware(hw, overrides or ())
    chosen = load_layer(layer)
    chosen = chosen if batch is None else chosen.with_batch(batch)
    if cluster:
        from kcsim.cli.check_sharing import check_sharings

        check_sharings(chosen, hardware, cluster, execution, limit)
        return
    least_cost(chosen).check(limit)
    loops = read_mapping(mapping, chosen, hardware) if mapping else None
    with waiting():
        loops = loops or find_mapping(chosen, hardware)
        counts = count_layer(chosen, hardware, loops)
        cost = replay_cost(chosen, hardware, loops)
        cost.check(limit)
        if cost.seconds > ANNOUNCED_SECONDS:
            say(f"kcsim: replaying {cost.macs} MACs, {cost.seconds:.0f} seconds")
        replay = replay_layer(chosen, hardware, loops)
    numbers, agree = _numbers(chosen, replay)
    differences = compare(replay, counts)
    for line in (*_lines(counts, differences), numbers):
        typer.echo(line)
    if differences or not agree:
        raise typer.Exit(1)


def _lines(counts: Counts, differences: tuple[Difference, ...]) -> list[str]:
    """What was compared, and whether it agreed; every difference below its line."""
    levels = len(counts.hardware.levels)
    wheres = f"of 3 tensors at {levels} level{'s' if levels > 1 else ''}"
    groups = {
        f"reads, fills and updates {wheres}": ("reads", "fills", "updates"),
        f"transfers down, up and to neighbours {wheres}": ("down", "up", "forwarded"),
        "tiles, instances and steps": ("tile words", "instances", "temporal steps"),
    }
    lines = [
        f"{counts.layer.name} on {counts.hardware.name}: {counts.macs} MACs executed in "
        f"{counts.temporal_steps} steps of {counts.instances[-1]} MAC units"
    ]
    for title, actions in groups.items():
        found = [difference for difference in differences if difference.action in actions]
        lines.append(f"{title}: {f'{len(found)} different' if found else EQUAL}")
        lines += [f"  {difference}" for difference in found]
    return lines


def _numbers(layer: ConvLayer, replay: Replay) -> tuple[str, bool]:
    """One line about the outputs, and whether they are the convolution."""
    from kcsim.replay.dense import trusted_convolution

    expected, name = trusted_convolution(layer, replay.inputs, replay.weights)
    wrong = int((replay.outputs != expected).sum())
    if wrong:
        return f"outputs: {wrong} of {expected.size} differ from {name}", False
    return f"outputs: equal to {name}, bit for bit", True
