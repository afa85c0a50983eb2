"""Results: what one layer, and a whole network, spends on a hardware."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from kcsim.clustering import NetworkStorage
from kcsim.conv.counts import Operations
from kcsim.hardware import Hardware
from kcsim.mapping import Mapping
from kcsim.mapping.search import SearchResult
from kcsim.model.counts import Counts
from kcsim.model.cycles import Cycles
from kcsim.model.deep_kmeans import DeepKMeansCost, total_cost
from kcsim.model.energy import EnergyItem
from kcsim.model.traffic import MacsLeft, StoredTensor, macs_left, stored_tensors
from kcsim.model.weights import WeightFormat
from kcsim.sums import exact_sum, exact_sums
from kcsim.workload import ConvLayer, Network

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Alternative", "Estimate", "LayerEstimate", "Run"]


class Alternative(NamedTuple):
    """One way to execute a layer that was tried, and what it spends.

    Attributes
    ----------
    execution : str
    decode_level : str
        The level at whose output entries are read from the codebook.
    energy_pj : float
    cycles : int
    """

    execution: str
    decode_level: str
    energy_pj: float
    cycles: int


@dataclass(frozen=True, eq=False)
class LayerEstimate:
    """What one mapped layer spends.

    Attributes
    ----------
    counts : Counts
        Words across every boundary; carries layer, hardware and mapping.
    weights : WeightFormat
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
    weights: WeightFormat
    cycles: Cycles
    items: tuple[EnergyItem, ...]
    search: SearchResult | None = None
    alternatives: tuple[Alternative, ...] = ()
    note: str = ""

    @property
    def execution(self) -> str:
        """``dense``, ``decode``, ``share_products`` or ``share_sums``."""
        return "dense" if self.weights.unit is None else "decode"

    @property
    def decode_level(self) -> str:
        """The level at whose output entries are read from the codebook; empty for dense weights."""
        levels, index = self.counts.hardware.level_names, self.weights.decode_level
        return "" if self.weights.unit is None else levels[index]

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
        """The operations in 1-bit full adders; see `kcsim.model.deep_kmeans`."""
        precision = self.counts.hardware.precision_bits
        operations = self.operations
        weights, inputs = precision.weights, precision.inputs
        length = self.layer.weights // self.layer.out_channels
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
    def energy_pj(self) -> float:
        """Total energy, in the hardware's energy unit."""
        return exact_sum(item.energy_pj for item in self.items)

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
        return stored_tensors(self.counts, self.weights)

    @property
    def rests_on_zeros(self) -> bool:
        """Whether figures are expectations from the shares of zeros."""
        spared = self.macs_left.computed < self.counts.macs
        return spared or any(stored.coding for stored in self.stored_tensors)

    @property
    def innermost_accesses(self) -> int:
        """Words that the innermost level reads and updates."""
        reads, _, updates = self.counts.accesses[-1].sum(axis=0)
        return int(reads + updates)

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component, in the order of the hardware."""
        return _by_component(self.items, self.counts.hardware)

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


@dataclass(frozen=True, eq=False)
class Run:
    """A whole network on a hardware, with dense or with clustered weights.

    Attributes
    ----------
    weights : str
        ``dense``, or the clustering.
    hardware : Hardware
    layers : tuple of LayerEstimate
        In the order of the network.
    storage : NetworkStorage or None
        What the clustered weights occupy; ``None`` for dense weights.
    deep_kmeans : tuple of DeepKMeansCost
        The metrics of the Deep k-Means paper, layer by layer.
    execution : str
        How clustered layers were to be executed; ``dense`` without any.
    """

    weights: str
    hardware: Hardware
    layers: tuple[LayerEstimate, ...]
    storage: NetworkStorage | None
    deep_kmeans: tuple[DeepKMeansCost, ...]
    execution: str = "dense"

    @cached_property
    def energy_pj(self) -> float:
        """Total energy, in the hardware's energy unit."""
        return exact_sum(layer.energy_pj for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Total cycles, one layer after the other."""
        return sum(layer.cycles.total for layer in self.layers)

    @property
    def macs(self) -> int:
        """Total multiply-accumulates of the network, whatever becomes of them."""
        return sum(layer.layer.macs for layer in self.layers)

    @property
    def operations(self) -> Operations:
        """Multiplies and adds of all layers."""
        each = [layer.operations for layer in self.layers]
        return Operations(sum(one.multiplies for one in each), sum(one.adds for one in each))

    @property
    def full_adders(self) -> int:
        """The operations in 1-bit full adders."""
        return sum(layer.full_adders for layer in self.layers)

    @property
    def lookups(self) -> int:
        """Codebook entries looked up."""
        return sum(layer.lookups for layer in self.layers)

    @property
    def seconds(self) -> float | None:
        """Time at the hardware's clock, if it names one."""
        clock = self.hardware.clock_mhz
        return None if clock is None else self.cycles / (clock * 1e6)

    @property
    def utilization(self) -> float:
        """Mean utilisation of the layers over their cycles."""
        return exact_sum(each.utilization * each.cycles.total for each in self.layers) / self.cycles

    @property
    def weight_bits(self) -> float:
        """Bits that the weights (codebooks and indexes included) occupy, biases aside."""
        if self.storage is None:
            return exact_sum(e.layer.weights * e.weights.value_bits for e in self.layers)
        biases = sum(part.biases_bits for part in self.storage.layers)
        return self.storage.total_bits - biases

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component over all layers."""
        return _by_component((i for layer in self.layers for i in layer.items), self.hardware)

    def energy_by_tensor(self) -> dict[str, float]:
        """Energy of moving each tensor over all layers; ``other`` for the rest."""
        items = [item for layer in self.layers for item in layer.items]
        energy = {"weights": 0.0, "inputs": 0.0, "outputs": 0.0}
        energy |= exact_sums((item.tensor, item.energy_pj) for item in items if item.tensor)
        return {**energy, "other": math.fsum(i.energy_pj for i in items if not i.tensor)}

    @property
    def deep_kmeans_total(self) -> DeepKMeansCost:
        """The Deep k-Means metrics of the whole network."""
        return total_cost(self.deep_kmeans)

    def mac_side_accesses_per_mac(self) -> float:
        """Accesses of the innermost level by the MAC units, per MAC."""
        return sum(layer.innermost_accesses for layer in self.layers) / self.macs


@dataclass(frozen=True, eq=False)
class Estimate:
    """A network on a hardware: dense and, if asked for, clustered beside it.

    Attributes
    ----------
    network : Network
    hardware : Hardware
    dense : Run
    clustered : Run or None
    """

    network: Network
    hardware: Hardware
    dense: Run
    clustered: Run | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The dense run and, if there is one, the clustered one."""
        return (self.dense,) if self.clustered is None else (self.dense, self.clustered)

    @property
    def energy_ratio(self) -> float | None:
        """Dense over clustered energy."""
        return None if self.clustered is None else self.dense.energy_pj / self.clustered.energy_pj

    def records(self) -> Iterator[dict[str, Any]]:
        """The energy account of every layer and run, one flat record an item."""
        for run in self.runs:
            for layer in run.layers:
                for item in layer.items:
                    yield {
                        "run": run.weights,
                        "layer": layer.layer.name,
                        "component": item.component,
                        "tensor": item.tensor,
                        "action": item.action,
                        "count": item.count,
                        "bits": item.bits,
                        "accesses": item.accesses,
                        "energy_pj": item.energy_pj,
                    }

    def to_frame(self) -> pd.DataFrame:
        """The energy account as a table.

        Returns
        -------
        pandas.DataFrame
            Columns run, layer, component, tensor, action, count, bits,
            accesses, energy_pj. Group and sum it as you like:
            ``frame.groupby(["run", "component"]).energy_pj.sum()``.
        """
        import pandas as pd

        return pd.DataFrame.from_records(list(self.records()))

    def layer_frame(self) -> pd.DataFrame:
        """One row a run and layer: MACs, energy, cycles, utilisation, weight bits."""
        import pandas as pd

        return pd.DataFrame.from_records(list(self.layer_records()))

    def layer_records(self) -> Iterator[dict[str, Any]]:
        """One flat record a run and layer."""
        for run in self.runs:
            for layer, metrics in zip(run.layers, run.deep_kmeans, strict=True):
                yield {
                    "run": run.weights,
                    "layer": layer.layer.name,
                    "macs": layer.counts.macs,
                    "energy_pj": layer.energy_pj,
                    "cycles": layer.cycles.total,
                    "bound_by": layer.cycles.bound_by,
                    "utilization": layer.utilization,
                    "lookups": layer.lookups,
                    "dkm_mac_units": metrics.mac_units,
                }

    def __str__(self) -> str:
        unit = "pJ" if self.hardware.energy_unit == "pJ" else "MACs"
        lines = [f"{self.network.name} on {self.hardware.name}: {self.dense.macs} MACs"]
        for run in self.runs:
            lines.append(
                f"  {run.weights}: {run.energy_pj:.4g} {unit}, {run.cycles} cycles, "
                f"utilisation {run.utilization:.1%}, weights {run.weight_bits / 8192:.4g} KiB"
            )
        if self.energy_ratio is not None:
            lines.append(f"  energy ratio dense / clustered: {self.energy_ratio:.3f}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table = self.layer_frame().to_html(index=False, float_format=lambda v: f"{v:.4g}")
        return f"<pre>{self}</pre>{table}"


def _by_component(items: Iterable[EnergyItem], hardware: Hardware) -> dict[str, float]:
    """Energy of each component: levels with their networks, then the MAC units, then the rest."""
    energy = exact_sums((item.component, item.energy_pj) for item in items)
    order = [place for name in hardware.level_names for place in (name, f"{name} network")]
    order = [place for place in (*order, "MAC") if place in energy]
    return {place: energy[place] for place in (*order, *sorted(energy.keys() - set(order)))}
