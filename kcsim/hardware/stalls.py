"""What the array stands still for: keys of a level, and of a network that is a systolic array."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.hardware.values import STRICT, Latency, plain_errors
from kcsim.workload.layer import Tensor

Stationary = Literal["weights", "outputs"]


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Stalls:
    """What of a level's traffic is not hidden: the MAC units stand still meanwhile.

    Attributes
    ----------
    loads : tuple of str
        Tensors whose tiles are filled while the array waits, at the rate of the level's writes.
    dumps : bool
        Whether it waits while outputs leave, at the rate of the level's reads.
    cycles_per_tile : dict of str to float
        Cycles that it waits for each new tile of weights or outputs, as a pass begins.
    """

    loads: tuple[Tensor, ...] = ()
    dumps: bool = False
    cycles_per_tile: dict[Stationary, Latency] = Field(default_factory=dict)


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Systolic:
    """An array through which operands move from neighbor to neighbor, a cycle each.

    A pass begins with each new tile of the tensor that stays in the array.

    Attributes
    ----------
    stationary : str
        ``weights`` or ``outputs``.
    fill : bool
        Whether a pass takes ``x + y - 2`` cycles more, until operands have come to the last unit.
    drain : bool
        Whether it takes ``y`` cycles more, until what stays has moved out through all rows.
    """

    stationary: Stationary
    fill: bool = True
    drain: bool = False
