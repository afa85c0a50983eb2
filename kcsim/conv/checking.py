"""Clustered layers executed beside torch's dense convolution of the decoded weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.clustering.units import shape_text
from kcsim.conv.execute import ClusteredConvolution
from kcsim.conv.operations import count_operations
from kcsim.errors import InputError, Problem, missing_package
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.execution import Operations
from kcsim.workload.layer import ConvLayer

Floats = NDArray[np.float32]

TIMED_RUNS = 3
LARGEST_DIFFERENCE = 1e-4
LARGEST_MEMORY = 4 * 2**30
"""Of outputs in single precision, relative to the largest output."""


@dataclass(frozen=True)
class LayerCheck:
    """A layer executed in one way.

    Attributes
    ----------
    layer : str
    execution : str
    difference : float
        Largest difference to torch's outputs over their largest magnitude.
    executed, estimated : Operations
        As counted by the kernel and by the closed form.
    seconds, dense_seconds : float
        Of the clustered and of torch's dense convolution, medians of runs in turn.
    """

    layer: str
    execution: str
    difference: float
    executed: Operations
    estimated: Operations
    seconds: float
    dense_seconds: float

    @property
    def agrees(self) -> bool:
        """Whether outputs and counts are equal."""
        return self.difference <= LARGEST_DIFFERENCE and self.executed == self.estimated


def check_layer(
    layer: ClusteredLayer,
    codebook: Codebook,
    *,
    execution: str = "auto",
    inputs: ArrayLike | None = None,
    batch: int = 1,
    threads: int = 1,
    seed: int = 0,
) -> LayerCheck:
    """Execute a layer, by kcsim and by torch.

    Parameters
    ----------
    layer : ClusteredLayer
    codebook : Codebook
    execution : str
        As for `kcsim.conv.execute.ClusteredConvolution`.
    inputs : array, shape (N, C, H, W), optional
        Without padding; random when absent.
    batch, threads : int
        Images, where the inputs are random; threads of both sides.
    seed : int
        Of random inputs.

    Raises
    ------
    InputError
        If torch is absent, or an argument is wrong.
    """
    convolution = ClusteredConvolution(layer, codebook, execution=execution)
    conv = layer.part.layer
    shape = (conv.in_channels, conv.in_height, conv.in_width)
    _check_memory(conv.with_batch(batch) if inputs is None else conv)
    if inputs is None:
        conv.with_batch(batch)  # refuses what is no number of images
        images = np.random.default_rng(seed).standard_normal((batch, *shape), np.float32)
    else:
        images = np.asarray(inputs, np.float32)
        if images.shape[1:] != shape or not len(images):
            given, expected_shape = map(shape_text, (images.shape, ("N", *shape)))
            raise InputError(
                Problem(
                    f"inputs of layer {conv.name!r} are {given}", f"{expected_shape}, N above 0"
                )
            )
    conv = conv.with_batch(len(images))
    with _dense(conv, images, layer.decode(codebook), threads) as dense:
        expected = dense()
        outputs, executed = convolution.run(images, threads=threads)
        times = [
            (_seconds(lambda: convolution.run(images, threads=threads)), _seconds(dense))
            for _ in range(TIMED_RUNS)
        ]
    seconds, dense_seconds = map(statistics.median, zip(*times, strict=True))
    return LayerCheck(
        conv.name,
        convolution.execution,
        float(np.abs(outputs - expected).max() / (np.abs(expected).max() or 1)),
        executed,
        count_operations(layer, convolution.execution, conv),
        seconds,
        dense_seconds,
    )


def _check_memory(conv: ConvLayer) -> None:
    """Refuse a layer whose values take too much memory, in float32 and a few times over."""
    size = 16 * (conv.padded_input_words + conv.output_words)
    if size > LARGEST_MEMORY:
        raise InputError(
            Problem(f"executing {conv.name!r} would take {size / 2**30:.1f} GiB of memory",
                    f"at most {LARGEST_MEMORY / 2**30:.0f} GiB: fewer images at once")
        )  # fmt: skip


@contextmanager
def _dense(
    conv: ConvLayer, inputs: Floats, weights: Floats, threads: int
) -> Iterator[Callable[[], Floats]]:
    """The convolution of torch, ready to be called, on a number of threads."""
    try:
        import torch
        from torch.nn.functional import conv2d, pad
    except ImportError:
        raise missing_package("checking clustered layers needs", "torch", "torch") from None
    images, filters = (torch.from_numpy(np.ascontiguousarray(each)) for each in (inputs, weights))
    top, bottom, left, right = conv.padding
    padding = (top, left)
    if top != bottom or left != right:
        # torch's own padding is alike on both sides.
        images, padding = pad(images, (left, right, top, bottom)), (0, 0)

    def dense() -> Floats:
        with torch.inference_mode():
            outputs: Floats = conv2d(
                images, filters, None, conv.stride, padding, conv.dilation, conv.groups
            ).numpy()
        return outputs

    used = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield dense
    finally:
        torch.set_num_threads(used)


def _seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
