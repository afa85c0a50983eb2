"""A layer of 288 MACs, a design of three levels with two PEs, and a mapping on it."""

from __future__ import annotations

from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("conv", 2, 4, 4, 4, 3, 3)
MAPPING = Mapping(
    (
        LevelLoops("DRAM", (Loop("M", 2),)),
        LevelLoops("buffer", (Loop("P", 2), Loop("Q", 2)), (Loop("M", 2),)),
        LevelLoops("PE", (Loop("C", 2), Loop("R", 3), Loop("S", 3))),
    )
)


def design(dram=None, buffer=None, pe=None, compute=None, **changes):
    """The hardware, with changes of its parts."""
    return Hardware(
        name="small",
        levels=(
            Level(**{"name": "DRAM", "read_pj": 200, "write_pj": 210, **(dram or {})}),
            Level(
                **{
                    "name": "buffer",
                    "read_pj": 6,
                    "write_pj": 7,
                    "capacity_words": 100,
                    "fanout": Fanout(x=2, transfer_pj=2),
                    **(buffer or {}),
                }
            ),
            Level(**{"name": "PE", "read_pj": 1, "write_pj": 1, "capacity_words": 50} | (pe or {})),
        ),
        compute=Compute(**{"mac_pj": 0.5, **(compute or {})}),
        **changes,
    )  # fmt: skip
