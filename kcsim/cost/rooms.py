"""Whether tiles fit a level: the rooms that it has, and the tensors that share each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kcsim.hardware.level import Level
from kcsim.workload.layer import TENSORS, Tensor


class Room(NamedTuple):
    """A partition of a level, or all of a level without partitions.

    Attributes
    ----------
    tensors : tuple of str
        They share it.
    bits : int or None
        ``None`` where unlimited; half of its size under double buffering.
    word_bits : int
    """

    tensors: tuple[Tensor, ...]
    bits: int | None
    word_bits: int

    def used(self, needed: Mapping[Tensor, Any]) -> Any:
        """Bits that tiles take together, of those that each tensor needs; also of arrays."""
        return sum(needed[tensor] for tensor in TENSORS if tensor in self.tensors)

    def holds(self, needed: Mapping[Tensor, Any], slack: float = 0) -> Any:
        """Whether tiles fit, give or take a share of the room for what was rounded."""
        return self.bits is None or self.used(needed) <= self.bits * (1 + slack)

    def beside(self, bits: int) -> Room:
        """What is left beside something that lies there for good."""
        return self._replace(bits=None if self.bits is None else self.bits - bits)


def rooms_of(level: Level) -> tuple[Room, ...]:
    """All rooms of a level."""
    groups = [partition.tensors for partition in level.partitions] or [TENSORS]
    return tuple(
        Room(group, level.capacity_bits(group[0]), level.word_bits_of(group[0])) for group in groups
    )


def room_of(level: Level, tensor: Tensor) -> Room:
    """The room that holds a tensor."""
    return next(room for room in rooms_of(level) if tensor in room.tensors)
