"""The units of one layer as data: indexes, what belongs to each unit, and the codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.positions import COUNT_BITS, padding_entries
from kcsim.clustering.precision import StoredValues, read_only
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.units import join_units, transformed

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Codebook:
    """The entries that units are replaced by.

    Attributes
    ----------
    name : str
        Equal to `LayerClustering.codebook` of every layer that uses it.
    entries : StoredValues
        Shape (K, channels, rows, columns). Where units span several filters, the channels of
        each follow each other. Several codebooks of a layer lie behind each other along the
        channels: in product quantization those of the sub-spaces, the last of which may have
        fewer channels; else first by stage, then in the order of
        `LayerClustering.codebook_numbers`.
    """

    name: str
    entries: StoredValues

    @property
    def clusters(self) -> int:
        """Entries K."""
        return len(self.entries.codes)

    def tables(self, part: LayerClustering) -> Floats:
        """The codebooks of a layer that is not in product quantization, one by one.

        Returns
        -------
        float32[K, stages * codebooks, channels of a unit, rows, columns]
        """
        values = self.entries.values
        return values.reshape(len(values), part.settings.stages * part.subspaces, -1,
                              *values.shape[2:])  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outliers:
    """Weights of a layer that are kept exactly.

    Attributes
    ----------
    positions : int64[n]
        Places in the flat weights (M, C, R, S), ascending.
    values : float32[n]
    """

    positions: NDArray[np.int64]
    values: Floats

    def __post_init__(self) -> None:
        for name in ("positions", "values"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


@dataclass(frozen=True, eq=False)
class ClusteredLayer:
    """The units of one layer.

    The arrays have the shape of the units, (M/filters, C/channels, R/rows, S/columns), and are
    read-only.

    Attributes
    ----------
    part : LayerClustering
        The layer, its settings and its unit.
    indexes : int32 array
        Entry of each unit; of several stages, these are the first axis. Where
        `Clustering.positions` leave zero units out, entry 0 is zero, and these have that index.
    transforms : uint8 array or None
        How the entry is turned (`kcsim.clustering.units.transformed`).
    scales, offsets : StoredValues or None
        What the entry is multiplied by, and what is then added.
    mean_squared_error : float or None
        Of the decoded weights against those that were clustered, where they are known.
    variance_kept : float or None
        1 less the squared error over the squared distance of those weights from their mean; 1
        where they are all equal.
    filter_scales : StoredValues or None
        What the weights of each filter are multiplied by; shape (M,).
    outliers : Outliers or None
        What then takes the place of single weights.
    """

    part: LayerClustering
    indexes: NDArray[np.int32]
    transforms: NDArray[np.uint8] | None = None
    scales: StoredValues | None = None
    offsets: StoredValues | None = None
    mean_squared_error: float | None = None
    variance_kept: float | None = None
    filter_scales: StoredValues | None = None
    outliers: Outliers | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes", read_only(self.indexes))
        if self.transforms is not None:
            object.__setattr__(self, "transforms", read_only(self.transforms))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many units each of the K entries has; shape (K,)."""
        return read_only(np.bincount(self.indexes.ravel(), minlength=self.part.clusters))

    @cached_property
    def stored_counts(self) -> NDArray[np.int64]:
        """How many stored indexes each entry has: zero units may have none; shape (K,)."""
        counts, settings = self.counts, self.part.settings
        if settings.positions == "all":
            return counts
        padding = 0
        if settings.positions == "relative":
            padding = padding_entries(self.indexes == 0, settings.position_bits)
        return read_only(np.concatenate([[padding], counts[1:]]))

    @property
    def positions_bits(self) -> int:
        """Size of what says where indexes are [bit]."""
        settings = self.part.settings
        if settings.positions == "relative":
            return int(self.stored_counts.sum()) * settings.position_bits + COUNT_BITS
        return self.part.units if settings.positions == "bitmask" else 0

    @property
    def used_entries(self) -> int:
        """Entries that the layer uses, those of every sub-space and stage counted apart."""
        return int(_distinct(self._entries_used.reshape(1, -1))[0])

    @property
    def distinct_per_channel(self) -> NDArray[np.int64]:
        """Distinct entries U_c that the filters have for each input channel.

        A transformed entry counts as an entry of its own, and so does each sum of entries.

        Returns
        -------
        int64[channel blocks of all groups]
            Sub-vectors span several channels, which count as one block.
        """
        groups = self.part.layer.groups
        keys = self._keys
        filters, blocks, *rest = keys.shape
        keys = keys.reshape(groups, filters // groups, blocks, *rest)
        return _distinct(keys.swapaxes(1, 2).reshape(groups * blocks, -1))

    @property
    def distinct_per_filter(self) -> NDArray[np.int64]:
        """Distinct entries V_m that each filter, or block of filters, has; int64[M/filters]."""
        return _distinct(self._keys.reshape(len(self._keys), -1))

    @property
    def _entries_used(self) -> NDArray[np.int64]:
        """A number for each entry; entries of different sub-spaces have different numbers."""
        keys = self.indexes.astype(np.int64)
        if self.part.settings.is_product:
            keys += self.part.clusters * np.arange(keys.shape[1])[:, None, None]
        elif self.part.subspaces > 1:
            keys += self.part.clusters * self.part.codebook_numbers[:, :, None, None]
        stages = self.part.settings.stages
        if stages > 1:
            spread = self.part.clusters * self.part.subspaces
            keys += spread * np.arange(stages)[:, None, None, None, None]
        return keys

    @property
    def _keys(self) -> NDArray[np.int64]:
        """As `_entries_used`, with different numbers for different transforms or sums."""
        keys = self._entries_used
        if self.part.settings.stages > 1:
            combined: NDArray[np.int64] = keys[0]
            for stage in keys[1:]:
                numbers = np.unique(combined, return_inverse=True)[1].reshape(stage.shape)
                combined = numbers * (int(stage.max()) + 1) + stage
            return combined
        if self.transforms is None:
            return keys
        return keys * self.part.settings.transforms + self.transforms

    def decode(self, codebook: Codebook) -> Floats:
        """The weights, offset + scale * transform(entry), or the sum of an entry of each stage.

        They are then multiplied by the filter's scale, and outliers take their places.

        Parameters
        ----------
        codebook : Codebook
            That of the layer.

        Returns
        -------
        float32[M, C, R, S]
        """
        if self.part.settings.is_product:
            weights = self._decode_subspaces(codebook.entries.values)
        else:
            weights = self._decode_units(codebook)
        if self.filter_scales is not None:
            weights = weights * self.filter_scales.values[:, None, None, None]
        if self.outliers is not None:
            weights = np.array(weights, np.float32, order="C")
            weights.ravel()[self.outliers.positions] = self.outliers.values
        return weights

    def _decode_units(self, codebook: Codebook) -> Floats:
        unit, settings = self.part.unit, self.part.settings
        assert unit is not None
        tables = codebook.tables(self.part)
        numbers = self.part.codebook_numbers[:, :, None, None]
        if self.transforms is not None:
            kinds = range(settings.transforms)
            turned = np.stack([transformed(tables, kind) for kind in kinds])
            units = turned[self.transforms, self.indexes, numbers]
        elif settings.stages > 1:
            units = tables[self.indexes[0], numbers]
            for stage in range(1, settings.stages):
                units = units + tables[self.indexes[stage], numbers + stage * self.part.subspaces]
        else:
            units = tables[self.indexes, numbers]
        if self.scales is not None:
            units = units * self.scales.values[..., None, None, None]
        if self.offsets is not None:
            units = units + self.offsets.values[..., None, None, None]
        return join_units(units, unit.filters)

    def _decode_subspaces(self, entries: Floats) -> Floats:
        length = self.part.settings.length or 1
        channels = np.arange(entries.shape[1])
        indexes = self.indexes[:, channels // length]
        weights: Floats = entries[indexes, channels[:, None, None], 0, 0]
        return weights


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of distinct values in each row."""
    ordered = np.sort(rows, axis=1)
    distinct: NDArray[np.int64] = 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1)
    return distinct
