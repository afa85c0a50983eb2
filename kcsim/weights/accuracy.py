"""How well a network recognizes images, before and after its weights were clustered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from kcsim.errors import InputError, Problem

METHODS = ("none", "tied", "hard", "relaxed")
"""How weights were retrained: not at all, with shared weights, or with a penalty before sharing."""


@dataclass(frozen=True)
class Accuracy:
    """Shares of test images that a network classifies right, each from 0 to 1.

    Parameters
    ----------
    images : str
        What was tested on.
    image_count : int
        How many images of it.
    method : str
        One of `METHODS`.
    epochs : int
        Times that the training images were gone through.
    seeds : tuple of int
        One for each run; the weights beside it are those of the first.
    dense : float
        Of the weights before they were clustered.
    clustered : tuple of float
        Of each run, with clustered weights and nothing else changed. It is noise where it is low:
        the next one says more.
    normed : tuple of float
        The same with batch norms estimated anew; of networks without any, as `clustered`.
    retrained : tuple of float
        In the end; as `normed` where nothing was retrained.

    Raises
    ------
    InputError
        If a value is out of its range, or runs and values differ in number.
    """

    images: str
    image_count: int
    method: str
    epochs: int
    seeds: tuple[int, ...]
    dense: float
    clustered: tuple[float, ...]
    normed: tuple[float, ...]
    retrained: tuple[float, ...]

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, list):
                object.__setattr__(self, each.name, tuple(value))
        problems = []
        if self.method not in METHODS:
            problems.append(Problem(f"there is no method {self.method!r}", ", ".join(METHODS)))
        if self.image_count < 1 or self.epochs < 0 or not self.seeds:
            problems.append(Problem("images, epochs or seeds are missing", "counts and seeds"))
        for name in ("clustered", "normed", "retrained"):
            values = getattr(self, name)
            if len(values) != len(self.seeds):
                what = f"{len(values)} accuracies {name!r}"
                problems.append(Problem(what, f"{len(self.seeds)}, one for each seed"))
        shares = (self.dense, *self.clustered, *self.normed, *self.retrained)
        if not all(0 <= share <= 1 for share in shares):
            problems.append(Problem("an accuracy is out of range", "shares from 0 to 1"))
        if problems:
            raise InputError(problems)

    @property
    def final(self) -> float:
        """Of the very weights that it stands beside: the end of the first run."""
        return self.retrained[0]

    def __str__(self) -> str:
        words = {
            "dense": [self.dense], "clustered": self.clustered,
            "with new batch norms": self.normed, "retrained": self.retrained,
        }  # fmt: skip
        if self.method == "none":
            del words["retrained"]
        shown = ", ".join(f"{name} {_spread(values)}" for name, values in words.items())
        epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        how = "not retrained" if self.method == "none" else f"{self.method}, {epochs}"
        runs = f"seed {self.seeds[0]}" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        return f"{shown} ({self.image_count} images of {self.images}; {how}; {runs})"


def _spread(values: Sequence[float]) -> str:
    """A share in percent, or the least and the largest of several."""
    least, largest = f"{100 * min(values):.2f}", f"{100 * max(values):.2f}"
    return f"{least} %" if least == largest else f"{least} to {largest} %"


def plain(accuracy: Accuracy) -> dict[str, Any]:
    """An accuracy in types of JSON."""
    return {
        each.name: list(value)
        if isinstance(value := getattr(accuracy, each.name), tuple)
        else value
        for each in fields(accuracy)
    }
