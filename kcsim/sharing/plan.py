"""What a shared convolution needs to know of weights, and how it is mapped: plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.unit import Unit
from kcsim.cost.biases import biases_of
from kcsim.cost.partial_sums import has_wide_sums
from kcsim.cost.ports import start_cycles
from kcsim.cost.prices import WeightCosts
from kcsim.cost.standing import stalls_of
from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import MappingError
from kcsim.hardware.counted import Counted
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.places import index_level
from kcsim.sharing.shapes import PhaseShapes
from kcsim.sharing.strategies import Sharing
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer, Tensor


@dataclass(frozen=True)
class SharedMapping:
    """How a shared convolution runs on a hardware.

    The loops of `outer` above the home bring one tile of the layer after the other there. For each
    tile the two phases run below the home, one after the other, with the intermediate tensor
    between them in the home: loops of levels above it have nothing to do in `gather` and `entries`.

    Attributes
    ----------
    sharing : Sharing
    home : str
        The level that holds the intermediate tensor: the outermost one if it is spilled.
    gathered_at : str
        The innermost level that holds tables of it while they are gathered from, or into; the home
        or below it.
    ordered : bool
        Of sums: whether the units of a filter come in the order of their entries, with an address
        in place of an index (Hegde et al., UCNN, ISCA 2018, Section III). Then one sum is
        wanted at a time, in place of a table.
    tile : Tile
        What the home holds of the layer at one time.
    outer : Mapping
        Of the whole layer; its loops below the outer ones are those of the tile.
    gather : Mapping
        Of `PhaseShapes.gather`.
    entries : Mapping
        Of `PhaseShapes.entries` for as many entries as any block or filter has, or a few more.
    codebook_level : int, optional
        See `kcsim.cost.weight_format.WeightFormat`.
    """

    sharing: Sharing
    home: str
    gathered_at: str
    ordered: bool
    tile: Tile
    outer: Mapping
    gather: Mapping
    entries: Mapping
    codebook_level: int | None = None


MOST_UNITS = 10**9
"""Units that a layer has at most: shares of them are fractions of no more."""


class Arithmetic(NamedTuple):
    """How wide values are that are shared, and what units of that width cost; see `SharedLayer`.

    Attributes
    ----------
    bits : int
        Of a value of the intermediate tensor.
    add_pj : float
        Of adding what is gathered.
    factor_pj : float
        Of multiplying it by a scale or an offset.
    mac_pj, gated_mac_pj : float
        Of the phase that multiplies.
    """

    bits: int
    add_pj: float
    factor_pj: float
    mac_pj: float
    gated_mac_pj: float


@dataclass(frozen=True, eq=False)
class SharedLayer:
    """A clustered layer that is to share products or sums on a hardware.

    Attributes
    ----------
    layer : ConvLayer
    hardware : Hardware
        Phases move inputs with their padding, whether or not a level generates it.
    form : WeightFormat
        How the weights are stored where they are decoded.
    distinct : DistinctEntries
    sharing : Sharing
    """

    layer: ConvLayer
    hardware: Hardware
    form: WeightFormat
    distinct: DistinctEntries
    sharing: Sharing

    def __post_init__(self) -> None:
        if self.hardware.padding == "generated":
            moved = replace(self.hardware, padding="moved", padding_level=None)
            object.__setattr__(self, "hardware", moved)

    @property
    def unit(self) -> Unit:
        """What an index stands for."""
        assert self.distinct.part.unit is not None
        return self.distinct.part.unit

    @property
    def decode_level(self) -> str:
        """The level at whose output entries are read from the codebook."""
        return self.hardware.level_names[self.form.decode_level]

    @cached_property
    def has_offsets(self) -> bool:
        """Whether sums of whole blocks take part, as one entry more."""
        return self.distinct.part.settings.kind.has_offsets

    @cached_property
    def has_factors(self) -> bool:
        """Whether what is gathered is multiplied by a scale."""
        return self.distinct.part.settings.kind.has_scales or self.has_offsets

    def shapes(self, tile: Tile) -> PhaseShapes:
        """The layers that the phases of a tile are."""
        return PhaseShapes(self.layer, self.unit, self.sharing, tile)

    def widths(self, tile: Tile) -> dict[int, int]:
        """Entries that blocks (or filters) use in a tile, and in how many of all tiles' blocks.

        Tiles that differ in images, rows or columns alone count once.
        """
        found = self.sharing.widths(self.distinct, tile, self.shapes(tile).blocks)
        return {n + self.has_offsets: count for n, count in found if n + self.has_offsets}

    def arithmetic(self, tile: Tile) -> Arithmetic:
        """Widths and energies of a tile.

        Energies are those of the hardware times the 1-bit full adders of these operands over
        those of its own (`Hardware.full_adders`).
        """
        hardware, precision, shapes = self.hardware, self.hardware.precision_bits, self.shapes(tile)
        units = shapes.blocks * shapes.units_per_kernel
        bits = self.sharing.value_bits(precision, self.unit, units, scaled=self.has_factors)
        gathered = bits if self.role == "inputs" else precision.inputs
        multiplied = precision.inputs if self.role == "inputs" else bits
        own = replace(precision, inputs=multiplied)
        mac = replace(hardware, precision_bits=own).full_adders[0] / hardware.full_adders[0]
        return Arithmetic(
            bits,
            hardware.add_pj * bits / hardware.full_adders[2],
            hardware.multiply_pj * gathered / precision.inputs,
            hardware.compute.mac_pj * mac,
            hardware.compute.gated_mac_pj * mac,
        )

    def produced(self, tile: Tile) -> int:
        """Words of the intermediate tensor that all tiles compute."""
        rounds = tile.rounds(self.layer)
        rows, columns = self.shapes(tile).shared_positions
        entries = sum(count * width for width, count in self.widths(tile).items())
        places: int = tile.N * rows * columns * self.depth * rounds.N * rounds.P * rounds.Q
        return entries * places

    def runs(self, tile: Tile) -> int:
        """Tiles of the layer: all that differ in any dimension."""
        return math.prod(tile.rounds(self.layer))

    @property
    def depth(self) -> int:
        """Values that the intermediate tensor has for one entry at one place."""
        return self.sharing.depth(self.unit)

    @property
    def role(self) -> Tensor:
        """The tensor that the intermediate one is to the phase that gathers."""
        return self.sharing.role("gather")

    @cached_property
    def can_turn(self) -> bool:
        """Whether rows and columns may be exchanged, and all costs stay what they are."""
        turned = {"P": "Q", "Q": "P", "R": "S", "S": "R"}
        constraints = [
            dimensions
            for level in self.hardware.dataflow.levels.values()
            for dimensions in (level.temporal, level.spatial_x, level.spatial_y)
            if dimensions is not None
        ]
        whole = Tile.whole(self.layer)
        rows, columns = self.shapes(whole).windows
        return (
            (rows, whole.P, self.unit.height) == (columns, whole.Q, self.unit.width)
            and all({turned.get(d, d) for d in each} == set(each) for each in constraints)
        )  # fmt: skip

    def list_level(self, home: int) -> int:
        """Position of the level that the phase that multiplies takes the lists of entries from.

        Lists come with the indexes of a tile, and lie where these do. Entries that are decoded
        further out come from the outermost level, for each table.
        """
        level = index_level(self.hardware, home)
        return level if self.has_lists(home) else 0

    def has_lists(self, home: int) -> bool:
        """Whether lists of entries lie beside the indexes of a tile."""
        return self.form.decode_level >= index_level(self.hardware, home)

    @cached_property
    def entry_bits(self) -> int:
        """Bits of an entry in a list: which one it is, and how it is turned."""
        part = self.distinct.part
        return fixed_index_bits(part.clusters) + fixed_index_bits(part.settings.transforms)

    def stored_bits(self, tile: Tile, ordered: bool, home: int) -> Fraction:
        """Bits of a unit in all levels outside of the phases: as `index_bits`, and its list.

        Lists of all tiles are shared out among all units.
        """
        bits = self.index_bits(tile, ordered)
        if not self.has_lists(home):
            return bits
        listed = sum(entries * count for entries, count in self.widths(tile).items())
        rounds = tile.rounds(self.layer)
        units = self.shapes(tile).units * rounds.G * rounds.M * rounds.C
        return bits + Fraction(listed * self.entry_bits, units)

    def home_bits(
        self, shapes: PhaseShapes, home: int, index_bits: Any, width: Any, widest: Any,
        value_bits: Any,
    ) -> dict[Tensor, Any]:  # fmt: skip
        """Bits of a tile in its home, tables of some width included with what they stand for.

        Lists have room for the widest table.

        Those of one unit may be a fraction, or floats of many tiles.
        """
        precision, one = self.hardware.precision_bits, 1 + 0 * index_bits
        lists = shapes.tile.G * shapes.tables * widest * self.entry_bits * self.has_lists(home)
        needed: dict[Tensor, Any] = {
            "weights": (shapes.units * index_bits + lists)
            * (index_level(self.hardware, home) == home),
            "inputs": shapes.input_words * (precision.inputs * one),
            "outputs": shapes.output_words * (precision.outputs * one),
        }
        needed[self.role] += shapes.shared_tables * width * value_bits
        return needed

    def index_bits(self, tile: Tile, ordered: bool) -> Fraction:
        """Bits of what is stored for a unit: its index, or its address in a tile; and factors.

        An address says which unit of the filter it is, and whether it is the last with its entry.
        Zero units that are left out have none; the others' are shared out among all.
        """
        if not ordered:
            return self.form.unit_bits
        units = self.shapes(tile).units // (tile.G * tile.M)
        extras = self.distinct.part.settings.extras_bits
        bits = Fraction(fixed_index_bits(units) + 1 + extras)
        return bits * (1 - self._zero_share)

    @cached_property
    def _zero_share(self) -> Fraction:
        """Share of the units that are left out."""
        share = Fraction(self.distinct.zero_share).limit_denominator(MOST_UNITS)
        return min(share, Fraction(MOST_UNITS - 1, MOST_UNITS))

    def indexed_form(self, tile: Tile, ordered: bool, home: int) -> WeightFormat:
        """The weights as all levels outside of the phases know them: indexes, and lists."""
        bits, innermost = self.stored_bits(tile, ordered, home), len(self.hardware.levels) - 1
        return WeightFormat(self.form.value_bits, self.form.unit, bits, innermost)

    def gather_form(self, tile: Tile, ordered: bool) -> WeightFormat:
        """The weights of the phase that gathers: indexes, all the way to the adders."""
        bits, innermost = self.index_bits(tile, ordered), len(self.hardware.levels) - 1
        if ordered and "weights" in self.hardware.levels[innermost].kept_tensors:
            # What it reads for zeros is spared by the rules of zeros there.
            bits /= 1 - self._zero_share
        return WeightFormat(self.form.value_bits, (self.depth, 1, 1), bits, innermost)

    def gather_costs(self, tile: Tile, ordered: bool) -> WeightCosts:
        """Likewise, for the mapper."""
        form = self.gather_form(tile, ordered)
        return WeightCosts((self.depth, 1, 1), float(form.unit_bits), form.decode_level)

    def entry_form(self, shapes: PhaseShapes) -> WeightFormat:
        """The weights of the phase that multiplies: which entries there are, decoded on the way."""
        return replace(
            self.form, unit=shapes.entry_unit, unit_bits=Fraction(self.entry_bits),
            multiplies_per_weight=0, adds_per_weight=0,
        )  # fmt: skip


def check_shareable(shared: SharedLayer) -> None:
    """Raise a MappingError if a layer cannot share on a hardware, whatever the mapping."""
    what = f"{shared.layer.name} cannot {shared.sharing.verb}"
    if reason := shared.distinct.part.unshared:
        raise MappingError(f"{what}: {reason}")
    for uncounted in _uncounted(shared.layer, shared.hardware):
        raise MappingError(f"{what}: {uncounted} are not counted for that")
    if not shared.widths(Tile.whole(shared.layer)):
        raise MappingError(f"{what}: all of its weights are zero, and zeros are left out")


def _uncounted(layer: ConvLayer, hardware: Hardware) -> Iterator[str]:
    """What a hardware has that no phase counts."""
    for level in hardware.levels:
        yield from _uncounted_at(level)
    widths, own = hardware.level_bits, layer.precision_bits
    if own or any(bits != widths[-1] for bits in widths) or has_wide_sums(hardware):
        yield "partial sums wider than outputs, and widths by level or layer,"
    if biases_of(layer, hardware):
        yield "biases"
    if start_cycles(hardware) or stalls_of(hardware):
        yield "latencies and stalls"
    if hardware.slides == "repeated":
        yield "slides by repeated moves alone"


def _uncounted_at(level: Level) -> Iterator[str]:
    for has, name in ((level.fanout.hop_pj, "hops"), (level.fanout.forwarding, "forwarding")):
        if has:
            yield f"{name} below '{level.name}'"
    if level.port_list or level.shares_port or level.fanout.words_per_cycle is not None:
        yield f"ports and bandwidth of networks, as of '{level.name}',"
    if level.fanout.tensor_pj:
        yield f"energies by tensor of the network below '{level.name}'"
    if level.counted != Counted():
        yield f"first reads, drains and fills as of '{level.name}'"
