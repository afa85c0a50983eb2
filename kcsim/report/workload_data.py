"""What a network consists of, as a table."""

from __future__ import annotations

from kcsim.report.table import Table, column
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network


def network_table(network: Network) -> Table:
    """Shape, weights and MACs of every layer."""
    columns = (
        column("layer"),
        column("input"),
        column("output"),
        column("kernel"),
        column("stride", optional=True),
        column("groups", optional=True),
        column("weight_words", heading="weights"),
        column("macs"),
    )
    rows = tuple(_row(layer) for layer in network)
    total = ("TOTAL", None, None, None, None, None, network.weight_words, network.macs)
    notes = [f"{network.parameters:,} parameters, biases and normalization included."]
    if network.source:
        notes.append(network.source)
    notes += network.notes
    return Table(network.name, columns, rows, (total,), tuple(notes))


def _row(layer: ConvLayer) -> tuple[object, ...]:
    return (
        layer.name,
        f"{layer.in_channels}x{layer.in_height}x{layer.in_width}",
        f"{layer.out_channels}x{layer.out_height}x{layer.out_width}",
        f"{layer.kernel_height}x{layer.kernel_width}",
        "x".join(map(str, layer.stride)),
        layer.groups,
        layer.trained_words,
        layer.macs,
    )
