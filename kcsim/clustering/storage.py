"""Bits that a clustered network occupies, part by part.

The compression ratios of the literature are quotients of such sums. Han, Mao, Dally (Deep
Compression, ICLR 2016, Section 3) write for n weights of b bits and k clusters::

    r = n b / (n log2 k + k b)

and every other scheme adds its own parts to the denominator.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kcsim.clustering.coding import TABLE_ENTRY_BITS, fixed_index_bits, worst_case_huffman
from kcsim.clustering.positions import COUNT_BITS, expected_padding
from kcsim.clustering.precision import values_bits
from kcsim.clustering.resolve import LayerClustering, resolve_layer, resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Problem, nearest
from kcsim.sums import exact_sum
from kcsim.workload.layer import ConvLayer

PARTS = ("all", "clustered", "conv")


@dataclass(frozen=True)
class LayerStorage:
    """What one layer occupies [bit].

    Attributes
    ----------
    clustering : LayerClustering
        The layer and how it is clustered.
    codebook_bits : int
        The layer's own codebooks, with steps and code tables; 0 for one that layers share, which
        `NetworkStorage` holds.
    indexes_bits : int or float
        One index for every unit; not whole where it is an entropy or an expectation.
    transforms_bits, scales_bits, offsets_bits : int
        One transform, scale and offset for every unit, where the scheme has them; and one scale
        for every filter, where the clustering says so.
    dense_weights_bits : int
        The weights, if the layer stays dense.
    biases_bits : int
        The biases, which no scheme clusters.
    uncompressed_weights_bits : int
        The weights without clustering.
    is_expectation : bool
        Whether the indexes are counted for an assumed distribution; see `worst_case_entropy`.
    positions_bits : int or float
        What says where indexes are, where zero units have none; see `Clustering.positions`.
    outliers_bits : int
        Values and positions of the weights that are kept exactly.
    """

    clustering: LayerClustering
    codebook_bits: int
    indexes_bits: float
    transforms_bits: int
    scales_bits: int
    offsets_bits: int
    dense_weights_bits: int
    biases_bits: int
    uncompressed_weights_bits: int
    is_expectation: bool = False
    positions_bits: float = 0
    outliers_bits: int = 0

    @property
    def extras_bits(self) -> float:
        """What belongs to units and filters beside indexes, and outliers."""
        scaled = self.transforms_bits + self.scales_bits + self.offsets_bits
        return scaled + self.positions_bits + self.outliers_bits

    @property
    def weights_bits(self) -> float:
        """Everything but the biases."""
        stored = self.codebook_bits + self.indexes_bits + self.extras_bits
        return stored + self.dense_weights_bits

    @property
    def total_bits(self) -> float:
        """The layer as stored."""
        return self.weights_bits + self.biases_bits

    @property
    def uncompressed_bits(self) -> int:
        """The layer without clustering."""
        return self.uncompressed_weights_bits + self.biases_bits

    @property
    def bits_per_weight(self) -> float:
        """Stored bits for one weight, biases aside."""
        return self.weights_bits / self.clustering.layer.weight_words


@dataclass(frozen=True)
class NetworkStorage:
    """What a network occupies.

    Attributes
    ----------
    layers : tuple of LayerStorage
        Every layer, without the codebooks that layers share.
    shared_codebook_bits : dict
        Codebooks that serve the whole network [bit], by name (`LayerClustering.codebook`).
    """

    layers: tuple[LayerStorage, ...]
    shared_codebook_bits: dict[str, int]

    @property
    def total_bits(self) -> float:
        """The network as stored."""
        layers = (layer.total_bits for layer in self.layers)
        return exact_sum([*layers, *self.shared_codebook_bits.values()])

    @property
    def uncompressed_bits(self) -> int:
        """The network without clustering."""
        return sum(layer.uncompressed_bits for layer in self.layers)

    @property
    def parts(self) -> dict[str, float]:
        """What the weights occupy by part, biases aside: fields of `kcsim.fields`."""
        layers = self.layers
        own = sum(layer.codebook_bits for layer in layers)
        return {
            "codebooks_bits": own + sum(self.shared_codebook_bits.values()),
            "indexes_bits": exact_sum(layer.indexes_bits for layer in layers),
            "transforms_bits": sum(layer.transforms_bits for layer in layers),
            "scales_bits": sum(layer.scales_bits for layer in layers),
            "offsets_bits": sum(layer.offsets_bits for layer in layers),
            "positions_bits": exact_sum(layer.positions_bits for layer in layers),
            "outliers_bits": sum(layer.outliers_bits for layer in layers),
            "dense_weights_bits": sum(layer.dense_weights_bits for layer in layers),
        }

    @property
    def weights_bits(self) -> float:
        """The weights as stored: everything but the biases."""
        return exact_sum(self.parts.values())

    @property
    def uncompressed_weights_bits(self) -> int:
        """The weights without clustering."""
        return sum(layer.uncompressed_weights_bits for layer in self.layers)

    @property
    def biases_bits(self) -> int:
        """The biases, which no scheme clusters."""
        return sum(layer.biases_bits for layer in self.layers)

    @property
    def is_expectation(self) -> bool:
        """Whether any indexes are counted for an assumed distribution."""
        return any(layer.is_expectation for layer in self.layers)

    def ratio(
        self, part: Literal["all", "clustered", "conv"] = "all", *, biases: bool = True
    ) -> float:
        """Compression ratio: uncompressed over stored bits.

        Papers differ in what they count. Deep k-Means counts all layers and their biases; the
        numbers of Son et al. and of Matsui et al. are those of the clustered kernels alone.

        Parameters
        ----------
        part : {"all", "clustered", "conv"}
            All layers, those that are clustered, or the convolutions. Shared codebooks count in
            full if the part has a layer that uses them.
        biases : bool
            Whether biases count, on both sides.

        Raises
        ------
        InputError
            If the part is unknown or holds no layer.
        """
        if part not in PARTS:
            raise InputError(Problem(f"no part {part!r}", ", ".join(PARTS), nearest(part, PARTS)))
        chosen = [layer for layer in self.layers if _belongs(layer.clustering, part)]
        if not chosen:
            raise InputError(f"no layer to compute the ratio of part {part!r} from")
        used = {layer.clustering.codebook for layer in chosen}
        bits = [layer.total_bits if biases else layer.weights_bits for layer in chosen]
        bits += [each for name, each in self.shared_codebook_bits.items() if name in used]
        plain = sum(
            layer.uncompressed_bits if biases else layer.uncompressed_weights_bits
            for layer in chosen
        )
        return plain / exact_sum(bits)


def worst_case_entropy(clusters: int, sparse: float, units: int) -> float:
    """Largest entropy that the indexes of clustered weights can have [bit per index].

    Without sparsity all K entries are used equally often: log2 K. With a share p tied to zero,
    the other entries are used equally often; there are K - 1 of them, or (1 - p) N if that is
    less::

        H = -p log2 p + (1 - p) log2(min(K - 1, (1 - p) N) / (1 - p))

    The published code of Deep k-Means (Wu et al., ICML 2018) counts N H bits for the indexes with
    the entropy of the real clusters, which is smaller.

    Parameters
    ----------
    clusters : int
        Entries K, the zero entry among them.
    sparse : float
        Share p of the units that is tied to zero.
    units : int
        Units N that share the codebook.
    """
    if clusters == 1:
        return 0.0
    if sparse == 0:
        return math.log2(clusters)
    rest = 1 - sparse
    others = max(1.0, min(clusters - 1, rest * units))
    return -sparse * math.log2(sparse) + rest * math.log2(others / rest)


def layer_storage(
    layer: ConvLayer,
    clustering: Clustering,
    *,
    weight_bits: int = 32,
    bias_bits: int | None = None,
) -> LayerStorage:
    """What one layer occupies on its own, its codebook included.

    Parameters
    ----------
    layer : ConvLayer
        The layer.
    clustering : Clustering
        How it is clustered.
    weight_bits : int
        Width of a dense weight, and of a codebook's values unless `clustering` says otherwise
        [bit].
    bias_bits : int or None
        Width of a bias [bit]; ``None`` for that of a weight.

    Raises
    ------
    InputError
        If the layer has no such units; see `Clustering.unit`.
    """
    part = resolve_layer(layer, clustering)
    return _storage(part, _codebook_bits(part, weight_bits), weight_bits, bias_bits)


def network_storage(
    layers: Iterable[ConvLayer],
    clustering: Clustering,
    *,
    weight_bits: int = 32,
    bias_bits: int | None = None,
) -> NetworkStorage:
    """What a network occupies; codebooks that layers share count once.

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network.
    clustering, weight_bits, bias_bits
        As for `layer_storage`.

    Raises
    ------
    InputError
        If a layer has no such units, or a pattern matches no layer or only dense layers.
    """
    parts = resolve_network(layers, clustering)
    return parts_storage(parts, weight_bits=weight_bits, bias_bits=bias_bits)


def parts_storage(
    parts: Iterable[LayerClustering], *, weight_bits: int = 32, bias_bits: int | None = None
) -> NetworkStorage:
    """What layers occupy whose numbers of units and clusters are known already.

    Parameters
    ----------
    parts : iterable of LayerClustering
        The network.
    weight_bits, bias_bits
        As for `layer_storage`.
    """
    stored = []
    shared = {}
    for part in parts:
        own = _codebook_bits(part, weight_bits)
        if part.unit and part.settings.scope == "network":
            shared[part.codebook] = own
            own = 0
        stored.append(_storage(part, own, weight_bits, bias_bits))
    return NetworkStorage(tuple(stored), shared)


def _belongs(clustering: LayerClustering, part: str) -> bool:
    if part == "clustered":
        return clustering.unit is not None
    return part == "all" or clustering.layer.kind == "conv"


def _codebook_bits(part: LayerClustering, weight_bits: int) -> int:
    width = part.settings.codebook_bits
    words = part.codebook_words
    values = words * weight_bits if width is None else values_bits(words, width)
    return values + (TABLE_ENTRY_BITS * part.clusters if part.settings.index == "huffman" else 0)


def outliers_bits(count: int, words: int, value_bits: int) -> int:
    """Size of weights that are kept exactly: a value and a position in the layer each [bit].

    Parameters
    ----------
    count : int
    words : int
        Weights of the layer.
    value_bits : int
        Width of a value [bit].
    """
    return count * (value_bits + fixed_index_bits(words))


def scales_bits(part: LayerClustering) -> int:
    """Size of the scales of units and of filters [bit]."""
    settings = part.settings
    bits = values_bits(part.units, settings.scale_bits) if settings.kind.has_scales else 0
    if settings.filter_scale_bits is not None and part.unit:
        bits += values_bits(part.layer.out_channels, settings.filter_scale_bits)
    return bits


def _storage(
    part: LayerClustering, codebook_bits: int, weight_bits: int, bias_bits: int | None
) -> LayerStorage:
    settings, units = part.settings, part.units
    words = part.layer.weight_words
    plain = part.layer.trained_words * weight_bits
    indexes_bits, positions_bits = _index_bits(part) if units else (0, 0)
    outliers = round(settings.outliers * words) if units else 0
    return LayerStorage(
        part,
        codebook_bits=codebook_bits,
        indexes_bits=indexes_bits,
        transforms_bits=units * fixed_index_bits(settings.transforms),
        scales_bits=scales_bits(part),
        offsets_bits=values_bits(units, settings.offset_bits) if settings.kind.has_offsets else 0,
        dense_weights_bits=0 if part.unit else plain,
        biases_bits=part.layer.biases * (weight_bits if bias_bits is None else bias_bits),
        uncompressed_weights_bits=plain,
        is_expectation=part.unit is not None
        and (settings.index != "fixed" or settings.positions == "relative"),
        positions_bits=positions_bits,
        outliers_bits=outliers_bits(outliers, words, weight_bits),
    )


def _index_bits(part: LayerClustering) -> tuple[float, float]:
    """Size of a layer's indexes, and of what says where they are."""
    settings, units = part.settings, part.units
    if settings.positions == "all":
        mean = _mean_bits(settings.index, part.clusters, settings.sparse, part.codebook_units)
        return units * settings.stages * mean, 0
    used = units - int(settings.sparse * units)
    if settings.positions == "bitmask":
        return used * _mean_bits(settings.index, part.stored_entries, 0.0, used), units
    padding = expected_padding(units, settings.sparse, settings.position_bits)
    entries = used + padding
    share = padding / entries if entries else 0.0
    bits = _mean_bits(settings.index, part.clusters, share, round(entries))
    return entries * bits, entries * settings.position_bits + COUNT_BITS


def _mean_bits(index: str, clusters: int, sparse: float, units: int) -> float:
    """Size of an index, of the worst distribution."""
    if index == "fixed" or clusters < 2:
        return fixed_index_bits(clusters)
    mean = worst_case_huffman if index == "huffman" else worst_case_entropy
    return mean(clusters, sparse, units)
