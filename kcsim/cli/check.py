"""``kcsim check``: execute a mapped layer, and compare what it counts and computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcsim.cli.options import Batch, HardwareFile, LayerName, Overrides

if TYPE_CHECKING:
    from kcsim.model.counts import Counts
    from kcsim.model.replay import Difference, Replay
    from kcsim.workload import ConvLayer

__all__ = ["command"]

ANNOUNCED_SECONDS = 2.0
EQUAL = "equal"


def command(
    hw: HardwareFile,
    layer: LayerName,
    mapping: Annotated[
        str | None,
        typer.Option("--mapping", metavar="FILE", help="A mapping file. [default: found]"),
    ] = None,
    batch: Batch = None,
    overrides: Overrides = None,
    limit: Annotated[
        float, typer.Option("--limit", metavar="SECONDS", min=0, help="Refuse what takes longer.")
    ] = 60.0,
) -> None:
    """Execute a mapped layer with real numbers and compare its counts and its outputs.

    Every buffer of every level is filled, read and updated word by word. What is counted that way
    must equal what 'kcsim evaluate' says, and what the outermost level holds in the end must be
    the convolution. The exit code is 1 if anything differs.
    """
    from kcsim.cli.running import waiting
    from kcsim.hardware import load_hardware
    from kcsim.mapping.reader import read_mapping
    from kcsim.mapping.search import find_mapping
    from kcsim.model.counts import count_layer
    from kcsim.model.replay import compare, replay_cost, replay_layer
    from kcsim.workload import load_layer

    hardware = load_hardware(hw, overrides or ())
    chosen = load_layer(layer)
    chosen = chosen if batch is None else chosen.with_batch(batch)
    loops = read_mapping(mapping, chosen, hardware) if mapping else None
    with waiting():
        loops = loops or find_mapping(chosen, hardware)
        counts = count_layer(chosen, hardware, loops)
        cost = replay_cost(chosen, hardware, loops)
        cost.check(limit)
        if cost.seconds > ANNOUNCED_SECONDS:
            typer.echo(f"kcsim: replaying {cost.macs} MACs, {cost.seconds:.0f} seconds", err=True)
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
    from kcsim.model.replay import trusted_convolution

    expected, name = trusted_convolution(layer, replay.inputs, replay.weights)
    wrong = int((replay.outputs != expected).sum())
    if wrong:
        return f"outputs: {wrong} of {expected.size} differ from {name}", False
    return f"outputs: equal to {name}, bit for bit", True
