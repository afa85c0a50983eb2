"""Energy metrics of Deep k-Means, after Sakr et al.

Two papers define them: Wu et al., "Deep k-Means", ICML 2018, Section 3, on the ground of Sakr,
Kim, Shanbhag, "Analytical Guarantees on Numerical Precision of Deep Neural Networks", ICML 2017.
They know no DRAM, network-on-chip or register file: all operands come from one global buffer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from kcsim.clustering.compute import expected_product_share
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import NetworkStorage
from kcsim.errors import InputError, Problem, nearest
from kcsim.sums import exact_sum
from kcsim.weights.clustered import ClusteredWeights, stored_network
from kcsim.workload.layer import ConvLayer

BUFFER_ACCESS_MACS = 6.0
"""Representational over computational cost of a MAC (Wu et al., Section 3); the energy of a global
buffer access over that of a MAC in Chen, Emer, Sze, Eyeriss, ISCA 2016."""

REFERENCE_BITS = 16
"""Word of Eyeriss, whose access and MAC that factor compares [bit]."""


@dataclass(frozen=True)
class DeepKMeansRules:
    """How the metrics count, where the papers leave a choice.

    Parameters
    ----------
    weight_bits, activation_bits : int
        Widths B_w and B_x [bit].
    weight_cost : {"rate", "bits"}
        What clustering does to the weight representational cost: times the cluster rate K/N, as
        in the paper, which neglects indexes (footnote 3), or times the stored bits (codebook,
        indexes, scales, ...) over the dense ones.
    products : {"dense", "expected", "shared"}
        What clustering does to the computational cost: nothing; times the expected share of
        distinct products, see `kcsim.clustering.compute.expected_product_share`; or times K/N, the
        lower bound that the paper gives, where all weights that meet an input are shared.
    buffer_access : {"mac", "word"}
        What `buffer_access_macs` pays for: both words of a MAC, so that a dense one costs
        1 + 3 + 3, as in the paper, whose representational cost of a MAC is about 6 times its
        computational cost; or each word, 1 + 6 + 6, as an access of a buffer costs in Eyeriss.
    buffer_access_macs : float
        Energy of that over the energy of a MAC.
    count_bias : bool
        Whether a bias is one more product of its dot product, as Sakr et al. count.

    Raises
    ------
    InputError
        If a setting is out of its range.
    """

    weight_bits: int = 16
    activation_bits: int = 16
    weight_cost: Literal["rate", "bits"] = "rate"
    products: Literal["dense", "expected", "shared"] = "dense"
    buffer_access: Literal["mac", "word"] = "mac"
    buffer_access_macs: float = BUFFER_ACCESS_MACS
    count_bias: bool = False

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{name} is {bits}", "a whole number from 1 to 64")
            for name, bits in (
                ("weight_bits", self.weight_bits),
                ("activation_bits", self.activation_bits),
            )
            if not 1 <= bits <= 64
        ]
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                expected = " or ".join(choices)
                problems.append(Problem(f"{name} is {value!r}", expected, nearest(value, choices)))
        if not 0 <= self.buffer_access_macs < float("inf"):
            problems.append(
                Problem(f"buffer_access_macs is {self.buffer_access_macs}", "a number from 0 on")
            )
        if problems:
            raise InputError(problems)


_CHOICES = {
    "weight_cost": ("rate", "bits"),
    "products": ("dense", "expected", "shared"),
    "buffer_access": ("mac", "word"),
}


@dataclass(frozen=True)
class DeepKMeansCost:
    """The metrics of one layer, or their sums over layers.

    Attributes
    ----------
    computational_full_adders : float
        Computational cost [1-bit full adders]; an exact int unless products are
        shared.
    weight_bit_uses : float
        Weight representational cost N_w |W| B_w [bit uses].
    activation_bit_uses : int
        Activation representational cost N_x |X| B_x [bit uses].
    computational_mac_units, weight_mac_units, activation_mac_units : float
        The same three costs in energies of one 16-bit MAC.
    """

    computational_full_adders: float
    weight_bit_uses: float
    activation_bit_uses: int
    computational_mac_units: float
    weight_mac_units: float
    activation_mac_units: float

    @property
    def mac_units(self) -> float:
        """All three costs in energies of one 16-bit MAC."""
        return self.computational_mac_units + self.weight_mac_units + self.activation_mac_units


def dot_product_full_adders(length: int, weight_bits: int, activation_bits: int) -> int:
    """Computational cost of one dot product [1-bit full adders].

    D B_w B_x + (D - 1) (B_x + B_w + ceil(log2 D) - 1), for Baugh-Wooley multipliers and
    ripple-carry adders (Wu et al., eq. 5; Sakr et al., Section 2).

    Parameters
    ----------
    length : int
        Products D of the dot product, at least 1.
    weight_bits, activation_bits : int
        Widths B_w and B_x [bit].

    Raises
    ------
    InputError
        If an argument is below 1.
    """
    if min(length, weight_bits, activation_bits) < 1:
        given = f"length {length}, weight_bits {weight_bits}, activation_bits {activation_bits}"
        raise InputError(Problem(f"no dot product has {given}", "numbers of at least 1"))
    adder_bits = activation_bits + weight_bits + (length - 1).bit_length() - 1
    return length * weight_bits * activation_bits + (length - 1) * adder_bits


def representational_bits(
    layers: Iterable[ConvLayer], weight_bits: int, activation_bits: int
) -> int:
    """Representational cost of Sakr et al. [bit]: the sizes of all inputs, weights and biases.

    It has no use counts: |X| B_x + |W| B_w, summed over layers (ICML 2017, Section 2).

    Parameters
    ----------
    layers : iterable of ConvLayer
        The layers, dense.
    weight_bits, activation_bits : int
        Widths B_w and B_x [bit].
    """
    return sum(
        (layer.input_words + layer.weight_words - layer.trained_words) * activation_bits
        + layer.parameters * weight_bits
        for layer in layers
    )


def layer_cost(layer: ConvLayer, rules: DeepKMeansRules | None = None) -> DeepKMeansCost:
    """The metrics of one dense layer.

    Every MAC uses one weight and one activation, so N_w |W| = N_x |X| = MACs: a weight is used
    once for each output pixel and image, an activation once for each filter tap that meets it
    (Wu et al., eqs. 5 to 7).

    Parameters
    ----------
    layer : ConvLayer
        The layer.
    rules : DeepKMeansRules or None
        How to count; ``None`` for the defaults.
    """
    return _cost(layer, rules or DeepKMeansRules(), weight_share=1, product_share=1)


def network_cost(
    layers: Iterable[ConvLayer],
    clustering: Clustering | ClusteredWeights | None = None,
    rules: DeepKMeansRules | None = None,
) -> tuple[DeepKMeansCost, ...]:
    """The metrics of every layer of a network, dense or clustered.

    Clustering lowers the weight cost and, where products are shared, the computational cost; the
    activation cost stays (Wu et al., Section 3).

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network.
    clustering : Clustering, ClusteredWeights or None
        How it is clustered; ``None`` for dense weights.
    rules : DeepKMeansRules or None
        How to count; ``None`` for the defaults.

    Returns
    -------
    tuple of DeepKMeansCost
        In the order of the layers; `total_cost` adds them up.

    Raises
    ------
    InputError
        If the clustering does not fit the network; see `kcsim.clustering.resolve.resolve_network`.
    """
    layers = tuple(layers)
    rules = rules or DeepKMeansRules()
    if clustering is None:
        return tuple(layer_cost(layer, rules) for layer in layers)
    storage = stored_network(layers, clustering, weight_bits=rules.weight_bits)
    parts = [stored.clustering for stored in storage.layers]
    if rules.weight_cost == "bits":
        weight_shares = _bit_shares(storage)
    else:
        weight_shares = [float(part.cluster_rate) for part in parts]
    return tuple(
        _cost(part.layer, rules, weight_share, _product_share(part, rules))
        for part, weight_share in zip(parts, weight_shares, strict=True)
    )


def total_cost(costs: Iterable[DeepKMeansCost]) -> DeepKMeansCost:
    """The sums over layers.

    Parameters
    ----------
    costs : iterable of DeepKMeansCost
        The layers' metrics.
    """
    costs = tuple(costs)
    names = [field.name for field in fields(DeepKMeansCost)]
    sums = {name: exact_sum(getattr(cost, name) for cost in costs) for name in names}
    return DeepKMeansCost(**sums)


def _bit_shares(storage: NetworkStorage) -> list[float]:
    """Stored over dense bits of the weights; a shared codebook is split by units."""
    shares = []
    for stored in storage.layers:
        part = stored.clustering
        bits = stored.weights_bits
        if part.codebook in storage.shared_codebook_bits:
            codebook_bits = storage.shared_codebook_bits[part.codebook]
            bits += codebook_bits * part.units / part.codebook_units
        plain = stored.uncompressed_weights_bits
        shares.append(bits / plain if plain else 1.0)
    return shares


def _product_share(part: LayerClustering, rules: DeepKMeansRules) -> float:
    if rules.products == "expected":
        return expected_product_share(part)
    return float(part.cluster_rate) if rules.products == "shared" else 1


def _cost(
    layer: ConvLayer, rules: DeepKMeansRules, weight_share: float, product_share: float
) -> DeepKMeansCost:
    length = layer.weight_words // layer.out_channels + (rules.count_bias and layer.bias)
    full_adders = dot_product_full_adders(length, rules.weight_bits, rules.activation_bits)
    reference = dot_product_full_adders(length, REFERENCE_BITS, REFERENCE_BITS)
    products = layer.output_words * length
    words_of_an_access = 2 if rules.buffer_access == "mac" else 1
    use_mac_units = rules.buffer_access_macs / (REFERENCE_BITS * words_of_an_access)
    weight_bit_uses = layer.macs * rules.weight_bits * weight_share
    activation_bit_uses = layer.macs * rules.activation_bits
    return DeepKMeansCost(
        computational_full_adders=layer.output_words * full_adders * product_share,
        weight_bit_uses=weight_bit_uses,
        activation_bit_uses=activation_bit_uses,
        computational_mac_units=products * full_adders / reference * product_share,
        weight_mac_units=weight_bit_uses * use_mac_units,
        activation_mac_units=activation_bit_uses * use_mac_units,
    )
