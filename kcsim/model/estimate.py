"""Estimating a network: dense and, if asked for, clustered beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kcsim.arguments import checked
from kcsim.clustering import (
    ClusteredWeights,
    Clustering,
    check_units,
    meet_ratio,
    parse_clustering,
    resolve_network,
    settings_of,
    stored_network,
)
from kcsim.clustering.clustered_file import load_clustered
from kcsim.errors import InputError, Problem
from kcsim.hardware import Hardware, load_hardware
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.model.deep_kmeans import DeepKMeansRules, network_cost
from kcsim.model.evaluate import under_found
from kcsim.model.results import Estimate, LayerEstimate, Run
from kcsim.model.weights import weight_formats
from kcsim.workload import ConvLayer, Network, load_network
from kcsim.workload.zeros_reader import ZerosLike, network_with_zeros

__all__ = ["NetworkPlan", "estimate", "plan_network"]

Progress = Callable[[int, int], None] | None


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """What is to be estimated, read and checked.

    Attributes
    ----------
    network : Network
    hardware : Hardware
    clustering : Clustering, ClusteredWeights or None
    rules : DeepKMeansRules
    """

    network: Network
    hardware: Hardware
    clustering: Clustering | ClusteredWeights | None
    rules: DeepKMeansRules

    @property
    def layers(self) -> tuple[ConvLayer, ...]:
        """The layers of the network."""
        return tuple(self.network)

    @property
    def clustering_name(self) -> str:
        """How results call the clustering."""
        known = self.clustering
        return known.clustering if isinstance(known, ClusteredWeights) else str(known)

    def demand_clustering(self) -> Clustering | ClusteredWeights:
        """The clustering.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.clustering is None:
            raise InputError(
                Problem("no clustering is given", "a clustering (--cluster) or clustered weights")
            )
        return self.clustering

    def dense_run(
        self, objective: str, time_limit: float | None = None, progress: Progress = None
    ) -> Run:
        """The network with dense weights."""
        layers, hardware = self.layers, self.hardware
        found = map_layers(
            [MappingTask(layer) for layer in layers], hardware,
            objective=objective, time_limit=time_limit, progress=progress,
        )  # fmt: skip
        forms = weight_formats(layers, hardware, None)
        estimates = tuple(
            under_found(result, layer, hardware, form)
            for result, layer, form in zip(found, layers, forms, strict=True)
        )
        costs = network_cost(layers, None, self.rules)
        return Run("dense", hardware, estimates, None, costs)

    def clustered_run(self, estimates: Sequence[LayerEstimate], execution: str) -> Run:
        """The network with clustered weights, from the estimates of its layers."""
        clustering = self.demand_clustering()
        bits = self.hardware.precision_bits.weights
        storage = stored_network(self.layers, clustering, weight_bits=bits)
        costs = network_cost(self.layers, clustering, self.rules)
        name = self.clustering_name
        return Run(name, self.hardware, tuple(estimates), storage, costs, execution)


def plan_network(
    hardware: Hardware | str | os.PathLike[str] | dict[str, Any],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    *,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    rules: DeepKMeansRules | None = None,
) -> NetworkPlan:
    """Read and check what is to be estimated; see `estimate` for the parameters."""
    hardware = load_hardware(hardware)
    clustered = _clustered(clustering, weights)
    if network is None:
        if not isinstance(clustered, ClusteredWeights):
            raise InputError("neither a network nor clustered weights are given")
        network = clustered.network
    network = load_network(network)
    if batch is not None:
        network = network.with_batch(batch)
    if zeros is not None:
        network = network_with_zeros(network, zeros)
    precision = hardware.precision_bits
    if isinstance(clustered, Clustering):
        clustered = settings_of(network, clustered)
        clustered = meet_ratio(tuple(network), clustered, weight_bits=precision.weights)
        check_units(resolve_network(tuple(network), clustered))
    rules = rules or DeepKMeansRules(precision.weights, precision.inputs)
    return NetworkPlan(network, hardware, clustered, rules)


