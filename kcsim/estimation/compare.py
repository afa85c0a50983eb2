"""Every way to execute a clustered network, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kcsim.clustering.scheme import Clustering
from kcsim.estimation.executions import EXECUTIONS, choose_layers, decoder_places, try_executions
from kcsim.estimation.plan import plan_network
from kcsim.estimation.result import Result
from kcsim.hardware.schema import Hardware
from kcsim.reading.arguments import checked
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.network import Network
from kcsim.workload.zeros_reader import ZerosLike


@checked
def compare_executions(
    hardware: Hardware | str | os.PathLike[str] | dict[str, Any],
    network: Network | str | os.PathLike[str] | None = None,
    clustering: Clustering | str | None = None,
    *,
    weights: ClusteredWeights | str | os.PathLike[str] | None = None,
    batch: int | None = None,
    zeros: ZerosLike | None = None,
    objective: str = "edp",
    progress: Callable[[int, int], None] | None = None,
    time_limit: float | None = None,
    even: bool = False,
    imperfect: bool = False,
) -> Result:
    """Estimate a clustered network in every way to execute it, and dense beside them.

    But under ``auto``, which may move the decoder, entries are decoded where the hardware says. A
    layer that cannot be executed in a way is decoded, and its `note` says why.

    Parameters
    ----------
    hardware, network, clustering, weights, batch, zeros
        As for `kcsim.estimate`; a clustering or clustered weights must be given.
    objective, progress, time_limit, even, imperfect
        Likewise.

    Returns
    -------
    Result
        With the runs ``dense``, ``decode``, ``share_products``, ``share_sums`` and ``auto``.

    Raises
    ------
    InputError
        If an input is wrong; carries everything that is.
    """
    plan = plan_network(hardware, network, clustering, weights, batch=batch, zeros=zeros)
    clustered = plan.demand_clustering()
    places = decoder_places("auto", None, plan.hardware)
    tried = try_executions(
        plan.layers, places, clustered, EXECUTIONS[:-1],
        objective=objective, time_limit=time_limit, progress=progress, even=even,
        imperfect=imperfect,
    )  # fmt: skip
    own = plan.hardware.codebook.level if plan.hardware.codebook else ""
    runs = {"dense": plan.dense_run(objective, time_limit, even=even, imperfect=imperfect)}
    for execution in EXECUTIONS:
        allowed = tried
        if execution != "auto":
            allowed = tuple(each.at(own) for each in tried)
        layers = choose_layers(allowed, execution, objective, plan.hardware)
        runs[execution] = plan.clustered_run(layers, execution)
    return Result(plan.network, plan.hardware, runs, objective)
