"""Executing a clustered layer on arrays."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.clustering.units import shape_text
from kcsim.conv.geometry import Geometry
from kcsim.conv.operations import choose_execution
from kcsim.conv.work import dense_work, products_work, sums_work
from kcsim.errors import InputError, Problem
from kcsim.kernels.conv.planes import convolve, pack
from kcsim.kernels.conv.products import share_products
from kcsim.kernels.conv.sums import share_sums
from kcsim.kernels.conv.vectors import SPAN
from kcsim.reading.arguments import checked
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.execution import Operations
from kcsim.workload.layer import ConvLayer

Array = NDArray[Any]
Task = Callable[[int, int], Any]

_WHOLE = 2**15


class ClusteredConvolution:
    """A clustered layer, made ready for images of one size.

    Parameters
    ----------
    layer : ClusteredLayer
    codebook : Codebook
        That of the layer.
    height, width : int, optional
        Of an image; the layer's when absent.
    execution : str
        ``decode``, ``share_products``, ``share_sums``, or ``auto`` for the one of fewest
        operations (`kcsim.conv.operations.count_operations`).
    whole : bool
        Whether inputs are integers: weights must then be whole numbers, sums are int64 and exact.
        Else all is float32.

    Attributes
    ----------
    conv : ConvLayer
        The layer for one image.
    execution : str
        The chosen one.

    Raises
    ------
    InputError
        If there is no such execution, the image is too small, or weights are not whole numbers
        of 16 bits where they have to be.
    """

    def __init__(
        self,
        layer: ClusteredLayer,
        codebook: Codebook,
        height: int | None = None,
        width: int | None = None,
        *,
        execution: str = "auto",
        whole: bool = False,
    ) -> None:
        conv = layer.part.layer
        self.conv: ConvLayer = replace(
            conv,
            in_height=conv.in_height if height is None else height,
            in_width=conv.in_width if width is None else width,
            batch=1,
        )
        self.execution = choose_execution(layer, execution, self.conv)
        self._dtype = np.dtype(np.int64 if whole else np.float32)
        if whole:
            _check_whole(layer, codebook)
        self._planes = Geometry(self.conv).planes
        self._spare: Array | None = None
        self._kernel: Any
        self._work: Any
        if self.execution == "decode":
            weights = layer.decode(codebook).astype(self._dtype)
            self._kernel = convolve
            self._work, self._tiles = dense_work(self.conv, weights)
        elif self.execution == "share_products":
            self._kernel = share_products
            self._work, self._tiles = products_work(layer, codebook, self.conv, self._dtype)
        else:
            self._kernel = share_sums
            self._work, self._tiles = sums_work(layer, codebook, self.conv, self._dtype)

    def __call__(
        self, inputs: ArrayLike, bias: ArrayLike | None = None, *, threads: int | None = None
    ) -> Array:
        """The outputs of `run`."""
        return self.run(inputs, bias, threads=threads)[0]

    def run(
        self, inputs: ArrayLike, bias: ArrayLike | None = None, *, threads: int | None = None
    ) -> tuple[Array, Operations]:
        """Convolve images, and count what is executed.

        Parameters
        ----------
        inputs : array, shape (N, C, H, W)
            Floating point, which is used as float32; or int8, uint8 or int16 for whole weights.
        bias : array, shape (M,), optional
        threads : int, optional
            All cores when absent; the outputs do not depend on it.

        Returns
        -------
        outputs : float32 or int64 array, shape (N, M, P, Q)
        operations : Operations
            Those that were executed, of all images, without biases.

        Raises
        ------
        InputError
            If a shape or a type is wrong.
        """
        words = self._checked(inputs)
        count = len(words)
        conv, dtype = self.conv, self._dtype
        offsets = np.zeros(conv.out_channels, dtype) if bias is None else self._bias(bias)
        threads = (os.cpu_count() or 1) if threads is None else threads
        if threads < 1:
            raise InputError(Problem(f"threads is {threads}", "a whole number from 1 on"))
        images = self._images(count)
        outputs = np.empty((count, conv.out_channels, conv.out_height, conv.out_width), dtype)

        def execute(first: int, last: int) -> tuple[int, int]:
            done: tuple[int, int] = self._kernel(
                images, self._work, offsets, self._planes, self._tiles, outputs, first, last
            )
            return done

        tiles = len(self._tiles.first) - 1
        tasks = count * (conv.out_channels if self.execution == "share_sums" else tiles)
        _spread(
            lambda first, last: pack(words, images, self._planes, first, last),
            count * conv.in_channels,
            threads,
        )
        done = _spread(execute, tasks, threads)
        self._spare = images
        return outputs, Operations(sum(each[0] for each in done), sum(each[1] for each in done))

    def _images(self, count: int) -> Array:
        """Room for images in planes; that of the last run, unless another run has it."""
        spare, self._spare = self._spare, None
        if spare is not None and len(spare) == count:
            return spare
        size = self.conv.in_channels * Geometry(self.conv).channel_words
        # Zeros behind an image: spans end there, and the padding of its last line may lie there.
        size += self._tiles.row_length + SPAN + sum(self.conv.padding[2:])
        return np.zeros((count, size), self._dtype)

    def _checked(self, inputs: ArrayLike) -> Array:
        """Inputs as contiguous words of the type that is computed with."""
        array = np.asarray(inputs)
        conv = self.conv
        shape = (conv.in_channels, conv.in_height, conv.in_width)
        if array.ndim != 4 or array.shape[1:] != shape or not len(array):
            raise InputError(
                Problem(f"inputs are {shape_text(array.shape)}", f"(N, {str(shape)[1:]}, N above 0")
            )
        whole = self._dtype.kind == "i"
        fits = array.dtype in (np.int8, np.uint8, np.int16) if whole else array.dtype.kind == "f"
        if not fits:
            expected = "int8, uint8 or int16" if whole else "floating point"
            raise InputError(Problem(f"inputs have the type {array.dtype}", expected))
        words = np.ascontiguousarray(array, self._dtype)
        # Kernels are compiled for arrays that may be written to.
        return words if words.flags.writeable else words.copy()

    def _bias(self, bias: ArrayLike) -> Array:
        array = np.array(bias)
        if array.shape != (self.conv.out_channels,) or array.dtype.kind not in "iuf":
            raise InputError(
                Problem(f"bias is {array.dtype} {shape_text(array.shape)}",
                        f"{self.conv.out_channels} numbers")
            )  # fmt: skip
        if self._dtype.kind == "i" and (array != np.rint(array)).any():
            raise InputError(Problem("bias holds fractions", "whole numbers, as all else"))
        return array.astype(self._dtype)


@checked
def clustered_conv2d(
    inputs: ArrayLike,
    layer: ClusteredLayer,
    codebook: Codebook,
    bias: ArrayLike | None = None,
    *,
    execution: str = "auto",
    threads: int | None = None,
) -> Array:
    """Convolve images with clustered weights.

    Parameters
    ----------
    inputs : array, shape (N, C, H, W)
        Floating point: all is float32. int8, uint8 or int16: weights must be whole numbers, the
        outputs are int64 and exact.
    layer : ClusteredLayer
        Its stride, padding, dilation and groups hold; H and W may be others than its own.
    codebook : Codebook
        That of the layer.
    bias : array, shape (M,), optional
    execution : str
        As for `ClusteredConvolution`, which spares the preparation where there are more images.
    threads : int, optional
        All cores when absent; the outputs do not depend on it.

    Returns
    -------
    float32 or int64 array, shape (N, M, P, Q)

    Raises
    ------
    InputError
        If an argument is wrong.

    Examples
    --------
    >>> import kcsim
    >>> weights = {"conv": np.random.default_rng(0).normal(size=(16, 8, 3, 3))}
    >>> network = kcsim.Network("small", (kcsim.ConvLayer("conv", 8, 16, 14, 14, 3, 3),))
    >>> clustered = kcsim.cluster_network(network, weights, "kernel:k=16")
    >>> layer = clustered.layers["conv"]
    >>> codebook = clustered.codebooks[layer.part.codebook]
    >>> kcsim.clustered_conv2d(np.zeros((1, 8, 14, 14)), layer, codebook).shape
    (1, 16, 12, 12)
    """
    array = np.asarray(inputs)
    if array.ndim != 4:
        raise InputError(Problem(f"inputs are {shape_text(array.shape)}", "(N, C, H, W)"))
    height, width = array.shape[2:]
    if not height or not width:
        raise InputError(Problem(f"inputs are {shape_text(array.shape)}", "no side of 0"))
    convolution = ClusteredConvolution(
        layer, codebook, height, width, execution=execution, whole=array.dtype.kind in "iu"
    )
    return convolution(array, bias, threads=threads)


def _spread(task: Task, count: int, threads: int) -> list[Any]:
    """Run tasks 0 to `count` in as many runs of neighbors as there are threads."""
    threads = min(threads, count)
    if threads == 1:
        return [task(0, count)]
    ends = [count * number // threads for number in range(threads + 1)]
    return list(_pool(threads).map(task, ends[:-1], ends[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kcsim-conv")


def _check_whole(layer: ClusteredLayer, codebook: Codebook) -> None:
    stored = {"codebook": codebook.entries, "scales": layer.scales, "offsets": layer.offsets}
    for name, each in stored.items():
        if each is None:
            continue
        values = each.values
        if (values != np.rint(values)).any() or np.abs(values).max(initial=0) >= _WHOLE:
            raise InputError(
                Problem(f"layer {layer.part.layer.name!r}: the {name} cannot meet integer inputs",
                        "whole numbers of 16 bits")
            )  # fmt: skip
