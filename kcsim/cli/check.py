"""``kcsim check``: execute a mapped layer of dense weights, and compare what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kcsim.cli.options import Batch, HardwareFile, LayerName, Limit, MappingToCheck, Overrides

if TYPE_CHECKING:
    from kcsim.model.counts import Counts
    from kcsim.replay.dense import Difference, Replay
    from kcsim.workload.layer import ConvLayer

ANNOUNCED_SECONDS = 2.0
EQUAL = "equal"


def command(
    hw: HardwareFile,
    layer: LayerName,
    mapping: MappingToCheck = None,
    batch: Batch = None,
    overrides: Overrides = None,
    limit: Limit = 60.0,
) -> None:
    """Execute a mapped layer with real numbers, and compare its counts and its outputs.

    Every buffer of every level is filled, read and updated word by word. What is counted that way
    must equal what 'kcsim evaluate' says, and what the outermost level holds in the end must be
    the convolution.

    The exit code is 1 if anything differs.
    """
    from kcsim.cli.layers import read_layer
    from kcsim.cli.running import waiting
    from kcsim.cli.streams import say
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.reader import read_mapping
    from kcsim.mapping.search import find_mapping
    from kcsim.model.counts import count_layer
    from kcsim.replay.dense import compare, least_cost, replay_cost, replay_layer

    hardware = load_hardware(hw, overrides or ())
    chosen = read_layer(layer, batch)
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
        f"transfers down, up and to neighbors {wheres}": ("down", "up", "forwarded"),
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
