"""``kcsim check --cluster``: a layer that shares products or sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kcsim.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from kcsim.hardware.schema import Hardware
    from kcsim.replay.sharing_check import SharingCheck
    from kcsim.workload.layer import ConvLayer


def check_sharings(
    layer: ConvLayer, hardware: Hardware, clustering: str, execution: str, limit: float
) -> None:
    """Check one way of sharing, or both for ``auto``; exit with 1 if anything differs."""
    from kcsim.cli.running import waiting
    from kcsim.clustering.spec import parse_clustering
    from kcsim.replay.sharing_check import check_sharing
    from kcsim.sharing.strategies import SHARINGS

    if execution not in (*SHARINGS, "auto"):
        raise InputError(
            Problem(f"--execution is '{execution}'", f"{', '.join(SHARINGS)} or auto, as decoding "
                    "is checked without --cluster", nearest(execution, SHARINGS))
        )  # fmt: skip
    chosen = [sharing for sharing in SHARINGS if execution in (sharing, "auto")]
    failed = False
    with waiting(keeps=True):
        checks = [
            check_sharing(
                layer, hardware, parse_clustering(clustering), sharing, limit_seconds=limit
            )
            for sharing in chosen
        ]
    for found in checks:
        for line in _lines(found):
            typer.echo(line)
        failed = failed or bool(found.differences or found.wrong_outputs)
    if failed:
        raise typer.Exit(1)


def _lines(found: SharingCheck) -> list[str]:
    """What was compared, and whether it agreed; every difference below its line."""
    plan, estimate = found.estimate.plan, found.estimate
    order = ", units in order" if plan.ordered else ""
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
