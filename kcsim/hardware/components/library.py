"""What estimates parts: a protocol of one method, for kcsim's library and any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from kcsim.hardware.components.part import Estimate, Part


@runtime_checkable
class ComponentLibrary(Protocol):
    """What estimates parts.

    Attributes
    ----------
    name : str
    """

    name: str

    def estimate(self, part: Part) -> Estimate:
        """What a part costs.

        Raises
        ------
        InputError
            If the library does not know such a part; says why.
        """
