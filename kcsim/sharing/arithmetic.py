"""How wide values are that are shared, and what units of that width cost."""

from __future__ import annotations

from typing import NamedTuple

from kcsim.clustering.unit import Unit
from kcsim.hardware.schema import Hardware, full_adders
from kcsim.sharing.strategies import Sharing


class Arithmetic(NamedTuple):
    """How wide values are that are shared, and what units of that width cost.

    Attributes
    ----------
    bits : int
        Of a value of the intermediate tensor.
    add_pj : float
        Of adding what is gathered.
    factor_pj : float
        Of multiplying it by a scale or an offset.
    mac_pj, gated_mac_pj : float
        Of the phase that multiplies.
    finishes : bool
        Whether tiles finish their outputs: no other channels are added to them.
    """

    bits: int
    add_pj: float
    factor_pj: float
    mac_pj: float
    gated_mac_pj: float
    finishes: bool

    @classmethod
    def of(
        cls, hardware: Hardware, sharing: Sharing, unit: Unit, units: int, finishes: bool, *,
        scaled: bool,
    ) -> Arithmetic:  # fmt: skip
        """That of tiles with so many units of a filter.

        Parameters
        ----------
        hardware : Hardware
        sharing : Sharing
        unit : Unit
        units : int
        finishes : bool
        scaled : bool
            Whether what is gathered is multiplied by a factor.
        """
        precision, role = hardware.precision_bits, sharing.role("gather")
        bits = sharing.value_bits(precision, unit, units, scaled=scaled)
        gathered = bits if role == "inputs" else precision.inputs
        multiplied = precision.inputs if role == "inputs" else bits
        mac = full_adders(precision.weights, multiplied)[0] / hardware.full_adders[0]
        return cls(
            bits,
            hardware.add_pj * bits / hardware.full_adders[2],
            hardware.multiply_pj * gathered / precision.inputs,
            hardware.compute.mac_pj * mac,
            hardware.compute.gated_mac_pj * mac,
            finishes,
        )
