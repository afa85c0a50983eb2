"""The best mapping of a layer, proved to be the best.

`search_mapping` explores the whole map space of a layer on a hardware: every partial mapping that
grows from the MAC units outwards and may become the best (`kcsim.kernels.search.optimum`), with
every choice of what levels keep that the hardware leaves open.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.cost.zero_savings import left_of_reads
from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import FRONT
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import FRONT_PLACES, Explored, Task, compile_kernels
from kcsim.mapping.fit import why_nothing_fits
from kcsim.mapping.neighbors import explore_all
from kcsim.mapping.nest import Mapping
from kcsim.mapping.points import front_of
from kcsim.reading.arguments import checked
from kcsim.workload.layer import ConvLayer

OBJECTIVES = ("energy", "cycles", "edp")
TIME_LIMIT = 60.0
"""Seconds that a search may take where no limit is given."""


@dataclass(frozen=True)
class SearchResult:
    """The mapping that a search has found, and what is known of all others.

    Attributes
    ----------
    mapping : Mapping
    energy : float
        In the hardware's energy unit, as the search sees it: accesses are not rounded up to
        whole ones.
    cycles : float
        Likewise.
    proved : bool
        Whether it is proved that no mapping in the space is better by more than a
        part in 10^9.
    gap : float
        How much lower the objective of another mapping may be at most, as a share;
        0 for a proved optimum. NaN if nothing is known.
    mappings : int
        Mappings in the space.
    evaluated : int
        Mappings that were costed in full; bounds ruled out all others.
    nodes : int
        Parts of mappings that were costed.
    seconds : float
    note : str
        Why the mapping is not proved to be optimal, if it is not.
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store.
    """

    mapping: Mapping
    energy: float
    cycles: float
    proved: bool
    gap: float
    mappings: int
    evaluated: int
    nodes: int
    seconds: float
    note: str = ""
    codebook_level: int | None = None

    @property
    def pruned(self) -> int:
        """Mappings that bounds ruled out, or that a time limit left out."""
        return self.mappings - self.evaluated


@dataclass(frozen=True)
class FrontPoint:
    """A mapping that no other beats in both energy and cycles."""

    mapping: Mapping
    energy: float
    cycles: float
    codebook_level: int | None = None


class Front(tuple[FrontPoint, ...]):
    """Mappings of which none is better than another in both energy and cycles.

    Attributes
    ----------
    note : str
        Why it is not proved that no mapping betters one of them, if it is not.
    """

    note: str = ""


@checked
def search_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    objective: str = "edp",
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    prices: Prices | None = None,
    within: Deadline | None = None,
    even: bool = False,
) -> SearchResult:
    """Find the best mapping of a layer, within the dataflow of the hardware.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    objective : str
        What to minimize: ``energy``, ``cycles`` or ``edp``, their product. Of two equal
        mappings the one with fewer cycles is chosen for ``energy``, the one with less
        energy for ``cycles``.
    weights : sequence of WeightCosts
        How the weights are stored; where the codebook may lie in several places, one for
        each.
    time_limit : float, optional
        Seconds after which the best mapping so far is returned with the gap that remains;
        `TIME_LIMIT` when absent, infinite for a search that takes as long as it takes.
    prices : Prices, optional
        What accesses cost, if not what the hardware says.
    within : Deadline, optional
        Of what the search is a part of.
    even : bool
        Only search mappings where all tiles of a level change at the same place of the nest.

    Returns
    -------
    SearchResult
        All factors divide their dimension.

    Raises
    ------
    InputError
        If the objective is unknown, or the time limit not positive.
    MappingError
        If not even single values fit, or the dataflow leaves no place for a
        dimension.
    """
    check_search(objective, time_limit)
    compile_kernels()
    started, limit = time.monotonic(), _limit(time_limit)
    task = Task(layer, hardware, tuple(weights), prices, even)
    known = explore_all(task, OBJECTIVES.index(objective), Deadline(limit, within))
    if not known.points:
        raise MappingError(_nothing_found(task, known, limit))
    mapping, energy, cycles, codebook_level = known.points[-1]
    note = _note(task, known)
    value = objective_value(objective, energy, cycles)
    least = [costs[0] for costs in known.left_out]
    gap = 1 - min([value, *least]) / value if value else 0.0
    return SearchResult(
        mapping, energy, cycles, not note, gap,
        known.mappings, known.evaluated, known.nodes, time.monotonic() - started, note,
        codebook_level,
    )  # fmt: skip


@checked
def find_mapping(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    objective: str = "edp",
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    even: bool = False,
) -> Mapping:
    """The best mapping of a layer; see `search_mapping`."""
    return search_mapping(
        layer, hardware, objective=objective, weights=weights, time_limit=time_limit, even=even
    ).mapping


@checked
def find_front(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    even: bool = False,
) -> Front:
    """All mappings of a layer of which no other is better in both energy and cycles.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        See `search_mapping`.
    time_limit : float, optional
        Likewise: seconds after which what has been found is returned, with a note.
    even : bool
        Likewise.

    Returns
    -------
    Front
        From the fastest to the one with the least energy. Of mappings that are equal
        in both but for a part in 10^9, one.

    Raises
    ------
    InputError
        If the time limit is not positive.
    MappingError
        As `search_mapping`, or if the front has more than 4,096 points.
    """
    check_search("edp", time_limit)
    compile_kernels()
    limit, task = _limit(time_limit), Task(layer, hardware, tuple(weights), even=even)
    known = explore_all(task, FRONT, Deadline(limit))
    if not known.points:
        raise MappingError(_nothing_found(task, known, limit))
    found = list(itertools.starmap(FrontPoint, front_of(known.points)))
    if len(found) >= FRONT_PLACES:
        raise MappingError(f"the front of {layer.name} has more than {FRONT_PLACES - 1} points")
    front = Front(found)
    front.note = _note(task, known)
    if known.left_out:
        energy, cycles = (min(costs) for costs in zip(*known.left_out, strict=True))
        unit = hardware.energy_unit
        front.note += f"; what was left out takes {energy:.4g} {unit} and {cycles:.4g} cycles "
        front.note += "at least"
    return front


def _limit(time_limit: float | None) -> float:
    return TIME_LIMIT if time_limit is None else time_limit


def _nothing_found(task: Task, known: Explored, limit: float) -> str:
    layer, hardware = task.layer, task.hardware
    if known.left_out:
        what = f"no mapping of {layer.name} on {hardware.name} was found within {limit:g} s"
        return f"{what}: give more time, or a mapping"
    return why_nothing_fits(layer, hardware, task.weights, even=task.even)


def check_search(objective: str, time_limit: float | None) -> None:
    """Raise an InputError if there is no such objective, or no time."""
    if objective not in OBJECTIVES:
        raise InputError(
            Problem(
                f"unknown objective '{objective}'",
                "one of " + ", ".join(OBJECTIVES),
                nearest(objective, OBJECTIVES),
            )
        )
    if time_limit is not None and not time_limit > 0:
        raise InputError(Problem(f"the time limit is {time_limit}", "a number of seconds above 0"))


def _note(task: Task, known: Explored) -> str:
    """Why what was found is not proved to be the best."""
    reasons, innermost = list(known.reasons), task.hardware.levels[-1]
    compute, zeros = task.hardware.compute, task.layer.zeros
    spares = "outputs" in innermost.kept_tensors and left_of_reads(compute, zeros, "outputs") < 1
    if innermost.fanout.hop_pj and spares:
        reasons.append("each hop of a partial sum that zeros spare is taken for one")
    return "; ".join(reasons)


def objective_value(objective: str, energy: float, cycles: float) -> float:
    """What an objective minimizes."""
    return {"energy": energy, "cycles": cycles, "edp": energy * cycles}[objective]
