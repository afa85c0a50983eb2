"""What one mapped layer spends on a hardware."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kcsim.cost.weight_format import WeightFormat
from kcsim.mapping.nest import Mapping
from kcsim.model.counts import Counts
from kcsim.model.cycles import Cycles
from kcsim.model.energy import EnergyItem, energy_by_component
from kcsim.model.traffic import MacsLeft, StoredTensor, macs_left, stored_tensors
from kcsim.sums import exact_sum
from kcsim.workload.execution import Operations
from kcsim.workload.layer import ConvLayer

if TYPE_CHECKING:
    from kcsim.mapping.search import SearchResult


class Alternative(NamedTuple):
    """One way to execute a layer that was tried, and what it spends.

    Attributes
    ----------
    execution : str
    decode_level : str
        The level at whose output entries are read from the codebook.
    energy : float
    cycles : int
    """

    execution: str
    decode_level: str
    energy: float
    cycles: int


@dataclass(frozen=True, eq=False)
class LayerEstimate:
    """What one mapped layer spends.

    Attributes
    ----------
    counts : Counts
        Words across every boundary; carries layer, hardware and mapping.
    weight_format : WeightFormat
        How the weights are stored.
    cycles : Cycles
    items : tuple of EnergyItem
        The energy account.
    search : SearchResult, optional
        How the mapping was found, if the mapper has found it.
    alternatives : tuple of Alternative
        All ways to execute the layer that it was chosen from, itself included; empty where
        nothing was chosen.
    note : str
        Why the layer is not executed as it was asked for, if it is not.
    """

    counts: Counts
    weight_format: WeightFormat
    cycles: Cycles
    items: tuple[EnergyItem, ...]
    search: SearchResult | None = None
    alternatives: tuple[Alternative, ...] = ()
    note: str = ""

    @property
    def execution(self) -> str:
        """``dense``, ``decode``, ``share_products`` or ``share_sums``."""
        return "dense" if self.weight_format.unit is None else "decode"

    @property
    def decode_level(self) -> str:
        """The level at whose output entries are read from the codebook; empty for dense weights."""
        levels, index = self.counts.hardware.level_names, self.weight_format.decode_level
        return "" if self.weight_format.unit is None else levels[index]

    @property
    def operations(self) -> Operations:
        """Multiplies and adds, those with zeros included: of every output, one add less."""
        macs, decoded = self.counts.macs, 0
        adds = macs - self.layer.output_words
        for item in self.items:
            decoded += item.count if item.action == "multiply" else 0
            adds += item.count if item.action == "add" else 0
        return Operations(macs + decoded, adds)

    @property
    def full_adders(self) -> int:
        """The operations in 1-bit full adders; see `kcsim.estimation.deep_kmeans`."""
        precision = self.counts.hardware.precision_bits
        operations = self.operations
        weights, inputs = precision.weights, precision.inputs
        length = self.layer.weight_words // self.layer.out_channels
        sum_bits = weights + inputs + max(0, math.ceil(math.log2(length))) - 1
        return operations.multiplies * weights * inputs + operations.adds * sum_bits

    @property
    def layer(self) -> ConvLayer:
        """The layer."""
        return self.counts.layer

    @property
    def mapping(self) -> Mapping:
        """The mapping."""
        return self.counts.mapping

    @cached_property
    def energy(self) -> float:
        """Total energy, in the hardware's energy unit."""
        return exact_sum(item.energy for item in self.items)

    @property
    def utilization(self) -> float:
        """MACs, but for skipped ones, over what the array could do in these cycles."""
        hardware = self.counts.hardware
        return (
            (self.counts.macs - self.macs_left.skipped)
            * hardware.compute.cycles_per_mac
            / (self.cycles.total * hardware.mac_units)
        )

    @cached_property
    def macs_left(self) -> MacsLeft:
        """MACs that are computed, gated and skipped."""
        return macs_left(self.counts)

    @property
    def stored_tensors(self) -> tuple[StoredTensor, ...]:
        """How tensors are stored wherever the hardware compresses them."""
        return stored_tensors(self.counts, self.weight_format)

    @property
    def rests_on_zeros(self) -> bool:
        """Whether figures are expectations from the shares of zeros."""
        spared = self.macs_left.computed < self.counts.macs
        return spared or any(stored.coding for stored in self.stored_tensors)

    @property
    def tile_words(self) -> np.ndarray:
        """What one instance of each level holds of each tensor: int64[levels, tensors]."""
        return self.counts.tile_words

    @property
    def innermost_accesses(self) -> int:
        """Words that the innermost level reads and updates."""
        reads, _, updates = self.counts.accesses[-1].sum(axis=0)
        return int(reads + updates)

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component, in the order of the hardware."""
        return energy_by_component(self.items, self.counts.hardware)

    @property
    def lookups(self) -> int:
        """Codebook entries looked up."""
        return sum(item.count for item in self.items if item.action == "lookup")

    @property
    def assumes_lookup_rate(self) -> bool:
        """Whether a store of the codebook is taken to keep up, as the hardware gives it no rate."""
        store = self.counts.hardware.codebook
        looks_up = any(i.component == "codebook" and i.action == "lookup" for i in self.items)
        return looks_up and store is not None and store.read_words_per_cycle is None


LAYER_FIGURES: dict[str, Callable[[LayerEstimate], Any]] = {
    "layer": attrgetter("layer.name"),
    "kind": attrgetter("layer.kind"),
    "execution": attrgetter("execution"),
    "decode_level": lambda estimate: estimate.decode_level or None,
    "macs": attrgetter("layer.macs"),
    "energy": attrgetter("energy"),
    "cycles": attrgetter("cycles.total"),
    "bound_by": attrgetter("cycles.bound_by"),
    "compute_cycles": attrgetter("cycles.compute"),
    "lookup_cycles": attrgetter("cycles.lookup"),
    "assumes_lookup_rate": attrgetter("assumes_lookup_rate"),
    "utilization": attrgetter("utilization"),
    "mac_units_used": lambda estimate: int(estimate.counts.instances[-1]),
    "lookups": attrgetter("lookups"),
    "multiplies": attrgetter("operations.multiplies"),
    "adds": attrgetter("operations.adds"),
    "full_adders": attrgetter("full_adders"),
    "note": attrgetter("note"),
}
"""What a layer spends in one value each, by the names of `kcsim.fields`."""
