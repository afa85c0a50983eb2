"""What a conversion gives: plain data of the other side, and what was lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TENSORS_OF_TIMELOOP = {"weights": "Weights", "inputs": "Inputs", "outputs": "Outputs"}


@dataclass
class Converted:
    """Data for a file, and sentences about what it does not say.

    Attributes
    ----------
    data : dict
        What the file is to hold.
    lost : list of str
        What the format cannot express, and what was assumed.
    levels : dict of str to str
        The level that a name of the other side stands for; of a container, the one above.
    """

    data: dict[str, Any]
    lost: list[str] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)

    def lose(self, what: str) -> None:
        """Note what is not carried over, once."""
        if what not in self.lost:
            self.lost.append(what)
