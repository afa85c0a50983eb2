"""Distinct entries that tiles of a clustered layer use: what sharing products or sums saves.

Units that meet the same inputs and have the same entry give the same products; units of one filter
that have the same entry can be added up before they are multiplied (Son, Nah, Lee, ECCV 2018,
Section 3.4). A tile shares only what it contains.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.entry_use import EntryUse, EntryUses, expected_entries
from kcsim.clustering.resolve import LayerClustering
from kcsim.kernels.distinct import count_distinct
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook

Integers = NDArray[np.int64]
Widths = tuple[tuple[int, int], ...]
MOST_ZEROS = math.nextafter(1.0, 0.0)
"""Share of zeros where all are zero: a share is below 1."""


@dataclass(frozen=True, eq=False)
class DistinctEntries:
    """Distinct entries of one layer, tile by tile; of real indexes, or expected ones.

    A transformed entry counts as an entry of its own, and so do entries of different sub-spaces.

    Attributes
    ----------
    part : LayerClustering
        The layer; it is clustered.
    keys : int64[G, M/G, blocks, units of a kernel] or None
        A number for the entry of each unit, -1 for those that are left out; ``None`` without
        weights: then numbers are expectations, rounded to whole ones such that their sum is right
        to one half.
    kinds : int
        Numbers that there are.
    zero_share : float
        Share of the units that are left out, as their entry is zero.
    uses : EntryUses, optional
        How real codebooks are used: then one table is as wide as the expected maximum of all.
        Uniform draws, and tables next to their mean, when absent.
    used_only : bool
        Whether a table has the entries that its units use, or else all of its codebook, zero ones
        as well.
    known_sums : dict
        See `kcsim.sharing.sorted_sums`.
    """

    part: LayerClustering
    keys: Integers | None
    kinds: int
    zero_share: float = 0.0
    uses: EntryUses | None = None
    used_only: bool = True
    known_sums: dict[tuple[int, int, int], Any] = field(
        default_factory=dict, init=False, repr=False
    )
    _widths: dict[tuple[str, int], Widths] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def expected(
        cls, part: LayerClustering, *, without_zeros: bool = False, uses: EntryUses | None = None
    ) -> DistinctEntries:
        """For the units of a layer without weights; the sparse variant has zero units."""
        share = part.settings.sparse if without_zeros else 0.0
        kinds = part.clusters * part.settings.transforms - (share > 0)
        return cls(part, None, max(kinds, 1), share, uses)

    @classmethod
    def of(
        cls, layer: ClusteredLayer, codebook: Codebook, *, without_zeros: bool = False
    ) -> DistinctEntries:
        """For the real indexes of a layer.

        Parameters
        ----------
        layer : ClusteredLayer
        codebook : Codebook
            That of the layer.
        without_zeros : bool
            Whether units whose weights are all zero are left out.
        """
        part, groups = layer.part, layer.part.layer.groups
        filters, blocks = layer.indexes.shape[:2]
        keys = layer.indexes.astype(np.int64)
        if part.settings.is_product:
            keys += part.clusters * np.arange(blocks)[:, None, None]
        kinds = part.clusters * (blocks if part.settings.is_product else 1)
        if layer.transforms is not None:
            keys = keys * part.settings.transforms + layer.transforms
            kinds *= part.settings.transforms
        zero = np.zeros(keys.shape, np.bool_)
        if without_zeros:
            zero = _zero_units(layer, codebook)
        keys = np.where(zero, -1, keys).reshape(groups, filters // groups, blocks, -1)
        return cls(part, keys, kinds, min(float(zero.mean()), MOST_ZEROS))

    @property
    def blocks(self) -> int:
        """Blocks of input channels of a group that a unit spans."""
        layer, unit = self.part.layer, self.part.unit
        assert unit is not None
        return -(-(layer.in_channels // layer.groups) // unit.channels)

    @property
    def units_per_kernel(self) -> int:
        """Units that one filter has in one block of channels."""
        layer, unit = self.part.layer, self.part.unit
        assert unit is not None
        return layer.kernel_height // unit.height * (layer.kernel_width // unit.width)

    @property
    def is_expectation(self) -> bool:
        """Whether there are no real indexes."""
        return self.keys is None and self.used_only

    @property
    def _counted_keys(self) -> Integers | None:
        """The real indexes, where entries of tables are counted in them."""
        return self.keys if self.used_only else None

    def per_block(self, filters: int) -> Integers:
        """Distinct entries that a tile of filters has for each block of channels.

        Parameters
        ----------
        filters : int
            Filters of a group that are in a tile; a divisor of their number.

        Returns
        -------
        int64[G, tiles, blocks]
        """
        shape = self._shape("block", filters)
        if (keys := self._counted_keys) is None:
            return self._spread("block", filters)
        tiled = keys.reshape(*shape[:2], filters, *keys.shape[2:])
        return self._count(tiled.transpose(0, 1, 3, 2, 4), shape)

    def per_filter(self, blocks: int) -> Integers:
        """Distinct entries that each filter has in a tile of channels.

        Parameters
        ----------
        blocks : int
            Blocks of channels of a group that are in a tile; a divisor of their number.

        Returns
        -------
        int64[G, M/G, tiles]
        """
        shape = self._shape("filter", blocks)
        if (keys := self._counted_keys) is None:
            return self._spread("filter", blocks)
        return self._count(keys.reshape(*shape, blocks, -1), shape)

    def widths(self, of: Literal["block", "filter"], size: int) -> Widths:
        """How many blocks (or filters) of all tiles have each number of entries.

        Parameters
        ----------
        of : {"block", "filter"}
        size : int
            As for `per_block` or `per_filter`.
        """
        if (of, size) not in self._widths:
            self._widths[of, size] = self._count_widths(of, size)
        return self._widths[of, size]

    def relative_error(self, of: Literal["block", "filter"]) -> float:
        """Of an expected number: root mean square over real layers of the scheme; 0 if real."""
        known = self.uses is None or not self.used_only
        return 0.0 if known else getattr(self.uses, of).error

    def _count_widths(self, of: Literal["block", "filter"], size: int) -> Widths:
        if self._counted_keys is None:
            counts: Counter[int] = Counter()
            for entries, times in self._expected(of, size):
                counts[entries] += times
            return tuple(sorted(counts.items()))
        every = self.per_block(size) if of == "block" else self.per_filter(size)
        found, often = np.unique(every, return_counts=True)
        return tuple(zip(found.tolist(), often.tolist(), strict=True))

    def _spread(self, of: Literal["block", "filter"], size: int) -> Integers:
        """What is expected of every tile, the first one the widest."""
        entries, times = zip(*self._expected(of, size), strict=True)
        return np.repeat(np.array(entries, np.int64), times).reshape(self._shape(of, size))

    def _expected(self, of: Literal["block", "filter"], size: int) -> list[tuple[int, int]]:
        """Whole numbers that add up to the rounded total, and how often each comes."""
        # Sub-spaces have entries of their own.
        spaces = size if of == "filter" and self.part.settings.is_product else 1
        if not self.used_only:
            every = spaces * self.part.clusters * self.part.settings.transforms
            return [(every, math.prod(self._shape(of, size)))]
        draws = size // spaces * self.units_per_kernel
        use = EntryUse() if self.uses is None else getattr(self.uses, of)
        units = round(draws * (1 - self.zero_share))
        one, count = expected_entries(self.kinds, units, use), math.prod(self._shape(of, size))
        found = one._replace(mean=spaces * one.mean, deviation=math.sqrt(spaces) * one.deviation)
        total = max(round(found.mean * count), 0)
        if self.uses is None or count == 1:
            return spread_evenly(total, count)
        widest = round(found.widest(count, spaces * min(self.kinds, units)))
        widest = max(min(widest, total), -(-total // count))
        return [(widest, 1), *spread_evenly(total - widest, count - 1)]

    def _shape(self, of: Literal["block", "filter"], size: int) -> tuple[int, int, int]:
        """That of `per_block` or `per_filter`."""
        layer = self.part.layer
        filters = layer.out_channels // layer.groups
        if of == "block":
            return layer.groups, filters // size, self.blocks
        return layer.groups, filters, self.blocks // size

    def _count(self, keys: Integers, shape: tuple[int, ...]) -> Integers:
        rows = np.ascontiguousarray(keys).reshape(int(np.prod(shape)), -1)
        found = np.zeros(len(rows), np.int64)
        count_distinct(rows, self.kinds, found)
        return found.reshape(shape)


def _zero_units(layer: ClusteredLayer, codebook: Codebook) -> NDArray[np.bool_]:
    """Units whose weights are all zero."""
    entries = codebook.entries.values
    if layer.part.settings.is_product:
        length = layer.part.settings.length or 1
        starts = np.arange(0, entries.shape[1], length)
        empty = np.logical_and.reduceat(entries[:, :, 0, 0] == 0, starts, axis=1)
        zero: NDArray[np.bool_] = empty[layer.indexes, np.arange(len(starts))[:, None, None]]
        return zero
    zero = (entries == 0).all(axis=(1, 2, 3))[layer.indexes]
    if layer.scales is not None:
        zero = zero | (layer.scales.values == 0)
    return zero if layer.offsets is None else zero & (layer.offsets.values == 0)


def spread_evenly(total: int, count: int) -> list[tuple[int, int]]:
    """Whole numbers next to their mean that add up to a total, and how often each comes."""
    few, more = divmod(total, count)
    return [(n, times) for n, times in ((few + 1, more), (few, count - more)) if times]
