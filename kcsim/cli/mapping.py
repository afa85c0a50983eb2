"""``kcsim map``: find a mapping of a layer."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import Batch, HardwareFile, LayerName, Objective, Output, Overrides, Zeros

__all__ = ["command"]


def command(
    hw: HardwareFile,
    layer: LayerName,
    batch: Batch = None,
    zeros: Zeros = None,
    objective: Objective = "edp",
    overrides: Overrides = None,
    loops: Annotated[
        bool, typer.Option("--loops", help="Print the loop nest instead of YAML.")
    ] = False,
    output: Output = None,
) -> None:
    """Find a good mapping of a layer, as YAML that 'kcsim evaluate' reads."""
    from kcsim.cli.running import check_output, emit, waiting
    from kcsim.hardware import load_hardware
    from kcsim.mapping.search import find_mapping
    from kcsim.workload import load_layer
    from kcsim.workload.zeros_reader import layer_with_zeros

    check_output(output)
    hardware = load_hardware(hw, overrides or ())
    chosen = load_layer(layer)
    chosen = chosen if batch is None else chosen.with_batch(batch)
    chosen = chosen if zeros is None else layer_with_zeros(chosen, zeros)
    with waiting():
        mapping = find_mapping(chosen, hardware, objective=objective)
    header = f"# {chosen.name} on {hardware.name}, found by 'kcsim map' for the least {objective}\n"
    emit(f"{mapping}\n" if loops else header + mapping.to_yaml(), output)
