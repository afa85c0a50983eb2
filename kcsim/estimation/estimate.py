"""Estimating a network: dense and, if asked for, clustered beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Problem, nearest
from kcsim.estimation.deep_kmeans import DeepKMeansRules
from kcsim.estimation.executions import EXECUTIONS, choose_layers, decoder_places, try_executions
from kcsim.estimation.plan import NetworkPlan, Progress, plan_network
from kcsim.estimation.result import Result, Run
from kcsim.hardware.schema import Hardware
from kcsim.mapping.fixed import FixedMapping, Fixes
from kcsim.mapping.layers import Mapper
from kcsim.model.imperfect import check_imperfect
from kcsim.reading.arguments import checked
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.network import Network
from kcsim.workload.precision_reader import PrecisionLike
from kcsim.workload.zeros_reader import ZerosLike


@checked
def estimate(
    hardware: Hardware | str | os.PathLike[str] | dict[str, Any],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    *,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    precision: PrecisionLike | None = None,
    objective: str = "edp",
    rules: DeepKMeansRules | None = None,
    progress: Progress = None,
    time_limit: float | None = None,
    execution: str = "decode",
    decode_level: str | None = None,
    even: bool = False,
    fix: Fixes | None = None,
    imperfect: bool = False,
) -> Result:
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
    precision : str, path, LayerBits or mapping, optional
        Bits of the values of layers, as ``weights=4;conv1:weights=8``, a YAML file or values by
        layer; see `kcsim.workload.precision_reader.network_with_precision`. As the network says,
        else the hardware, when absent.
    objective : {"edp", "energy", "cycles"}
        What the mapping of each layer minimizes; the best one is found, and kept for later
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
    even : bool
        Only search mappings where all tiles of a level change at the same place of the nest.
    fix : FixedMapping or mapping of str to FixedMapping, optional
        What is fixed of the mapping of every layer, or of each by its name.
    imperfect : bool
        Also try bounds that do not divide their dimension, for dense weights and decoded ones;
        see `kcsim.model.imperfect`.

    Returns
    -------
    Result
        With the run ``dense`` and, of a clustered network, one that is called as its execution.

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
        hardware, network, clustering, weights, batch=batch, zeros=zeros, precision=precision,
        rules=rules,
    )  # fmt: skip
    check_imperfect(fix, imperfect=imperfect)
    if fix is not None:
        check_fixes(fix, plan.network, execution)
    if plan.clustering is None and (execution, decode_level) != ("decode", None):
        plan.demand_clustering()
    if plan.clustering is None:
        dense = plan.dense_run(objective, time_limit, progress, even, fix=fix, imperfect=imperfect)
        return Result(plan.network, plan.hardware, {"dense": dense}, objective)
    places = decoder_places(execution, decode_level, plan.hardware)
    dense = plan.dense_run(objective, time_limit, progress, even, fix=fix, imperfect=imperfect)
    clustered = run_clustered(
        plan,
        places,
        execution,
        objective=objective,
        time_limit=time_limit,
        progress=progress,
        even=even,
        fix=fix,
        imperfect=imperfect,
    )
    runs = {"dense": dense, execution: clustered}
    return Result(plan.network, plan.hardware, runs, objective)


def check_fixes(fix: Fixes, network: Network, execution: str) -> None:
    """Refuse what is fixed of layers that there are not, or of executions that it is not for."""
    if execution != "decode":
        message = f"what is fixed of mappings is for decoded weights, not for '{execution}'"
        raise InputError(Problem(message, "decode"))
    if isinstance(fix, FixedMapping):
        return
    names = [layer.name for layer in network]
    for name in fix:
        if name.removesuffix(".clustered") not in names:
            message = f"something is fixed of '{name}', which is no layer of {network.name}"
            raise InputError(Problem(message, suggestion=nearest(name, names)))


def run_clustered(
    plan: NetworkPlan,
    places: Sequence[Hardware],
    execution: str,
    *,
    objective: str,
    time_limit: float | None = None,
    progress: Progress = None,
    even: bool = False,
    mapper: Mapper | None = None,
    fix: Fixes | None = None,
    imperfect: bool = False,
) -> Run:
    """The network with clustered weights, executed in one way.

    Parameters
    ----------
    plan : NetworkPlan
        With a clustering.
    places : sequence of Hardware
        Of `kcsim.estimation.executions.decoder_places`.
    execution, objective, time_limit, progress, even, fix, imperfect
        As for `estimate`.
    mapper : Mapper, optional
        How layers are mapped.
    """
    wanted = EXECUTIONS[:-1] if execution == "auto" else (execution,)
    tried = try_executions(
        plan.layers, places, plan.demand_clustering(), wanted,
        objective=objective, time_limit=time_limit, progress=progress, even=even,
        mapper=mapper, fix=fix, imperfect=imperfect,
    )  # fmt: skip
    layers = choose_layers(tried, execution, objective, plan.hardware)
    return plan.clustered_run(layers, execution)
