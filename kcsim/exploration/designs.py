"""From the inputs of a point to what is estimated, and to the rows of its results."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import kcsim
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.cost.clustered_formats import clustered_zeros, weight_formats
from kcsim.errors import InputError, MappingError
from kcsim.estimation.estimate import run_clustered
from kcsim.estimation.executions import decoder_places
from kcsim.estimation.plan import NetworkPlan, plan_network
from kcsim.estimation.result import RUN_FIGURES, Run
from kcsim.exploration.columns import ENERGY_OF, TRAFFIC
from kcsim.exploration.problems import SharingMapper, lower_bound
from kcsim.hardware.areas import chip_area_mm2
from kcsim.hardware.schema import Hardware
from kcsim.hardware.variants import Setting, hardware_data, variant
from kcsim.mapping.as_mapped import relaxed, relaxed_weights, sizes_of
from kcsim.mapping.cache import state_of
from kcsim.mapping.fixed import FixedMapping, Fixes
from kcsim.mapping.fixed_reader import read_fixes
from kcsim.mapping.layers import MappingTask
from kcsim.model.layer_estimate import LAYER_FIGURES
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_reader import load_clustered
from kcsim.workload.network import Network
from kcsim.workload.precision_reader import network_with_precision
from kcsim.workload.reader import load_network
from kcsim.workload.zeros_reader import network_with_zeros

Row = dict[str, Any]
_ID_LENGTH = 16
BOUND = "lower_bound"
_KEPT = 256
_DECIDING = (
    "kernels", "workload", "clustering", "weights", "hardware", "cost", "mapping", "model",
    "sharing", "estimation",
)  # fmt: skip
"""Folders of the package whose sources decide on results."""


@dataclass(frozen=True)
class Request:
    """All that a point depends on, in plain types: what engines send to where it is evaluated.

    Attributes
    ----------
    point : str
        Its name in tables.
    hardware : dict
        What the hardware file holds.
    settings : tuple of (str, value)
        What the point changes in it.
    larger : tuple of tuple
        Settings of the designs from which optima are taken over, the next larger first.
    network : str
    batch : int, optional
    clustering, weights : str, optional
    execution : str
    decode_level : str, optional
    objective : str
    time_limit : float, optional
    zeros, precision : str, optional
    even, imperfect : bool
    fix : str, optional
    bound_of : tuple of tuple
        Settings of several designs, of which a lower bound is asked in place of results.
    """

    point: str
    hardware: dict[str, Any]
    settings: tuple[Setting, ...]
    larger: tuple[tuple[Setting, ...], ...]
    network: str
    batch: int | None
    clustering: str | None
    weights: str | None
    execution: str
    decode_level: str | None
    objective: str
    time_limit: float | None
    zeros: str | None = None
    precision: str | None = None
    even: bool = False
    imperfect: bool = False
    fix: str | None = None
    bound_of: tuple[tuple[Setting, ...], ...] = ()

    @property
    def workload(self) -> tuple[str, int | None, str | None, str | None]:
        """What makes its network; see `known_network`."""
        return self.network, self.batch, self.zeros, self.precision


def hash_of(*parts: object) -> str:
    """A name for something that is shown in full."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_ID_LENGTH]


def hardware_hash(hardware: Hardware) -> str:
    """A name for a hardware, whatever describes it."""
    return hash_of(replace(hardware, description="", provenance={}))


@functools.lru_cache(_KEPT)
def known_network(
    network: str, batch: int | None, zeros: str | None = None, precision: str | None = None
) -> Network:
    """A network with so many images at once, shares of zeros, and widths of values."""
    found = load_network(network)
    found = found if batch is None else found.with_batch(batch)
    found = found if zeros is None else network_with_zeros(found, zeros)
    return found if precision is None else network_with_precision(found, precision)


@functools.lru_cache(_KEPT)
def known_fixes(path: str | None, *workload: Any) -> Fixes | None:
    """What is fixed of the mappings of a network; see `known_network`."""
    return read_fixes(path, known_network(*workload))


@functools.lru_cache(_KEPT)
def known_weights(path: str) -> ClusteredWeights:
    """Clustered weights of a file."""
    return load_clustered(path)


