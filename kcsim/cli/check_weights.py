"""``kcsim check-weights``: execute clustered layers, and compare them with torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from kcsim.cli.options import (
    Batch,
    ExecutionToCheck,
    Inputs,
    Layers,
    NetworkToFit,
    Threads,
    WeightsToCheck,
)
from kcsim.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from kcsim.conv.checking import LayerCheck


def command(
    weights: WeightsToCheck,
    network: NetworkToFit = None,
    layers: Layers = None,
    execution: ExecutionToCheck = "auto",
    threads: Threads = 1,
    inputs: Inputs = None,
    batch: Batch = None,
) -> None:
    """Execute the clustered layers of a file, and compare them with torch.

    With random or given inputs, their outputs must be those of torch, and their multiplies and
    adds those of the closed forms.

    The exit code is 1 if anything differs.
    """
    from kcsim.cli.running import refuse_unused, waiting
    from kcsim.conv.checking import LARGEST_DIFFERENCE, check_layer
    from kcsim.weights.clustered_reader import load_clustered
    from kcsim.workload.execution import EXECUTIONS, check_execution
    from kcsim.workload.reader import load_network

    check_execution(execution, ("auto", *EXECUTIONS))
    stored = load_clustered(weights)
    if network is not None:
        stored.storage(load_network(network))
    chosen = stored.network.select(layers) if layers else stored.network
    names = [layer.name for layer in chosen if layer.name in stored.layers]
    if not names:
        raise InputError(
            Problem(f"'{weights}' has no such layer that is clustered", "at least one")
        )
    given: Mapping[str, ArrayLike] = _inputs(inputs, names) if inputs else {}
    if batch is not None and all(name in given for name in names):
        reason = "the inputs of all layers are given"
        refuse_unused({"--batch": batch}, reason, "as many images as they hold")
    checks = []
    with waiting("executing layers") as progress:
        for done, name in enumerate(names):
            progress(done, len(names))
            layer = stored.layers[name]
            codebook = stored.codebooks[layer.part.codebook]
            checks.append(
                check_layer(
                    layer,
                    codebook,
                    execution=execution,
                    inputs=given.get(name),
                    batch=1 if batch is None else batch,
                    threads=threads,
                )
            )
    for line in _lines(checks):
        typer.echo(line)
    wrong = [check.layer for check in checks if not check.agrees]
    if wrong:
        typer.echo(f"{len(wrong)} of {len(checks)} layers differ: {', '.join(wrong)}")
        raise typer.Exit(1)
    typer.echo(
        f"{len(checks)} layers: outputs equal to torch within {LARGEST_DIFFERENCE:g} of the "
        "largest, operations equal to the estimated ones"
    )


def _inputs(file: str, names: Sequence[str]) -> Mapping[str, ArrayLike]:
    """Inputs of layers, by name."""
    from kcsim.weights.weight_files import load_weights

    given = load_weights(file)
    for name in given:
        if name not in names:
            message = f"'{file}' has inputs of {name!r}, which is none of the layers"
            raise InputError(Problem(message, "one of " + ", ".join(names), nearest(name, names)))
    return given


def _lines(checks: Sequence[LayerCheck]) -> list[str]:
    """A row for each layer, below headings; operations as executed/estimated."""
    rows = [("layer", "execution", "difference", "multiplies", "adds", "time", "torch")]
    for check in checks:
        done, said = check.executed, check.estimated
        rows.append(
            (
                check.layer,
                check.execution,
                f"{check.difference:.1e}",
                f"{done.multiplies}/{said.multiplies}",
                f"{done.adds}/{said.adds}",
                f"{1e3 * check.seconds:.2f} ms",
                f"{1e3 * check.dense_seconds:.2f} ms",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
