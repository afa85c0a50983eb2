"""``kcsim evaluate``: one layer under a given mapping."""

from __future__ import annotations

from typing import Annotated

from kcsim.cli.options import (
    Batch,
    Format,
    HardwareFile,
    LayerName,
    Output,
    Overrides,
    Zeros,
    text_option,
)


def command(
    hw: HardwareFile,
    layer: LayerName,
    mapping: Annotated[str, text_option("--mapping", metavar="FILE", help="A mapping file.")],
    batch: Batch = None,
    zeros: Zeros = None,
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Count a layer under a mapping: accesses of every level and tensor, cycles, energy."""
    from kcsim.cli.running import check_output, choose_format, report, waiting
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.reader import read_mapping
    from kcsim.model.evaluate import evaluate
    from kcsim.report.layer_data import layer_tables
    from kcsim.workload.reader import load_layer
    from kcsim.workload.zeros_reader import layer_with_zeros

    chosen_format = choose_format(format_, output)
    check_output(output)
    hardware = load_hardware(hw, overrides or ())
    chosen = load_layer(layer)
    chosen = chosen if batch is None else chosen.with_batch(batch)
    chosen = chosen if zeros is None else layer_with_zeros(chosen, zeros)
    loops = read_mapping(mapping, chosen, hardware)
    with waiting():
        result = evaluate(chosen, hardware, loops)
    report(chosen_format, output, result, layer_tables)
