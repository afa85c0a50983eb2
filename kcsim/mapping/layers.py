"""Mapping many layers: each shape once, on all cores, with what earlier runs have found."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import InputError, MappingError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.cache import MappingCache, default_cache
from kcsim.mapping.deadline import Deadline, in_threads
from kcsim.mapping.fixed import FixedMapping
from kcsim.mapping.search import SearchResult, check_search, search_mapping
from kcsim.reading.arguments import checked
from kcsim.workload.layer import ConvLayer


class MappingTask(NamedTuple):
    """A layer to map.

    Attributes
    ----------
    layer : ConvLayer
    weights : tuple of WeightCosts
        The forms that its weights may take.
    even : bool
        Whether to even mappings alone.
    fix : FixedMapping, optional
        What is fixed of its mapping.
    imperfect : WeightFormat, optional
        How the weights are stored, where bounds need not divide; see `kcsim.model.imperfect`.
    """

    layer: ConvLayer
    weights: tuple[WeightCosts, ...] = (DENSE,)
    even: bool = False
    fix: FixedMapping | None = None
    imperfect: WeightFormat | None = None

    @property
    def shape(self) -> Hashable:
        """What two tasks share that have the same best mapping."""
        return self.layer.shape_key, self.weights, self.even, self.fix, self.imperfect


class Mapper:
    """How single layers are mapped, and on how many threads together.

    Parameters
    ----------
    cache : MappingCache, optional
        Where results are kept; the user's own when absent.
    threads : int, optional
        One for each core when absent.
    """

    def __init__(self, cache: MappingCache | None = None, threads: int | None = None) -> None:
        self.store = cache or default_cache()
        self.threads = threads

    def solve(
        self,
        task: MappingTask,
        hardware: Hardware,
        objective: str,
        time_limit: float | None = None,
        within: Deadline | None = None,
    ) -> SearchResult | MappingError:
        """The best mapping of a layer, or why it has none; see `map_layers`."""
        layer, weights, even, fix, _ = task
        # What is fixed is rarely fixed again.
        store = self.store if fix is None else None
        key = store.key(layer, hardware, objective, weights, even=even) if store else ""
        known = store.load(key, layer, hardware, weights, even=even) if store else None
        if known:
            return known
        try:
            result = search_mapping(
                layer, hardware, objective=objective, weights=weights, time_limit=time_limit,
                within=within, even=even, fix=fix,
            )  # fmt: skip
        except MappingError as error:
            return error
        if store:
            store.store(key, result)
        return result


@checked
def map_layers(
    tasks: Sequence[MappingTask],
    hardware: Hardware,
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: MappingCache | None = None,
    mapper: Mapper | None = None,
) -> tuple[SearchResult, ...]:
    """Find the best mapping of every layer.

    Parameters
    ----------
    tasks : sequence of MappingTask
    hardware : Hardware
    objective : {"edp", "energy", "cycles"}
    time_limit : float, optional
        Seconds for each shape; see `kcsim.mapping.search.search_mapping`.
    progress : callable, optional
        Called with the number of shapes that are mapped, and of all.
    cache : MappingCache, optional
        Where results are kept; the user's own when absent.
    mapper : Mapper, optional
        How layers are mapped, in place of `cache`.

    Returns
    -------
    tuple of SearchResult
        In the order of the tasks; the same whatever the number of threads.

    Raises
    ------
    InputError, MappingError
        See `kcsim.mapping.search.search_mapping`; also if there are no layers.
    """
    found = try_layers(
        tasks, hardware, objective=objective, time_limit=time_limit, progress=progress,
        cache=cache, mapper=mapper,
    )  # fmt: skip
    for result in found:
        if isinstance(result, MappingError):
            raise result
    return tuple(result for result in found if isinstance(result, SearchResult))


def try_layers(
    tasks: Sequence[MappingTask],
    hardware: Hardware,
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: MappingCache | None = None,
    mapper: Mapper | None = None,
) -> tuple[SearchResult | MappingError, ...]:
    """The best mapping of every layer, or why it has none; see `map_layers`."""
    if not tasks:
        raise InputError("the network has no layers")
    check_search(objective, time_limit)
    mapper = mapper or Mapper(cache)
    unique = {task.shape: task for task in tasks}
    deadline = Deadline()

    def solve(task: MappingTask) -> SearchResult | MappingError:
        return mapper.solve(task, hardware, objective, time_limit, deadline)

    # The largest first, so that no core waits for the last one.
    order = sorted(unique.values(), key=lambda task: -task.layer.macs)
    found: dict[Hashable, SearchResult | MappingError] = {}
    for task, result in zip(order, in_threads(solve, order, deadline, mapper.threads), strict=True):
        found[task.shape] = result
        if progress:
            progress(len(found), len(order))
    return tuple(found[task.shape] for task in tasks)
