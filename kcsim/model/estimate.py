"""Estimating: a layer under a mapping, and a network with mappings found for it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

from kcsim.clustering import (
    ClusteredWeights,
    Clustering,
    meet_ratio,
    parse_clustering,
    stored_network,
)
from kcsim.clustering.clustered_file import load_clustered
from kcsim.errors import InputError, Problem
from kcsim.hardware import Hardware, load_hardware
from kcsim.mapping import Mapping
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.mapping.search import SearchResult
from kcsim.model.counts import count_layer
from kcsim.model.cycles import count_cycles
from kcsim.model.deep_kmeans import DeepKMeansRules, network_cost
from kcsim.model.energy import energy_items
from kcsim.model.imperfect import improve_imperfectly
from kcsim.model.results import Estimate, LayerEstimate, Run
from kcsim.model.weights import WeightFormat, weight_formats
from kcsim.workload import ConvLayer, Network, load_network
from kcsim.workload.zeros_reader import ZerosLike, network_with_zeros

__all__ = ["estimate", "evaluate", "map_layer"]


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


def map_layer(
    layer: ConvLayer,
    hardware: Hardware,
    weights: WeightFormat | None = None,
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    imperfect: bool = False,
) -> LayerEstimate:
    """Estimate one layer under the best mapping.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weights : WeightFormat, optional
        How the weights are stored; dense when absent.
    objective : {"edp", "energy", "cycles"}
    time_limit : float, optional
        Seconds; see `kcsim.mapping.search.search_mapping`.
    imperfect : bool
        Also try bounds that do not divide their dimension; see `kcsim.model.imperfect`.

    Raises
    ------
    InputError, MappingError
        See `kcsim.mapping.search.search_mapping`.
    """
    weights = weights or WeightFormat(hardware.precision_bits.weights)
    task = MappingTask(layer, weights.costs(hardware))
    (found,) = map_layers([task], hardware, objective=objective, time_limit=time_limit)
    if imperfect:
        found = improve_imperfectly(layer, hardware, weights, found, objective=objective)
    return _under(found, layer, hardware, weights)


def _under(
    found: SearchResult, layer: ConvLayer, hardware: Hardware, weights: WeightFormat
) -> LayerEstimate:
    return dataclasses.replace(evaluate(layer, hardware, found.mapping, weights), search=found)


def estimate(
    hardware: Hardware | str | os.PathLike[str],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    *,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    objective: str = "edp",
    rules: DeepKMeansRules | None = None,
    progress: Callable[[int, int], None] | None = None,
    time_limit: float | None = None,
) -> Estimate:
    """Estimate a network, dense and (if a clustering is given) clustered.

    Parameters
    ----------
    hardware : Hardware, str or path
        A hardware, the bare name of a shipped one, or a file.
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
        Seconds that the mapping of a layer may take: then the best one so far is used.

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
    layers, precision = tuple(network), hardware.precision_bits
    if isinstance(clustered, Clustering):
        clustered = meet_ratio(layers, clustered, weight_bits=precision.weights)
    choices = (None,) if clustered is None else (None, clustered)
    formats = [weight_formats(layers, hardware, choice) for choice in choices]
    tasks = [
        MappingTask(layer, form.costs(hardware))
        for forms in formats
        for layer, form in zip(layers, forms, strict=True)
    ]
    found = iter(
        map_layers(tasks, hardware, objective=objective, time_limit=time_limit, progress=progress)
    )
    rules = rules or DeepKMeansRules(precision.weights, precision.inputs)
    runs = []
    for choice, forms in zip(choices, formats, strict=True):
        estimates = tuple(
            _under(next(found), layer, hardware, form)
            for layer, form in zip(layers, forms, strict=True)
        )
        storage, name = None, "dense"
        if choice is not None:
            storage = stored_network(layers, choice, weight_bits=precision.weights)
            name = choice.clustering if isinstance(choice, ClusteredWeights) else str(choice)
        costs = network_cost(layers, choice, rules)
        runs.append(Run(name, hardware, estimates, storage, costs))
    return Estimate(network, hardware, *runs)


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
