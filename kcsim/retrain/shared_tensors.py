"""What of clustered weights can be tied, and layers of one tensor tied together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.units import weights_shape
from kcsim.errors import InputError, Problem
from kcsim.retrain.layers import Place
from kcsim.retrain.torch_extra import nn
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook

TIED_PARTS = (
    "part", "indexes", "transforms", "scales", "offsets", "mean_squared_error", "variance_kept",
)  # fmt: skip
"""What of a clustered layer is known here; anything else would be lost."""


def check_layout(layer: ClusteredLayer, codebook: Codebook) -> None:
    """Refuse layers whose weights are anything but offset + scale * transform(one entry)."""
    part, unit = layer.part, layer.part.unit
    assert unit is not None
    filters, channels, _, _ = weights_shape(part.layer)
    depth = channels if part.settings.is_product else unit.channels
    known = {each.name for each in fields(layer)}
    others = [getattr(layer, name) for name in known - set(TIED_PARTS)]
    if (
        any(other is not None for other in others)
        or layer.indexes.ndim != 4
        or len(layer.indexes) != filters
        or codebook.entries.codes.shape[1:] != (depth, unit.height, unit.width)
    ):
        what = f"layer {part.layer.name!r} ({part.settings}) cannot be tied"
        raise InputError(Problem(what, "one entry of one codebook for each unit"))


def first_layers(
    model: nn.Module, places: Mapping[str, Place], clustered: ClusteredWeights
) -> dict[str, str]:
    """For every clustered layer the first one that has the same tensor in the model.

    Raises
    ------
    InputError
        If layers of one tensor are clustered differently.
    """
    firsts: dict[int, str] = {}
    found = {}
    for name in clustered.layers:
        first = firsts.setdefault(id(places[name].weight_of(model)), name)
        found[name] = first
        if first != name and not _are_equal(clustered, first, name):
            _refuse(first, name)
    for name in clustered.dense:
        clustered_one = firsts.get(id(places[name].weight_of(model)))
        if clustered_one is not None:
            _refuse(clustered_one, name)
    return found


def joined_codebooks(clustered: ClusteredWeights, firsts: Mapping[str, str]) -> dict[str, str]:
    """For every codebook the one that stands for it, as layers of one tensor use both."""
    names = {name: name for name in clustered.codebooks}
    for pair in firsts.items():
        ours, theirs = (names[clustered.layers[each].part.codebook] for each in pair)
        names = {name: theirs if known == ours else known for name, known in names.items()}
    return names


def _refuse(first: str, other: str) -> None:
    what = f"layers {first!r} and {other!r} have one tensor in the model, but not one clustering"
    raise InputError(Problem(what, "the same for both"))


def _are_equal(clustered: ClusteredWeights, left: str, right: str) -> bool:
    pair = [clustered.layers[name] for name in (left, right)]
    parts = [
        (layer.part.settings.scheme, layer.indexes, layer.transforms, _values(layer.scales),
         _values(layer.offsets), _values(clustered.codebooks[layer.part.codebook].entries))
        for layer in pair
    ]  # fmt: skip
    return all(np.array_equal(ours, theirs) for ours, theirs in zip(*parts, strict=True))


def _values(stored: StoredValues | None) -> np.ndarray | None:
    return None if stored is None else stored.values
