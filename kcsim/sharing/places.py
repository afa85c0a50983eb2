"""Where a shared convolution may lie in a hardware, and the hardware as a phase sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kcsim.hardware.level import Level
from kcsim.hardware.schema import Dataflow, Hardware, LevelConstraint
from kcsim.sharing.strategies import Sharing
from kcsim.workload.layer import Tensor


class Place(NamedTuple):
    """Where the intermediate tensor lies.

    Attributes
    ----------
    home, last : int
        Positions of its home, and of the level that tables are gathered at.
    ordered : int
        Filters that share an order of their units, by their entries, instead; 0 for none.
    """

    home: int
    last: int
    ordered: int


def possible_homes(hardware: Hardware) -> tuple[int, ...]:
    """Positions of the levels that can hold an intermediate tensor: they keep both data tensors."""
    levels = enumerate(hardware.levels)
    return tuple(i for i, level in levels if {"inputs", "outputs"} <= set(level.kept_tensors))


def gathering_levels(hardware: Hardware, home: int, role: Tensor) -> tuple[int, ...]:
    """Positions of the levels that tables may be gathered at: the home, and levels below it."""
    below = range(home + 1, len(hardware.levels))
    return (home, *(i for i in below if role in hardware.levels[i].kept_tensors))


def can_order(hardware: Hardware, home: int, sharing: Sharing) -> bool:
    """Whether a home can take units in any order: nothing below it holds tiles of data."""
    below = hardware.levels[home + 1 :]
    held = any({"inputs", "outputs"} & set(level.kept_tensors) for level in below)
    return sharing.can_order and not held


def confined(hardware: Hardware, home: int, tables: tuple[Tensor, int] | None = None) -> Hardware:
    """The hardware as a phase sees it: all its loops are at the home and below.

    Parameters
    ----------
    hardware : Hardware
    home : int
        Position of the level.
    tables : (str, int), optional
        The tensor that the intermediate one stands for, and the last level that holds it.
    """
    # What is kept changes, and with it what words would be by default.
    hardware = hardware.with_given_words()
    constraints = dict(hardware.dataflow.levels)
    for level in hardware.levels[:home]:
        constraints[level.name] = LevelConstraint(temporal=(), spatial_x=(), spatial_y=())
    levels = [
        _without(level, tables[0]) if tables and i > tables[1] else level
        for i, level in enumerate(hardware.levels)
    ]
    for i in range(home + 1):
        levels[i] = replace(levels[i], may_bypass=())
    return replace(
        hardware,
        levels=tuple(levels),
        dataflow=Dataflow(name=hardware.dataflow.name, levels=constraints),
    )


def _without(level: Level, tensor: str) -> Level:
    """A level that one tensor passes by."""
    return replace(
        level,
        keeps=tuple(t for t in level.kept_tensors if t != tensor),
        may_bypass=tuple(t for t in level.may_bypass if t != tensor),
        compression={t: coding for t, coding in level.compression.items() if t != tensor},
    )


def index_level(hardware: Hardware, home: int) -> int:
    """Position of the level that the phases take weights from: the home, or one above it."""
    return max(i for i in range(home + 1) if "weights" in hardware.levels[i].kept_tensors)
