"""``kcsim check-sharing``: execute a layer that shares products or sums, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kcsim.cli.options import (
    Batch,
    ClusterToCheck,
    HardwareFile,
    LayerName,
    Limit,
    Overrides,
    SharingToCheck,
)
from kcsim.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from kcsim.replay.sharing_check import SharingCheck


def command(
    hw: HardwareFile,
    layer: LayerName,
    cluster: ClusterToCheck,
    execution: SharingToCheck = "auto",
    batch: Batch = None,
    overrides: Overrides = None,
    limit: Limit = 60.0,
) -> None:
    """Execute a layer that shares products or sums, and compare its counts and its outputs.

    The layer has random clustered weights. Both phases are executed with real values, as
    'kcsim estimate --execution' counts them.

    The exit code is 1 if anything differs.
    """
    from kcsim.cli.layers import read_layer
    from kcsim.cli.running import waiting
    from kcsim.clustering.spec import parse_clustering
    from kcsim.hardware.reader import load_hardware
    from kcsim.replay.sharing_check import check_sharing
    from kcsim.sharing.strategies import SHARINGS

    if execution not in (*SHARINGS, "auto"):
        problem = f"--execution is '{execution}'"
        expected = f"{', '.join(SHARINGS)} or auto, as 'kcsim check' is for what is decoded"
        raise InputError(Problem(problem, expected, nearest(execution, SHARINGS)))
    hardware, chosen = load_hardware(hw, overrides or ()), read_layer(layer, batch)
    clustering = parse_clustering(cluster)
    with waiting(keeps=True):
        checks = [
            check_sharing(chosen, hardware, clustering, sharing, limit_seconds=limit)
            for sharing in SHARINGS
            if execution in (sharing, "auto")
        ]
    for found in checks:
        for line in _lines(found):
            typer.echo(line)
    if any(found.differences or found.wrong_outputs for found in checks):
        raise typer.Exit(1)


def _lines(found: SharingCheck) -> list[str]:
    """What was compared, and whether it agreed; every difference below its line."""
    plan, estimate = found.estimate.plan, found.estimate
    order = "" if plan.listed else ", all entries"
    if plan.ordered:
        order = ", units in order" + (f" for {plan.group} filters" if plan.group > 1 else "")
    count = len(found.differences)
    outputs = f"equal to {found.reference}, bit for bit"
    if found.wrong_outputs:
        outputs = f"{found.wrong_outputs} of {found.replay.outputs.size} differ from "
        outputs += found.reference
    return [
        f"{estimate.layer.name} on {estimate.counts.hardware.name}, {estimate.execution}: "
        f"{estimate.entries.counts.macs} products and {estimate.gather.counts.macs} gathered "
        f"values executed; {plan.home} is home, gathered at {plan.gathered_at}{order}",
        "reads, fills, updates and transfers of all three nests: "
        + (f"{count} different" if count else "equal"),
        *(f"  {difference}" for difference in found.differences),
        f"outputs: {outputs}",
    ]
