"""What zeros save, as tables of exact numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kcsim.model.energy import EnergyItem
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.model.traffic import finished_words
from kcsim.report.table import Column, Row, Table, column

if TYPE_CHECKING:
    from kcsim.report.beside import Beside

_PLAIN = "plain"


def zeros_table(shown: Beside) -> Table:
    """Shares of zeros, what becomes of the MACs, and compressed traffic of every layer."""
    rows: list[Row] = []
    for layer in shown.run.layers:
        zeros, macs = layer.layer.zeros, layer.macs_left
        moved, plain = compressed_bits(layer)
        ratio = plain / moved if moved else None
        shares = (zeros.inputs, zeros.weights, zeros.outputs)
        rows.append((layer.layer.name, *shares, *macs, moved or None, ratio))
    columns = (
        column("layer"),
        column("zero_inputs"),
        column("zero_weights", optional=True),
        column("zero_outputs", optional=True),
        column("computed_macs"),
        column("gated_macs"),
        column("skipped_macs", optional=True),
        column("compressed_bits", heading="compressed traffic"),
        column("traffic_ratio", heading="ratio"),
    )
    total = ("TOTAL", *[None] * 3, *(sum(row[i] for row in rows) for i in (4, 5, 6)), None, None)
    hardware = shown.result.hardware.name
    notes = [expectation_note(hardware, shown.run.layers)]
    if any(row[-1] for row in rows):
        notes.append("Ratio: plain over compressed traffic of the compressed tensors.")
    title = f"Zeros: {shown.result.network.name} on {hardware}"
    return Table(title, columns, tuple(rows), (total,), tuple(notes))


def compression_table(estimate: LayerEstimate) -> Table:
    """How one layer's tensors are stored wherever the hardware compresses."""
    zeros = estimate.layer.zeros
    rows: tuple[Row, ...] = tuple(
        (s.level, s.tensor, getattr(zeros, s.tensor), s.coding or _PLAIN, s.value_bits or None)
        for s in estimate.stored_tensors
    )
    columns = (
        column("level"),
        column("tensor"),
        Column("zeros", "", "share"),
        column("coding"),
        column("value_bits"),
    )
    hardware = estimate.counts.hardware
    notes = ("Plain: the coding would not be smaller. No size: indexes of a codebook.",)
    title = f"Compression: {estimate.layer.name} on {hardware.name}"
    return Table(title, columns, rows, notes=notes)


def expectation_note(hardware: str, layers: tuple[LayerEstimate, ...]) -> str:
    """Whether figures rest on shares of zeros."""
    if any(layer.rests_on_zeros for layer in layers):
        return "MACs, traffic and energy are expected values, from the shares of zeros."
    return f"{hardware} makes no use of these zeros."


def compressed_bits(layer: LayerEstimate) -> tuple[float, float]:
    """Bits of all accesses to compressed tensors, and what they were if plain."""
    coded = {(stored.level, stored.tensor) for stored in layer.stored_tensors if stored.coding}
    items = [item for item in layer.items if (item.component, item.tensor) in coded]
    plain = sum(_plain_bits(layer, item) for item in items)
    return math.fsum(item.bits for item in items), plain


def _plain_bits(layer: LayerEstimate, item: EnergyItem) -> int:
    index = layer.counts.hardware.level_index(item.component)
    bits = layer.counts.hardware.level_bits[index]
    if item.tensor != "outputs":
        return item.count * bits[item.tensor]
    wider = bits["partial_sums"] - bits["outputs"]
    finished = finished_words(layer.counts, index) if item.action == "update" else 0
    return item.count * bits["partial_sums"] - finished * wider
