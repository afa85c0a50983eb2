"""Clustered weights in a file of safetensors; docs/clustered-weights.md says what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
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
from kcsim.clustering.precision import StoredValues
from kcsim.reading.arguments import checked
from kcsim.reading.files import write_whole
from kcsim.weights.accuracy import plain
from kcsim.weights.clustered import ClusteredLayer, ClusteredWeights
from kcsim.weights.clustered_reader import METADATA_KEY, OTHERS
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
    for name, codebook in weights.codebooks.items():
        tensors |= values_to_tensors(f"{names[name]}.codebook", codebook.entries)
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
        "format": "kcsim.clustered/1",
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


def _layer_tensors(
    name: str, layer: ClusteredLayer, code_lengths: NDArray[np.uint8] | None
) -> Tensors:
    tensors = {f"{name}.indexes": _indexes(layer, code_lengths)}
    transforms = layer.part.settings.transforms
    if layer.transforms is not None and transforms > 1:
        tensors[f"{name}.transforms"] = pack(layer.transforms, fixed_index_bits(transforms))
    for key, values in (("scales", layer.scales), ("offsets", layer.offsets)):
        if values is not None:
            tensors |= values_to_tensors(f"{name}.{key}", values)
    return tensors


def _indexes(layer: ClusteredLayer, code_lengths: NDArray[np.uint8] | None) -> NDArray[Any]:
    if code_lengths is not None:
        return huffman_encode(layer.indexes.ravel(), code_lengths)
    bits = fixed_index_bits(layer.part.clusters)
    # Words of whole bytes are the same in a tensor that needs no unpacking.
    whole = {8: np.uint8, 16: np.uint16}
    return layer.indexes.astype(whole[bits]) if bits in whole else pack(layer.indexes, bits)


def _codebook_names(weights: ClusteredWeights) -> Mapping[str, str]:
    """What the file calls codebooks: a layer's own by the layer, others by a number."""
    numbered = (f"shared{number}" for number in count())
    free = (name for name in numbered if name not in weights.layers)
    return {name: name if name in weights.layers else next(free) for name in weights.codebooks}
