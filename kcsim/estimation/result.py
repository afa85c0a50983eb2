"""What a whole network spends on a hardware, in one way to run it or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kcsim.clustering.storage import NetworkStorage
from kcsim.errors import InputError, Problem, nearest
from kcsim.estimation.deep_kmeans import DeepKMeansCost, total_cost
from kcsim.estimation.frames import frame, frame_of
from kcsim.hardware.schema import Hardware
from kcsim.mapping.search import SearchResult
from kcsim.model.cycles import seconds_of
from kcsim.model.energy import EnergyItem, average_power, energy_by_component
from kcsim.model.layer_estimate import LAYER_FIGURES, LayerEstimate
from kcsim.model.operations import OperationEstimate, estimate_operations, operations_text
from kcsim.sums import exact_sum, exact_sums, quotient
from kcsim.workload.execution import Operations
from kcsim.workload.network import Network
from kcsim.workload.unmodeled import unmodeled

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A whole network on a hardware, run in one way.

    Attributes
    ----------
    name : str
        ``dense``, ``decode``, ``share_products``, ``share_sums`` or ``auto``.
    hardware : Hardware
    layers : tuple of LayerEstimate
        In the order of the network.
    deep_kmeans : tuple of DeepKMeansCost
        The metrics of the Deep k-Means paper, layer by layer.
    clustering : str or None
        How the weights are clustered; ``None`` for dense ones.
    storage : NetworkStorage or None
        What the clustered weights occupy; ``None`` for dense ones.
    accuracy : float or None
        Share of test images that are classified right, where measured.
    """

    name: str
    hardware: Hardware
    layers: tuple[LayerEstimate, ...]
    deep_kmeans: tuple[DeepKMeansCost, ...]
    clustering: str | None = None
    storage: NetworkStorage | None = None
    accuracy: float | None = None

    @cached_property
    def energy(self) -> float:
        """Total energy, in the hardware's energy unit."""
        return exact_sum(layer.energy for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Total cycles, one layer after the other."""
        return sum(layer.cycles.total for layer in self.layers)

    @property
    def edp(self) -> float:
        """Energy times cycles."""
        return self.energy * self.cycles

    @property
    def macs(self) -> int:
        """Total multiply-accumulates of the network, whatever becomes of them."""
        return sum(layer.layer.macs for layer in self.layers)

    @property
    def energy_per_mac(self) -> float:
        """Energy over MACs."""
        return self.energy / self.macs

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
        return seconds_of(self.cycles, self.hardware)

    @property
    def average_power(self) -> float | None:
        """Energy over time [W], if the hardware names its clock and gives energies in pJ."""
        return average_power(self.energy, self.seconds, self.hardware)

    @property
    def utilization(self) -> float:
        """Mean utilization of the layers over their cycles."""
        return exact_sum(each.utilization * each.cycles.total for each in self.layers) / self.cycles

    @property
    def weights_bits(self) -> float:
        """Bits that the weights (codebooks and indexes included) occupy, biases aside."""
        if self.storage is None:
            return exact_sum(
                e.layer.trained_words * e.weight_format.value_bits for e in self.layers
            )
        return self.storage.weights_bits

    @property
    def items(self) -> Iterator[EnergyItem]:
        """The energy account of all layers."""
        return (item for layer in self.layers for item in layer.items)

    @property
    def searches(self) -> list[SearchResult]:
        """How the mappings of the layers were found, if they were searched for."""
        return [layer.search for layer in self.layers if layer.search]

    def energy_by_component(self) -> dict[str, float]:
        """Energy of each component over all layers, in the order of the hardware."""
        return energy_by_component(self.items, self.hardware)

    def energy_by_tensor(self) -> dict[str, float]:
        """Energy of moving each tensor over all layers; ``other`` for the rest."""
        energy = {"weights": 0.0, "inputs": 0.0, "outputs": 0.0}
        energy |= exact_sums((item.tensor, item.energy) for item in self.items if item.tensor)
        return {**energy, "other": exact_sum(i.energy for i in self.items if not i.tensor)}

    @cached_property
    def deep_kmeans_total(self) -> DeepKMeansCost:
        """The Deep k-Means metrics of the whole network."""
        return total_cost(self.deep_kmeans)

    @property
    def innermost_accesses_per_mac(self) -> float:
        """Words that the MAC units read and write at the innermost level, per MAC."""
        return sum(layer.innermost_accesses for layer in self.layers) / self.macs

    @property
    def outermost_bits_per_mac(self) -> float:
        """Traffic of the outermost level, per MAC."""
        outermost = self.hardware.levels[0].name
        bits = exact_sum(item.bits for item in self.items if item.component == outermost)
        return bits / self.macs


RUN_FIGURES: dict[str, Callable[[Run], Any]] = {
    "run": attrgetter("name"),
    "clustering": attrgetter("clustering"),
    "energy": attrgetter("energy"),
    "energy_unit": attrgetter("hardware.energy_unit"),
    "cycles": attrgetter("cycles"),
    "edp": attrgetter("edp"),
    "weights_bits": attrgetter("weights_bits"),
    "accuracy": attrgetter("accuracy"),
    "utilization": attrgetter("utilization"),
    "macs": attrgetter("macs"),
    "multiplies": attrgetter("operations.multiplies"),
    "adds": attrgetter("operations.adds"),
    "full_adders": attrgetter("full_adders"),
    "lookups": attrgetter("lookups"),
    "computational_full_adders": attrgetter("deep_kmeans_total.computational_full_adders"),
    "weight_bit_uses": attrgetter("deep_kmeans_total.weight_bit_uses"),
    "activation_bit_uses": attrgetter("deep_kmeans_total.activation_bit_uses"),
    "deep_kmeans_mac_units": attrgetter("deep_kmeans_total.mac_units"),
    "innermost_accesses_per_mac": attrgetter("innermost_accesses_per_mac"),
    "outermost_bits_per_mac": attrgetter("outermost_bits_per_mac"),
    "energy_per_mac": attrgetter("energy_per_mac"),
    "seconds": attrgetter("seconds"),
    "average_power": attrgetter("average_power"),
}
"""What a network spends in one value each, by the names of `kcsim.fields`."""

COMPARED = ("energy", "cycles", "edp", "weights_bits", "multiplies", "adds", "full_adders")
"""Figures of which the first run is put over each."""

_LAYER_KEYS: dict[str, Callable[[LayerEstimate], str]] = {
    key: LAYER_FIGURES[key] for key in ("layer", "kind", "execution")
}
_ITEM_KEYS = ("component", "tensor", "action")


@dataclass(frozen=True, eq=False)
class Result:
    """A network on a hardware, in every way that it was run.

    Attributes
    ----------
    network, hardware : Network, Hardware
    runs : mapping of str to Run
        By name; ``dense`` first, with which the others are compared.
    objective : {"edp", "energy", "cycles"}
        What mappings minimize, and what ``auto`` chose by.

    Examples
    --------
    >>> import kcsim
    >>> result = kcsim.estimate("eyeriss", "lenet5", "kernel:k=16")
    >>> result["decode"].cycles
    365600
    >>> result.energy(by=["layer", "tensor"]).columns.tolist()
    ['run', 'layer', 'tensor', 'energy', 'energy_unit']
    """

    network: Network
    hardware: Hardware
    runs: Mapping[str, Run]
    objective: str = "edp"

    def __getitem__(self, run: str) -> Run:
        if run not in self.runs:
            names = ", ".join(self.runs)
            raise InputError(Problem(f"there is no run '{run}'", names, nearest(run, self.runs)))
        return self.runs[run]

    @property
    def dense(self) -> Run:
        """The run with dense weights."""
        return self["dense"]

    @property
    def clustering(self) -> str | None:
        """How the weights of all runs but the dense one are clustered."""
        return next((run.clustering for run in self.runs.values() if run.clustering), None)

    @cached_property
    def operations(self) -> tuple[OperationEstimate, ...]:
        """Additions, concatenations and poolings, beside the layers and the same for all runs."""
        return estimate_operations(self.network, self.hardware)

    def energy(self, by: str | Sequence[str] = ()) -> pd.DataFrame:
        """Energy of every run, or of its parts.

        Parameters
        ----------
        by : str or sequence of str
            What to tell apart: ``layer``, ``kind``, ``execution`` (of a layer), ``component``,
            ``tensor``, ``action``. Runs always are.

        Returns
        -------
        pandas.DataFrame
            Columns run, those of `by`, energy, energy_unit. Sums are exact, rounded once.

        Raises
        ------
        InputError
            If `by` names anything else.
        """
        keys, groups = self._grouped(by)
        unit = self.hardware.energy_unit
        rows = [
            (*key, exact_sum(item.energy for item in items), unit) for key, items in groups.items()
        ]
        return frame(rows, (*keys, "energy", "energy_unit"))

    def counts(self, by: str | Sequence[str] = ()) -> pd.DataFrame:
        """What every run does, how often: words moved, MACs, lookups, operations, cycles.

        Parameters
        ----------
        by : str or sequence of str
            As for `energy`. Runs and actions are always told apart.

        Returns
        -------
        pandas.DataFrame
            Columns run, those of `by`, action, count, bits, accesses.

        Raises
        ------
        InputError
            If `by` names anything else.
        """
        names = [by] if isinstance(by, str) else list(by)
        keys, groups = self._grouped([*(name for name in names if name != "action"), "action"])
        rows = [
            (
                *key,
                sum(item.count for item in items),
                exact_sum(item.bits for item in items),
                sum(item.accesses for item in items),
            )
            for key, items in groups.items()
        ]
        return frame(rows, (*keys, "count", "bits", "accesses"))

    def layers(self) -> pd.DataFrame:
        """One row a run and layer; `kcsim.fields` says what the columns are."""
        return frame_of(self.layer_rows())

    def summary(self) -> pd.DataFrame:
        """One row a run; ``<field>_ratio`` is what the first run has over it."""
        return frame_of(self.summary_rows())

    def layer_rows(self) -> list[Row]:
        """The rows of `layers`, by column."""
        unit, rows = self.hardware.energy_unit, []
        for run in self.runs.values():
            for layer, cost in zip(run.layers, run.deep_kmeans, strict=True):
                row: Row = {"run": run.name}
                for name, figure in LAYER_FIGURES.items():
                    row[name] = figure(layer)
                    if name == "energy":
                        row["energy_unit"] = unit
                row["proved"] = None if layer.search is None else layer.search.proved
                row["deep_kmeans_mac_units"] = cost.mac_units
                rows.append(row)
        return rows

    def summary_rows(self) -> list[Row]:
        """The rows of `summary`, by column."""
        first, rows = next(iter(self.runs.values())), []
        for run in self.runs.values():
            row: Row = {}
            for name, figure in RUN_FIGURES.items():
                row[name] = figure(run)
                if name in COMPARED:
                    row[f"{name}_ratio"] = quotient(figure(first), row[name])
            rows.append(row)
        return rows

    def _grouped(
        self, by: str | Sequence[str]
    ) -> tuple[tuple[str, ...], dict[tuple[str, ...], list[EnergyItem]]]:
        """The items of the energy account of every run and whatever else is told apart."""
        names = [name for name in ([by] if isinstance(by, str) else by) if name != "run"]
        known = (*_LAYER_KEYS, *_ITEM_KEYS)
        problems = [
            Problem(f"cannot tell apart by '{name}'", ", ".join(known), nearest(name, known))
            for name in names
            if name not in known
        ]
        if problems:
            raise InputError(problems)
        groups: dict[tuple[str, ...], list[EnergyItem]] = {}
        for run in self.runs.values():
            for layer in run.layers:
                of_layer = {n: get(layer) for n, get in _LAYER_KEYS.items() if n in names}
                for item in layer.items:
                    key = tuple(
                        of_layer[name] if name in of_layer else getattr(item, name)
                        for name in names
                    )
                    groups.setdefault((run.name, *key), []).append(item)
        order = [dict.fromkeys(values) for values in zip(*groups, strict=True)]
        if "component" in names:
            # As the hardware has them, and not as the account comes upon them.
            everything = [item for run in self.runs.values() for item in run.items]
            found = energy_by_component(everything, self.hardware)
            order[1 + names.index("component")] = dict.fromkeys(found)
        ranks = [{name: i for i, name in enumerate(each)} for each in order]

        def rank(key: tuple[str, ...]) -> list[int]:
            return [each[name] for each, name in zip(ranks, key, strict=True)]

        return ("run", *names), {key: groups[key] for key in sorted(groups, key=rank)}

    def __str__(self) -> str:
        lines = [f"{self.network.name} on {self.hardware.name}: {self.network.macs} MACs"]
        unit = self.hardware.energy_unit.replace("MAC", "MACs")
        for run, row in zip(self.runs.values(), self.summary_rows(), strict=True):
            of = f" ({run.clustering})" if run.clustering else ""
            ratio = row["energy_ratio"] if of else None
            beside = f", energy ratio {ratio:.3f}" if ratio else ""
            lines.append(
                f"  {run.name}{of}: {run.energy:.4g} {unit}, {run.cycles} cycles, utilization "
                f"{run.utilization:.1%}, weights {run.weights_bits / 8192:.4g} KiB{beside}"
                + (f", accuracy {run.accuracy:.2%}" if run.accuracy is not None else "")
            )
        if self.operations:
            lines.append(f"  beside them {operations_text(self.operations, unit)}")
        if left := unmodeled(self.network):
            kinds = ", ".join(f"{each.operations} {each.kind}" for each in left[:-1])
            lines.append(f"  not modeled: {kinds} ({left[-1].bytes_share:.1%} of the bytes)")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self.layers().to_html(index=False, float_format="{:.4g}".format)
        return f"<pre>{self}</pre>{table}"
