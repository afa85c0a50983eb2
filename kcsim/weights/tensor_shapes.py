"""Shapes of tensors as those of layers' weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from kcsim.clustering.units import shape_text, weights_shape
from kcsim.weights.coded import CodedTensor
from kcsim.weights.tensor_names import module_of
from kcsim.workload.network import Network

Shape = tuple[int, ...]


def weight_shapes(
    network: Network,
    arrays: Mapping[str, NDArray[Any]],
    coded: Mapping[str, CodedTensor] | None = None,
) -> tuple[dict[str, Shape], dict[str, str]]:
    """The shapes (M, C, R, S) that arrays can be taken as.

    A fully connected layer is a 1x1 convolution; a convolution along one axis lacks the other,
    which the layer of its name tells, or any layer of its shape.

    Parameters
    ----------
    network : Network
    arrays : mapping of str to array
    coded : mapping of str to CodedTensor, optional
        Weights as codes; those that are none of the arrays have the shape of the layer of their
        name, or of the first layer that they fit.

    Returns
    -------
    shapes : dict of str to tuple of int
        In the order of the arrays.
    unread : dict of str to str
        What the others are, but for vectors.
    """
    trained = network.trained_layers
    layers: dict[str, Shape] = {layer.name: weights_shape(layer) for layer in trained}
    shapes: dict[str, Shape] = {}
    unread = {}
    for name, array in arrays.items():
        shape: Shape = array.shape
        if array.ndim < 2:
            continue
        if array.dtype.kind != "f":
            unread[name] = array.dtype.name
        elif array.ndim > 4:
            unread[name] = f"of {array.ndim} axes ({shape_text(shape)})"
        elif array.ndim == 3:
            both: tuple[Shape, ...] = ((*shape[:2], 1, shape[2]), (*shape, 1))
            likely = (layers.get(module_of(name)), *layers.values(), both[0])
            shapes[name] = next(each for each in likely if each in both)
        else:
            shapes[name] = (*shape, 1, 1) if array.ndim == 2 else shape
    for name, codes in (coded or {}).items():
        if name in arrays:
            continue
        likely_layers = sorted(network, key=lambda layer: layer.name != module_of(name))
        fitting = next((layer for layer in likely_layers if codes.fits(layer)), None)
        if fitting is None:
            unread[name] = f"{codes.text}, which fit no layer"
        else:
            shapes[name] = weights_shape(fitting)
    return shapes, unread


def reordered(written: Shape, wanted: Shape) -> str:
    """How axes should be ordered where they are those of Keras; else nothing.

    Parameters
    ----------
    written : tuple of int
        Shape in the file.
    wanted : tuple of int
        Shape (M, C, R, S) of the layer.
    """
    filters, channels, rows, columns = wanted
    if written == (channels, filters) != (filters, channels) and rows == columns == 1:
        return "(outputs, inputs)"
    if written == (rows, columns, channels, filters) != wanted:
        return "(M, C, R, S)"
    return ""
