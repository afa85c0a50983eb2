"""What was chosen for a run of retraining, checked before hours of work."""

from __future__ import annotations

from kcsim.clustering.resolve import check_units, resolve_network
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError, Problem, nearest
from kcsim.retrain.images import Images
from kcsim.retrain.penalty import check_penalty
from kcsim.retrain.pruning import parse_shares, shares_by_layer
from kcsim.retrain.torch_extra import nn, torch
from kcsim.weights.accuracy import METHODS
from kcsim.workload.network import Network


def check_choices(
    network: Network, cluster: str, method: str, prune: str | None, strength: float | None
) -> None:
    """See that a clustering, a method and shares to prune suit a network.

    Parameters
    ----------
    network : Network
    cluster, method, prune, strength
        As the command takes them.

    Raises
    ------
    InputError
        If one of them does not.
    """
    if method not in METHODS:
        near = nearest(method, METHODS)
        raise InputError(Problem(f"there is no method {method!r}", ", ".join(METHODS), near))
    clustering = parse_clustering(cluster)
    check_units([part for part in resolve_network(network, clustering) if part.unit])
    if prune is not None:
        shares_by_layer(network, parse_shares(prune))
    if method in ("hard", "relaxed"):
        check_penalty(clustering, 1.0 if strength is None else strength, method)


def check_classes(model: nn.Module, train: Images, test: Images) -> None:
    """See that a model takes images, and has a score for each class.

    Raises
    ------
    InputError
        If it does not.
    """
    images, _ = next(train.first(1).batches(1))
    model.eval()
    try:
        with torch.no_grad():
            scores = model(images)
    # The model is the user's, and so is what it raises.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        what = f"the model does not take images of this size: {type(error).__name__}: {reason}"
        raise InputError(what) from None
    shape = tuple(getattr(scores, "shape", ()))
    if len(shape) != 2 or len(scores) != 1:
        found = "x".join(map(str, shape)) if shape else type(scores).__name__
        raise InputError(Problem(f"for an image the model gives {found}", "a score for each class"))
    largest = max(int(train.labels.max()), int(test.labels.max()))
    if largest >= shape[1]:
        raise InputError(Problem(f"the images have class {largest}", f"0 to {shape[1] - 1}"))