@checked
def estimate(
    hardware: Hardware | str | os.PathLike[str] | dict[str, Any],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    *,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    objective: str = "edp",
    rules: DeepKMeansRules | None = None,
    progress: Progress = None,
    time_limit: float | None = None,
    execution: str = "decode",
    decode_level: str | None = None,
) -> Estimate:
    """Estimate a network, dense and (if a clustering is given) clustered.

    Parameters
    ----------
    hardware : Hardware, str, path or dict
        A hardware, the bare name of a shipped one, a file, or what a file would hold.
    network : Network, str or path, optional
        A network, the name of a known one, or a file; that of `weights` when absent.
    clustering : Clustering or str, optional
        As ``kernel:k=256,scope=network``.
    weights : ClusteredWeights, str or path, optional
        Clustered weights in place of a clustering, or their file: counted with the bits that
        their indexes take.
    batch : int, optional
        Images at once; as the network says when absent.
    zeros : str, path, ZeroShares or mapping, optional
        Shares of zero inputs, weights and outputs of the layers, as
        ``inputs=0.5;conv1:inputs=0``, a YAML file or values by layer; see
        `kcsim.workload.zeros_reader.network_with_zeros`. As the network says when
        absent.
    objective : {"edp", "energy", "cycles"}
        What the mapping of each layer minimises; the best one is found, and kept for later
        runs (see `kcsim.mapping.cache`).
    rules : DeepKMeansRules, optional
        How the Deep k-Means metrics count; the hardware's precision and the
        paper's choices when absent.
    progress : callable, optional
        Called with the number of mapped layers and of all to map.
    time_limit : float, optional
        Seconds that the mapping of a layer may take, once with dense weights and once with
        clustered ones, in all ways to execute it together: then the best one so far is used.
        `kcsim.mapping.search.TIME_LIMIT` when absent, infinite for as long as it takes.
    execution : {"decode", "share_products", "share_sums", "auto"}
        How clustered layers are executed: with weights decoded on their way, with products
        that are computed once and gathered, or with inputs that are added up before they are
        multiplied (docs/clustered-execution.md). ``auto`` takes the best by the objective for
        each layer; its `alternatives` say by how much.
    decode_level : str, optional
        The level at whose output entries are read from the codebook; ``auto`` tries all. As the
        hardware says when absent, but under ``execution="auto"``, which tries all.

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
    plan = plan_network(
        hardware, network, clustering, weights, batch=batch, zeros=zeros, rules=rules
    )
    if plan.clustering is None and (execution, decode_level) != ("decode", None):
        plan.demand_clustering()
    if plan.clustering is None:
        return Estimate(
            plan.network, plan.hardware, plan.dense_run(objective, time_limit, progress)
        )
    from kcsim.model.execution import EXECUTIONS, choose_layers, decoder_places, try_executions

    places = decoder_places(execution, decode_level, plan.hardware)
    dense = plan.dense_run(objective, time_limit, progress)
    wanted = EXECUTIONS[:-1] if execution == "auto" else (execution,)
    tried = try_executions(
        plan.layers, places, plan.clustering, wanted,
        objective=objective, time_limit=time_limit, progress=progress,
    )  # fmt: skip
    layers = choose_layers(tried, execution, objective, plan.hardware)
    return Estimate(plan.network, plan.hardware, dense, plan.clustered_run(layers, execution))


def _clustered(
    clustering: Clustering | str | None, weights: ClusteredWeights | str | os.PathLike[str] | None
) -> Clustering | ClusteredWeights | None:
    """What the clustered run is about, if there is to be one."""
    if weights is None:
        return parse_clustering(clustering) if isinstance(clustering, str) else clustering
    if clustering is not None:
        problem = "clustered weights and a clustering ('weights' and 'clustering') are both given"
        raise InputError(Problem(problem, "one of them"))
    return load_clustered(weights) if isinstance(weights, str | os.PathLike) else weights