def measured_accuracy(row: Row, others: Sequence[str]) -> float | None:
    """What files of weights say of a point: its own, or others of that network, of dense weights.

    ``None`` where none does, or they contradict each other.
    """
    own, network = row["weights"], known_network(row["network"], row["batch"])
    measured = set()
    for path in [own] if own else others:
        found = known_weights(absolute(path))
        if found.accuracy is None or len(found.network) > len(network):
            continue
        if own or found.network.name == network.name:
            measured.add(found.accuracy.final if own else found.accuracy.dense)
    return measured.pop() if len(measured) == 1 else None


@functools.lru_cache(_KEPT)
def known_clustering(text: str) -> Clustering:
    """The clustering of a specification."""
    return parse_clustering(text, "clusterings")


@functools.lru_cache(_KEPT)
def known_data(path: str) -> dict[str, Any]:
    """What a hardware file holds."""
    return hardware_data(path)


def known_variant(data: dict[str, Any], settings: Sequence[Setting]) -> Hardware:
    """A hardware with some values changed."""
    return _variant_of(json.dumps([data, list(settings)]))


@functools.lru_cache(_KEPT)
def _variant_of(text: str) -> Hardware:
    data, settings = json.loads(text)
    return variant(data, settings_tuple(settings))


@dataclass(frozen=True)
class _Designs(Sequence[Hardware]):
    """Hardware designs that are made when they are looked at."""

    data: dict[str, Any]
    settings: tuple[tuple[Setting, ...], ...]

    def __len__(self) -> int:
        return len(self.settings)

    def __getitem__(self, index: Any) -> Any:
        return known_variant(self.data, self.settings[index])


@functools.lru_cache(_KEPT)
def network_hash(*workload: Any) -> str:
    """A name for the layers of a network; see `known_network`."""
    return hash_of(known_network(*workload).layers)


