"""What a cascade needs to know of weights, and how it is mapped: plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from kcsim.clustering import Unit, fixed_index_bits
from kcsim.clustering.distinct import DistinctEntries
from kcsim.errors import MappingError
from kcsim.hardware import Hardware
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Dataflow, LevelConstraint
from kcsim.mapping import LevelLoops, Loop, Mapping
from kcsim.mapping.costs import WeightCosts
from kcsim.model.cascade.tiles import PhaseShapes, Sharing, Tile
from kcsim.model.weights import WeightFormat
from kcsim.workload import ConvLayer
from kcsim.workload.layer import Tensor

__all__ = [
    "CascadeMapping",
    "SharedLayer",
    "can_order",
    "check_shareable",
    "confined",
    "gathering_levels",
    "index_level",
    "possible_homes",
    "trimmed",
]


@dataclass(frozen=True)
class CascadeMapping:
    """How a shared convolution runs on a hardware.

    The loops of `outer` above the home bring one tile of the layer after the other there. For each
    tile the two phases run below the home, one after the other, with the intermediate tensor
    between them in the home: loops of levels above it have nothing to do in `gather` and `entries`.

    Attributes
    ----------
    sharing : {"share_products", "share_sums"}
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
    """

    sharing: Sharing
    home: str
    gathered_at: str
    ordered: bool
    tile: Tile
    outer: Mapping
    gather: Mapping
    entries: Mapping


@dataclass(frozen=True, eq=False)
class SharedLayer:
    """A clustered layer that is to be run as a cascade on a hardware.

    Attributes
    ----------
    layer : ConvLayer
    hardware : Hardware
    form : WeightFormat
        How the weights are stored where they are decoded.
    distinct : DistinctEntries
    sharing : {"share_products", "share_sums"}
    """

    layer: ConvLayer
    hardware: Hardware
    form: WeightFormat
    distinct: DistinctEntries
    sharing: Sharing

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
        if self.sharing == "share_products":
            found = self.distinct.widths_per_block(tile.M)
        else:
            found = self.distinct.widths_per_filter(-(-tile.C // self.unit.channels))
        return {n + self.has_offsets: count for n, count in found if n + self.has_offsets}

    def runs(self, tile: Tile) -> int:
        """Tiles of the layer: all that differ in any dimension."""
        return math.prod(tile.rounds(self.layer))

    @property
    def depth(self) -> int:
        """Values that the intermediate tensor has for one entry at one place."""
        return 1 if self.sharing == "share_products" else self.unit.channels

    @property
    def role(self) -> Tensor:
        """The tensor that the intermediate one is to the phase that gathers."""
        return "inputs" if self.sharing == "share_products" else "outputs"

    def index_bits(self, tile: Tile, ordered: bool) -> Fraction:
        """Bits of what is stored for a unit: its index, or its address in a tile; and factors.

        An address says which unit of the filter it is, and whether it is the last with its entry.
        """
        if not ordered:
            return self.form.unit_bits
        units = self.shapes(tile).units // (tile.G * tile.M)
        extras = self.distinct.part.settings.extras_bits
        return Fraction(fixed_index_bits(units) + 1 + extras)

    def indexed_form(self, tile: Tile, ordered: bool) -> WeightFormat:
        """The weights as all levels outside of the phases know them: indexes."""
        bits, innermost = self.index_bits(tile, ordered), len(self.hardware.levels) - 1
        return replace(self.form, unit_bits=bits, decode_level=innermost)

    def gather_form(self, tile: Tile, ordered: bool) -> WeightFormat:
        """The weights of the phase that gathers: indexes, all the way to the adders."""
        bits, innermost = self.index_bits(tile, ordered), len(self.hardware.levels) - 1
        return WeightFormat(self.form.value_bits, (self.depth, 1, 1), bits, innermost)

    def gather_costs(self, tile: Tile, ordered: bool) -> WeightCosts:
        """Likewise, for the mapper."""
        form = self.gather_form(tile, ordered)
        return WeightCosts((self.depth, 1, 1), float(form.unit_bits), form.decode_level)

    def entry_form(self, shapes: PhaseShapes) -> WeightFormat:
        """The weights of the phase that multiplies: which entries there are, decoded on the way."""
        part = self.distinct.part
        bits = fixed_index_bits(part.clusters) + fixed_index_bits(part.settings.transforms)
        return replace(
            self.form,
            unit=shapes.entry_unit,
            unit_bits=Fraction(bits),
            multiplies_per_weight=0,
            adds_per_weight=0,
        )


def possible_homes(hardware: Hardware) -> tuple[int, ...]:
    """Positions of the levels that can hold an intermediate tensor: they keep both data tensors."""
    return tuple(
        i
        for i, level in enumerate(hardware.levels)
        if "inputs" in level.kept_tensors and "outputs" in level.kept_tensors
    )


def gathering_levels(hardware: Hardware, home: int, role: Tensor) -> tuple[int, ...]:
    """Positions of the levels that tables may be gathered at: the home, and levels below it."""
    return tuple(
        i
        for i, level in enumerate(hardware.levels)
        if i == home or (i > home and role in level.kept_tensors)
    )


VERBS = {"share_products": "share products", "share_sums": "share sums"}


def check_shareable(shared: SharedLayer) -> None:
    """Raise a MappingError if a layer cannot share on a hardware, whatever the mapping."""
    what = f"{shared.layer.name} cannot {VERBS[shared.sharing]}"
    for level in shared.hardware.levels:
        for has, name in ((level.fanout.hop_pj, "hops"), (level.fanout.forwarding, "forwarding")):
            if has:
                raise MappingError(f"{what}: {name} below '{level.name}' are not counted for that")
    if not shared.widths(Tile.whole(shared.layer)):
        raise MappingError(f"{what}: all of its weights are zero, and zeros are left out")


def can_order(hardware: Hardware, home: int, sharing: Sharing) -> bool:
    """Whether a home can take units in any order: nothing below it holds tiles of data."""
    below = hardware.levels[home + 1 :]
    held = any({"inputs", "outputs"} & set(level.kept_tensors) for level in below)
    return sharing == "share_sums" and not held


def confined(hardware: Hardware, home: int, tables: tuple[Tensor, int] | None = None) -> Hardware:
    """The hardware as a phase sees it: all its loops are at the home and below.

    Parameters
    ----------
    hardware : Hardware
    home : int
        Position of the level.
    tables : (str, int), optional
        The tensor that the intermediate one stands for, and the last level that holds it.
    """
    constraints = dict(hardware.dataflow.levels)
    for level in hardware.levels[:home]:
        constraints[level.name] = LevelConstraint(temporal=(), spatial_x=(), spatial_y=())
    levels = [
        _without(level, tables[0]) if tables and i > tables[1] else level
        for i, level in enumerate(hardware.levels)
    ]
    for i in range(home + 1):
        levels[i] = replace(levels[i], may_bypass=())
    return replace(
        hardware,
        levels=tuple(levels),
        dataflow=Dataflow(name=hardware.dataflow.name, levels=constraints),
    )


def _without(level: Level, tensor: str) -> Level:
    """A level that one tensor passes by."""
    return replace(
        level,
        keeps=tuple(t for t in level.kept_tensors if t != tensor),
        may_bypass=tuple(t for t in level.may_bypass if t != tensor),
        compression={t: coding for t, coding in level.compression.items() if t != tensor},
    )


def trimmed(mapping: Mapping, dimension: str, size: int) -> Mapping:
    """A mapping whose loops over one dimension cover no more than `size`, from inside out."""
    left, levels = size, []
    for level in reversed(mapping.levels):
        nests = []
        for nest in reversed(level.nests):
            loops = []
            for loop in reversed(nest):
                bound = loop.bound
                if loop.dimension == dimension:
                    bound = min(bound, left)
                    left = -(-left // bound)
                loops.append(Loop(loop.dimension, bound))
            nests.append(tuple(reversed(loops)))
        temporal, along_x, along_y = reversed(nests)
        levels.append(LevelLoops(level.level, temporal, along_x, along_y, level.bypass))
    return Mapping(tuple(reversed(levels)))


def index_level(hardware: Hardware, home: int) -> int:
    """Position of the level that the phases take weights from: the home, or one above it."""
    return max(i for i in range(home + 1) if "weights" in hardware.levels[i].kept_tensors)
