"""How the weights of one layer are stored and moved: dense, or as indexes of a codebook."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from kcsim.cost.access import CodebookPlace, block_bits, codebook_places, rate_of
from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.errors import InputError
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.description import Origin
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import ConvLayer


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
        What the decoder does to every weight: 1 where units or filters have a scale; 1
        where units have an offset, and 1 for each stage but the first. Flipping an entry
        is wiring and takes neither.
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store; the nearest one above
        the decoder with room beside its tiles when absent.
    unit_filters : int
        Filters of the block that one index stands for.
    stages : int
        Entries that add up to a unit, each of which is looked up.
    leaves_out_zeros : bool
        Whether zero units have no index: `unit_bits` are those of the others, shared out among all.
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
    unit_filters: int = 1
    stages: int = 1
    leaves_out_zeros: bool = False

    @property
    def shown_unit(self) -> tuple[int, ...] | None:
        """As `unit`; of a unit of several filters, these before them."""
        if self.unit is None or self.unit_filters == 1:
            return self.unit
        return self.extents

    @property
    def extents(self) -> tuple[int, int, int, int]:
        """Filters, channels, rows and columns of a unit."""
        if self.unit is None:
            raise ValueError("dense weights have no units")
        return (self.unit_filters, *self.unit)

    @property
    def entry_bits(self) -> int:
        """Bits of one value of an entry, as the codebook stores it."""
        return self.codebook_bits // self.codebook_words

    def units_in(self, extent: dict[str, int]) -> int:
        """Indexes needed for a tile, counting units that it holds in part."""
        units = extent["G"]
        for dimension, size in zip("MCRS", self.extents, strict=True):
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
        return self.units_in(extent) * self.unit_bits / math.prod(extent[d] for d in "GMCRS")

    def costs(self, hardware: Hardware) -> tuple[WeightCosts, ...]:
        """What the mapper has to know: one for each place where the codebook may lie.

        That is its store or, where it is too small, any level that may have room beside its
        tiles; see `kcsim.cost.access`.
        """
        if self.unit is None or hardware.codebook is None:
            return (DENSE,)
        places = codebook_places(hardware, self.decode_level, self.codebook_bits)
        return tuple(self._costs(self.unit, hardware, place) for place in places)

    def _costs(
        self, unit: tuple[int, int, int], hardware: Hardware, place: CodebookPlace
    ) -> WeightCosts:
        outer, loaded = hardware.levels[0], self.loads_codebook and place.index != 0
        reads, writes = self.loading(hardware, place)
        affine_pj = self.multiplies_per_weight * hardware.multiply_pj
        affine_pj += self.adds_per_weight * hardware.add_pj
        outer_words = self.codebook_bits / outer.word_bits_of("weights")
        return WeightCosts(
            unit, float(self.unit_bits), self.decode_level,
            self.stages * self.entry_bits / place.access_bits * place.read_pj + affine_pj,
            reads * outer.price("weights", "read") if loaded else 0.0,
            writes * place.write_pj if loaded else 0.0,
            place.index, self.codebook_bits, self.entry_bits, place.word_bits,
            self.stages / (place.read_words_per_cycle or np.inf),
            outer_words / (rate_of(outer, "weights", "reads") or np.inf) * loaded,
            self.codebook_bits / place.word_bits / (place.write_words_per_cycle or np.inf) * loaded,
            self.unit_filters, self.leaves_out_zeros,
        )  # fmt: skip

    def loading(self, hardware: Hardware, place: CodebookPlace) -> tuple[int, int]:
        """Accesses that read the codebook at the outermost level, and that write one copy of it."""
        reads = -(-self.codebook_bits // block_bits(hardware.levels[0], "weights"))
        return reads, -(-self.codebook_bits // place.access_bits)


def dense_format(layer: ConvLayer, hardware: Hardware) -> WeightFormat:
    """Dense weights, as wide as the layer or else the hardware says."""
    return WeightFormat(layer.precision_bits.weights or hardware.precision_bits.weights)


def decode_at(hardware: Hardware, level: str) -> Hardware:
    """The hardware with its decoder, and the codebook store, at the output of another level.

    Every instance of the level has a store: as `CodebookStore.at` says for that level, else with
    the size and the energies that it has where it is.

    Parameters
    ----------
    hardware : Hardware
        With the decoder where its file says: where that is moved, no other stores are known.
    level : str
        Name of any of its levels.

    Raises
    ------
    InputError
        If there is no such level, or the hardware has no codebook store.
    """
    store = codebook_store(hardware)
    hardware.level_index(level)
    if level == store.level:
        return hardware
    moved = store.moved_to(level)
    return replace(hardware, codebook=moved, provenance=_moved_origins(hardware, moved))


def _moved_origins(hardware: Hardware, moved: CodebookStore) -> dict[str, Origin]:
    """Where numbers came from, with those of a moved store as those of the codebook."""
    own, found = f"codebook.at.{moved.level}", dict[str, Origin]()
    for place, origin in hardware.provenance.items():
        holder, _, key = place.rpartition(".")
        if holder in ("codebook", own) and getattr(moved, key, None) == origin.value:
            found[f"codebook.{key}"] = origin
        elif holder != "codebook" and not holder.startswith("codebook.at."):
            found[place] = origin
    return found


def codebook_store(hardware: Hardware) -> CodebookStore:
    """The codebook store of a hardware.

    Raises
    ------
    InputError
        If it has none.
    """
    if hardware.codebook is None:
        raise InputError(
            f"{hardware.name} has no codebook store: add a 'codebook' section to the hardware "
            "file to estimate clustered layers"
        )
    return hardware.codebook
