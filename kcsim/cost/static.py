"""What a cycle costs whatever happens in it: leakage and clock, in use and idle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kcsim.hardware.idle import Idle
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.sums import exact_sum


class Static(NamedTuple):
    """A level, or the MAC units.

    Attributes
    ----------
    component : str
        Its name, ``MAC`` for the units.
    instances : int
        All there are.
    leakage_pj, clock_pj : float
        Of one instance in use, a cycle.
    idle_leakage, idle_clock : float
        Shares of them that an idle one takes.
    """

    component: str
    instances: int
    leakage_pj: float
    clock_pj: float
    idle_leakage: float
    idle_clock: float

    def leakage(self, used: int) -> float:
        """Energy of a cycle with so many instances in use."""
        return self.leakage_pj * (used + self.idle_leakage * (self.instances - used))

    def clock(self, used: int) -> float:
        """Likewise, of the clock."""
        return self.clock_pj * (used + self.idle_clock * (self.instances - used))

    @property
    def in_use_pj(self) -> float:
        """Energy of a cycle that an instance takes more in use than idle."""
        return self.leakage_pj * (1 - self.idle_leakage) + self.clock_pj * (1 - self.idle_clock)


def statics_of(hardware: Hardware) -> Iterator[Static]:
    """All levels, the outermost first, and the MAC units."""
    instances = 1
    for level in hardware.levels:
        yield _static(level.name, instances, level, level.idle or hardware.idle)
        instances *= level.fanout.children
    yield _static("MAC", instances, hardware.compute, hardware.compute.idle or hardware.idle)


def _static(component: str, instances: int, part: Level | Compute, idle: Idle) -> Static:
    leakage, clock = part.leakage_pj_per_cycle, part.clock_pj_per_cycle
    return Static(component, instances, leakage, clock, idle.leakage, idle.clock)


def idle_pj(hardware: Hardware) -> float:
    """Energy of a cycle in which no instance is in use, the hardware's own static energy aside."""
    return exact_sum(each.leakage(0) + each.clock(0) for each in statics_of(hardware))


def busy_pj(hardware: Hardware) -> float:
    """Energy of a cycle in which all instances are in use, with the hardware's own."""
    parts = (
        each.leakage(each.instances) + each.clock(each.instances) for each in statics_of(hardware)
    )
    return exact_sum([hardware.static_pj_per_cycle, *parts])


def has_idle_costs(hardware: Hardware) -> bool:
    """Whether instances cost anything that are not in use."""
    return any(
        each.leakage_pj * each.idle_leakage or each.clock_pj * each.idle_clock
        for each in statics_of(hardware)
    )
