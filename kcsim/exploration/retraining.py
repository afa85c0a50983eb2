"""Clusterings of a space, retrained before they are evaluated."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kcsim
from kcsim.errors import InputError
from kcsim.exploration.accuracy import ACCURACY
from kcsim.exploration.columns import ACCURACIES
from kcsim.exploration.designs import (
    absolute,
    file_hash,
    hash_of,
    known_clustering,
    known_network,
    known_weights,
)
from kcsim.exploration.space import Space

if TYPE_CHECKING:
    from kcsim.retrain.command import Prepared, Request

Steps = Callable[[int, int], None]

FOLDER = "retrained"


def accuracies_of(weights: str, *, is_dense: bool = False) -> dict[str, float | None]:
    """Accuracies of a file of clustered weights, by `ACCURACIES`; means over its runs.

    Parameters
    ----------
    weights : str
    is_dense : bool
        Whether those of the weights before clustering are asked for.
    """
    known = known_weights(weights).accuracy
    if known is None:
        return dict.fromkeys(ACCURACIES)
    if is_dense:
        return {**dict.fromkeys(ACCURACIES), ACCURACY: known.dense}
    stages = (known.retrained, known.clustered, known.normed)
    return {
        name: sum(runs) / len(runs) for name, runs in zip(ACCURACIES, stages, strict=True)
    }  # fmt: skip


def retrained_accuracies(space: Space, weights: str | None) -> dict[str, float | None]:
    """Those of a point: of its file of weights, or of the dense network beside retrained ones.

    Nothing where the space retrains nothing.
    """
    if space.file.retrain is None:
        return {}
    if weights is None and space.retrained:
        return accuracies_of(next(iter(space.retrained.values())), is_dense=True)
    return accuracies_of(weights) if weights else dict.fromkeys(ACCURACIES)


def clusterings_of(space: Space) -> tuple[str, ...]:
    """The clusterings of a space, each once, in its order."""
    if space.file.sample is None:
        # Only what clusterings are made of is varied.
        kept = {"clustering", *space.file.parameters}
        axes = tuple(
            axis if axis.name in kept else replace(axis, choices=axis.choices[:1])
            for axis in space.axes
        )
        space = replace(space, axes=axes)
    found = (inputs["clustering"] for inputs in space.inputs())
    return tuple(dict.fromkeys(str(known_clustering(each)) for each in found if each))


def retrain_space(space: Space, folder: Path, progress: Steps | None = None) -> Space:
    """Retrain every clustering of a space that a folder does not have, one after the other.

    What was interrupted goes on from its checkpoints. Weights are kept by what they depend on:
    clustering, settings, data, the trained weights and the version of kcsim.

    Parameters
    ----------
    space : Space
        That was checked.
    folder : path
        Of the exploration; weights are kept in ``retrained`` below it.
    progress : callable, optional
        Called with the number of steps done and of all, of what is to be retrained.

    Returns
    -------
    Space
        With the files of retrained weights, if the space asks for them.

    Raises
    ------
    InputError
        If retraining is not possible as it was asked for.
    """
    if space.file.retrain is None:
        return space
    try:
        return replace(space, retrained=_retrained(space, folder / FOLDER, progress))
    except InputError as error:
        raise space.origin.marked(
            [replace(each, path=("retrain",)) for each in error.problems]
        ) from None


def check_retraining(space: Space) -> None:
    """See that all that retraining needs is there, without training anything.

    Raises
    ------
    InputError
        If it is not.
    """
    if space.file.retrain is None:
        return
    from kcsim.retrain.command import prepare

    try:
        prepare(_request(space))
    except InputError as error:
        raise space.origin.marked(
            [replace(each, path=("retrain",)) for each in error.problems]
        ) from None


def _retrained(space: Space, folder: Path, progress: Steps | None) -> dict[str, str]:
    request = _request(space)
    state = _state(request)
    clusterings = clusterings_of(space)
    files = {each: folder / f"{hash_of(state, each)}.safetensors" for each in clusterings}
    missing = [each for each in clusterings if not files[each].exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        _retrain(replace(request, output=str(folder / hash_of(state))), missing, files, progress)
    return {each: str(file) for each, file in files.items()}


def _retrain(
    request: Request, clusterings: list[str], files: dict[str, Path], progress: Steps | None
) -> None:
    """Retrain some clusterings of a network that is trained, or read, once."""
    from kcsim.retrain.command import prepare, run
    from kcsim.retrain.compress import remove_checkpoints
    from kcsim.weights.clustered_writer import save_clustered

    prepared: Prepared = prepare(request)
    prepared.train_dense()
    for place, clustering in enumerate(clusterings):
        file = files[clustering]

        def tell(done: int, total: int, place: int = place) -> None:
            if progress:
                progress(place * total + done, len(clusterings) * total)

        asked = replace(request, cluster=clustering, output=str(file))
        found = run(replace(prepared, request=asked), tell)
        save_clustered(found, file)
        remove_checkpoints(file, range(request.seeds))


def _request(space: Space) -> Request:
    """What is asked of every clustering; the clustering itself is put in later."""
    from kcsim.retrain.command import Request

    asked = space.file.retrain
    assert asked is not None
    given: dict[str, Any] = asdict(asked)
    for name in ("mean", "deviation"):
        if given[name] is not None:
            given[name] = ",".join(map(str, given[name]))
    if given["prune"] is not None:
        given["prune"] = str(given["prune"])
    for name in ("data", "test", "weights"):
        if given[name] is not None:
            given[name] = _nearby(space, given[name])
    network = absolute(_nearby(space, space.file.networks[0]))
    return Request(network=network, cluster=clusterings_of(space)[0], output=None, **given)


def _nearby(space: Space, name: str) -> str:
    """A file or folder as it was named, or beside the sweep file."""
    beside = os.path.join(space.origin.folder, name)
    return beside if not os.path.exists(name) and os.path.exists(beside) else name


def _state(request: Request) -> str:
    """A name for all that retrained weights depend on beside the clustering."""
    asked = asdict(request)
    del asked["cluster"], asked["output"]
    for name in ("data", "test", "weights"):
        if asked[name] is not None:
            asked[name] = _content(asked[name])
    asked["network"] = hash_of(known_network(request.network, None).layers)
    return hash_of(asked, kcsim.__version__)


def _content(path: str) -> object:
    """What tells a file or a folder from others; a word stays what it is."""
    if os.path.isfile(path):
        # Not what this process may have seen of it before.
        return file_hash.__wrapped__(path)
    if not os.path.isdir(path):
        return path
    return sorted(
        (os.path.relpath(os.path.join(place, name), path),
         os.path.getsize(os.path.join(place, name)))
        for place, _, names in os.walk(path)
        for name in names
    )  # fmt: skip
