"""Labeled images, in batches that depend on nothing but a seed and the number of the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem
from kcsim.retrain.torch_extra import torch

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Preparation:
    """What becomes of images before a network sees them.

    Parameters
    ----------
    mean, deviation : tuple of float
        Of each channel (or one for all), on a scale where white is 1: what is subtracted, and then
        divided by.
    shift : int
        Training images are cropped at random from black surroundings of so many pixels.
    mirror : bool
        Whether half of the training images are mirrored.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    shift: int = 0
    mirror: bool = False

    def __post_init__(self) -> None:
        if not all(np.isfinite(self.mean)) or not all(0 < d < np.inf for d in self.deviation):
            raise InputError(Problem("mean or deviation is out of range", "deviations above 0"))
        if self.shift < 0:
            raise InputError(Problem(f"shift is {self.shift}", "at least 0"))


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size with their classes.

    Parameters
    ----------
    pixels : uint8[N, H, W, C] or uint8[N, H, W]
    labels : integers, shape (N,)
        Classes, from 0.
    preparation : Preparation
    source : str
        Where they come from, to be named beside what was measured on them.

    Raises
    ------
    InputError
        If shapes, types or numbers do not fit.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    preparation: Preparation = Preparation()
    source: str = ""

    def __post_init__(self) -> None:
        pixels, labels = np.asarray(self.pixels), np.asarray(self.labels)
        if pixels.ndim == 3:
            pixels = pixels[..., None]
        shape = "x".join(map(str, pixels.shape))
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.size == 0:
            expected = "uint8, (N, H, W, C) or (N, H, W)"
            raise InputError(Problem(f"images are {shape} of {pixels.dtype}", expected))
        if labels.dtype.kind not in "iu" or labels.shape != (len(pixels),) or labels.min() < 0:
            what = f"labels are {'x'.join(map(str, labels.shape))} of {labels.dtype}"
            raise InputError(Problem(what, f"{len(pixels)} whole numbers from 0 on"))
        for name in ("mean", "deviation"):
            count = len(getattr(self.preparation, name))
            if count not in (1, pixels.shape[-1]):
                expected = f"1, or {pixels.shape[-1]}, one for each channel"
                raise InputError(Problem(f"{name} has {count} values", expected))
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "labels", labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.pixels)

    def first(self, count: int) -> Images:
        """The first images, at most so many."""
        return replace(self, pixels=self.pixels[:count], labels=self.labels[:count])

    def batches(self, size: int) -> Iterator[Batch]:
        """All images as they are, in order: float32 (N, C, H, W) and int64 (N,)."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield self._batch(self.pixels[chosen], self.labels[chosen])

    def steps(self, size: int) -> int:
        """Training batches of an epoch; the last images of an epoch make no short batch."""
        return max(1, len(self) // size)

    def training_batch(self, size: int, seed: int, step: int) -> Batch:
        """The batch of a step, of an order and of changes that each epoch draws anew.

        Parameters
        ----------
        size : int
            Images.
        seed : int
        step : int
            From 0, over all epochs.
        """
        epoch, place = divmod(step, self.steps(size))
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        chosen = order[place * size : (place + 1) * size]
        generator = np.random.default_rng([seed, epoch, place])
        return self._batch(self._varied(self.pixels[chosen], generator), self.labels[chosen])

    def _varied(
        self, pixels: NDArray[np.uint8], generator: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Images moved and mirrored at random."""
        count, height, width, _ = pixels.shape
        shift = self.preparation.shift
        if shift:
            border = (shift, shift)
            padded = np.pad(pixels, ((0, 0), border, border, (0, 0)))
            tops, lefts = generator.integers(0, 2 * shift + 1, (2, count, 1))
            rows, columns = tops + np.arange(height), lefts + np.arange(width)
            pixels = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]]
        if self.preparation.mirror:
            turned = np.less(generator.random(count), 0.5)
            pixels = np.where(turned[:, None, None, None], pixels[:, :, ::-1], pixels)
        return pixels

    def _batch(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Batch:
        mean = np.array(self.preparation.mean, np.float32)
        deviation = np.array(self.preparation.deviation, np.float32)
        values = (pixels.astype(np.float32) / np.float32(255) - mean) / deviation
        # Channels last in memory, as they come: convolutions of torch take a fifth less time so.
        return torch.from_numpy(values).permute(0, 3, 1, 2), torch.from_numpy(labels)
