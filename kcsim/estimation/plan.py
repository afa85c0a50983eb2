"""What is to be estimated, read and checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kcsim.clustering.resolve import check_units, resolve_network, settings_of
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.target import meet_ratio
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.sized_store import with_sized_store
from kcsim.errors import InputError, Problem
from kcsim.estimation.deep_kmeans import DeepKMeansRules, network_cost
from kcsim.estimation.result import Run
from kcsim.hardware.reader import load_hardware
from kcsim.hardware.schema import Hardware
from kcsim.mapping.fixed import Fixes, fixed_of
from kcsim.mapping.layers import Mapper, MappingTask, map_layers
from kcsim.model.best import FoundEstimates
from kcsim.model.imperfect import ImperfectMapper
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.weights.accuracy import Accuracy
from kcsim.weights.clustered import ClusteredWeights, stored_network
from kcsim.weights.clustered_reader import load_clustered
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.precision_reader import PrecisionLike, network_with_precision
from kcsim.workload.reader import load_network
from kcsim.workload.zeros_reader import ZerosLike, network_with_zeros

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
        self,
        objective: str,
        time_limit: float | None = None,
        progress: Progress = None,
        even: bool = False,
        mapper: Mapper | None = None,
        fix: Fixes | None = None,
        imperfect: bool = False,
    ) -> Run:
        """The network with dense weights."""
        layers, hardware = self.layers, self.hardware
        forms = weight_formats(layers, hardware, None)
        tasks = [
            MappingTask(
                layer,
                even=even,
                fix=fixed_of(fix, layer.name),
                imperfect=form if imperfect else None,
            )
            for layer, form in zip(layers, forms, strict=True)
        ]
        found = map_layers(
            tasks, hardware, objective=objective, time_limit=time_limit, progress=progress,
            mapper=ImperfectMapper(mapper) if imperfect else mapper,
        )  # fmt: skip
        estimated = FoundEstimates(hardware)
        estimates = tuple(estimated.of(*each) for each in zip(found, layers, forms, strict=True))
        costs = network_cost(layers, None, self.rules)
        known = self._accuracy
        return Run("dense", hardware, estimates, costs, accuracy=known.dense if known else None)

    def clustered_run(self, estimates: Sequence[LayerEstimate], execution: str) -> Run:
        """The network with clustered weights, from the estimates of its layers."""
        clustering = self.demand_clustering()
        bits = self.hardware.precision_bits.weights
        storage = stored_network(self.layers, clustering, weight_bits=bits)
        costs = network_cost(self.layers, clustering, self.rules)
        name = self.clustering_name
        known = self._accuracy
        return Run(
            execution,
            self.hardware,
            tuple(estimates),
            costs,
            name,
            storage,
            known.final if known else None,
        )

    @property
    def _accuracy(self) -> Accuracy | None:
        """What the whole network recognizes; nothing is known of some of its layers alone."""
        known = self.clustering
        if not isinstance(known, ClusteredWeights) or len(self.network) < len(known.network):
            return None
        return known.accuracy


def plan_network(
    hardware: Hardware | str | os.PathLike[str] | dict[str, Any],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    *,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    precision: PrecisionLike | None = None,
    rules: DeepKMeansRules | None = None,
) -> NetworkPlan:
    """Read and check what is to be estimated; see `estimate` for the parameters."""
    hardware = load_hardware(hardware)
    network = None if network is None else load_network(network)
    if clustering is not None and weights is None and network is not None and network.weights:
        clustered: Clustering | ClusteredWeights | None = _cluster_own(network, clustering)
    else:
        clustered = _clustered(clustering, weights)
    if network is None:
        if not isinstance(clustered, ClusteredWeights):
            raise InputError("neither a network nor clustered weights are given")
        network = clustered.network
    if batch is not None:
        network = network.with_batch(batch)
    if zeros is not None:
        network = network_with_zeros(network, zeros)
    if precision is not None:
        network = network_with_precision(network, precision)
    widths = hardware.precision_bits
    if isinstance(clustered, Clustering):
        clustered = settings_of(network, clustered)
        clustered = meet_ratio(tuple(network), clustered, weight_bits=widths.weights)
        check_units(resolve_network(tuple(network), clustered))
    hardware = with_sized_store(tuple(network), hardware, clustered)
    rules = rules or DeepKMeansRules(widths.weights, widths.inputs)
    return NetworkPlan(network, hardware, clustered, rules)


def _cluster_own(network: Network, clustering: Clustering | str) -> ClusteredWeights:
    """The weights that came with a network, clustered.

    Raises
    ------
    InputError
        If the clustering is wrong, or a layer came without weights.
    """
    from kcsim.weights.cluster import cluster_network

    return cluster_network(network, None, clustering)


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
