"""What shares a path of a level, or of the network below it, and how fast that is.

Accesses that share a port wait for each other; different ports work side by side.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import TENSORS, Tensor

READS, WRITES = ("reads",), ("fills", "updates")
DOWN, UP = "down", "up"


class Path(NamedTuple):
    """A port of each instance of a level, or a direction of the network below.

    Attributes
    ----------
    rates : dict of (str, str) to Fraction
        Words in a cycle by what passes: a tensor and ``reads``, ``fills`` or ``updates``; on a
        network ``down`` or ``up``. In terms of what is written, 0.6 is 3/5.
    """

    rates: dict[tuple[Tensor, str], Fraction]


def ports_of(level: Level) -> tuple[Path, ...]:
    """The ports of a level that are limited."""
    return tuple(Path(rates) for rates in _ports(level) if rates)


def network_paths(level: Level) -> tuple[Path, ...]:
    """Both directions of the network below a level; none where it is not limited."""
    rate = level.fanout.words_per_cycle
    if rate is None:
        return ()
    return tuple(Path({(tensor, way): _exact(rate) for tensor in TENSORS}) for way in (DOWN, UP))


def exact_rate(level: Level, tensor: Tensor, action: str) -> Fraction | None:
    """Words that one instance moves in a cycle; ``None`` where unlimited."""
    found = (path.rates.get((tensor, action)) for path in ports_of(level))
    return next((rate for rate in found if rate is not None), None)


def start_cycles(hardware: Hardware) -> float:
    """Cycles until the first word has come from the outermost level to the last MAC unit."""
    found = 0.0
    for level in hardware.levels:
        links = level.fanout.x + level.fanout.y - 2
        found += level.latency_cycles + links * level.fanout.hop_latency
    return found


def _ports(level: Level) -> Iterator[dict[tuple[Tensor, str], Fraction]]:
    if level.port_list:
        for port in level.port_list:
            yield dict.fromkeys(port.serves, _exact(port.words_per_cycle))
        return
    shared = level.shared_bandwidth
    reads, writes = level.read_words_per_cycle or shared, level.write_words_per_cycle or shared
    if level.shares_port:
        reads, writes = reads or writes, writes or reads
    by_way = [
        {(tensor, action): _exact(rate) for tensor in TENSORS for action in actions}
        for rate, actions in ((reads, READS), (writes, WRITES))
        if rate is not None
    ]
    if level.shares_port:
        yield {key: rate for each in by_way for key, rate in each.items()}
    else:
        yield from by_way


@functools.lru_cache(1024)
def _exact(rate: float) -> Fraction:
    return Fraction(str(rate))
