"""Estimates: what one layer, and a whole network, spends on a hardware."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kcsim.clustering import Clustering, NetworkStorage, network_storage, parse_clustering
from kcsim.errors import InputError, MappingError
from kcsim.hardware import Hardware, load_hardware
from kcsim.mapping import Mapping
from kcsim.mapping.search import find_mapping
from kcsim.model.counts import Counts, count_layer
from kcsim.model.cycles import Cycles, count_cycles
from kcsim.model.deep_kmeans import DeepKMeansCost, DeepKMeansRules, network_cost, total_cost
from kcsim.model.energy import EnergyItem, energy_items
from kcsim.model.weights import WeightFormat, weight_formats
from kcsim.workload import ConvLayer, Network, load_network

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimate", "LayerEstimate", "Run", "estimate", "evaluate"]


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
    """

    counts: Counts
    weights: WeightFormat
    cycles: Cycles
    items: tuple[EnergyItem, ...]

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
        return sum(item.energy_pj for item in self.items)

    @property
    def utilization(self) -> float:
        """MACs over what the array could do in these cycles."""
        hardware = self.counts.hardware
        return (
            self.counts.macs
            * hardware.compute.cycles_per_mac
            / (self.cycles.total * hardware.mac_units)
        )

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component, in the order of the hardware."""
        return _by_component(self.items, self.counts.hardware)

    @property
    def lookups(self) -> int:
        """Codebook entries looked up."""
        return sum(item.count for item in self.items if item.action == "lookup")


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
    """

    weights: str
    hardware: Hardware
    layers: tuple[LayerEstimate, ...]
    storage: NetworkStorage | None
    deep_kmeans: tuple[DeepKMeansCost, ...]

    @cached_property
    def energy_pj(self) -> float:
        """Total energy, in the hardware's energy unit."""
        return sum(layer.energy_pj for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Total cycles, one layer after the other."""
        return sum(layer.cycles.total for layer in self.layers)

    @property
    def macs(self) -> int:
        """Total multiply-accumulates."""
        return sum(layer.counts.macs for layer in self.layers)

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
        """MACs over what the array could do in these cycles."""
        return (
            self.macs
            * self.hardware.compute.cycles_per_mac
            / (self.cycles * self.hardware.mac_units)
        )

    @property
    def weight_bits(self) -> float:
        """Bits that the weights (codebooks and indexes included) occupy, biases aside."""
        if self.storage is None:
            return sum(e.layer.weights * e.weights.value_bits for e in self.layers)
        biases = sum(part.biases_bits for part in self.storage.layers)
        return self.storage.total_bits - biases

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component over all layers."""
        return _by_component((i for layer in self.layers for i in layer.items), self.hardware)

    def energy_by_tensor(self) -> dict[str, float]:
        """Energy of moving each tensor over all layers; ``other`` for the rest."""
        energy = {"weights": 0.0, "inputs": 0.0, "outputs": 0.0, "other": 0.0}
        for layer in self.layers:
            for item in layer.items:
                energy[item.tensor or "other"] += item.energy_pj
        return energy

    @property
    def deep_kmeans_total(self) -> DeepKMeansCost:
        """The Deep k-Means metrics of the whole network."""
        return total_cost(self.deep_kmeans)

    def mac_side_accesses_per_mac(self) -> float:
        """Accesses of the innermost level by the MAC units, per MAC."""
        innermost = self.hardware.levels[-1].name
        accesses = sum(
            layer.counts.words(innermost, tensor, action)
            for layer in self.layers
            for tensor in ("weights", "inputs", "outputs")
            for action in ("reads", "updates")
        )
        return accesses / self.macs


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
    energy: dict[str, float] = {}
    for item in items:
        energy[item.component] = energy.get(item.component, 0.0) + item.energy_pj
    order = [place for name in hardware.level_names for place in (name, f"{name} network")]
    order = [place for place in (*order, "MAC") if place in energy]
    return {place: energy[place] for place in (*order, *sorted(energy.keys() - set(order)))}


def evaluate(
    layer: ConvLayer, hardware: Hardware, mapping: Mapping, weights: WeightFormat | None = None
) -> LayerEstimate:
    """Estimate one layer under a given mapping.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    mapping : Mapping
    weights : WeightFormat, optional
        How the weights are stored; dense when absent.

    Raises
    ------
    MappingError
        If the mapping does not cover the layer or does not fit.
    """
    weights = weights or WeightFormat(hardware.precision_bits.weights)
    counts = count_layer(layer, hardware, mapping, weights)
    cycles = count_cycles(counts, weights)
    return LayerEstimate(counts, weights, cycles, energy_items(counts, weights, cycles))


def estimate(
    hardware: Hardware | str | os.PathLike[str],
    network: Network | str | os.PathLike[str],
    clustering: Clustering | str | None = None,
    *,
    batch: int | None = None,
    objective: str = "edp",
    rules: DeepKMeansRules | None = None,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Estimate:
    """Estimate a network, dense and (if a clustering is given) clustered.

    Parameters
    ----------
    hardware : Hardware, str or path
        A hardware, the bare name of a shipped one, or a file.
    network : Network, str or path
        A network, the name of a known one, or a file.
    clustering : Clustering or str, optional
        As ``kernel:k=256,scope=network``.
    batch : int, optional
        Images at once; as the network says when absent.
    objective : {"edp", "energy", "cycles"}
        What the mapping of each layer minimises.
    rules : DeepKMeansRules, optional
        How the Deep k-Means metrics count; the hardware's precision and the
        paper's choices when absent.
    progress : callable, optional
        Called with the number of mapped layers and of all to map.
    seed : int
        Of the mapping search; equal seeds give equal results.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If an input is wrong; carries everything that is.

    Examples
    --------
    >>> import kcsim
    >>> result = kcsim.estimate("eyeriss", "lenet5", "kernel:k=16")
    >>> result.dense.macs
    2293000
    """
    hardware = load_hardware(hardware)
    network = load_network(network)
    if batch is not None:
        network = network.with_batch(batch)
    if isinstance(clustering, str):
        clustering = parse_clustering(clustering)
    choices: list[Clustering | None] = [None] if clustering is None else [None, clustering]
    layers = tuple(network)
    formats = [weight_formats(layers, hardware, choice) for choice in choices]
    mappings = _map_all(layers, hardware, formats, objective, seed, progress)
    precision = hardware.precision_bits
    rules = rules or DeepKMeansRules(precision.weights, precision.inputs)
    runs = []
    for choice, weights in zip(choices, formats, strict=True):
        estimates = tuple(
            _best(layer, hardware, mappings[layer.shape_key], form, objective)
            for layer, form in zip(layers, weights, strict=True)
        )
        storage = network_storage(layers, choice, weight_bits=precision.weights) if choice else None
        name = str(choice) if choice else "dense"
        costs = network_cost(layers, choice, rules)
        runs.append(Run(name, hardware, estimates, storage, costs))
    return Estimate(network, hardware, *runs)


def _best(
    layer: ConvLayer,
    hardware: Hardware,
    mappings: Sequence[Mapping],
    weights: WeightFormat,
    objective: str,
) -> LayerEstimate:
    """The best of the mappings that were found for a layer.

    What was found for dense weights may also serve clustered ones, and the
    other way round, so that neither is the worse for a search that went astray.
    """
    found, problem = [], None
    for mapping in mappings:
        try:
            found.append(evaluate(layer, hardware, mapping, weights))
        except MappingError as error:
            problem = error
    if problem is not None and not found:
        raise problem
    cost = {
        "energy": lambda e: e.energy_pj,
        "cycles": lambda e: (e.cycles.total, e.energy_pj),
        "edp": lambda e: e.energy_pj * e.cycles.total,
    }[objective]
    return min(found, key=cost)


def _map_all(
    layers: Sequence[ConvLayer],
    hardware: Hardware,
    formats: Sequence[Sequence[WeightFormat]],
    objective: str,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> dict[Any, list[Mapping]]:
    """Map every distinct layer once for each format of its weights, on all cores.

    Returns the mappings found for each shape.
    """
    count = len(hardware.levels)
    tasks = {
        (layer.shape_key, form.level_bits(count)): layer
        for forms in formats
        for layer, form in zip(layers, forms, strict=True)
    }
    if not tasks:
        raise InputError("the network has no layers")

    def solve(task: tuple[tuple[Any, tuple[float, ...]], ConvLayer]) -> Mapping:
        (_, bits), layer = task
        return find_mapping(layer, hardware, objective=objective, weight_bits=bits, seed=seed)

    found: dict[Any, list[Mapping]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (key, mapping) in enumerate(
            zip(tasks, pool.map(solve, tasks.items()), strict=True), start=1
        ):
            found.setdefault(key[0], []).append(mapping)
            if progress:
                progress(done, len(tasks))
    return found
