"""How clustered layers are executed: decoded at some level, or with shared products or sums."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kcsim.clustering.entry_use import entry_uses
from kcsim.clustering.resolve import resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.cost.clustered_formats import clustered_zeros, weight_formats
from kcsim.cost.padding import with_padding_moved
from kcsim.cost.weight_format import WeightFormat, decode_at
from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.fixed import Fixes, fixed_of
from kcsim.mapping.layers import Mapper, MappingTask, try_layers
from kcsim.mapping.search import TIME_LIMIT, objective_value
from kcsim.model.best import FoundEstimates
from kcsim.model.imperfect import ImperfectMapper
from kcsim.model.layer_estimate import Alternative, LayerEstimate
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.phase_search import Phases, compile_kernels
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.search import find_shared_mapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.execution import EXECUTIONS as SINGLE_EXECUTIONS
from kcsim.workload.execution import check_execution
from kcsim.workload.layer import ConvLayer

EXECUTIONS = (*SINGLE_EXECUTIONS, "auto")
Progress = Callable[[int, int], None] | None


@dataclass(frozen=True, eq=False)
class Tried:
    """What every way to execute a layer spends.

    Attributes
    ----------
    found : dict of (str, str) to LayerEstimate
        By execution and decode level; ways that do not fit are missing.
    reasons : dict of str to str
        Why an execution fits nowhere.
    """

    found: dict[tuple[str, str], LayerEstimate]
    reasons: dict[str, str]

    def at(self, decode_level: str) -> Tried:
        """With the decoder in one place; of a dense layer, all."""
        kept = {key: found for key, found in self.found.items() if key[1] in (decode_level, "")}
        return Tried(kept, self.reasons)


def decoder_places(
    execution: str, decode_level: str | None, hardware: Hardware
) -> tuple[Hardware, ...]:
    """The places of the decoder that are to be tried, as hardware.

    Raises
    ------
    InputError
        If there is no such execution or level, or the hardware has no codebook store.
    """
    check_execution(execution, EXECUTIONS)
    if decode_level is None and execution == "auto":
        decode_level = "auto"
    if decode_level is None or hardware.codebook is None:
        return (hardware,)
    if decode_level != "auto":
        return (decode_at(hardware, decode_level),)
    own = hardware.codebook.level
    others = [name for name in hardware.level_names if name != own]
    return (hardware, *(decode_at(hardware, name) for name in others))


def try_executions(
    layers: Sequence[ConvLayer],
    hardware: Sequence[Hardware],
    clustering: Clustering | ClusteredWeights,
    executions: Sequence[str],
    *,
    objective: str = "edp",
    time_limit: float | None = None,
    progress: Progress = None,
    even: bool = False,
    mapper: Mapper | None = None,
    fix: Fixes | None = None,
    imperfect: bool = False,
) -> tuple[Tried, ...]:
    """Find what every way of executing each layer spends.

    Parameters
    ----------
    layers : sequence of ConvLayer
        The network, or some layers of it.
    hardware : sequence of Hardware
        One for each place of the decoder; see `decoder_places`.
    clustering : Clustering or ClusteredWeights
    executions : sequence of str
        ``decode``, ``share_products``, ``share_sums``. Layers that stay dense are mapped under
        ``decode``.
    objective, time_limit, progress, even
        As for `kcsim.estimate`: all ways to execute a layer share its time.
    mapper : Mapper, optional
        How layers are mapped.
    fix : FixedMapping or mapping of str to FixedMapping, optional
        What is fixed of the mappings under ``decode``.
    imperfect : bool
        As for `kcsim.estimate`.

    Returns
    -------
    tuple of Tried
        In the order of the layers.
    """
    layers = clustered_zeros(layers, clustering)
    formats = [weight_formats(layers, each, clustering) for each in hardware]
    tried = [Tried({}, {}) for _ in layers]
    jobs = list(_sharing_jobs(layers, hardware, clustering, formats, executions))
    shared_layers = len({job.key for job in jobs})
    done = 0
    limit = TIME_LIMIT if time_limit is None else time_limit
    ways = len(hardware) * (1 + sum(sharing in executions for sharing in SHARINGS))

    def tell(mapped: int, of: int) -> None:
        if progress:
            progress(done + mapped, done + of + shared_layers)

    single = ImperfectMapper(mapper) if imperfect else mapper
    for each, forms in zip(hardware, formats, strict=True):
        tasks = _tasks(layers, each, forms, even, fix, imperfect=imperfect)
        found = try_layers(
            tasks, each, objective=objective, time_limit=limit / ways, progress=tell, mapper=single
        )
        done += len({task.shape for task in tasks})
        estimated = FoundEstimates(each)
        for entry, layer, form, result in zip(tried, layers, forms, found, strict=True):
            if isinstance(result, MappingError):
                entry.reasons.setdefault("decode", str(result))
                continue
            estimate = estimated.of(result, layer, form)
            entry.found["decode", estimate.decode_level] = estimate
    unique = {job.key: (job, tried[job.layer]) for job in jobs}

    if jobs:
        compile_kernels()
    # One after the other: most of it is small searches, which threads would only slow down, and
    # each finds phases that those before it have searched.
    deadline, phases, results = Deadline(), Phases(), dict[Hashable, Tried]()
    for key, known in unique.items():
        results[key] = _try_sharing(*known, objective, limit / ways, deadline, even, phases)
        tell(len(results), 0)
    for job in jobs:
        _add_sharing(tried[job.layer], results[job.key], layers[job.layer])
    return tuple(tried)


def _add_sharing(tried: Tried, outcome: Tried, layer: ConvLayer) -> None:
    """Add what was found for equal layers."""
    for way, estimate in outcome.found.items():
        tried.found[way] = replace(estimate, counts=replace(estimate.counts, layer=layer))
    tried.reasons.update(outcome.reasons)


def _tasks(
    layers: Sequence[ConvLayer],
    hardware: Hardware,
    forms: Sequence[WeightFormat],
    even: bool,
    fix: Fixes | None,
    *,
    imperfect: bool,
) -> list[MappingTask]:
    """What is to be mapped under ``decode``."""
    return [
        MappingTask(
            layer,
            form.costs(hardware),
            even,
            fixed_of(fix, layer.name, clustered=True),
            form if imperfect else None,
        )
        for layer, form in zip(layers, forms, strict=True)
    ]


class _SharingJob(NamedTuple):
    """The ways to share that are to be tried for a layer, and what equal layers have in common."""

    layer: int
    shared: tuple[SharedLayer, ...]
    key: Hashable


def _try_sharing(
    job: _SharingJob,
    tried: Tried,
    objective: str,
    seconds: float,
    within: Deadline,
    even: bool,
    phases: Phases,
) -> Tried:
    """Find the best of every way to share; with the decoder elsewhere, only what is better.

    Each may take some seconds, and what those before it have left.
    """
    found: dict[tuple[str, str], LayerEstimate] = {}
    reasons: dict[str, str] = {}
    decoded = {level: _value(each, objective) for (_, level), each in tried.found.items()}
    whole, left = Deadline(seconds * len(job.shared), within), len(job.shared)
    for sharing in SHARINGS:
        places = [each for each in job.shared if each.sharing.name == sharing]
        # Where decoding is cheap, sharing is likely to be; what is found early rules out more.
        places[1:] = sorted(places[1:], key=lambda each: decoded.get(each.decode_level, np.inf))
        least = np.inf
        own = phases.of_layer()
        for shared in places:
            try:
                share = whole.left / left
                left -= 1
                estimate = find_shared_mapping(
                    shared, objective, least, time_limit=share, within=within, even=even,
                    phases=own,
                )  # fmt: skip
            except MappingError as error:
                reasons.setdefault(sharing, str(error))
                continue
            if estimate is not None:
                found[sharing, estimate.decode_level] = estimate
                least = _value(estimate, objective)
    return Tried(found, reasons)


def _value(estimate: LayerEstimate, objective: str) -> float:
    return objective_value(objective, estimate.energy, estimate.cycles.total)


def _sharing_jobs(
    layers: Sequence[ConvLayer],
    hardware: Sequence[Hardware],
    clustering: Clustering | ClusteredWeights,
    formats: Sequence[Sequence[WeightFormat]],
    executions: Sequence[str],
) -> Iterator[_SharingJob]:
    sharings = [sharing for name, sharing in SHARINGS.items() if name in executions]
    if not sharings:
        return
    # Phases are not counted without padding.
    moving, seen = (
        [with_padding_moved(each) for each in hardware],
        dict[object, tuple[Hardware, Hardware]](),
    )
    without_zeros = "weights" in hardware[0].compute.zeros
    distinct = _distinct_entries(layers, clustering, without_zeros)
    for i, (layer, entries) in enumerate(zip(layers, distinct, strict=True)):
        if entries is None:
            continue
        if entries.keys is not None:
            layer = replace(layer, zeros=replace(layer.zeros, weights=entries.zero_share))
        forms = tuple(each[i] for each in formats)
        shared = tuple(
            SharedLayer(layer, each, form, entries, sharing, seen)
            for sharing in sharings
            for each, form in zip(moving, forms, strict=True)
        )
        expected = entries.kinds, entries.zero_share, entries.uses
        real = i if entries.keys is not None else expected
        yield _SharingJob(i, shared, (layer.shape_key, real, forms))


def _distinct_entries(
    layers: Sequence[ConvLayer], clustering: Clustering | ClusteredWeights, without_zeros: bool
) -> Iterator[DistinctEntries | None]:
    """Distinct entries of every layer; ``None`` where it stays dense."""
    if isinstance(clustering, ClusteredWeights):
        for layer in layers:
            known = clustering.layers.get(layer.name)
            yield (
                known
                if known is None
                else DistinctEntries.expected(known.part)
                if known.part.unshared
                else DistinctEntries.of(
                    known, clustering.codebooks[known.part.codebook], without_zeros=without_zeros
                )
            )
        return
    for part in resolve_network(layers, clustering):
        if part.unit is None:
            yield None
            continue
        uses = entry_uses(part.settings, part.clusters)
        yield DistinctEntries.expected(part, without_zeros=without_zeros, uses=uses)


def choose_layers(
    tried: Sequence[Tried], execution: str, objective: str, hardware: Hardware
) -> tuple[LayerEstimate, ...]:
    """The best estimate of every layer, of those that an execution allows.

    Parameters
    ----------
    tried : sequence of Tried
    execution : str
        One of `EXECUTIONS`. A layer that cannot share is decoded, and says why.
    objective : str
    hardware : Hardware
        As the file says: of equally good places of the decoder, its own.
    """
    return tuple(_chosen(each, execution, objective, hardware) for each in tried)


def _chosen(tried: Tried, execution: str, objective: str, hardware: Hardware) -> LayerEstimate:
    def value(estimate: LayerEstimate) -> tuple[float, ...]:
        away = hardware.codebook is None or estimate.decode_level != hardware.codebook.level
        return _value(estimate, objective), estimate.energy, estimate.cycles.total, away

    wanted = [e for (name, _), e in tried.found.items() if execution in (name, "auto")]
    note = ""
    if not wanted:
        wanted = [e for (name, _), e in tried.found.items() if name == "decode"]
        reason = tried.reasons.get(execution)
        if not wanted:
            raise MappingError(reason or tried.reasons["decode"])
        note = f"decoded, not {execution}: {reason}" if reason else ""
    best = min(wanted, key=value)
    alternatives = tuple(
        Alternative(each.execution, each.decode_level, each.energy, each.cycles.total)
        for each in sorted(wanted, key=value)
    )
    return replace(best, alternatives=alternatives if len(wanted) > 1 else (), note=note)
