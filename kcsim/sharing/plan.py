"""What a shared convolution needs to know of weights, and how it is mapped: plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.unit import Unit
from kcsim.cost.prices import WeightCosts
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping
from kcsim.sharing.arithmetic import Arithmetic
from kcsim.sharing.distinct_entries import MOST_ZEROS, DistinctEntries
from kcsim.sharing.places import index_level
from kcsim.sharing.shapes import PhaseShapes
from kcsim.sharing.sorted_sums import SortedSums, sorted_sums
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
    group : int
        Filters that share one order, and gather together.
    listed : bool
        Whether tables have the entries that their units use, as lists say; else all entries of
        their codebook, one after the other.
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
    group: int = 1
    listed: bool = True

    @property
    def order(self) -> int:
        """Filters that share a sorted order; 0 where units come in none."""
        return self.group if self.ordered else 0


MOST_UNITS = 10**9
"""Units that a layer has at most: shares of them are fractions of no more."""


@dataclass(frozen=True, eq=False)
class SharedLayer:
    """A clustered layer that is to share products or sums on a hardware.

    Attributes
    ----------
    layer : ConvLayer
    hardware : Hardware
    form : WeightFormat
        How the weights are stored where they are decoded.
    distinct : DistinctEntries
    sharing : Sharing
    seen : dict
        The hardware as phases see it (`kcsim.sharing.phases.phase_hardware`): layers may share it.
    known : dict
        What has been worked out, by what it depends on.
    """

    layer: ConvLayer
    hardware: Hardware
    form: WeightFormat
    distinct: DistinctEntries
    sharing: Sharing
    seen: dict[object, tuple[Hardware, Hardware]] = field(default_factory=dict, repr=False)
    known: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def unlisted(self) -> SharedLayer:
        """The same with all entries of the codebook in every table, which takes no lists."""
        return self._with_tables(listed=False)

    def under(self, mapping: SharedMapping) -> SharedLayer:
        """The layer with tables as a mapping has them."""
        return self.unlisted if not mapping.listed else self._with_tables(listed=True)

    def _with_tables(self, *, listed: bool) -> SharedLayer:
        if listed == self.listed:
            return self
        return replace(self, distinct=replace(self.distinct, used_only=listed))

    @property
    def listed(self) -> bool:
        """Whether tables have the entries that their units use, as lists say."""
        return self.distinct.used_only

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

    def shapes(self, tile: Tile, ordered: int = 0) -> PhaseShapes:
        """The layers that the phases of a tile are.

        Parameters
        ----------
        tile : Tile
        ordered : int
            Filters that share a sorted order; 0 where units come in none. So in all that follows.
        """
        layer = self.layer
        if ordered > 1:
            share = layer.zeros.weights**ordered
            if self.distinct.zero_share:
                share = min(self.sums(tile, ordered).zero_share, MOST_ZEROS)
            layer = replace(layer, zeros=replace(layer.zeros, weights=share))
        return PhaseShapes(layer, self.unit, self.sharing, tile, max(ordered, 1))

    def entries_layer(self, tile: Tile, count: int) -> ConvLayer:
        """The layer that multiplies by so many entries of one block, or filter, of a tile."""
        key = "entries", tile.N, tile.P, tile.Q, count
        if key not in self.known:
            self.known[key] = self.shapes(tile).entries(count)
        found: ConvLayer = self.known[key]
        return found

    def sums(self, tile: Tile, ordered: int) -> SortedSums:
        """The sums of all tiles whose units come in order."""
        most = self.hardware.compute.group_cap or 0
        return sorted_sums(self.distinct, self.blocks(tile), ordered, most)

    def blocks(self, tile: Tile) -> int:
        """Blocks of input channels of a group in a tile, one unit deep."""
        return -(-tile.C // self.unit.channels)

    @cached_property
    def units_per_kernel(self) -> int:
        """Units that one filter has in one block of channels."""
        return self.shapes(Tile.whole(self.layer)).units_per_kernel

    def passed(self, tile: Tile, ordered: int) -> int:
        """Sums that filters pass on to another one with the same order, over all tiles."""
        if ordered < 2:
            return 0
        rounds, (rows, columns) = tile.rounds(self.layer), self.shapes(tile).shared_positions
        places = tile.N * rows * columns * rounds.N * rounds.P * rounds.Q
        return self.sums(tile, ordered).passed * self.depth * places

    def widths(self, tile: Tile, ordered: int = 0) -> dict[int, int]:
        """Entries that blocks (or filters) use in a tile, and in how many of all tiles' blocks.

        Tiles that differ in images, rows or columns alone count once. In order, an entry counts
        for every sum that it multiplies.
        """
        if ordered:
            found = self.sums(tile, ordered).widths
        else:
            found = self.sharing.widths(self.distinct, tile, self.blocks(tile))
        return {n + self.has_offsets: count for n, count in found if n + self.has_offsets}

    def room(self, tile: Tile, ordered: int) -> Fraction:
        """Entries that a table has room for, on average: as many as the widest one of any tile.

        Of filters that share an order, the widest of the same place in it.
        """
        if ordered < 2:
            return Fraction(max(self.widths(tile, ordered), default=0))
        return Fraction(self.sums(tile, ordered).room, ordered)

    def arithmetic(self, tile: Tile, ordered: int = 0) -> Arithmetic:
        """Widths and energies of a tile.

        Energies are those of the hardware times the 1-bit full adders of these operands over
        those of its own (`Hardware.full_adders`).
        """
        units = self.blocks(tile) * self.units_per_kernel
        if ordered and self.hardware.compute.group_cap:
            units = min(units, self.hardware.compute.group_cap)
        channels = self.layer.in_channels // self.layer.groups
        key = "arithmetic", units, channels == tile.C
        if key not in self.known:
            self.known[key] = Arithmetic.of(
                self.hardware, self.sharing, self.unit, *key[1:], scaled=self.has_factors
            )
        found: Arithmetic = self.known[key]
        return found

    def produced(self, tile: Tile, ordered: int = 0) -> int:
        """Words of the intermediate tensor that all tiles compute."""
        rounds = tile.rounds(self.layer)
        rows, columns = self.shapes(tile).shared_positions
        entries = sum(count * width for width, count in self.widths(tile, ordered).items())
        places: int = tile.N * rows * columns * self.depth * rounds.N * rounds.P * rounds.Q
        return entries * places

    def accumulated(self, tile: Tile) -> Any:
        """Words that are read at the home to add to them: outputs of tiles of other channels.

        Of one tile or, as an array, of many.
        """
        return self.layer.output_words * (tile.rounds(self.layer).C - 1)

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
        return level if self.form.decode_level >= level else 0

    def has_lists(self, home: int) -> bool:
        """Whether lists of entries lie beside the indexes of a tile."""
        return self.listed and self.list_level(home) == index_level(self.hardware, home)

    @cached_property
    def entry_bits(self) -> int:
        """Bits of an entry in a list, if any: which one it is, and how it is turned."""
        part = self.distinct.part
        return self.listed * (
            fixed_index_bits(part.clusters) + fixed_index_bits(part.settings.transforms)
        )

    def stored_bits(self, tile: Tile, ordered: int, home: int) -> Fraction:
        """Bits of a unit in all levels outside of the phases: as `index_bits`, and its list.

        Lists of all tiles are shared out among all units.
        """
        bits = self.index_bits(tile, ordered)
        if not self.has_lists(home):
            return bits
        listed = sum(entries * count for entries, count in self.widths(tile, ordered).items())
        rounds = tile.rounds(self.layer)
        units = self.shapes(tile).units * rounds.G * rounds.M * rounds.C
        return bits + Fraction(listed * self.entry_bits, units)

    def home_bits(
        self, shapes: PhaseShapes, home: int, index_bits: Any, width: Any, widest: Any,
        value_bits: Any,
    ) -> dict[Tensor, Any]:  # fmt: skip
        """Bits of a tile in its home, tables of some width included with what they stand for.

        Lists have room for `widest` entries (`room`).

        Those of one unit may be a fraction, or floats of many tiles.
        """
        bits, one = self.hardware.level_bits[home], 1 + 0 * index_bits
        lists = shapes.tile.G * shapes.tables * widest * self.entry_bits * self.has_lists(home)
        needed: dict[Tensor, Any] = {
            "weights": (shapes.units * index_bits + lists)
            * (index_level(self.hardware, home) == home),
            "inputs": shapes.input_words * (bits["inputs"] * one),
            "outputs": shapes.output_words * (bits["partial_sums"] * one),
        }
        needed[self.role] += shapes.shared_tables * width * value_bits
        return needed

    def index_bits(self, tile: Tile, ordered: int) -> Fraction:
        """Bits of what is stored for a unit: its index, or its address in a tile; and factors.

        An address says which unit of the filter it is, and whether it is the last with its entry:
        one for all filters that share an order, with a bit for each. Zero units that are left out
        have none; the others' are shared out among all.
        """
        if not ordered:
            return self.form.unit_bits
        units = self.shapes(tile).units // (tile.G * tile.M)
        extras = self.distinct.part.settings.extras_bits
        bits = Fraction(fixed_index_bits(units) + ordered + extras, ordered)
        return bits * (1 - self._zero_share(tile, ordered))

    def _zero_share(self, tile: Tile, ordered: int) -> Fraction:
        """Share of the units that are left out: of filters that share an order, by all of them."""
        found = self.distinct.zero_share
        if ordered > 1:
            found = self.sums(tile, ordered).zero_share
        share = Fraction(found).limit_denominator(MOST_UNITS)
        return min(share, Fraction(MOST_UNITS - 1, MOST_UNITS))

    def indexed_form(self, tile: Tile, ordered: int, home: int) -> WeightFormat:
        """The weights as all levels outside of the phases know them: indexes, and lists."""
        bits, innermost = self.stored_bits(tile, ordered, home), len(self.hardware.levels) - 1
        return WeightFormat(self.form.value_bits, self.form.unit, bits, innermost)

    def gather_form(self, tile: Tile, ordered: int) -> WeightFormat:
        """The weights of the phase that gathers: indexes, all the way to the adders."""
        bits, innermost = self.index_bits(tile, ordered), len(self.hardware.levels) - 1
        bits *= max(ordered, 1)
        if ordered and "weights" in self.hardware.levels[innermost].kept_tensors:
            # What it reads for zeros is spared by the rules of zeros there.
            bits /= 1 - self._zero_share(tile, ordered)
        return WeightFormat(self.form.value_bits, (self.depth, 1, 1), bits, innermost)

    def gather_costs(self, tile: Tile, ordered: int) -> WeightCosts:
        """Likewise, for the mapper."""
        form = self.gather_form(tile, ordered)
        return WeightCosts((self.depth, 1, 1), float(form.unit_bits), form.decode_level)

    def entry_form(self, shapes: PhaseShapes) -> WeightFormat:
        """The weights of the phase that multiplies: which entries there are, decoded on the way."""
        return replace(
            self.form, unit=shapes.entry_unit, unit_bits=Fraction(self.entry_bits),
            multiplies_per_weight=0, adds_per_weight=0,
        )  # fmt: skip
