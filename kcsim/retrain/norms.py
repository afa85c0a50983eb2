"""Accuracy of a model, and moments of its batch norms."""

from __future__ import annotations

from kcsim.retrain.images import Images
from kcsim.retrain.torch_extra import nn, torch

BATCH = 500


def accuracy(model: nn.Module, images: Images) -> float:
    """Share of images whose class has the highest score.

    Parameters
    ----------
    model : nn.Module
        It is asked in evaluation mode, and left in the mode that it is in.
    images : Images
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        right = sum(
            int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in images.batches(BATCH)
        )
    model.train(was_training)
    return right / len(images)


def estimate_norms(model: nn.Module, images: Images, count: int = 2000, seed: int = 0) -> int:
    """Replace the means and variances of all batch norms by those of training images.

    Nothing is trained. Clustering changes what flows through a network, so that the old moments
    fit no more; plain accuracy after clustering says little without this.

    Parameters
    ----------
    model : nn.Module
    images : Images
        Training images, varied as in training.
    count : int
        Images to take, at most all; 0 leaves all as it is.
    seed : int
        Of the choice of images and of their variations.

    Returns
    -------
    int
        Batch norms that were estimated.
    """
    norms = [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    kept = [each for each in norms if each.track_running_stats]
    if not kept or not count:
        return 0
    device = next(model.parameters()).device
    modes = {module: module.training for module in model.modules()}
    momenta = {each: each.momentum for each in kept}
    model.eval()
    for each in kept:
        each.reset_running_stats()
        # None: the mean over all batches, each of the same weight.
        each.momentum = None
        each.training = True
    size = min(BATCH, len(images))
    with torch.no_grad():
        for step in range(max(1, min(count, len(images)) // size)):
            model(images.training_batch(size, seed, step)[0].to(device))
    for each in kept:
        each.momentum = momenta[each]
    for module, mode in modes.items():
        module.training = mode
    return len(kept)
