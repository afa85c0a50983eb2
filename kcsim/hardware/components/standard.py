"""The library of kcsim: tables and rules of this package, one for each kind of part."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from kcsim.hardware.components.arithmetic import estimate_adder, estimate_mac, estimate_multiplier
from kcsim.hardware.components.dram import estimate_dram
from kcsim.hardware.components.flip_flops import estimate_registers
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.register_file import estimate_register_file
from kcsim.hardware.components.routers import estimate_router
from kcsim.hardware.components.selectors import estimate_comparator, estimate_multiplexer
from kcsim.hardware.components.sram import estimate_sram
from kcsim.hardware.components.wires import estimate_wire

ESTIMATES: dict[str, Callable[[Part], Estimate]] = {
    "sram": estimate_sram,
    "register_file": estimate_register_file,
    "registers": estimate_registers,
    "dram": estimate_dram,
    "mac": estimate_mac,
    "adder": estimate_adder,
    "multiplier": estimate_multiplier,
    "multiplexer": estimate_multiplexer,
    "comparator": estimate_comparator,
    "wire": estimate_wire,
    "router": estimate_router,
}


class StandardLibrary:
    """Tables of CACTI 7, Horowitz, Jouppi et al. and others, with rules between their points."""

    name = "kcsim"

    def estimate(self, part: Part) -> Estimate:
        """What a part costs.

        Parameters
        ----------
        part : Part

        Raises
        ------
        InputError
            Where no table and no stated rule reaches.

        Examples
        --------
        >>> buffer = Part("sram", technology_nm=65, width_bits=64, depth=13824)
        >>> round(StandardLibrary().estimate(buffer).energies["read"].value, 1)
        56.1
        """
        return _estimate(part)


@lru_cache(maxsize=4096)
def _estimate(part: Part) -> Estimate:
    return ESTIMATES[part.kind](part)
