"""The two ways to share, and what they differ in; all else is written once for both.

Sharing products, the first phase multiplies every block of inputs by every distinct entry that the
block meets, and the second one gathers products by index. Sharing sums, the first phase gathers
inputs by index, and the second one multiplies every sum by its entry. So one phase multiplies, by
**entries**, and one **gathers**; both are convolutions to the mapping and the counting.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.unit import Unit
from kcsim.hardware.schema import Precision
from kcsim.sharing.distinct_entries import DistinctEntries, Widths
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import Tensor

PhaseName = Literal["gather", "entries"]


class Sharing(ABC):
    """A way to share.

    Attributes
    ----------
    name : str
        As in options and results.
    phases : (str, str)
        In the order in which they run.
    merged : {"M", "C"}
        The dimension of the layer along which units with the same entry are one: entries take its
        place in the phase that multiplies, and there are the fewer the more of it a tile has.
    tables_of : {"block", "filter"}
        What has a table of entries.
    can_order : bool
        Whether units may come in the order of their entries, so that no table is needed.
    """

    name: ClassVar[str]
    phases: ClassVar[tuple[PhaseName, PhaseName]]
    merged: ClassVar[Literal["M", "C"]]
    tables_of: ClassVar[Literal["block", "filter"]]
    can_order: ClassVar[bool]

    @property
    def verb(self) -> str:
        """As in messages."""
        return self.name.replace("_", " ")

    def role(self, phase: PhaseName) -> Tensor:
        """The tensor that the intermediate one stands for: the first phase makes it."""
        return "outputs" if phase == self.phases[0] else "inputs"

    @abstractmethod
    def depth(self, unit: Unit) -> int:
        """Values that the intermediate tensor has for one entry at one place."""

    @abstractmethod
    def value_bits(self, precision: Precision, unit: Unit, units: int, *, scaled: bool) -> int:
        """Bits of a value of the intermediate tensor: given, or enough for any.

        Two operands of B_1 and B_2 bits have a product of B_1 + B_2, and a sum of n values has
        ceil(log2 n) more than one of them.

        Parameters
        ----------
        precision : Precision
        unit : Unit
        units : int
            Units of one filter in a tile.
        scaled : bool
            Whether what is gathered is multiplied by a factor, as wide as a weight, before.
        """

    @abstractmethod
    def tables(self, tile: Tile, blocks: int) -> int:
        """Tables of entries in one group of a tile that has so many blocks of channels."""

    @abstractmethod
    def widths(self, distinct: DistinctEntries, tile: Tile, blocks: int) -> Widths:
        """Entries of a table, and how many of all tiles' tables have so many."""


class ShareProducts(Sharing):
    """Filters that meet the same block of channels share its products with an entry."""

    name = "share_products"
    phases = ("entries", "gather")
    merged = "M"
    tables_of = "block"
    can_order = False

    def depth(self, unit: Unit) -> int:
        """One: the product with all of an entry."""
        return 1

    def value_bits(self, precision: Precision, unit: Unit, units: int, *, scaled: bool) -> int:
        """Those of the sum of as many products as an entry has weights."""
        full = precision.weights + precision.inputs + fixed_index_bits(unit.size)
        return precision.products or full

    def tables(self, tile: Tile, blocks: int) -> int:
        """One for every block."""
        return blocks

    def widths(self, distinct: DistinctEntries, tile: Tile, blocks: int) -> Widths:
        """The entries that a block meets in the filters of a tile."""
        return distinct.widths(self.tables_of, tile.M)


class ShareSums(Sharing):
    """Units of a filter that have the same entry share one product, with the sum of their inputs.

    Units may come in the order of their entries (Hegde et al., UCNN, ISCA 2018, Section III).
    """

    name = "share_sums"
    phases = ("gather", "entries")
    merged = "C"
    tables_of = "filter"
    can_order = True

    def depth(self, unit: Unit) -> int:
        """A sum for every channel of the entry."""
        return unit.channels

    def value_bits(self, precision: Precision, unit: Unit, units: int, *, scaled: bool) -> int:
        """Those of the sum of one input, or product with a factor, for each unit of a filter."""
        full = precision.inputs + scaled * precision.weights + fixed_index_bits(units)
        return precision.sums or full

    def tables(self, tile: Tile, blocks: int) -> int:
        """One for every filter."""
        return tile.M

    def widths(self, distinct: DistinctEntries, tile: Tile, blocks: int) -> Widths:
        """The entries that a filter has in the blocks of a tile."""
        return distinct.widths(self.tables_of, blocks)


SHARINGS: dict[str, Sharing] = {each.name: each for each in (ShareProducts(), ShareSums())}
"""All ways to share, by their names."""
