"""Ports of a level: which words share a path, and how many of them pass in a cycle."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.hardware.values import STRICT, Rate, plain_errors
from kcsim.workload.layer import TENSORS, Tensor

Direction = Literal["read", "write", "fill", "update"]


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Port:
    """A port of each instance of a level.

    Attributes
    ----------
    words_per_cycle : float
        Words in a cycle, of all that pass together.
    tensors : tuple of str
        Those that pass; all when absent.
    directions : tuple of str
        ``read`` (down, or to be added to), ``write``, which is ``fill`` (from above) and
        ``update`` (sums from below); all when absent.
    """

    words_per_cycle: Rate
    tensors: tuple[Tensor, ...] = Field(default=TENSORS, min_length=1)
    directions: tuple[Direction, ...] = Field(default=("read", "write"), min_length=1)

    @property
    def serves(self) -> tuple[tuple[Tensor, str], ...]:
        """The accesses that pass: tensors, and ``reads``, ``fills`` or ``updates``."""
        actions = []
        for direction in self.directions:
            actions += ["fills", "updates"] if direction == "write" else [f"{direction}s"]
        return tuple((tensor, action) for tensor in self.tensors for action in actions)
