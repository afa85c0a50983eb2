"""The best mapping of a layer, proved to be the best.

`search_mapping` explores the whole map space of a layer on a hardware: every partial mapping that
grows from the MAC units outwards and may become the best (`kcsim.kernels.search.optimum`), with
every choice of what levels keep that the hardware leaves open.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kcsim.cost.padding import generates_padding
from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.cost.zero_savings import left_of_reads
from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import FRONT
from kcsim.mapping.conflict import why_not_as_fixed
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import (
    FRONT_PLACES,
    Explorer,
    compile_kernels,
    count_space,
    explore,
)  # fmt: skip
from kcsim.mapping.explored import Explored, Point, front_of
from kcsim.mapping.fit import why_nothing_fits
from kcsim.mapping.fixed import FixedMapping
from kcsim.mapping.fixed_check import check_fixed
from kcsim.mapping.forwarding_search import explore_all
from kcsim.mapping.limits import limits_of, with_stationary
from kcsim.mapping.memory import Memory
from kcsim.mapping.neighbors import NeighborExplorer, Neighbors
from kcsim.mapping.nest import Mapping
from kcsim.mapping.task import Task
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
        Mappings in the space, whether they have what is fixed or not.
    evaluated : int
        Mappings that were costed in full; bounds ruled out all others.
    nodes : int
        Parts of mappings that were costed.
    seconds : float
    note : str
        Why the mapping is not proved to be optimal, if it is not.
    codebook_level : int, optional
        Position of the level that holds a codebook too large for its store.
    fixed : bool
        Whether only mappings were searched that have what a user fixed.
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
    fixed: bool = False

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
    fixed : bool
        Whether only mappings were searched that have what a user fixed.
    """

    note: str = ""
    fixed: bool = False


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
    neighbors: Neighbors | None = None,
    fix: FixedMapping | None = None,
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
    neighbors : Neighbors, optional
        What is known from problems that are alike. Of mappings that are equal, another one may
        then be found, but always the same.
    fix : FixedMapping, optional
        Only search mappings that have what is fixed; see `kcsim.mapping.fixed`.

    Returns
    -------
    SearchResult
        All factors divide their dimension.

    Raises
    ------
    InputError
        If the objective is unknown, or the time limit not positive.
    MappingError
        If not even single values fit, the dataflow leaves no place for a dimension, or
        nothing has what is fixed.
    """
    check_search(objective, time_limit)
    task = task_of(layer, hardware, weights, prices, even=even, fix=fix)
    return solve(task, objective, _limit(time_limit), within=within, neighbors=neighbors, fix=fix)


def solve(
    task: Task,
    objective: str,
    time_limit: float,
    *,
    within: Deadline | None = None,
    neighbors: Neighbors | None = None,
    fix: FixedMapping | None = None,
) -> SearchResult:
    """The best mapping of a task; see `search_mapping`."""
    compile_kernels(task.hardware.padding)
    started, goal = time.monotonic(), OBJECTIVES.index(objective)
    deadline = Deadline(time_limit, within)
    if neighbors:
        known = explore(NeighborExplorer(task, goal, deadline, neighbors))
    else:
        known = explore_all(Explorer(task, goal, deadline))
    if not known.points:
        raise nothing_found(task, known, time_limit, fix)
    if fix is not None:
        known.mappings = count_space(task, Deadline(time_limit, within))
    return result_of(task, objective, known, known.points[-1], time.monotonic() - started)


def solve_below(
    task: Task, objective: str, most: float, time_limit: float, within: Deadline, memory: Memory
) -> SearchResult | None:
    """The best mapping of a task; ``None`` if its objective is above `most`, or nothing fits."""
    started = time.monotonic()
    deadline = Deadline(time_limit, within)
    goal = OBJECTIVES.index(objective)
    known = explore(Explorer(task, goal, deadline, most=most, memory=memory))
    if known.points:
        return result_of(task, objective, known, known.points[-1], time.monotonic() - started)
    if known.left_out or most == math.inf:
        raise nothing_found(task, known, time_limit, None)
    return None


def result_of(
    task: Task, objective: str, known: Explored, point: Point, seconds: float
) -> SearchResult:
    """A mapping that was found, with what is known of all others."""
    mapping, energy, cycles, codebook_level = point
    note = _note(task, known)
    value = objective_value(objective, energy, cycles)
    least = [costs[0] for costs in known.left_out]
    gap = 1 - min([value, *least]) / value if value else 0.0
    return SearchResult(
        mapping, energy, cycles, not note, math.nan if not_searched(task) else gap,
        max(known.mappings, known.evaluated), known.evaluated, known.nodes, seconds, note,
        codebook_level, task.fixed,
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
    fix: FixedMapping | None = None,
) -> Mapping:
    """The best mapping of a layer; see `search_mapping`."""
    return search_mapping(
        layer, hardware, objective=objective, weights=weights, time_limit=time_limit, even=even,
        fix=fix,
    ).mapping  # fmt: skip


@checked
def find_front(
    layer: ConvLayer,
    hardware: Hardware,
    *,
    weights: Sequence[WeightCosts] = (DENSE,),
    time_limit: float | None = None,
    even: bool = False,
    fix: FixedMapping | None = None,
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
    fix : FixedMapping, optional
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
    limit, task = _limit(time_limit), task_of(layer, hardware, weights, even=even, fix=fix)
    compile_kernels(task.hardware.padding)
    known = explore_all(Explorer(task, FRONT, Deadline(limit)))
    if not known.points:
        raise nothing_found(task, known, limit, fix)
    found = list(itertools.starmap(FrontPoint, front_of(known.points)))
    if len(found) >= FRONT_PLACES:
        raise MappingError(f"the front of {layer.name} has more than {FRONT_PLACES - 1} points")
    front = Front(found)
    front.note, front.fixed = _note(task, known), fix is not None
    if known.left_out:
        energy, cycles = (min(costs) for costs in zip(*known.left_out, strict=True))
        unit = hardware.energy_unit
        front.note += f"; what was left out takes {energy:.4g} {unit} and {cycles:.4g} cycles "
        front.note += "at least"
    return front


def _limit(time_limit: float | None) -> float:
    return TIME_LIMIT if time_limit is None else time_limit


def task_of(
    layer: ConvLayer,
    hardware: Hardware,
    weights: Sequence[WeightCosts] = (DENSE,),
    prices: Prices | None = None,
    *,
    even: bool = False,
    fix: FixedMapping | None = None,
) -> Task:
    """What there is to explore; see `search_mapping`.

    Raises
    ------
    MappingError
        If no mapping can have what is fixed, whatever else it is.
    """
    if fix is not None:
        check_fixed(fix, layer, hardware)
        hardware = with_stationary(hardware, fix)
    limits = limits_of(fix, hardware)
    return Task(layer, hardware, tuple(weights), prices, even, limits, fix is not None)


def nothing_found(
    task: Task, known: Explored, limit: float, fix: FixedMapping | None
) -> MappingError:
    """Why there is no mapping, or why none was found."""
    layer, hardware = task.layer, task.hardware
    if known.left_out:
        what = f"no mapping of {layer.name} on {hardware.name} was found within {limit:g} s"
        return MappingError(f"{what}: give more time, or a mapping")
    if fix is not None:
        return why_not_as_fixed(task, fix)
    return MappingError(why_nothing_fits(layer, hardware, task.weights, even=task.even))


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
    innermost, compute = task.hardware.levels[-1], task.hardware.compute
    spares = left_of_reads(compute, task.layer.zeros, "outputs") < 1
    spares = spares and "outputs" in innermost.kept_tensors
    reasons = [*known.reasons, not_searched(task)]
    if innermost.fanout.hop_pj and spares:
        reasons.append("each hop of a partial sum that zeros spare is taken for one")
    return "; ".join(filter(None, reasons))


def not_searched(task: Task) -> str:
    """What costs energy that the search does not see, or sees where there is none."""
    hardware = task.hardware
    forwards = any("inputs" in level.fanout.forwarding for level in hardware.levels)
    if forwards and generates_padding(task.layer, hardware):
        return "the search takes padding for moved; what is found is counted without it"
    if hardware.levels[-1].fanout.systolic:
        return "passes of a systolic array of bare MAC units are not part of the search"
    return ""


def objective_value(objective: str, energy: float, cycles: float) -> float:
    """What an objective minimizes."""
    return {"energy": energy, "cycles": cycles, "edp": energy * cycles}[objective]
