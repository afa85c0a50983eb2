"""What a whole network spends on a hardware."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kcsim.clustering.storage import NetworkStorage
from kcsim.conv.operations import Operations
from kcsim.estimation.deep_kmeans import DeepKMeansCost, total_cost
from kcsim.hardware.schema import Hardware
from kcsim.model.energy import energy_by_component
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.sums import exact_sum, exact_sums
from kcsim.workload.network import Network

if TYPE_CHECKING:
    import pandas as pd


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
        return energy_by_component((i for layer in self.layers for i in layer.items), self.hardware)

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
