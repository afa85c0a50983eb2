"""One layer under the best mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

from kcsim.cost.weight_format import WeightFormat, dense_format
from kcsim.hardware.schema import Hardware
from kcsim.mapping.fixed import FixedMapping
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.mapping.search import SearchResult
from kcsim.model.evaluate import evaluate
from kcsim.model.imperfect import ImperfectMapper, check_imperfect
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.reading.arguments import checked
from kcsim.workload.layer import ConvLayer


@checked
def map_layer(
    layer: ConvLayer,
    hardware: Hardware,
    weight_format: WeightFormat | None = None,
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    imperfect: bool = False,
    even: bool = False,
    fix: FixedMapping | None = None,
) -> LayerEstimate:
    """Estimate one layer under the best mapping.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weight_format : WeightFormat, optional
        How the weights are stored; dense when absent.
    objective : {"edp", "energy", "cycles"}
    time_limit : float, optional
        Seconds, for bounds that do not divide as well; see
        `kcsim.mapping.search.search_mapping`.
    imperfect : bool
        Also try bounds that do not divide their dimension; see `kcsim.model.imperfect`.
    even : bool
        Only search even mappings; see `kcsim.mapping.search.search_mapping`.
    fix : FixedMapping, optional
        Only search mappings that have what is fixed, whose bounds divide.

    Raises
    ------
    InputError, MappingError
        See `kcsim.mapping.search.search_mapping`.
    """
    weight_format = weight_format or dense_format(layer, hardware)
    check_imperfect(fix, imperfect=imperfect)
    costs = weight_format.costs(hardware)
    task = MappingTask(layer, costs, even, fix, weight_format if imperfect else None)
    (found,) = map_layers(
        [task], hardware, objective=objective, time_limit=time_limit, mapper=ImperfectMapper()
    )
    return under_found(found, layer, hardware, weight_format)


def under_found(
    found: SearchResult, layer: ConvLayer, hardware: Hardware, form: WeightFormat
) -> LayerEstimate:
    """The estimate under a mapping that a search has found."""
    form = dataclasses.replace(form, codebook_level=found.codebook_level)
    return dataclasses.replace(evaluate(layer, hardware, found.mapping, form), search=found)


class FoundEstimates:
    """Estimates under mappings that a search has found, of each shape and form once.

    Parameters
    ----------
    hardware : Hardware
    """

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._known: dict[Hashable, LayerEstimate] = {}

    def of(self, found: SearchResult, layer: ConvLayer, form: WeightFormat) -> LayerEstimate:
        """The estimate of a layer; `found` is the same for all of its shape and form."""
        key = layer.shape_key, form, found.mapping
        if key not in self._known:
            self._known[key] = under_found(found, layer, self._hardware, form)
        one = self._known[key]
        if one.layer is layer:
            return one
        return dataclasses.replace(one, counts=dataclasses.replace(one.counts, layer=layer))
