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
from kcsim.clustering.positions import from_relative
from kcsim.clustering.precision import FLOATS, StoredValues
from kcsim.clustering.resolve import LayerClustering, cut_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.units import shape_text, weights_shape
from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import checked
from kcsim.reading.files import binary_format
from kcsim.reading.validation import validate_data
from kcsim.weights.accuracy import Accuracy
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook, Outliers
from kcsim.weights.weight_files import first_bytes, read_safetensors, reading, safetensors_metadata
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.network_file import parse_network

METADATA_KEY = "kcsim"
FORMATS = ("kcsim.clustered/1", "kcsim.clustered/2")
"""The second one says what the first has no words for: see docs/clustered-weights.md."""
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

    format: Literal["kcsim.clustered/1", "kcsim.clustered/2"]
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
            for layer in network.trained_layers
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
        part = replace(cut_layer(layer, unit, settings, entry.codebook), clusters=shape[0])
        tables = settings.stages * part.subspaces
        depth = unit.filters * unit.channels * tables
        if settings.is_product:
            depth = weights_shape(layer)[1]
        if shape[1:] != (depth, unit.height, unit.width):
            raise InputError(
                Problem(
                    f"codebook {entry.codebook!r} has entries of {shape_text(shape[1:])}",
                    f"{depth}x{unit.height}x{unit.width} for layer {layer.name!r}",
                )
            )
        return part

    def _codebook(self, part: LayerClustering) -> Codebook:
        name, width = part.codebook, part.settings.codebook_bits or 32
        shape = self._header.codebooks[name]
        entries = self._values(f"{name}.codebook", (part.stored_entries, *shape[1:]), width)
        if left_out := part.clusters - part.stored_entries:
            zeros = np.zeros((left_out, *shape[1:]), entries.codes.dtype)
            entries = replace(entries, codes=np.concatenate([zeros, entries.codes]))
        if part.settings.index != "fixed":
            lengths = self._packed(f"{name}.code_lengths", shape[:1], TABLE_ENTRY_BITS)
            self._codes[name] = lengths.astype(np.uint8)
        return Codebook(name, entries)

    def _layer(self, name: str, part: LayerClustering) -> ClusteredLayer:
        assert part.unit is not None
        shape = part.unit.grid(part.layer)
        settings, kind = part.settings, part.settings.kind
        transforms = None
        if settings.transforms > 1:
            bits = fixed_index_bits(settings.transforms)
            transforms = self._packed(f"{name}.transforms", shape, bits).astype(np.uint8)
        entry = self._header.layers[name]
        return ClusteredLayer(
            part,
            self._indexes(name, (settings.stages, *shape) if settings.stages > 1 else shape, part),
            transforms,
            self._values(f"{name}.scales", shape, settings.scale_bits) if kind.has_scales else None,
            self._values(f"{name}.offsets", shape, settings.offset_bits)
            if kind.has_offsets
            else None,
            entry.mean_squared_error,
            entry.variance_kept,
            self._values(
                f"{name}.filter_scales", (part.layer.out_channels,), settings.filter_scale_bits
            )
            if settings.filter_scale_bits is not None
            else None,
            self._outliers(name, part.layer) if f"{name}.outliers" in self._tensors else None,
        )

    def _outliers(self, name: str, layer: ConvLayer) -> Outliers:
        values = self._floats(f"{name}.outliers")
        key, words = f"{name}.outlier_positions", layer.weight_words
        places = self._packed(key, values.shape, fixed_index_bits(words)).astype(np.int64).ravel()
        if (
            values.ndim != 1
            or (np.diff(places, prepend=-1) <= 0).any()
            or places.max(initial=0) >= words
        ):
            raise InputError(Problem(f"tensor {key!r} holds no positions",
                                     f"numbers below {words} in ascending order"))  # fmt: skip
        return Outliers(places, values)

    def _indexes(
        self, name: str, shape: tuple[int, ...], part: LayerClustering
    ) -> NDArray[np.int32]:
        settings = part.settings
        if settings.positions == "relative":
            count = int(self._take(f"{name}.index_count", np.uint32, (1,))[0])
            if count > part.units:
                raise InputError(
                    Problem(f"layer {name!r} has {count} indexes", f"at most {part.units}")
                )
            gaps = self._packed(f"{name}.zeros_before", (count,), settings.position_bits)
            stored = self._words(f"{name}.indexes", (count,), part)
            return from_relative(stored, gaps, part.units).reshape(shape)
        if settings.positions == "bitmask":
            used = self._packed(f"{name}.bitmask", shape, 1) != 0
            indexes = np.zeros(shape, np.int32)
            indexes[used] = self._words(f"{name}.indexes", (int(used.sum()),), part)
            return indexes
        return self._words(f"{name}.indexes", shape, part)

    def _words(self, key: str, shape: tuple[int, ...], part: LayerClustering) -> NDArray[np.int32]:
        """Indexes that are stored, in the coding of their codebook."""
        if part.codebook in self._codes:
            packed = self._take(key, np.uint8)
            count = int(np.prod(shape, dtype=object))
            indexes = huffman_decode(packed.ravel(), self._codes[part.codebook], count)
            return indexes.reshape(shape)
        entries = part.stored_entries
        bits = fixed_index_bits(entries)
        if bits == 16:
            words: NDArray[Any] = self._take(key, np.uint16, shape)
        else:
            words = self._packed(key, shape, bits)
        first = part.clusters - entries
        if bits == 0:
            # Takes no memory, however large the layer is said to be.
            return np.broadcast_to(np.int32(first), shape)
        largest = int(words.max(initial=0))
        if largest >= entries:
            raise InputError(Problem(f"tensor {key!r} holds {largest}", f"0 to {entries - 1}"))
        return words.astype(np.int32) + np.int32(first)

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

    def _floats(
        self, key: str, shape: tuple[int, ...] | None = None, type_: Any = np.float32
    ) -> NDArray[Any]:
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
    return sum(part.codebook_units for part in (first, *others))
