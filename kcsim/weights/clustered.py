"""Clustered weights as data: indexes, what belongs to each unit, and codebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import TABLE_ENTRY_BITS, code_lengths
from kcsim.clustering.precision import StoredValues, read_only, values_bits
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import LayerStorage, NetworkStorage, network_storage, parts_storage
from kcsim.clustering.units import join_units, shape_text, transformed, weights_shape
from kcsim.errors import InputError, Problem, nearest
from kcsim.sums import exact_sum
from kcsim.weights.accuracy import Accuracy
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

Floats = NDArray[np.float32]
_DENSE = Clustering("scalar", k=1)


@dataclass(frozen=True, eq=False)
class Codebook:
    """The entries that units are replaced by.

    Attributes
    ----------
    name : str
        Equal to `LayerClustering.codebook` of every layer that uses it.
    entries : StoredValues
        Shape (K, channels, rows, columns). In product quantization, the channels are all of a
        group's, and each sub-space has the K entries of its own channels; else there is one.
    """

    name: str
    entries: StoredValues

    @property
    def clusters(self) -> int:
        """Entries K."""
        return len(self.entries.codes)


@dataclass(frozen=True, eq=False)
class ClusteredLayer:
    """The units of one layer.

    The arrays have the shape of the units, (M, C/channels, R/rows, S/columns), and are read-only.

    Attributes
    ----------
    part : LayerClustering
        The layer, its settings and its unit.
    indexes : int32 array
        Entry of each unit.
    transforms : uint8 array or None
        How the entry is turned (`kcsim.clustering.units.transformed`).
    scales, offsets : StoredValues or None
        What the entry is multiplied by, and what is then added.
    mean_squared_error : float or None
        Of the decoded weights against those that were clustered, where they are known.
    variance_kept : float or None
        1 less the squared error over the squared distance of those weights from their mean; 1
        where they are all equal.
    """

    part: LayerClustering
    indexes: NDArray[np.int32]
    transforms: NDArray[np.uint8] | None = None
    scales: StoredValues | None = None
    offsets: StoredValues | None = None
    mean_squared_error: float | None = None
    variance_kept: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes", read_only(self.indexes))
        if self.transforms is not None:
            object.__setattr__(self, "transforms", read_only(self.transforms))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many units each of the K entries has; shape (K,)."""
        return read_only(np.bincount(self.indexes.ravel(), minlength=self.part.clusters))

    @property
    def used_entries(self) -> int:
        """Entries that the layer uses, those of every sub-space counted apart."""
        return int(_distinct(self._entries_used.reshape(1, -1))[0])

    @property
    def distinct_per_channel(self) -> NDArray[np.int64]:
        """Distinct entries U_c that the filters have for each input channel.

        A transformed entry counts as an entry of its own.

        Returns
        -------
        int64[channel blocks of all groups]
            Sub-vectors span several channels, which count as one block.
        """
        groups = self.part.layer.groups
        filters, blocks, *rest = self.indexes.shape
        keys = self._keys.reshape(groups, filters // groups, blocks, *rest)
        return _distinct(keys.swapaxes(1, 2).reshape(groups * blocks, -1))

    @property
    def distinct_per_filter(self) -> NDArray[np.int64]:
        """Distinct entries V_m that each filter has; int64[M]."""
        return _distinct(self._keys.reshape(len(self.indexes), -1))

    @property
    def _entries_used(self) -> NDArray[np.int64]:
        """A number for each entry; entries of different sub-spaces have different numbers."""
        keys = self.indexes.astype(np.int64)
        if self.part.settings.is_product:
            keys += self.part.clusters * np.arange(keys.shape[1])[:, None, None]
        return keys

    @property
    def _keys(self) -> NDArray[np.int64]:
        """As `_entries_used`, with different numbers for different transforms."""
        if self.transforms is None:
            return self._entries_used
        return self._entries_used * self.part.settings.transforms + self.transforms

    def decode(self, codebook: Codebook) -> Floats:
        """The weights, offset + scale * transform(entry).

        Parameters
        ----------
        codebook : Codebook
            That of the layer.

        Returns
        -------
        float32[M, C, R, S]
        """
        entries = codebook.entries.values
        if self.part.settings.is_product:
            return self._decode_subspaces(entries)
        if self.transforms is None:
            units = entries[self.indexes]
        else:
            kinds = range(self.part.settings.transforms)
            units = np.stack([transformed(entries, kind) for kind in kinds])[
                self.transforms, self.indexes
            ]
        if self.scales is not None:
            units = units * self.scales.values[..., None, None, None]
        if self.offsets is not None:
            units = units + self.offsets.values[..., None, None, None]
        return join_units(units)

    def _decode_subspaces(self, entries: Floats) -> Floats:
        length = self.part.settings.length or 1
        channels = np.arange(entries.shape[1])
        indexes = self.indexes[:, channels // length]
        weights: Floats = entries[indexes, channels[:, None, None], 0, 0]
        return weights


@dataclass(frozen=True, eq=False)
class ClusteredWeights:
    """The weights of a network, of which some layers are clustered. All arrays are read-only.

    Attributes
    ----------
    network : Network
        The network.
    clustering : str
        The specification that they were clustered by, or ``found``.
    layers : dict of str to ClusteredLayer
        Layers that are clustered, by name.
    codebooks : dict of str to Codebook
        Their codebooks, by `LayerClustering.codebook`.
    dense : dict of str to float32[M, C, R, S]
        Weights of the other layers.
    biases : dict of str to float32[M]
        Biases of the layers that have any.
    notes : tuple of str
        What was noticed while clustering, one sentence each.
    accuracy : Accuracy or None
        What the network recognizes, where that was measured.
    others : dict of str to array
        What else the network consists of, as batch norms, by the names that it has in torch.
    """

    network: Network
    clustering: str
    layers: Mapping[str, ClusteredLayer]
    codebooks: Mapping[str, Codebook]
    dense: Mapping[str, Floats]
    biases: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    accuracy: Accuracy | None = None
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("dense", "biases", "others"):
            arrays = {layer: read_only(values) for layer, values in getattr(self, name).items()}
            object.__setattr__(self, name, arrays)

    def __repr__(self) -> str:
        return (
            f"ClusteredWeights({self.network.name!r}, {self.clustering!r}: {len(self.layers)} of "
            f"{len(self.network)} layers clustered, ratio {self.storage().ratio():.4g})"
        )

    @property
    def parts(self) -> tuple[LayerClustering, ...]:
        """Every layer of the network and how it is clustered, in the network's order."""
        return tuple(
            self.layers[layer.name].part
            if layer.name in self.layers
            else LayerClustering(layer, _DENSE)
            for layer in self.network
        )

    def decode(self, layer: str) -> Floats:
        """The weights of one layer as the hardware computes with them.

        Parameters
        ----------
        layer : str
            Its name.

        Returns
        -------
        float32[M, C, R, S]
            A new array. A fully connected layer has R = S = 1.

        Raises
        ------
        InputError
            If the network has no such layer.
        """
        self.network.layer(layer)
        if layer in self.dense:
            return self.dense[layer].copy()
        clustered = self.layers[layer]
        return clustered.decode(self.codebooks[clustered.part.codebook])

    def index(self, codebook: str) -> str:
        """How the indexes of a codebook are coded: `Clustering.index`."""
        return self._sharing(codebook)[0].part.settings.index

    def counts(self, codebook: str) -> NDArray[np.int64]:
        """How many units of all layers each of its entries has; shape (K,)."""
        counts: NDArray[np.int64] = np.sum(
            [layer.counts for layer in self._sharing(codebook)], axis=0
        )
        return counts

    @property
    def payload_bytes(self) -> int:
        """Size of the tensors of a file, each rounded up to whole bytes.

        Under ``index=entropy`` a file holds Huffman codes, which take more than the entropy.
        """
        stored = 0
        for name, codebook in self.codebooks.items():
            width = self._sharing(name)[0].part.settings.codebook_bits or 32
            stored += _bytes(values_bits(codebook.entries.codes.size, width))
            index = self.index(name)
            if index != "fixed":
                stored += _bytes(TABLE_ENTRY_BITS * codebook.clusters)
            lengths = code_lengths(self.counts(name), "fixed" if index == "fixed" else "huffman")
            stored += sum(_bytes(int(each.counts @ lengths)) for each in self._sharing(name))
        for layer in self.storage().layers:
            stored += _bytes(layer.transforms_bits) + _bytes(layer.scales_bits)
            stored += _bytes(layer.offsets_bits) + _bytes(layer.dense_weights_bits)
            stored += _bytes(layer.biases_bits)
        return stored + sum(values.nbytes for values in self.others.values())

    def _sharing(self, codebook: str) -> list[ClusteredLayer]:
        return [layer for layer in self.layers.values() if layer.part.codebook == codebook]

    def storage(
        self,
        layers: Iterable[ConvLayer] | None = None,
        *,
        weight_bits: int = 32,
        bias_bits: int | None = None,
    ) -> NetworkStorage:
        """What the weights occupy, with the bits that these very indexes take.

        Parameters
        ----------
        layers : iterable of ConvLayer, optional
            Some or all layers of the network, for any batch; all when absent.
        weight_bits, bias_bits
            As for `kcsim.clustering.storage.network_storage`.

        Raises
        ------
        InputError
            If a layer is none of this network, or has another shape there.
        """
        parts = self.parts if layers is None else self._chosen(layers)
        stored = parts_storage(parts, weight_bits=weight_bits, bias_bits=bias_bits)
        bias_bits = weight_bits if bias_bits is None else bias_bits
        lengths = {
            name: code_lengths(self.counts(name), self.index(name)) for name in self.codebooks
        }
        return replace(
            stored,
            layers=tuple(self._counted(layer, lengths, bias_bits) for layer in stored.layers),
        )

    def _counted(
        self, stored: LayerStorage, lengths: Mapping[str, NDArray[np.float64]], bias_bits: int
    ) -> LayerStorage:
        """The storage of a layer with its real indexes and biases."""
        name = stored.clustering.layer.name
        biases_bits = len(self.biases.get(name, ())) * bias_bits
        if name not in self.layers:
            return replace(stored, biases_bits=biases_bits)
        counts = self.layers[name].counts
        indexes_bits = exact_sum((counts * lengths[stored.clustering.codebook]).tolist())
        return replace(
            stored, indexes_bits=indexes_bits, biases_bits=biases_bits, is_expectation=False
        )

    def _chosen(self, layers: Iterable[ConvLayer]) -> tuple[LayerClustering, ...]:
        """How these layers are clustered; refuses those that the weights do not fit."""
        known = {part.layer.name: part for part in self.parts}
        chosen, problems = [], []
        for layer in layers:
            part = known.get(layer.name)
            if part is None:
                what = f"the clustered weights of {self.network.name!r} have no layer"
                problems.append(
                    Problem(f"{what} {layer.name!r}", suggestion=nearest(layer.name, known))
                )
            elif weights_shape(part.layer) != weights_shape(layer):
                problems.append(
                    Problem(
                        f"layer {layer.name!r}: the clustered weights are "
                        f"{shape_text(weights_shape(part.layer))}",
                        shape_text(weights_shape(layer)),
                    )
                )
            else:
                chosen.append(replace(part, layer=layer))
        if problems:
            raise InputError(problems)
        return tuple(chosen)


def stored_network(
    layers: Iterable[ConvLayer], weights: Clustering | ClusteredWeights, *, weight_bits: int = 32
) -> NetworkStorage:
    """What a network occupies: for real if there are weights, else by the formulas.

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network, or for weights some of its layers.
    weights : Clustering or ClusteredWeights
    weight_bits : int
        As for `kcsim.clustering.storage.network_storage`.

    Raises
    ------
    InputError
        If the clustering or the weights do not fit the layers.
    """
    if isinstance(weights, ClusteredWeights):
        return weights.storage(layers, weight_bits=weight_bits)
    return network_storage(layers, weights, weight_bits=weight_bits)


def _bytes(bits: int) -> int:
    return -(-bits // 8)


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of distinct values in each row."""
    ordered = np.sort(rows, axis=1)
    distinct: NDArray[np.int64] = 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1)
    return distinct
