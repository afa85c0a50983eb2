"""``kcsim evaluate``: one layer under a given mapping."""

from __future__ import annotations

from kcsim.cli.options import (
    Batch,
    Format,
    HardwareFile,
    LayerName,
    MappingFile,
    Output,
    Overrides,
    ValueBits,
    Zeros,
)


def command(
    hw: HardwareFile,
    layer: LayerName,
    mapping: MappingFile,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Count a layer under a mapping: accesses of every level and tensor, cycles, energy."""
    from kcsim.cli.layers import read_layer
    from kcsim.cli.running import check_output, choose_format, report, waiting
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.reader import read_mapping
    from kcsim.model.evaluate import evaluate
    from kcsim.report.layer_data import layer_tables

    chosen_format = choose_format(format_, output)
    check_output(output)
    hardware = load_hardware(hw, overrides or ())
    chosen = read_layer(layer, batch, zeros, precision)
    loops = read_mapping(mapping, chosen, hardware)
    with waiting():
        result = evaluate(chosen, hardware, loops)
    report(chosen_format, output, result, layer_tables)
