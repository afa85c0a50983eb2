"""Why a mapping is the best: what a little more hardware would give, each searched anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.schema import Hardware
from kcsim.mapping.explore import WITH_TIES
from kcsim.mapping.fixed import FixedMapping
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.mapping.search import SearchResult, objective_value
from kcsim.model.best import under_found
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.reading.arguments import checked
from kcsim.workload.layer import TENSORS, ConvLayer

_KIB_BITS = 8192


@dataclass(frozen=True)
class Gain:
    """What a little more of one part of a hardware would give, at the same energies.

    Attributes
    ----------
    level : str
    holds : str
        Tensors that share the room that would be larger, or the port; empty for others.
    change : str
        As ``1 KiB`` or ``1 word read a cycle``.
    search : SearchResult
        The best mapping then.
    saved : float or None
        How much less of the objective that takes; ``None`` unless both mappings are proved.
    saved_share : float or None
        Likewise, as a share.
    """

    level: str
    holds: str
    change: str
    search: SearchResult
    saved: float | None
    saved_share: float | None

    @property
    def energy(self) -> float:
        """Of the best mapping then."""
        return self.search.energy

    @property
    def cycles(self) -> float:
        """Of the best mapping then."""
        return self.search.cycles

    @property
    def edp(self) -> float:
        """Of the best mapping then."""
        return self.energy * self.cycles


@dataclass(frozen=True, eq=False)
class Insight:
    """Why a mapping is the best.

    Attributes
    ----------
    estimate : LayerEstimate
        Under the best mapping.
    objective : str
    gains : tuple of Gain
    """

    estimate: LayerEstimate
    objective: str
    gains: tuple[Gain, ...]


@checked
def explain_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    weight_format: WeightFormat | None = None,
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    even: bool = False,
    fix: FixedMapping | None = None,
) -> Insight:
    """Find the best mapping, and what it would be on a little more hardware.

    The hardware gets one KiB more in one memory, one word more a cycle at one port, or one more
    child along one axis of an array; all else stays as it is, the energy of accesses too.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weight_format, objective, even, fix
        See `kcsim.model.best.map_layer`.
    time_limit : float, optional
        Seconds for each search.

    Raises
    ------
    InputError, MappingError
        See `kcsim.mapping.search.search_mapping`.
    """
    form = weight_format or WeightFormat(hardware.precision_bits.weights)

    def best_on(one: Hardware) -> SearchResult:
        task = MappingTask(layer, form.costs(one), even, fix)
        return map_layers([task], one, objective=objective, time_limit=time_limit)[0]

    best = best_on(hardware)
    gains = []
    for name, holds, change, more in larger_designs(hardware):
        found = best_on(more)
        gains.append(Gain(name, holds, change, found, *_saved(objective, best, found)))
    return Insight(under_found(best, layer, hardware, form), objective, tuple(gains))


def _saved(
    objective: str, best: SearchResult, found: SearchResult
) -> tuple[float | None, float | None]:
    before, after = (objective_value(objective, r.energy, r.cycles) for r in (best, found))
    if not (best.proved and found.proved):
        return None, None
    if before <= after * WITH_TIES:
        return 0.0, 0.0
    return before - after, 1 - after / before


def larger_designs(hardware: Hardware) -> Iterator[tuple[str, str, str, Hardware]]:
    """Designs with a little more of one part: the level, what it holds, what, and the design."""
    for index, level in enumerate(hardware.levels):
        for holds, change, more in (
            *_more_room(level),
            *_more_words(level),
            *_more_children(level),
        ):
            levels = (*hardware.levels[:index], more, *hardware.levels[index + 1 :])
            yield level.name, holds, change, replace(hardware, levels=levels)


_Change = tuple[str, str, Level]


def _more_room(level: Level) -> Iterator[_Change]:
    """One KiB more in the level, or in each of its partitions."""
    for i, part in enumerate(level.partitions):
        more = replace(part, **_larger(level, part))
        parts = (*level.partitions[:i], more, *level.partitions[i + 1 :])
        yield _listed(part.tensors), "1 KiB", replace(level, partitions=parts)
    if not level.partitions and level.capacity_bits("weights") is not None:
        yield _listed(level.kept_tensors), "1 KiB", replace(level, **_larger(level, level))


def _larger(level: Level, holder: Level | Partition) -> dict[str, Any]:
    if holder.capacity_words is not None:
        bits = holder.capacity_words * level.word_bits_of(_tensor_of(holder))
        return {"capacity_words": None, "capacity_kib": (bits + _KIB_BITS) / _KIB_BITS}
    return {"capacity_kib": (holder.capacity_kib or 0) + 1}


def _tensor_of(holder: Level | Partition) -> Any:
    tensors = holder.tensors if isinstance(holder, Partition) else holder.kept_tensors
    return (tensors or TENSORS)[0]


def _more_words(level: Level) -> Iterator[_Change]:
    """One word more a cycle at the ports whose rate is limited."""
    for key, done in (
        ("read_words_per_cycle", "read"),
        ("write_words_per_cycle", "written"),
        ("shared_bandwidth", "read or written"),
    ):
        rate = getattr(level, key)
        if rate is not None:
            change: dict[str, Any] = {key: rate + 1}
            yield "", f"1 word {done} a cycle", replace(level, **change)
    for i, port in enumerate(level.port_list):
        more = replace(port, words_per_cycle=port.words_per_cycle + 1)
        ports = (*level.port_list[:i], more, *level.port_list[i + 1 :])
        done = " or ".join(_DONE[each] for each in port.directions)
        yield _listed(port.tensors), f"1 word {done} a cycle", replace(level, ports=ports)


_DONE = {"read": "read", "write": "written", "fill": "filled", "update": "updated"}


def _more_children(level: Level) -> Iterator[_Change]:
    """One child more along the axes of an array."""
    for axis, name in (("x", "column"), ("y", "row")):
        size = getattr(level.fanout, axis)
        if size > 1:
            change: dict[str, Any] = {axis: size + 1}
            yield "", f"1 {name} below it", replace(level, fanout=replace(level.fanout, **change))


def _listed(tensors: Sequence[str]) -> str:
    return ", ".join(tensors)
