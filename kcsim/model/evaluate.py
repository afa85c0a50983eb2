"""One layer under a given mapping: counts, cycles, energy."""

from __future__ import annotations

from kcsim.cost.weight_format import WeightFormat, dense_format
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping
from kcsim.model.counts import count_layer
from kcsim.model.cycles import count_cycles
from kcsim.model.energy import energy_items
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.reading.arguments import checked
from kcsim.workload.layer import ConvLayer


@checked
def evaluate(
    layer: ConvLayer,
    hardware: Hardware,
    mapping: Mapping,
    weight_format: WeightFormat | None = None,
) -> LayerEstimate:
    """Estimate one layer under a given mapping.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    mapping : Mapping
    weight_format : WeightFormat, optional
        How the weights are stored; dense when absent.

    Raises
    ------
    MappingError
        If the mapping does not cover the layer or does not fit.
    """
    weight_format = weight_format or dense_format(layer, hardware)
    counts = count_layer(layer, hardware, mapping, weight_format)
    cycles = count_cycles(counts, weight_format)
    return LayerEstimate(counts, weight_format, cycles, energy_items(counts, weight_format, cycles))
