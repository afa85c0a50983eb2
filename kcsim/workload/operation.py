"""What a network does beside convolutions and products of matrices."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from kcsim.errors import InputError, Problem
from kcsim.workload.layer import LARGEST_COUNT, is_name

COUNTED = ("add", "concat", "pool")
"""Kinds of operations whose energy and cycles are counted, beside those of layers."""


@dataclass(frozen=True)
class Operation:
    """A step of a network that is listed and not mapped: an addition, a pooling, a softmax.

    Parameters
    ----------
    name : str
        Unique within a network, among layers and operations.
    kind : str
        What it does, as ``"add"``.
    input_words, output_words : int
        Words of all its inputs and outputs, of one image.
    weight_words : int
        Trained words that it reads.
    macs, adds : int
        Multiply-accumulates and additions of one image.
    batch : int
        Images processed together.

    Raises
    ------
    InputError
        If a name is no text of one line, or a number no count.
    """

    name: str
    kind: str
    input_words: int = 0
    output_words: int = 0
    weight_words: int = 0
    macs: int = 0
    adds: int = 0
    batch: int = 1

    def __post_init__(self) -> None:
        for field in ("name", "kind"):
            if not is_name(getattr(self, field)):
                what = f"operation {self.name!r}: {field} is {getattr(self, field)!r}"
                raise InputError(Problem(what, "a printable text"))
        for each in fields(self)[2:]:
            count = getattr(self, each.name)
            if type(count) is not int or not (each.name == "batch") <= count <= LARGEST_COUNT:
                what = f"operation {self.name!r}: {each.name} is {count!r}"
                raise InputError(Problem(what, "a count of at most 2^63 - 1"))

    @property
    def is_counted(self) -> bool:
        """Whether its energy and cycles are counted; see `kcsim.model.operations`."""
        return self.kind in COUNTED

    @property
    def moved_words(self) -> int:
        """Words of all images that it reads and writes once."""
        return self.batch * (self.input_words + self.output_words) + self.weight_words

    @property
    def all_macs(self) -> int:
        """Multiply-accumulates of all images."""
        return self.batch * self.macs

    @property
    def all_adds(self) -> int:
        """Additions of all images."""
        return self.batch * self.adds

    def with_batch(self, batch: int) -> Operation:
        """The same operation for another number of images."""
        return replace(self, batch=batch)


def addition(name: str, words: int, operands: int = 2, batch: int = 1) -> Operation:
    """The sum of tensors of `words` words each."""
    return Operation(name, "add", operands * words, words, adds=(operands - 1) * words, batch=batch)


def concatenation(name: str, words: int, batch: int = 1) -> Operation:
    """Tensors of `words` words together, written one behind the other."""
    return Operation(name, "concat", words, words, batch=batch)


def pooling(name: str, input_words: int, output_words: int, taps: int, batch: int = 1) -> Operation:
    """The largest or the mean of windows of `taps` pixels; a comparison counts as an addition."""
    return Operation(
        name, "pool", input_words, output_words, adds=output_words * (taps - 1), batch=batch
    )
