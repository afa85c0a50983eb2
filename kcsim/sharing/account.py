"""What a shared convolution spends: the accounts of its parts, added up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kcsim.cost.ports import start_cycles
from kcsim.cost.weight_format import WeightFormat
from kcsim.model.codebook import codebook_place
from kcsim.model.counts import Counts
from kcsim.model.cycles import Cycles, in_turns, lookup_cycles, transfer_cycles
from kcsim.model.energy import (
    EnergyItem,
    bias_items,
    codebook_items,
    cycle_items,
    mac_items,
    network_items,
    storage_items,
)
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.model.traffic import macs_left
from kcsim.sharing.cost import Cost, in_use_pj
from kcsim.sharing.home import check_home
from kcsim.sharing.phases import (
    Phase,
    count_entries,
    count_gather,
    count_outer,
    with_sums_read,
)
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.workload.execution import Operations
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True)
class Intermediate:
    """The intermediate tensor of a shared convolution: products that wait to be gathered, or sums.

    Attributes
    ----------
    home : str
        The level that holds it.
    gathered_at : str
        The innermost level that tables of it are brought to.
    spilled : bool
        Whether all of it lies in the outermost level between the phases, as it fits nowhere else,
        or costs least there.
    value_bits : int
        Width of a product or sum.
    width : int
        Entries of a table: as many as the block (or filter) with most of them uses; 1 if sums
        are wanted one at a time, 2 with the sums of whole blocks beside them.
    tile_words : int
        Words of it in the home at one time.
    words : int
        Words that are computed in all.
    home_bits : int
        Bits of all tiles that the home holds at one time, those of other tensors included.
    is_expectation : bool
        Whether distinct entries are expected ones, for want of weights.
    relative_error : float
        Of the expected number of distinct entries: root mean square over real layers that were
        clustered by the scheme. 0 with weights, or where no such layers are known.
    """

    home: str
    gathered_at: str
    spilled: bool
    value_bits: int
    width: int
    tile_words: int
    words: int
    home_bits: int
    is_expectation: bool
    relative_error: float


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedEstimate(LayerEstimate):
    """What one layer spends that shares products or sums.

    Counts are those of all parts together, without the intermediate tensor, which has its own.

    Attributes
    ----------
    shared : SharedLayer
    plan : SharedMapping
    intermediate : Intermediate
    intermediate_accesses : ndarray of int64, [levels, actions]
        Reads, fills and updates of the intermediate tensor.
    outer : Counts
        What comes to the home and leaves it.
    gather, entries : Phase
    """

    shared: SharedLayer
    plan: SharedMapping
    intermediate: Intermediate
    intermediate_accesses: np.ndarray
    outer: Counts
    gather: Phase
    entries: Phase

    @property
    def execution(self) -> str:
        """How the layer is executed."""
        return self.plan.sharing.name

    @property
    def utilization(self) -> float:
        """Products and gathered values over what the array could do in these cycles."""
        hardware = self.shared.hardware
        slots = self.cycles.total * hardware.mac_units
        return (self.entries.counts.macs + self.gather.counts.macs) * (
            hardware.compute.cycles_per_mac / slots
        )

    @cached_property
    def tile_words(self) -> np.ndarray:
        """Likewise; below the home, the larger tile of the two phases.

        The intermediate tensor is none of these.
        """
        words = np.array(self.counts.tile_words)
        home = self.shared.hardware.level_index(self.plan.home)
        words[home + 1 :] = 0
        for phase in (self.gather, self.entries):
            held = np.array(phase.counts.tile_words)
            held[:, TENSORS.index(phase.role)] = 0
            words[home + 1 :] = np.maximum(words[home + 1 :], held[home + 1 :])
        return words

    @property
    def innermost_accesses(self) -> int:
        """Words that the innermost level reads and updates, the intermediate tensor included."""
        reads, _, updates = self.intermediate_accesses[-1]
        return super().innermost_accesses + int(reads + updates)

    @cached_property
    def operations(self) -> Operations:
        """Multiplies and adds; see `kcsim.conv.operations.count_operations`.

        Tiles that overlap, and rows of inputs that a stride passes over where units are smaller
        than a kernel, take more than is counted there.
        """
        shared, order = self.shared, self.plan.order
        widths = shared.widths(self.plan.tile, order)
        gathered, macs = self.gather.counts.macs, self.entries.counts.macs
        # Sums of whole blocks are entries of ones.
        boxed = macs * sum(widths.values()) // sum(e * n for e, n in widths.items())
        factors = gathered * (shared.has_factors + shared.has_offsets)
        adds = macs - self.intermediate.words + gathered * (1 + shared.has_offsets)
        adds += shared.passed(self.plan.tile, order)
        return Operations(macs - boxed * shared.has_offsets + factors, adds)


def evaluate_shared(
    shared: SharedLayer,
    mapping: SharedMapping,
    known: tuple[PhaseCost, PhaseCost] | None = None,
) -> SharedEstimate:
    """Estimate a shared convolution under a given mapping.

    Parameters
    ----------
    shared : SharedLayer
    mapping : SharedMapping
    known : (PhaseCost, PhaseCost), optional
        See `phase_costs`.

    Raises
    ------
    MappingError
        If a part of the mapping does not cover what it should, or does not fit.
    """
    shared = shared.under(mapping)
    hardware, tile, order = shared.hardware, mapping.tile, mapping.order
    home = hardware.level_index(mapping.home)
    widths, shapes = shared.widths(tile, order), shared.shapes(tile)
    width = 1 + shared.has_offsets if mapping.ordered else max(widths)
    home_bits = check_home(shared, mapping, width)
    outer = count_outer(shared, mapping)
    known = known or phase_costs(
        shared, mapping, gather_cost(shared, mapping), entries_cost(shared, mapping)
    )
    (gather, gather_items, _), (entries, entry_items, _) = known
    if outer.instances[home] > 1:
        gather, entries = (_with_instances(each, outer, home) for each in (gather, entries))
        gather_items, entry_items = _gather_items(shared, mapping, gather), _entry_items(entries)
    instances = np.maximum(gather.counts.instances, entries.counts.instances)
    index_form = shared.indexed_form(tile, order, home)
    cycles = _cycles(outer, index_form, gather, entries, home)
    items = [
        *_moved_items(outer, index_form),
        *gather_items,
        *entry_items,
        *bias_items(outer),
        *cycle_items(replace(outer, instances=instances), cycles.total),
    ]
    accesses, transfers, tables = _added_up(outer, (gather, entries))
    counts = Counts(
        shared.layer, hardware, mapping.outer, accesses, transfers, outer.tile_words,
        instances, cycles.compute, entries.counts.macs, outer.finished,
    )  # fmt: skip
    intermediate = Intermediate(
        mapping.home, mapping.gathered_at, home == 0, shared.arithmetic(tile, order).bits, width,
        shapes.shared_tables * width, shared.produced(tile, order), home_bits,
        shared.distinct.is_expectation, shared.distinct.relative_error(shared.sharing.tables_of),
    )  # fmt: skip
    return SharedEstimate(
        counts, shared.form, cycles, _merged(items), shared=shared, plan=mapping,
        intermediate=intermediate, intermediate_accesses=tables, outer=outer,
        gather=gather, entries=entries,
    )  # fmt: skip


_OUTPUTS = TENSORS.index("outputs")


class PhaseCost(NamedTuple):
    """One phase, with its items of energy, and the position of its home."""

    phase: Phase
    items: tuple[EnergyItem, ...]
    home: int

    @property
    def cost(self) -> Cost:
        """Of all its runs."""
        energy, phase = math.fsum(item.energy for item in self.items), self.phase
        own = in_use_pj(phase.counts.hardware, phase.counts.mapping, self.home)
        waiting = float(phase.longest * phase.runs)
        return Cost(energy, float(phase.cycles), waiting, own)


def gather_cost(shared: SharedLayer, mapping: SharedMapping) -> PhaseCost:
    """Of the phase that gathers, whatever else the mapping says.

    Raises
    ------
    MappingError
        If the phase does not cover the tile or does not fit.
    """
    width = 1 + shared.has_offsets
    if not mapping.ordered:
        width = max(shared.widths(mapping.tile))
    phase = count_gather(shared, mapping, width)
    home = shared.hardware.level_index(mapping.home)
    return PhaseCost(phase, _gather_items(shared, mapping, phase), home)


def entries_cost(shared: SharedLayer, mapping: SharedMapping) -> PhaseCost:
    """Of the phase that multiplies, whatever else the mapping says.

    Raises
    ------
    MappingError
        If the phase does not cover the entries or does not fit.
    """
    phase = count_entries(shared, mapping, shared.widths(mapping.tile, mapping.order))
    return PhaseCost(phase, _entry_items(phase), shared.hardware.level_index(mapping.home))


def phase_costs(
    shared: SharedLayer, mapping: SharedMapping, gather: PhaseCost, entries: PhaseCost
) -> tuple[PhaseCost, PhaseCost]:
    """Of both phases, the second of which reads outputs of other tiles at the home.

    Parameters
    ----------
    shared : SharedLayer
    mapping : SharedMapping
        Whatever it says of the loops above the home.
    gather, entries : PhaseCost
        Each phase by itself.
    """
    words = shared.accumulated(mapping.tile)
    if words and gather.phase.role == "inputs":
        phase = with_sums_read(gather.phase, gather.home, words)
        gather = gather._replace(phase=phase, items=_gather_items(shared, mapping, phase))
    elif words:
        phase = with_sums_read(entries.phase, entries.home, words)
        entries = entries._replace(phase=phase, items=_entry_items(phase))
    return gather, entries


def _with_instances(phase: Phase, outer: Counts, home: int) -> Phase:
    """The phase with the instances that work side by side: those of all homes."""
    inside = phase.counts.instances[home:] * outer.instances[home]
    instances = np.concatenate([outer.instances[:home], inside])
    return replace(phase, counts=replace(phase.counts, instances=instances))


def _cycles(outer: Counts, form: WeightFormat, gather: Phase, entries: Phase, home: int) -> Cycles:
    """Cycles of the phases one after the other, beside the transfers of each level.

    Homes that work side by side wait for the one with the most entries.
    """
    beside = int(outer.instances[home])
    compute = gather.cycles // beside
    # Tables of tiles that use no entry are none: what is left may not be the same for all homes.
    entering = entries.cycles if beside == 1 else -(-entries.longest * entries.runs // beside)
    bound_by = (gather if compute > entering else entries).bound_by
    compute = compute + entering
    transfer = {}
    place = codebook_place(entries.counts, entries.weights)
    parts = (
        (outer, form, None),
        (gather.counts, gather.weights, None),
        (entries.counts, entries.weights, place),
    )
    needed = {}
    for i, level in enumerate(outer.hardware.levels):
        outside = transfer_cycles(*parts[0], i, level)
        transfer[level.name] = sum(transfer_cycles(*part, i, level) for part in parts)
        needed[level.name] = outside if level.buffering == "single" else transfer[level.name]
    total, bound_by = in_turns(outer.hardware, compute, bound_by, needed, transfer)
    lookup = lookup_cycles(entries.counts, entries.weights, place)
    if lookup > total:
        total, bound_by = lookup, "codebook"
    latency = math.ceil(start_cycles(outer.hardware))
    return Cycles(compute, transfer, lookup, total + latency, bound_by, latency=latency)


def _moved_items(counts: Counts, form: WeightFormat, role: str = "") -> Iterator[EnergyItem]:
    """What is stored and moved; of a phase, with what the intermediate tensor stands for."""
    for item in (*storage_items(counts, form), *network_items(counts, form)):
        yield replace(item, tensor="intermediate") if item.tensor == role else item


def _entry_items(phase: Phase) -> tuple[EnergyItem, ...]:
    """The phase that multiplies: what is moved, products, and lookups of entries."""
    return (
        *_moved_items(phase.counts, phase.weights, phase.role),
        *mac_items(phase.counts),
        *codebook_items(phase.counts, phase.weights),
    )


def _gather_items(
    shared: SharedLayer, mapping: SharedMapping, phase: Phase
) -> tuple[EnergyItem, ...]:
    """The phase that gathers: what is moved, additions where others multiply, and factors."""
    added = _added_items(shared, mapping, phase.counts)
    return (*_moved_items(phase.counts, phase.weights, phase.role), *added)


def _added_items(
    shared: SharedLayer, mapping: SharedMapping, counts: Counts
) -> Iterator[EnergyItem]:
    tile, order = mapping.tile, mapping.order
    units, more = shared.arithmetic(tile, order), macs_left(counts).computed
    address_pj = shared.hardware.compute.address_pj
    for item in mac_items(counts):
        yield replace(item, component="adder", action="gate" if item.action == "gate" else "add")
    for component, action, count, energy in (
        ("address", "compute", more * (1 + shared.has_offsets) * bool(address_pj), address_pj),
        ("adder", "add", more * shared.has_offsets + shared.passed(tile, order), units.add_pj),
        ("multiplier", "multiply", more * (shared.has_factors + shared.has_offsets),
         units.factor_pj),
    ):  # fmt: skip
        yield EnergyItem(component, "", action, count, 0, count, count * energy)


def _merged(items: list[EnergyItem]) -> tuple[EnergyItem, ...]:
    """Items of all parts, those about the same thing added up."""
    merged: dict[tuple[str, str, str], EnergyItem] = {}
    for item in items:
        key = item.component, item.tensor, item.action
        known = merged.get(key)
        merged[key] = item if known is None else replace(
            known, count=known.count + item.count, bits=known.bits + item.bits,
            accesses=known.accesses + item.accesses, energy=known.energy + item.energy,
        )  # fmt: skip
    return tuple(item for item in merged.values() if item.count)


def _added_up(outer: Counts, phases: Sequence[Phase]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accesses and transfers of all parts, and apart, accesses of the intermediate tensor."""
    accesses, transfers = outer.accesses.copy(), outer.transfers.copy()
    tables = np.zeros_like(accesses[:, 0])
    for phase in phases:
        tables += phase.counts.accesses[:, TENSORS.index(phase.role)]
        others = [j for j, tensor in enumerate(TENSORS) if tensor != phase.role]
        accesses[:, others] += phase.counts.accesses[:, others]
        transfers[:, others] += phase.counts.transfers[:, others]
    return accesses, transfers, tables
