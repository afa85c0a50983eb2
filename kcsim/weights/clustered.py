"""The clustered weights of a network as data, and what they occupy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import TABLE_ENTRY_BITS, code_lengths
from kcsim.clustering.precision import read_only, values_bits
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import (
    LayerStorage,
    NetworkStorage,
    network_storage,
    outliers_bits,
    parts_storage,
)
from kcsim.clustering.units import shape_text, weights_shape
from kcsim.errors import InputError, Problem, nearest
from kcsim.sums import exact_sum
from kcsim.weights.accuracy import Accuracy
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

Floats = NDArray[np.float32]
_DENSE = Clustering("scalar", k=1)


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
        if layer not in self.layers:
            raise InputError(f"layer {layer!r} multiplies computed matrices: it has no weights")
        clustered = self.layers[layer]
        return clustered.decode(self.codebooks[clustered.part.codebook])

    def index(self, codebook: str) -> str:
        """How the indexes of a codebook are coded: `Clustering.index`."""
        return self._sharing(codebook)[0].part.settings.index

    def counts(self, codebook: str) -> NDArray[np.int64]:
        """How many stored indexes of all layers each of its entries has; shape (K,)."""
        counts: NDArray[np.int64] = np.sum(
            [layer.stored_counts for layer in self._sharing(codebook)], axis=0
        )
        return counts

    @property
    def payload_bytes(self) -> int:
        """Size of the tensors of a file, each rounded up to whole bytes.

        Under ``index=entropy`` a file holds Huffman codes, which take more than the entropy.
        """
        stored = 0
        for name, codebook in self.codebooks.items():
            part = self._sharing(name)[0].part
            width = part.settings.codebook_bits or 32
            kept = codebook.entries.codes[codebook.clusters - part.stored_entries :]
            stored += _bytes(values_bits(kept.size, width))
            index = self.index(name)
            if index != "fixed":
                stored += _bytes(TABLE_ENTRY_BITS * codebook.clusters)
            lengths = self._lengths(name, "fixed" if index == "fixed" else "huffman")
            for each in self._sharing(name):
                stored += _bytes(int(each.stored_counts @ lengths)) + _bytes(each.positions_bits)
        for layer in self.storage().layers:
            stored += _bytes(layer.transforms_bits) + _bytes(layer.scales_bits)
            stored += _bytes(layer.offsets_bits) + _bytes(layer.dense_weights_bits)
            stored += _bytes(layer.biases_bits) + _bytes(layer.outliers_bits)
        return stored + sum(values.nbytes for values in self.others.values())

    def _lengths(self, codebook: str, index: str) -> NDArray[np.float64]:
        """Bits that the index of every entry of a codebook takes, under a coding."""
        part = self._sharing(codebook)[0].part
        counts = self.counts(codebook)
        left_out = counts.size - part.stored_entries
        return np.append(np.zeros(left_out), code_lengths(counts[left_out:], index))

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
        lengths = {name: self._lengths(name, self.index(name)) for name in self.codebooks}
        return replace(
            stored,
            layers=tuple(
                self._counted(layer, lengths, weight_bits, bias_bits) for layer in stored.layers
            ),
        )

    def _counted(
        self,
        stored: LayerStorage,
        lengths: Mapping[str, NDArray[np.float64]],
        weight_bits: int,
        bias_bits: int,
    ) -> LayerStorage:
        """The storage of a layer with its real indexes and biases."""
        name = stored.clustering.layer.name
        biases_bits = len(self.biases.get(name, ())) * bias_bits
        if name not in self.layers:
            return replace(stored, biases_bits=biases_bits)
        layer = self.layers[name]
        of_entries = layer.stored_counts * lengths[stored.clustering.codebook]
        words = stored.clustering.layer.weight_words
        outliers = 0 if layer.outliers is None else len(layer.outliers.positions)
        return replace(
            stored,
            indexes_bits=exact_sum(of_entries.tolist()),
            positions_bits=layer.positions_bits,
            outliers_bits=outliers_bits(outliers, words, weight_bits),
            biases_bits=biases_bits,
            is_expectation=False,
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
            elif layer.trained_words and weights_shape(part.layer) != weights_shape(layer):
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
