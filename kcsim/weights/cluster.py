"""Clustering the weights of a network."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.clustering.options import OPTIONS
from kcsim.clustering.resolve import (
    LayerClustering,
    check_units,
    few_units_notes,
    resolve_network,
    settings_of,
)
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.target import largest_that_meets, meet_ratio, most_units
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import checked
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.weights.found import Storing
from kcsim.weights.matching import LayerWeights, Names, match_weights
from kcsim.weights.recognize import FOUND, recognize_network
from kcsim.weights.recognize_units import distinct_values
from kcsim.weights.weight_files import load_weights
from kcsim.workload.network import Network
from kcsim.workload.reader import load_network

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]
Weights = Mapping[str, ArrayLike] | str | os.PathLike[str]


@checked
def cluster_network(
    network: Network | str | os.PathLike[str],
    weights: Weights | None,
    clustering: Clustering | str,
    *,
    names: Names | None = None,
    seed: int = 0,
    starts: int = 3,
    progress: Progress | None = None,
) -> ClusteredWeights:
    """Cluster the weights of a network.

    Parameters
    ----------
    network : Network, str or path
        A network, the name of a known one, or a file.
    weights : mapping of str to array, str, path or None
        The tensors, or a file that `kcsim.load_weights` reads. They are matched to layers by
        their names and shapes. ``None`` for those that the network brings.
    clustering : Clustering or str
        As ``"kernel:k=256,scope=network"``; or ``"found"``, ``"found:index=huffman"`` for weights
        that are clustered already and are taken over without loss
        (`kcsim.weights.recognize`).
    names : mapping of str to str or path, optional
        Tensor of each layer whose name does not tell, by layer; or a YAML file that says so.
    seed : int
        Of the k-means; equal seeds give equal results.
    starts : int
        Runs of the k-means for each codebook, of which the best is kept.
    progress : callable, optional
        Called with the number of codebooks done and of all.

    Returns
    -------
    ClusteredWeights

    Raises
    ------
    InputError
        If an input is wrong, weights and layers do not match, or no number of clusters meets a
        `Clustering.ratio`.

    Examples
    --------
    >>> import kcsim
    >>> weights = {"conv": np.random.default_rng(0).normal(size=(16, 8, 3, 3))}
    >>> network = kcsim.Network("small", (kcsim.ConvLayer("conv", 8, 16, 14, 14, 3, 3),))
    >>> clustered = kcsim.cluster_network(network, weights, "kernel:k=16")
    >>> clustered.decode("conv").shape
    (16, 8, 3, 3)
    """
    for name, number, least in (("seed", seed, 0), ("starts", starts, 1)):
        if not isinstance(number, int | np.integer) or number < least:
            raise InputError(Problem(f"{name} is {number!r}", f"a whole number from {least} on"))
    network = load_network(network)
    matched, file_notes = _matched(network, weights, names)
    if isinstance(clustering, str):
        word, _, settings = clustering.partition(":")
        if word.strip() == FOUND:
            storing = _storing(settings)
            found = recognize_network(network, matched, storing)
            notes = (*_matched_notes(matched), *_zero_notes(network, matched, storing, found))
            return replace(found, notes=(*notes, *file_notes))
        clustering = parse_clustering(clustering)
    chosen = settings_of(network, clustering)

    def attempt(settings: Clustering) -> ClusteredWeights:
        result = _clustered(network, matched, settings, seed, starts, progress)
        return replace(result, notes=(*result.notes, *file_notes))

    ratio = chosen.ratio
    if ratio is None:
        return attempt(chosen)
    try:
        assumed = meet_ratio(network, chosen)
    except InputError:
        # Real indexes may take fewer bits than the worst ones.
        if chosen.index == "fixed":
            raise
        assumed = replace(chosen, ratio=None, k=1)
    if chosen.index == "fixed":
        return attempt(assumed)
    return largest_that_meets(ratio, attempt, assumed, most_units(network, chosen))


def _matched(
    network: Network, weights: Weights | None, names: Names | None
) -> tuple[dict[str, LayerWeights], tuple[str, ...]]:
    """The weights of every layer, those of the network if none are given; and notes of the file."""
    if weights is None:
        if not network.weights:
            raise InputError(
                Problem(f"network {network.name!r} brings no weights", "weights (--weights FILE)")
            )
        weights = network.weights
        names = {layer.name: f"{layer.name}.weight" for layer in network.trained_layers}
    elif isinstance(weights, str | os.PathLike):
        weights = load_weights(weights)
    return match_weights(network, weights, names), getattr(weights, "notes", ())


def _storing(settings: str) -> Storing:
    """What stands behind ``found``: how indexes are coded, and which units have one."""
    given: dict[str, Any] = {}
    for piece in settings.split(",") if settings.strip() else ():
        key, _, value = (part.strip() for part in piece.partition("="))
        names = tuple(vars(Storing()))
        if key not in names:
            expected = ", ".join(names)
            raise InputError(
                Problem(f"{FOUND} has no setting {key!r}", expected, nearest(key, names))
            )
        given[key] = int(value) if value.isdecimal() else value
        if problem := OPTIONS[key].problem(key, given[key]):
            raise InputError(problem)
    if "position_bits" in given and given.get("positions") != "relative":
        raise InputError(
            Problem("position_bits are those of relative positions", "positions=relative")
        )
    return Storing(**given)


def _clustered(
    network: Network,
    weights: Mapping[str, LayerWeights],
    clustering: Clustering,
    seed: int,
    starts: int,
    progress: Progress | None,
) -> ClusteredWeights:
    parts = [part for part in resolve_network(network, clustering) if part.unit]
    if not parts:
        raise InputError(f"{clustering} leaves every layer of {network.name!r} dense")
    check_units(parts)
    sharing: dict[str, list[LayerClustering]] = {}
    for part in parts:
        sharing.setdefault(part.codebook, []).append(part)
    steps = sum(group[0].subspaces for group in sharing.values())
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, steps)

    from kcsim.weights.fit_layers import fit_layers

    codebooks, layers = {}, {}
    for name, group in sharing.items():
        tensors = [weights[part.layer.name].weight for part in group]
        codebook, fitted = fit_layers(group, tensors, seed, starts, advance)
        codebooks[name] = codebook
        for layer, tensor in zip(fitted, tensors, strict=True):
            layers[layer.part.layer.name] = _with_error(layer, codebook, tensor)
    return ClusteredWeights(
        network,
        str(clustering),
        {layer.name: layers[layer.name] for layer in network if layer.name in layers},
        codebooks,
        {name: given.weight.copy() for name, given in weights.items() if name not in layers},
        {name: given.bias.copy() for name, given in weights.items() if given.bias is not None},
        (*few_units_notes(parts), *_matched_notes(weights), *_already_clustered(weights)),
    )


def _zero_notes(
    network: Network,
    weights: Mapping[str, LayerWeights],
    storing: Storing,
    found: ClusteredWeights,
) -> tuple[str, ...]:
    """A sentence about what layers of many zeros would take without indexes for these."""
    given = [weights[name].weight for name in found.layers]
    words = sum(each.size for each in given)
    zeros = words - sum(np.count_nonzero(each) for each in given)
    stored = {layer.part.settings.positions for layer in found.layers.values()}
    if stored != {"all"} or 3 * zeros < words:
        return ()
    sizes = {
        kind: recognize_network(network, weights, replace(storing, positions=kind)).storage()
        for kind in ("relative", "bitmask")
    }
    kind, fewest = min(sizes.items(), key=lambda pair: pair[1].total_bits)
    today = found.storage().total_bits
    if fewest.total_bits >= today:
        return ()
    return (
        f"{100 * zeros / words:.0f} % of the clustered weights are zero: with "
        f"{FOUND}:positions={kind} all takes {math.ceil(fewest.total_bits / 8):,} bytes in "
        f"place of {math.ceil(today / 8):,}.",
    )


def _matched_notes(weights: Mapping[str, LayerWeights]) -> tuple[str, ...]:
    """Sentences about what the file did not say of tensors, if there is anything."""
    guessed = [f"{name} is {given.tensor}" for name, given in weights.items() if given.by_shape]
    notes = []
    if guessed:
        shown = f"{_shown(guessed)} ({len(guessed)} of {len(weights)} layers)"
        notes.append(f"Matched by shape and order: {shown}.")
    square = [name for name, given in weights.items() if given.either_way]
    if square:
        notes.append(f"Square matrices are taken as (outputs, inputs): {_shown(square)}.")
    return tuple(notes)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _already_clustered(weights: Mapping[str, LayerWeights]) -> tuple[str, ...]:
    """A sentence about layers that need no clustering, if there are any."""
    counts = {name: distinct_values(given.weight) for name, given in weights.items()}
    few = {name: count for name, count in counts.items() if count is not None}
    if not few:
        return ()
    name, count = next(iter(few.items()))
    others = f", and {len(few) - 1} more layers have few" if len(few) > 1 else ""
    return (
        f"Layer {name} has only {count} distinct values{others}; '{FOUND}' in place of a scheme "
        "takes them over as they are.",
    )


def _with_error(layer: ClusteredLayer, codebook: Codebook, weights: Floats) -> ClusteredLayer:
    """The layer with its error against the weights that it stands for."""
    error = np.square(layer.decode(codebook) - weights, dtype=np.float64)
    variance = float(weights.var(dtype=np.float64))
    mean = float(error.mean())
    kept = 1 - mean / variance if variance else float(mean == 0)
    return replace(layer, mean_squared_error=mean, variance_kept=kept)
