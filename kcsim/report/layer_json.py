"""One layer's estimate as JSON; `kcsim.report.layer_schema` says what is in it."""

from __future__ import annotations

import math

from kcsim.conv.operations import Operations
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult
from kcsim.model.counts import Counts
from kcsim.model.layer_estimate import Alternative, LayerEstimate
from kcsim.report.execution_data import tile_words
from kcsim.report.layer_schema import (
    AccessDocument,
    AlternativeDocument,
    CyclesDocument,
    EnergyDocument,
    IntermediateDocument,
    LayerDocument,
    LoopsDocument,
    OperationsDocument,
    PlanDocument,
    SearchDocument,
    StoredDocument,
    TableAccessDocument,
    TransferDocument,
    WeightsDocument,
    ZerosDocument,
)
from kcsim.sharing.account import SharedEstimate
from kcsim.sharing.plan import SharedMapping
from kcsim.workload.layer import TENSORS


def layer_document(estimate: LayerEstimate) -> LayerDocument:
    """What one layer spends."""
    counts, cycles = estimate.counts, estimate.cycles
    shared = estimate if isinstance(estimate, SharedEstimate) else None
    return LayerDocument(
        name=estimate.layer.name,
        kind=estimate.layer.kind,
        execution=estimate.execution,  # type: ignore[arg-type]
        decode_level=estimate.decode_level or None,
        dimensions=estimate.layer.dimensions,
        macs=estimate.layer.macs,
        energy_pj=estimate.energy_pj,
        utilization=estimate.utilization,
        mac_units_used=int(counts.instances[-1]),
        lookups=estimate.lookups,
        operations=operations_document(estimate.operations, estimate.full_adders),
        weights=_weights(estimate),
        zeros=_zeros(estimate),
        mapping=_mapping(estimate.mapping),
        search=_search(estimate.search),
        accesses=_accesses(estimate),
        transfers=_transfers(counts),
        cycles=CyclesDocument(
            compute=cycles.compute,
            transfer=cycles.transfer,
            lookup=cycles.lookup,
            total=cycles.total,
            bound_by=cycles.bound_by,
            assumes_lookup_rate=estimate.assumes_lookup_rate,
        ),
        energy=tuple(EnergyDocument(**vars(item)) for item in estimate.items),
        alternatives=tuple(_alternative(each) for each in estimate.alternatives),
        note=estimate.note,
        intermediate=_intermediate(shared) if shared else None,
        plan=_plan(shared.plan) if shared else None,
    )


def operations_document(operations: Operations, full_adders: int) -> OperationsDocument:
    """What is computed."""
    return OperationsDocument(
        multiplies=operations.multiplies, adds=operations.adds, full_adders=full_adders
    )


def _alternative(alternative: Alternative) -> AlternativeDocument:
    return AlternativeDocument(
        execution=alternative.execution,  # type: ignore[arg-type]
        decode_level=alternative.decode_level or None,
        energy_pj=alternative.energy_pj,
        cycles=alternative.cycles,
    )


def _intermediate(estimate: SharedEstimate) -> IntermediateDocument:
    names = estimate.counts.hardware.level_names
    rows = zip(names, estimate.intermediate_accesses.tolist(), strict=True)
    return IntermediateDocument(
        **vars(estimate.intermediate),
        accesses=tuple(
            TableAccessDocument(level=name, reads=words[0], fills=words[1], updates=words[2])
            for name, words in rows
            if any(words)
        ),
    )


def _plan(plan: SharedMapping) -> PlanDocument:
    return PlanDocument(
        tile=plan.tile._asdict(),
        ordered=plan.ordered,
        outer=_mapping(plan.outer),
        gather=_mapping(plan.gather),
        entries=_mapping(plan.entries),
    )


def _search(search: SearchResult | None) -> SearchDocument | None:
    if search is None:
        return None
    return SearchDocument(
        proved=search.is_optimal,
        gap=None if math.isnan(search.gap) else search.gap,
        mappings=search.mappings,
        evaluated=search.evaluated,
        note=search.note,
    )


def _weights(estimate: LayerEstimate) -> WeightsDocument:
    weights = estimate.weights
    names = estimate.counts.hardware.level_names
    return WeightsDocument(
        value_bits=weights.value_bits,
        unit=weights.unit,
        unit_bits=float(weights.unit_bits),
        decode_level=names[weights.decode_level] if weights.unit else None,
        codebook_words=weights.codebook_words,
        codebook_bits=weights.codebook_bits,
        loads_codebook=weights.loads_codebook,
    )


def _zeros(estimate: LayerEstimate) -> ZerosDocument:
    shares, macs = estimate.layer.zeros, estimate.macs_left
    return ZerosDocument(
        weights=shares.weights,
        inputs=shares.inputs,
        outputs=shares.outputs,
        computed_macs=macs.computed,
        gated_macs=macs.gated,
        skipped_macs=macs.skipped,
        stored=tuple(StoredDocument(**s._asdict()) for s in estimate.stored_tensors),
        is_expectation=estimate.rests_on_zeros,
    )


def _mapping(mapping: Mapping) -> tuple[LoopsDocument, ...]:
    return tuple(
        LoopsDocument(
            level=level.level,
            temporal=tuple(map(str, level.temporal)),
            spatial_x=tuple(map(str, level.spatial_x)),
            spatial_y=tuple(map(str, level.spatial_y)),
            bypass=level.bypass,  # type: ignore[arg-type]
        )
        for level in mapping.levels
    )


def _accesses(estimate: LayerEstimate) -> tuple[AccessDocument, ...]:
    counts, held = estimate.counts, tile_words(estimate)
    shown = counts.mapping.keeps_array(counts.hardware) | counts.accesses.any(axis=-1)
    return tuple(
        AccessDocument(
            level=name,
            tensor=tensor,
            instances=int(counts.instances[i]),
            tile_words=int(held[i, j]),
            reads=counts.words(name, tensor, "reads"),
            fills=counts.words(name, tensor, "fills"),
            updates=counts.words(name, tensor, "updates"),
        )
        for i, name in enumerate(counts.hardware.level_names)
        for j, tensor in enumerate(TENSORS)
        if shown[i, j]
    )


def _transfers(counts: Counts) -> tuple[TransferDocument, ...]:
    return tuple(
        TransferDocument(
            level=name,
            tensor=tensor,
            down=counts.moved(name, tensor, "down"),
            up=counts.moved(name, tensor, "up"),
            forwarded=counts.moved(name, tensor, "forwarded"),
        )
        for i, name in enumerate(counts.hardware.level_names)
        for j, tensor in enumerate(TENSORS)
        if counts.transfers[i, j].any()
    )
