"""Reading files of clustered weights, of which nothing is taken on trust."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.clustering.coding import TABLE_ENTRY_BITS, fixed_index_bits, huffman_decode, unpack
from kcsim.clustering.precision import FLOATS, StoredValues
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.units import shape_text, weights_shape
from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import checked
from kcsim.reading.files import binary_format
from kcsim.reading.validation import validate_data
from kcsim.weights.accuracy import Accuracy
from kcsim.weights.clustered import ClusteredLayer, ClusteredWeights, Codebook
from kcsim.weights.weight_files import first_bytes, read_safetensors, reading, safetensors_metadata
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.network_file import parse_network

METADATA_KEY = "kcsim"
OTHERS = "others/"
"""What names of tensors begin with that belong to no layer, as those of batch norms."""

Size = Annotated[int, Field(ge=1, lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class _LayerEntry:
    """A clustered layer."""

    clustering: str
    codebook: str
    mean_squared_error: Finite | None
    variance_kept: Finite | None


@dataclass(frozen=True, config=_STRICT)
class _Accuracy:
    """What the network recognizes."""

    images: str
    image_count: Size
    method: str
    epochs: Annotated[int, Field(ge=0, lt=2**31)]
    seeds: list[Annotated[int, Field(ge=0)]]
    dense: Finite
    clustered: list[Finite]
    normed: list[Finite]
    retrained: list[Finite]


@dataclass(frozen=True, config=_STRICT)
class _Header:
    """What the file says beside its tensors."""

    format: Literal["kcsim.clustered/1"]
    network: str
    clustering: str
    layers: dict[str, _LayerEntry]
    codebooks: dict[str, tuple[Size, Size, Size, Size]]
    accuracy: _Accuracy | None = None


@checked
def load_clustered(path: str | os.PathLike[str]) -> ClusteredWeights:
    """Read clustered weights from a file that `save_clustered` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    ClusteredWeights
        They decode to the very values of those that were saved.

    Raises
    ------
    InputError
        If the file cannot be read or says anything that cannot be.
    """
    file = os.fspath(path)
    start = first_bytes(file)
    if start[8:9] != b"{":
        raise InputError(
            _not_clustered(f"is {binary_format(start) or 'no file of safetensors'}", file)
        )
    try:
        with reading(file, "file of clustered weights"):
            header = _header(safetensors_metadata(file), file)
            return _Reader(header, read_safetensors(file)).weights()
    except InputError as error:
        raise InputError([_placed(problem, file) for problem in error.problems]) from None


def _placed(problem: Problem, file: str) -> Problem:
    named = problem.mark is not None or f"'{file}'" in problem.message
    return problem if named else replace(problem, message=f"'{file}': {problem.message}")


def _not_clustered(what: str, file: str) -> Problem:
    expected = "clustered weights: cluster them first, with kcsim cluster --weights ... -o FILE"
    return Problem(f"'{file}' {what}", expected)


def _header(metadata: Mapping[str, str], file: str) -> _Header:
    if METADATA_KEY not in metadata:
        raise InputError(_not_clustered("holds weights that are not clustered", file))
    try:
        data = json.loads(metadata[METADATA_KEY])
    except (ValueError, RecursionError):
        raise InputError("its metadata are not valid JSON") from None
    return validate_data(data, _Header, what="metadata")


class _Reader:
    """Takes tensors one by one, and leaves none."""

    def __init__(self, header: _Header, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._header = header
        self._tensors = dict(tensors)
        self._codes: dict[str, NDArray[np.uint8]] = {}

    def weights(self) -> ClusteredWeights:
        network = parse_network(self._header.network, "network of the file")
        parts = self._parts(network)
        first = {part.codebook: part for part in parts.values()}
        if unused := self._header.codebooks.keys() - first.keys():
            raise InputError(f"no layer uses codebook {min(unused)!r}")
        codebooks = {name: self._codebook(part) for name, part in first.items()}
        layers = {name: self._layer(name, part) for name, part in parts.items()}
        dense = {
            layer.name: self._floats(f"{layer.name}.weight", weights_shape(layer))
            for layer in network
            if layer.name not in layers
        }
        biases = {
            layer.name: self._floats(f"{layer.name}.bias", (layer.out_channels,))
            for layer in network
            if f"{layer.name}.bias" in self._tensors
        }
        named = [name for name in self._tensors if name.startswith(OTHERS)]
        others = {name.removeprefix(OTHERS): self._tensors.pop(name) for name in named}
        if self._tensors:
            raise InputError(f"tensor {min(self._tensors)!r} belongs to no layer")
        return ClusteredWeights(
            network, self._header.clustering, layers, codebooks, dense, biases,
            accuracy=self._accuracy(), others=others,
        )  # fmt: skip

    def _accuracy(self) -> Accuracy | None:
        known = self._header.accuracy
        return None if known is None else Accuracy(**vars(known))

    def _parts(self, network: Network) -> dict[str, LayerClustering]:
        """The clustered layers in the order of the network."""
        entries = self._header.layers
        if unknown := entries.keys() - {layer.name for layer in network}:
            raise InputError(f"its network has no layer {min(unknown)!r}")
        parts = [
            self._part(layer, entries[layer.name]) for layer in network if layer.name in entries
        ]
        sharing: dict[str, list[LayerClustering]] = {}
        for part in parts:
            sharing.setdefault(part.codebook, []).append(part)
        return {
            part.layer.name: replace(part, codebook_units=_served(sharing[part.codebook]))
            for part in parts
        }

    def _part(self, layer: ConvLayer, entry: _LayerEntry) -> LayerClustering:
        settings = parse_clustering(entry.clustering, f"clustering of layer '{layer.name}'")
        unit = replace(settings, dense="none", overrides=(), ratio=None, k=1, rate=None).unit(layer)
        shape = self._header.codebooks.get(entry.codebook)
        if unit is None or shape is None:
            raise InputError(f"layer {layer.name!r} has no codebook {entry.codebook!r}")
        channels = weights_shape(layer)[1] if settings.is_product else unit.channels
        if shape[1:] != (channels, unit.height, unit.width):
            raise InputError(
                Problem(
                    f"codebook {entry.codebook!r} has entries of {shape_text(shape[1:])}",
                    f"{channels}x{unit.height}x{unit.width} for layer {layer.name!r}",
                )
            )
        return LayerClustering(
            layer,
            settings,
            unit,
            units=unit.count(layer),
            subspaces=unit.channel_blocks(layer) if settings.is_product else 1,
            clusters=shape[0],
            codebook=entry.codebook,
        )

    def _codebook(self, part: LayerClustering) -> Codebook:
        name = part.codebook
        shape = self._header.codebooks[name]
        entries = self._values(f"{name}.codebook", shape, part.settings.codebook_bits or 32)
        if part.settings.index != "fixed":
            lengths = self._packed(f"{name}.code_lengths", shape[:1], TABLE_ENTRY_BITS)
            self._codes[name] = lengths.astype(np.uint8)
        return Codebook(name, entries)

    def _layer(self, name: str, part: LayerClustering) -> ClusteredLayer:
        assert part.unit is not None
        filters, _, rows, columns = weights_shape(part.layer)
        blocks = part.unit.channel_blocks(part.layer)
        shape = (filters, blocks, rows // part.unit.height, columns // part.unit.width)
        settings, kind = part.settings, part.settings.kind
        transforms = None
        if settings.transforms > 1:
            bits = fixed_index_bits(settings.transforms)
            transforms = self._packed(f"{name}.transforms", shape, bits).astype(np.uint8)
        entry = self._header.layers[name]
        return ClusteredLayer(
            part,
            self._indexes(f"{name}.indexes", shape, part),
            transforms,
            self._values(f"{name}.scales", shape, settings.scale_bits) if kind.has_scales else None,
            self._values(f"{name}.offsets", shape, settings.offset_bits)
            if kind.has_offsets
            else None,
            entry.mean_squared_error,
            entry.variance_kept,
        )

    def _indexes(
        self, key: str, shape: tuple[int, ...], part: LayerClustering
    ) -> NDArray[np.int32]:
        if part.codebook in self._codes:
            packed = self._take(key, np.uint8)
            indexes = huffman_decode(packed.ravel(), self._codes[part.codebook], part.units)
            return indexes.reshape(shape)
        bits = fixed_index_bits(part.clusters)
        if bits == 16:
            words: NDArray[Any] = self._take(key, np.uint16, shape)
        else:
            words = self._packed(key, shape, bits)
        if bits == 0:
            # Takes no memory, however large the layer is said to be.
            return np.broadcast_to(np.int32(0), shape)
        largest = int(words.max())
        if largest >= part.clusters:
            raise InputError(
                Problem(f"tensor {key!r} holds {largest}", f"0 to {part.clusters - 1}")
            )
        return words.astype(np.int32)

    def _values(self, key: str, shape: tuple[int, ...], bits: int) -> StoredValues:
        if bits in FLOATS:
            return StoredValues(self._floats(key, shape, FLOATS[bits]), bits)
        step = float(self._floats(f"{key}.step", (1,))[0])
        if step <= 0 or not 2 <= bits <= 31:
            raise InputError(f"tensor {key!r} has {bits} bits and steps of {step}")
        if bits == 8:
            return StoredValues(self._take(key, np.int8, shape).astype(np.int32), bits, step)
        codes = self._packed(key, shape, bits).astype(np.int64)
        codes -= (codes >> (bits - 1)) << bits
        return StoredValues(codes.astype(np.int32), bits, step)

    def _floats(self, key: str, shape: tuple[int, ...], type_: Any = np.float32) -> NDArray[Any]:
        values = self._take(key, type_, shape)
        if not np.isfinite(values).all():
            raise InputError(Problem(f"tensor {key!r} has values that are not finite", "numbers"))
        return values

    def _packed(self, key: str, shape: tuple[int, ...], bits: int) -> NDArray[np.uint32]:
        count = int(np.prod(shape, dtype=object))
        packed = self._take(key, np.uint8)
        if packed.size != -(-count * bits // 8):
            raise InputError(
                Problem(
                    f"tensor {key!r} has {packed.size} bytes",
                    f"{-(-count * bits // 8)}, for {count} words of {bits} bits",
                )
            )
        return unpack(packed.ravel(), bits, count).reshape(shape)

    def _take(self, key: str, type_: Any, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
        tensor = self._tensors.pop(key, None)
        if tensor is None:
            raise InputError(f"there is no tensor {key!r}")
        wanted = np.dtype(type_)
        if tensor.dtype != wanted or (shape is not None and tensor.shape != shape):
            raise InputError(
                Problem(
                    f"tensor {key!r} is {shape_text(tensor.shape)} of {tensor.dtype}",
                    f"{shape_text(shape) if shape is not None else 'bytes'} of {wanted}",
                )
            )
        return tensor


def _served(parts: Iterable[LayerClustering]) -> int:
    """Units that a codebook serves, after a look at whether these layers can share it."""
    first, *others = parts
    for part in others:
        if part.settings != first.settings or part.settings.scope != "network":
            raise InputError(
                f"layers {first.layer.name!r} and {part.layer.name!r} cannot share codebook "
                f"{part.codebook!r}"
            )
    return sum(part.units // part.subspaces for part in (first, *others))