@functools.lru_cache(_KEPT)
def file_hash(path: str) -> str:
    """A name for what a file holds."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:_ID_LENGTH]
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from None


def point_name(request: Request, hashed: str) -> str:
    """The name of a point: a hash of all that its results depend on.

    Parameters
    ----------
    request : Request
    hashed : str
        The `hardware_hash`.
    """
    stored = file_hash(request.weights) if request.weights else None
    layers, fixes = network_hash(*request.workload), known_fixes(request.fix, *request.workload)
    fixed = {"": fixes} if isinstance(fixes, FixedMapping) else fixes or {}
    return hash_of(
        hashed, layers, request.even, request.imperfect,
        {name: each.levels for name, each in fixed.items()},
        request.clustering, stored, request.execution,
        request.decode_level, request.objective, request.time_limit, kcsim.__version__,
        state_of(_DECIDING),
    )  # fmt: skip


def planned(request: Request, hardware: Hardware) -> NetworkPlan:
    """What is to be estimated, checked."""
    clustering = known_clustering(request.clustering) if request.clustering else None
    weights = known_weights(request.weights) if request.weights else None
    return plan_network(hardware, known_network(*request.workload), clustering, weights)


def places_of(request: Request, hardware: Hardware) -> tuple[Hardware, ...]:
    """The places of the decoder that are tried, as hardware."""
    return decoder_places(request.execution, request.decode_level, hardware)


def mapping_tasks(plan: NetworkPlan, hardware: Hardware) -> list[MappingTask]:
    """The layers that are mapped on a hardware, with the forms of their weights."""
    layers = plan.layers
    if plan.clustering is not None:
        layers = clustered_zeros(layers, plan.clustering)
    forms = weight_formats(layers, hardware, plan.clustering)
    costs = [form.costs(hardware) for form in forms] if plan.clustering else None
    if costs is None:
        return [MappingTask(layer) for layer in layers]
    return [MappingTask(*pair) for pair in zip(layers, costs, strict=True)]


def evaluate(request: Request, mapper: SharingMapper) -> tuple[Row, list[Row]]:
    """The results of a point: its row, and one for each layer.

    Parameters
    ----------
    request : Request
    mapper : SharingMapper

    Returns
    -------
    row : dict
        Where something does not fit, with the reason as ``error`` and no figures.
    layers : list of dict
    """
    started = time.perf_counter()
    if request.bound_of:
        return {"point": request.point, BOUND: _bound(request, mapper)}, []
    try:
        hardware = known_variant(request.hardware, request.settings)
        mapper.expect(hardware, _Designs(request.hardware, request.larger))
        row, layers = _rows(_run(request, hardware, mapper), hardware)
    except (MappingError, InputError) as error:
        row, layers = {"error": str(error)}, []
    row = {"point": request.point, **row, "evaluation_seconds": time.perf_counter() - started}
    return row, [{"point": request.point, **layer} for layer in layers]


def _bound(request: Request, mapper: SharingMapper) -> float | None:
    """What any of some designs needs at least of the objective; ``None`` if nothing is known."""
    designs = [variant(request.hardware, settings) for settings in request.bound_of]
    hardware = relaxed(designs)
    if hardware is None:
        return None
    plans = [planned(request, each) for each in designs]
    tasks = [mapping_tasks(each, each.hardware) for each in plans]
    found = []
    for same in zip(*tasks, strict=True):
        weights = relaxed_weights([task.weights for task in same])
        if weights is None:
            return None
        found.append(same[0]._replace(weights=weights))
    return lower_bound(mapper, found, hardware, request.objective, request.time_limit)


def _run(request: Request, hardware: Hardware, mapper: SharingMapper) -> Run:
    plan, fixes = planned(request, hardware), known_fixes(request.fix, *request.workload)
    if plan.clustering is None:
        return plan.dense_run(
            request.objective,
            request.time_limit,
            even=request.even,
            mapper=mapper,
            fix=fixes,
            imperfect=request.imperfect,
        )
    return run_clustered(
        plan, places_of(request, plan.hardware), request.execution, objective=request.objective,
        time_limit=request.time_limit, even=request.even, mapper=mapper, fix=fixes,
        imperfect=request.imperfect,
    )  # fmt: skip


def design_figures(hardware: Hardware) -> Row:
    """What is known of a hardware before anything is mapped on it."""
    on_chip = [bits for bits in sizes_of(hardware)[1:] if bits != float("inf")]
    return {
        "area_mm2": chip_area_mm2(hardware),
        "mac_units": hardware.mac_units,
        "memory_bits": _memory_bits(hardware) if on_chip else 0.0,
    }


def _memory_bits(hardware: Hardware) -> float:
    """Bits of all memories that have a size, all instances together."""
    instances, total = 1, 0.0
    for level in hardware.levels:
        for holder in level.partitions or (level,):
            words, kib = holder.capacity_words, holder.capacity_kib
            size = words * holder.word_bits if words else (kib or 0.0) * 8192
            total += size * instances
        instances *= level.fanout.children
    return total


def clustering_figures(clustering: str | None, weights: str | None = None) -> Row:
    """Scheme and number of entries of a clustering, or of clustered weights, as columns."""
    if weights:
        clustering = known_weights(weights).clustering
    try:
        known = known_clustering(clustering) if clustering else None
    except InputError:
        # Weights may be clustered in ways that no specification says.
        known = None
    return {
        "scheme": known.scheme if known else None, "clusters": known.k if known else None
    }  # fmt: skip


def _rows(run: Run, hardware: Hardware) -> tuple[Row, list[Row]]:
    row: Row = {
        name: figure(run) for name, figure in RUN_FIGURES.items() if name != "clustering"
    }  # fmt: skip
    row[TRAFFIC] = row["outermost_bits_per_mac"] * row["macs"]
    for name, value in run.energy_by_component().items():
        row[f"{ENERGY_OF}{name}"] = value
    row["proved"] = all(each.proved for each in run.searches)
    notes = dict.fromkeys(layer.note for layer in run.layers if layer.note)
    row["note"] = "; ".join(notes)
    layers = []
    for number, (layer, cost) in enumerate(zip(run.layers, run.deep_kmeans, strict=True)):
        one: Row = {"number": number}
        one |= {name: figure(layer) for name, figure in LAYER_FIGURES.items()}
        one["energy_unit"] = hardware.energy_unit
        one["proved"] = None if layer.search is None else layer.search.proved
        one["deep_kmeans_mac_units"] = cost.mac_units
        layers.append(one)
    return row, layers


def absolute(spec: str) -> str:
    """A name as it is, a file by its whole path, so that it is found from anywhere."""
    return os.path.abspath(spec) if os.path.isfile(spec) else spec


def settings_tuple(pairs: Sequence[Sequence[Any]]) -> tuple[Setting, ...]:
    """Settings that came as lists."""
    return tuple((str(path), value) for path, value in pairs)
