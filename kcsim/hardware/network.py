"""The network below a level."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem
from kcsim.hardware.stalls import Systolic
from kcsim.hardware.values import STRICT, Count, EnergyPj, Latency, Rate, plain_errors
from kcsim.workload.layer import TENSORS, Tensor


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Fanout:
    """The network below a level: how many children it feeds, and how.

    Attributes
    ----------
    x, y : int
        Children along the two axes of the array.
    multicast : str
        ``tile``: children that need the same tile at the same step share one
        read; ``word``: every distinct word is read once, partial overlaps of
        neighboring windows included; ``none``: each child costs a read.
    reduction : bool
        Whether partial sums of the same output are added up on their way.
    forwarding : tuple of str
        Tensors that a child may take from a neighbor that was just given them.
    transfer_pj : float
        Energy of one word arriving at a child, or leaving it upwards.
    tensor_pj : dict of str to float
        Likewise, of the tensors for which it is another: 0 for one that is delivered directly.
    hop_pj : float
        Energy of one word crossing a link of the mesh, fed at its first child.
    words_per_cycle : float, optional
        Words that enter in a cycle, down and up alike: those for several children once, those
        that are added up on their way as one. Unlimited when absent.
    hop_latency : float
        Cycles until a word has crossed a link; what a layer begins with waits for the last child.
    systolic : Systolic, optional
        Says that the children are a systolic array, whose passes are not all of use.
    """

    x: Count = 1
    y: Count = 1
    multicast: Literal["tile", "word", "none"] = "tile"
    reduction: bool = True
    forwarding: tuple[Tensor, ...] = ()
    transfer_pj: EnergyPj = 0.0
    tensor_pj: dict[Tensor, EnergyPj] = Field(default_factory=dict)
    hop_pj: EnergyPj = 0.0
    words_per_cycle: Rate | None = None
    hop_latency: Latency = 0.0
    systolic: Systolic | None = None

    def __post_init__(self) -> None:
        if self.hop_pj and self.forwarding:
            raise InputError(
                Problem(
                    "a network that forwards has no energy for hops: which children are fed from "
                    "above is not counted",
                    "transfer_pj alone",
                    path=("hop_pj",),
                )
            )

    def transfer_price(self, tensor: Tensor) -> float:
        """Energy of one word of a tensor arriving at a child, or leaving it upwards."""
        return self.tensor_pj.get(tensor, self.transfer_pj)

    @property
    def has_prices(self) -> bool:
        """Whether anything that crosses it costs energy."""
        return any(map(self.transfer_price, TENSORS))

    @property
    def children(self) -> int:
        """Number of instances below one instance above."""
        return self.x * self.y
