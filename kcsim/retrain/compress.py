"""From a trained network to clustered weights that were retrained, and what they recognize."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import checked
from kcsim.retrain.fit import fit
from kcsim.retrain.images import Images
from kcsim.retrain.layers import Place, arrays_of, places_of
from kcsim.retrain.norms import accuracy, estimate_norms
from kcsim.retrain.penalty import KMeansPenalty
from kcsim.retrain.pruning import MagnitudePruning
from kcsim.retrain.recipe import Recipe
from kcsim.retrain.tie import tie
from kcsim.retrain.torch_extra import nn
from kcsim.retrain.zeros import keep_zeros
from kcsim.weights.accuracy import METHODS, Accuracy
from kcsim.weights.cluster import cluster_network
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.network import Network

Progress = Callable[[int, int], None]
Shares = float | Mapping[str, float]

PENALTY_RECIPE = Recipe(optimizer="sgd", lr=0.01)
"""Of training under the penalty of Deep k-Means, for which Adam would hide its strength."""

STAGES = ("dense", "prune", "penalty", "tied")
"""What runs of training are for, each with a checkpoint of its own."""

PRUNING_PART = 0.75
"""Part of the steps of pruning in which the share grows; in the rest, what is left recovers."""


@dataclass(frozen=True, eq=False)
class Retrained:
    """Clustered weights, and a model that computes with them.

    Attributes
    ----------
    clustered : ClusteredWeights
        With their accuracy, and with all that the model consists of beside its layers.
    model : nn.Module
        A plain model with the decoded weights.
    """

    clustered: ClusteredWeights
    model: nn.Module


@dataclass(frozen=True, eq=False)
class _Task:
    """What every run has in common."""

    network: Network
    dense: nn.Module
    train: Images
    test: Images
    clustering: Clustering | str
    method: str
    recipe: Recipe
    prune: Shares | None
    strength: float
    reassign_every: int | None
    reassign_until: int | None
    starts: int


@checked
def retrain_network(
    network: Network,
    model: nn.Module,
    train: Images,
    test: Images,
    clustering: Clustering | str,
    *,
    method: str = "tied",
    recipe: Recipe | None = None,
    prune: float | Mapping[str, float] | None = None,
    strength: float = 8.0,
    reassign_every: int | None = None,
    reassign_until: int | None = None,
    seeds: Sequence[int] = (0,),
    starts: int = 3,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Retrained:
    """Cluster a trained network, retrain it, and measure what it recognizes before and after.

    Parameters
    ----------
    network : Network
        The layers; the modules of the model are matched to them.
    model : nn.Module
        Trained. It stays as it is, and teaches what becomes of it.
    train, test : Images
    clustering : Clustering or str
    method : str
        ``tied``: cluster, then train shared weights (`kcsim.retrain.tie`). ``hard`` or
        ``relaxed``: train with the penalty of Deep k-Means (`kcsim.retrain.KMeansPenalty`), then
        cluster. ``none``: cluster.
    recipe : Recipe, optional
        That of the method when absent.
    prune : float or mapping of str to float, optional
        Shares of weights that are pruned before they are clustered, as for
        `kcsim.retrain.MagnitudePruning`, in a run of as many epochs; zeros stay zero.
    strength : float
        Of the penalty.
    reassign_every, reassign_until : int, optional
        As for `kcsim.retrain.tie`.
    seeds : sequence of int
        One run for each; the weights are those of the first.
    starts : int
        As for `kcsim.cluster_network`.
    checkpoint : str or path, optional
        What names of checkpoints begin with; the files stay until `remove_checkpoints`.
    progress : callable, optional
        Called with the number of steps done and of all.

    Returns
    -------
    Retrained

    Raises
    ------
    InputError
        If an argument is wrong, or the parts do not fit.
    """
    if method not in METHODS:
        near = nearest(method, METHODS)
        raise InputError(Problem(f"there is no method {method!r}", ", ".join(METHODS), near))
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(Problem(f"seeds are {list(seeds)}", "at least one, all different"))
    if recipe is None:
        recipe = PENALTY_RECIPE if method in ("hard", "relaxed") else Recipe()
    if method == "none":
        recipe = replace(recipe, epochs=0)
    task = _Task(
        network, model, train, test, clustering, method, recipe, prune, strength,
        reassign_every, reassign_until, starts,
    )  # fmt: skip
    dense = accuracy(model, test)
    steps = task.train.steps(recipe.batch) * recipe.epochs * (2 if prune else 1)
    runs = []
    for place, seed in enumerate(seeds):
        begun = place * steps

        def tell(done: int, begun: int = begun) -> None:
            if progress:
                progress(begun + done, steps * len(seeds))

        runs.append(_run(task, seed, checkpoint, tell))
    first, plain, _ = runs[0]
    clustered, normed, retrained = zip(*(measured for _, _, measured in runs), strict=True)
    found = Accuracy(
        test.source or "the test images", len(test), method, recipe.epochs, tuple(seeds), dense,
        clustered, normed, retrained,
    )  # fmt: skip
    return Retrained(replace(first, accuracy=found), plain)


def checkpoint_file(start: str | os.PathLike[str], seed: int, stage: str) -> str:
    """The checkpoint of one of `STAGES`."""
    return f"{os.fspath(start)}.{stage}-{seed}.checkpoint"


def remove_checkpoints(start: str | os.PathLike[str], seeds: Sequence[int]) -> None:
    """Remove the checkpoints of runs that are over."""
    for seed in seeds:
        for stage in STAGES:
            if os.path.exists(file := checkpoint_file(start, seed, stage)):
                os.unlink(file)


def _run(
    task: _Task,
    seed: int,
    checkpoint: str | os.PathLike[str] | None,
    tell: Callable[[int], None],
) -> tuple[ClusteredWeights, nn.Module, tuple[float, float, float]]:
    """One run: clustered weights, a plain model, and accuracies as they come about."""
    model, recipe = copy.deepcopy(task.dense), task.recipe
    places = places_of(model, task.network)
    steps = task.train.steps(recipe.batch) * recipe.epochs

    def train(trained: Any, stage: str, begun: int, **parts: Any) -> None:
        file = None if checkpoint is None else checkpoint_file(checkpoint, seed, stage)
        fit(
            trained, task.train, recipe, seed=seed, teacher=task.dense, checkpoint=file,
            progress=lambda done, _: tell(begun + done), norms=stage == "tied", **parts,
        )  # fmt: skip

    if task.prune and steps:
        grown = max(1, int(PRUNING_PART * steps))
        pruning = MagnitudePruning(model, task.prune, steps=grown, network=task.network)
        train(model, "prune", 0, pruning=pruning)
    begun = steps if task.prune else 0
    notes: tuple[str, ...] = ()
    if task.method in ("hard", "relaxed") and steps:
        penalty, notes = _penalty(task, model, steps, seed)
        train(model, "penalty", begun, penalty=penalty)
    clustered = _cluster(task, model, places, seed)
    tied = tie(
        model, clustered, reassign_every=task.reassign_every, reassign_until=task.reassign_until
    )
    plainly = accuracy(model, task.test)
    estimate_norms(model, task.train, recipe.norm_images, seed)
    normed = accuracy(model, task.test)
    retrained = normed
    if task.method == "tied" and steps:
        train(tied, "tied", begun)
        retrained = accuracy(model, task.test)
    clustered, plain = tied.finalize()
    clustered = replace(clustered, notes=(*clustered.notes, *notes))
    return clustered, plain, (plainly, normed, retrained)


def _cluster(
    task: _Task, model: nn.Module, places: dict[str, Place], seed: int
) -> ClusteredWeights:
    arrays = arrays_of(model, places)
    clustered = cluster_network(
        task.network, arrays, task.clustering, seed=seed, starts=task.starts
    )
    if not task.prune:
        return clustered
    weights = {layer: arrays[f"{layer}.weight"] for layer in clustered.layers}
    return keep_zeros(clustered, weights, seed=seed, starts=task.starts)


def _penalty(
    task: _Task, model: nn.Module, steps: int, seed: int
) -> tuple[KMeansPenalty, tuple[str, ...]]:
    """The penalty of a run, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        penalty = KMeansPenalty(
            model, task.clustering, strength=task.strength, reading=task.method, seed=seed,
            network=task.network, refresh=max(1, min(98, steps // 10)),
        )  # fmt: skip
    notes = [str(each.message) for each in caught if each.category is UserWarning]
    return penalty, tuple(f"{note[:1].upper()}{note[1:]}." for note in notes)
