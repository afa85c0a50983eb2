"""How the weights of one layer are stored and moved: dense, or as indexes of a codebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from kcsim.clustering.resolve import (
    LayerClustering,
    check_units,
    resolve_network,
    settings_of,
)
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import LayerStorage
from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.errors import InputError
from kcsim.hardware.level import Level
from kcsim.hardware.schema import CodebookStore, Hardware
from kcsim.weights.clustered import ClusteredWeights, stored_network
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

MOST_ZEROS = math.nextafter(1.0, 0.0)
"""Share of zeros of weights that are all zero: a share is below 1."""


@dataclass(frozen=True)
class WeightFormat:
    """The weights of one layer as the memories see them.

    Attributes
    ----------
    value_bits : int
        Bits of one dense weight.
    unit : tuple of int, optional
        Channels, rows and columns of the block that one index stands for;
        ``None`` for dense weights.
    unit_bits : Fraction
        Bits of one stored unit: index, transform, scale and offset. Not whole
        under entropy coding, where it is an expectation.
    decode_level : int
        Position of the last level that holds indexes; all below hold dense
        weights. -1 for dense weights.
    codebook_words : int
        Values in the codebooks that the layer uses.
    codebook_bits : int
        Their size.
    loads_codebook : bool
        Whether this layer is the one that brings the codebook on chip.
    multiplies_per_weight, adds_per_weight : int
        1 where units have a scale, or an offset, which the decoder applies to every
        weight; else 0. Flipping an entry is wiring and takes neither.
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store; the nearest one above
        the decoder with room beside its tiles when absent.
    """

    value_bits: int
    unit: tuple[int, int, int] | None = None
    unit_bits: Fraction = Fraction(0)
    decode_level: int = -1
    codebook_words: int = 0
    codebook_bits: int = 0
    loads_codebook: bool = False
    multiplies_per_weight: int = 0
    adds_per_weight: int = 0
    codebook_level: int | None = None

    @property
    def entry_bits(self) -> int:
        """Bits of one value of an entry, as the codebook stores it."""
        return self.codebook_bits // self.codebook_words

    def units_in(self, extent: dict[str, int]) -> int:
        """Indexes needed for a tile, counting units that it holds in part."""
        if self.unit is None:
            raise ValueError("dense weights have no units")
        units = extent["G"] * extent["M"]
        for dimension, size in zip("CRS", self.unit, strict=True):
            units *= -(-extent[dimension] // size)
        return units

    def is_indexed(self, level: int) -> bool:
        """Whether a level, by its position, holds indexes."""
        return self.unit is not None and level <= self.decode_level

    def bits_per_word(self, level: int, extent: dict[str, int]) -> Fraction:
        """Bits that one weight of a tile takes where `level` stores or sends it.

        Parameters
        ----------
        level : int
            Position of the level.
        extent : dict
            Indices of each dimension that the tile spans.
        """
        if self.unit is None or level > self.decode_level:
            return Fraction(self.value_bits)
        words = 1
        for dimension in "GMCRS":
            words *= extent[dimension]
        return self.units_in(extent) * self.unit_bits / words

    def costs(self, hardware: Hardware) -> tuple[WeightCosts, ...]:
        """What the mapper has to know: one for each place where the codebook may lie.

        That is its store or, where it is too small, any level that may have room beside its
        tiles; see `kcsim.model.energy`.
        """
        if self.unit is None or hardware.codebook is None:
            return (DENSE,)
        store, outer = hardware.codebook, hardware.levels[0]
        outer_pj = outer.energy_pj("weights", "read")
        outer_bits = outer.word_bits_of("weights") * outer.block_words
        reads = -(-self.codebook_bits // outer_bits)
        load_pj = reads * outer_pj * self.loads_codebook
        affine_pj = self.multiplies_per_weight * hardware.multiply_pj
        affine_pj += self.adds_per_weight * hardware.add_pj

        def stored(
            holder: Level | CodebookStore, width: int, prices: tuple[float, float], at: int | None
        ) -> WeightCosts:
            loaded = self.loads_codebook and at != 0
            writes = -(-self.codebook_bits // width)
            word_bits, write_rate = holder.word_bits, None
            if isinstance(holder, Level):
                word_bits, write_rate = holder.word_bits_of("weights"), holder.write_words_per_cycle
            outer_words = self.codebook_bits / outer.word_bits_of("weights")
            return WeightCosts(
                self.unit or (1, 1, 1), float(self.unit_bits), self.decode_level,
                self.entry_bits / width * prices[0] + affine_pj, load_pj if loaded else 0.0,
                writes * prices[1] if loaded else 0.0, at, self.codebook_bits, self.entry_bits,
                word_bits, _cycles_of(1, holder.read_words_per_cycle),
                _cycles_of(outer_words, outer.read_words_per_cycle) * loaded,
                _cycles_of(self.codebook_bits / word_bits, write_rate) * loaded,
            )  # fmt: skip

        if self.codebook_bits <= store.capacity_kib * 8192:
            return (stored(store, store.word_bits, (store.read_pj, store.write_pj), None),)
        places = []
        for i in range(self.decode_level, -1, -1):
            level = hardware.levels[i]
            room = level.capacity_bits("weights")
            if i > 0 and (
                "weights" not in level.kept_tensors or not room or room < self.codebook_bits
            ):
                continue
            prices = level.energy_pj("weights", "read"), level.energy_pj("weights", "write")
            width = level.word_bits_of("weights") * level.block_words
            places.append(stored(level, width, prices, i))
        return tuple(places)


def _cycles_of(words: float, words_per_cycle: float | None) -> float:
    return words / words_per_cycle if words_per_cycle else 0.0


def weight_formats(
    layers: Sequence[ConvLayer],
    hardware: Hardware,
    clustering: Clustering | ClusteredWeights | None,
) -> tuple[WeightFormat, ...]:
    """The format of every layer's weights; of real weights, with the bits of their indexes.

    Raises
    ------
    InputError
        If the hardware has no codebook store, or the clustering does not fit
        the layers.
    """
    value_bits = hardware.precision_bits.weights
    if clustering is None:
        return (WeightFormat(value_bits),) * len(layers)
    decode_level = hardware.level_index(_store(hardware).level)
    loaded: set[str] = set()
    formats = []
    for stored in stored_network(layers, clustering, weight_bits=value_bits).layers:
        name = stored.clustering.codebook
        formats.append(_format(stored, value_bits, decode_level, name not in loaded))
        loaded.add(name)
    return tuple(formats)


def selected_format(
    network: Network, hardware: Hardware, clustering: Clustering | None
) -> WeightFormat:
    """The format of the weights of one layer that was selected from its network.

    Parameters
    ----------
    network : Network
        As `kcsim.workload.reader.select_layer` returns it.
    hardware : Hardware
    clustering : Clustering, optional
        Of the whole network; dense weights when absent.

    Raises
    ------
    InputError
        As `weight_formats`, or if there are more clusters than units.
    """
    if clustering is not None:
        clustering = settings_of(network, clustering)
        check_units(resolve_network(network.layers, clustering))
    return weight_formats(network.layers, hardware, clustering)[0]


def decode_at(hardware: Hardware, level: str) -> Hardware:
    """The hardware with its decoder, and the codebook store, at the output of another level.

    The store keeps its size and its energies; every instance of the level has one.

    Parameters
    ----------
    hardware : Hardware
    level : str
        Name of any of its levels.

    Raises
    ------
    InputError
        If there is no such level, or the hardware has no codebook store.
    """
    store = _store(hardware)
    hardware.level_index(level)
    return replace(hardware, codebook=replace(store, level=level))


def _store(hardware: Hardware) -> CodebookStore:
    if hardware.codebook is None:
        raise InputError(
            f"{hardware.name} has no codebook store: add a 'codebook' section to the hardware "
            "file to estimate clustered layers"
        )
    return hardware.codebook


def clustered_zeros(
    layers: Sequence[ConvLayer], clustering: Clustering | ClusteredWeights
) -> tuple[ConvLayer, ...]:
    """The layers with the zeros that their clustered weights have.

    Of real weights that is the share of decoded weights that are exactly zero; of a clustering,
    the share of units that it ties to zero (`Clustering.sparse`). Layers that stay dense, and
    those with a share of zero weights of their own, are left as they are.

    Parameters
    ----------
    layers : sequence of ConvLayer
    clustering : Clustering or ClusteredWeights

    Raises
    ------
    InputError
        If the clustering does not fit the layers.
    """
    parts = [stored.clustering for stored in stored_network(layers, clustering).layers]
    return tuple(
        layer
        if part.unit is None or layer.zeros.weights
        else replace(layer, zeros=replace(layer.zeros, weights=_zero_share(part, clustering)))
        for layer, part in zip(layers, parts, strict=True)
    )


def _zero_share(part: LayerClustering, clustering: Clustering | ClusteredWeights) -> float:
    if isinstance(clustering, Clustering):
        return part.settings.sparse
    weights = clustering.decode(part.layer.name)
    return min(np.count_nonzero(weights == 0) / weights.size, MOST_ZEROS)


def _format(stored: LayerStorage, value_bits: int, decode_level: int, first: bool) -> WeightFormat:
    part = stored.clustering
    if part.unit is None:
        return WeightFormat(value_bits)
    bits = Fraction(stored.indexes_bits) + stored.transforms_bits
    bits += part.units * part.settings.extras_bits
    return WeightFormat(
        value_bits,
        part.unit.shape,
        bits / part.units,
        decode_level,
        part.codebook_words,
        part.codebook_words * (part.settings.codebook_bits or value_bits),
        first,
        int(part.settings.kind.has_scales),
        int(part.settings.kind.has_offsets),
    )
