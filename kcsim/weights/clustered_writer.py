"""Clustered weights in a file of safetensors; docs/clustered-weights.md says what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import (
    TABLE_ENTRY_BITS,
    fixed_index_bits,
    huffman_encode,
    huffman_lengths,
    pack,
)
from kcsim.clustering.positions import to_relative
from kcsim.clustering.precision import StoredValues
from kcsim.reading.arguments import checked
from kcsim.reading.files import write_whole
from kcsim.weights.accuracy import plain
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer
from kcsim.weights.clustered_reader import FORMATS, METADATA_KEY, OTHERS
from kcsim.workload.reader import network_to_yaml

Tensors = dict[str, NDArray[Any]]


@checked
def save_clustered(weights: ClusteredWeights, path: str | os.PathLike[str]) -> None:
    """Write clustered weights to a file, as a whole.

    Parameters
    ----------
    weights : ClusteredWeights
    path : str or path

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_whole(path, to_bytes(weights))


def to_bytes(weights: ClusteredWeights) -> bytes:
    """The content of the file.

    Parameters
    ----------
    weights : ClusteredWeights
    """
    from safetensors.numpy import save

    names = _codebook_names(weights)
    tensors: Tensors = {}
    code_lengths = {}
    for name in weights.codebooks:
        tensors |= values_to_tensors(f"{names[name]}.codebook", _kept_entries(weights, name))
        if weights.index(name) != "fixed":
            lengths = huffman_lengths(weights.counts(name))
            tensors[f"{names[name]}.code_lengths"] = pack(lengths, TABLE_ENTRY_BITS)
            code_lengths[name] = lengths
    for name, layer in weights.layers.items():
        tensors |= _layer_tensors(name, layer, code_lengths.get(layer.part.codebook))
    tensors |= {f"{name}.weight": weight for name, weight in weights.dense.items()}
    tensors |= {f"{name}.bias": bias for name, bias in weights.biases.items()}
    tensors |= {f"{OTHERS}{name}": value for name, value in weights.others.items()}
    header: dict[str, Any] = {
        "format": FORMATS[any(_is_new(layer) for layer in weights.layers.values())],
        "network": network_to_yaml(weights.network),
        "clustering": weights.clustering,
        "layers": {
            name: {
                "clustering": str(layer.part.settings),
                "codebook": names[layer.part.codebook],
                "mean_squared_error": layer.mean_squared_error,
                "variance_kept": layer.variance_kept,
            }
            for name, layer in weights.layers.items()
        },
        "codebooks": {
            names[name]: codebook.entries.codes.shape
            for name, codebook in weights.codebooks.items()
        },
    }
    if weights.accuracy is not None:
        header["accuracy"] = plain(weights.accuracy)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    content: bytes = save(contiguous, {METADATA_KEY: json.dumps(header, allow_nan=False)})
    return content


def values_to_tensors(key: str, stored: StoredValues) -> Tensors:
    """Values as a tensor and, for integers, their step."""
    if stored.step is None:
        return {key: stored.codes}
    step = {f"{key}.step": np.array([stored.step], np.float32)}
    if stored.bits == 8:
        return {key: stored.codes.astype(np.int8)} | step
    # Two's complement, as many bits as there are.
    return {key: pack(stored.codes & (2**stored.bits - 1), stored.bits)} | step


def _kept_entries(weights: ClusteredWeights, name: str) -> StoredValues:
    """The entries of a codebook that are stored: beside a bitmask, none for zero units."""
    entries = weights.codebooks[name].entries
    user = next(each for each in weights.layers.values() if each.part.codebook == name)
    return replace(entries, codes=entries.codes[len(entries.codes) - user.part.stored_entries :])


def _is_new(layer: ClusteredLayer) -> bool:
    """Whether readers of the first format would not understand a layer."""
    settings, part = layer.part.settings, layer.part
    return (
        settings.scheme == "block"
        or settings.stages > 1
        or settings.positions != "all"
        or (part.subspaces > 1 and not settings.is_product)
        or layer.filter_scales is not None
        or layer.outliers is not None
    )


def _layer_tensors(
    name: str, layer: ClusteredLayer, code_lengths: NDArray[np.uint8] | None
) -> Tensors:
    tensors = _indexes(name, layer, code_lengths)
    transforms = layer.part.settings.transforms
    if layer.transforms is not None and transforms > 1:
        tensors[f"{name}.transforms"] = pack(layer.transforms, fixed_index_bits(transforms))
    for key, values in (
        ("scales", layer.scales),
        ("offsets", layer.offsets),
        ("filter_scales", layer.filter_scales),
    ):
        if values is not None:
            tensors |= values_to_tensors(f"{name}.{key}", values)
    if layer.outliers is not None:
        bits = fixed_index_bits(layer.part.layer.weight_words)
        tensors[f"{name}.outlier_positions"] = pack(layer.outliers.positions, bits)
        tensors[f"{name}.outliers"] = layer.outliers.values
    return tensors


def _indexes(name: str, layer: ClusteredLayer, code_lengths: NDArray[np.uint8] | None) -> Tensors:
    """The indexes of a layer, and what says where they are."""
    settings, indexes = layer.part.settings, layer.indexes
    tensors: Tensors = {}
    if settings.positions == "relative":
        indexes, gaps = to_relative(indexes.ravel(), settings.position_bits)
        tensors[f"{name}.index_count"] = np.array([len(indexes)], np.uint32)
        tensors[f"{name}.zeros_before"] = pack(gaps, settings.position_bits)
    elif settings.positions == "bitmask":
        tensors[f"{name}.bitmask"] = pack(indexes != 0, 1)
        indexes = indexes[indexes != 0]
    if code_lengths is not None:
        return tensors | {f"{name}.indexes": huffman_encode(indexes.ravel(), code_lengths)}
    bits = fixed_index_bits(layer.part.stored_entries)
    words = indexes - (layer.part.clusters - layer.part.stored_entries)
    # Words of whole bytes are the same in a tensor that needs no unpacking.
    whole = {8: np.uint8, 16: np.uint16}
    packed = words.astype(whole[bits]) if bits in whole else pack(words, bits)
    return tensors | {f"{name}.indexes": packed}


def _codebook_names(weights: ClusteredWeights) -> Mapping[str, str]:
    """What the file calls codebooks: a layer's own by the layer, others by a number."""
    numbered = (f"shared{number}" for number in count())
    free = (name for name in numbered if name not in weights.layers)
    return {name: name if name in weights.layers else next(free) for name in weights.codebooks}
