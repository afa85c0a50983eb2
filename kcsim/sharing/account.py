"""What a shared convolution spends: the accounts of its parts, added up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from kcsim.conv.operations import Operations
from kcsim.errors import MappingError, Problem
from kcsim.model.codebook import codebook_place
from kcsim.model.counts import Counts
from kcsim.model.cycles import Cycles, lookup_cycles, transfer_cycles
from kcsim.model.energy import (
    EnergyItem,
    codebook_items,
    cycle_items,
    mac_items,
    network_items,
    storage_items,
)
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.model.traffic import macs_left
from kcsim.sharing.phases import Phase, count_entries, count_gather, count_outer
from kcsim.sharing.places import index_level
from kcsim.sharing.plan import SharedLayer, SharedMapping
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
    """

    home: str
    gathered_at: str
    spilled: bool
    width: int
    tile_words: int
    words: int
    home_bits: int
    is_expectation: bool


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
        return _operations(self.shared, self.plan, self.gather, self.entries)


def evaluate_shared(shared: SharedLayer, mapping: SharedMapping) -> SharedEstimate:
    """Estimate a shared convolution under a given mapping.

    Parameters
    ----------
    shared : SharedLayer
    mapping : SharedMapping

    Raises
    ------
    MappingError
        If a part of the mapping does not cover what it should, or does not fit.
    """
    hardware, tile = shared.hardware, mapping.tile
    home = hardware.level_index(mapping.home)
    widths, shapes = shared.widths(tile), shared.shapes(tile)
    width = 1 + shared.has_offsets if mapping.ordered else max(widths)
    home_bits = check_home(shared, mapping, width)
    outer = count_outer(shared, mapping)
    gather, entries = count_gather(shared, mapping, width), count_entries(shared, mapping, widths)
    last = gather if shared.sharing.phases[1] == "gather" else entries
    # Tiles of further channels add to outputs that are there already.
    accumulated = shared.layer.output_words * (tile.rounds(shared.layer).C - 1)
    last.counts.accesses[home, _OUTPUTS, 0] += accumulated
    gather, entries = (_with_instances(phase, outer, home) for phase in (gather, entries))
    instances = np.maximum(gather.counts.instances, entries.counts.instances)
    cycles = _cycles(shared, mapping, outer, gather, entries)
    items = [
        *_outer_items(shared, mapping, outer),
        *_gather_items(shared, gather),
        *_entry_items(shared, entries),
        *cycle_items(replace(outer, instances=instances), cycles.total),
    ]
    totals = _Totals(shared, outer, gather, entries)
    counts = Counts(
        shared.layer, hardware, mapping.outer, totals.accesses, totals.transfers, outer.tile_words,
        instances, cycles.compute, entries.counts.macs,
    )  # fmt: skip
    intermediate = Intermediate(
        mapping.home, mapping.gathered_at, home == 0, width,
        shapes.shared_tables * width, _produced(shared, mapping), home_bits,
        shared.distinct.is_expectation,
    )  # fmt: skip
    return SharedEstimate(
        counts, shared.form, cycles, _merged(items), shared=shared, plan=mapping,
        intermediate=intermediate, intermediate_accesses=totals.tables, outer=outer,
        gather=gather, entries=entries,
    )  # fmt: skip


_OUTPUTS = TENSORS.index("outputs")


def check_home(shared: SharedLayer, mapping: SharedMapping, width: int) -> int:
    """Bits of all tiles in the home; raise a MappingError if they do not fit."""
    hardware = shared.hardware
    home = hardware.level_index(mapping.home)
    needed = home_bits(shared, mapping, width)
    level = hardware.levels[home]
    groups = [p.tensors for p in level.partitions] or [TENSORS]
    for group in groups:
        room, word_bits = level.capacity_bits(group[0]), level.word_bits_of(group[0])
        used = sum(needed[tensor] for tensor in group)
        if room is not None and used > room:
            raise MappingError(
                Problem(
                    f"level '{level.name}' is too small for the tile of {shared.layer.name}, "
                    f"products or sums included: {math.ceil(used / word_bits)} words",
                    f"at most the {room // word_bits} that it has for {', '.join(group)}",
                )
            )
    return math.ceil(sum(needed.values()))


def home_bits(shared: SharedLayer, mapping: SharedMapping, width: int) -> dict[str, Fraction]:
    """Bits of the tiles in the home, the intermediate tensor with the one it stands for."""
    hardware, shapes = shared.hardware, shared.shapes(mapping.tile)
    home, precision = hardware.level_index(mapping.home), hardware.precision_bits
    needed = {
        "weights": shapes.units * shared.index_bits(mapping.tile, mapping.ordered),
        "inputs": Fraction(shapes.input_words * precision.inputs),
        "outputs": Fraction(shapes.output_words * precision.outputs),
    }
    if index_level(hardware, home) != home:
        needed["weights"] = Fraction(0)
    needed[shared.role] += shapes.shared_tables * width * precision.outputs
    return needed


def _produced(shared: SharedLayer, mapping: SharedMapping) -> int:
    """Words of the intermediate tensor that are computed."""
    tile, rounds = mapping.tile, mapping.tile.rounds(shared.layer)
    rows, columns = shared.shapes(tile).shared_positions
    entries = sum(count * width for width, count in shared.widths(tile).items())
    places: int = tile.N * rows * columns * shared.depth * rounds.N * rounds.P * rounds.Q
    return entries * places


def _operations(
    shared: SharedLayer, mapping: SharedMapping, gather: Phase, entries: Phase
) -> Operations:
    gathered, macs, widths = gather.counts.macs, entries.counts.macs, shared.widths(mapping.tile)
    # Sums of whole blocks are entries of ones.
    boxed = macs * sum(widths.values()) // sum(e * n for e, n in widths.items())
    factors = gathered * (shared.has_factors + shared.has_offsets)
    adds = macs - _produced(shared, mapping) + gathered * (1 + shared.has_offsets)
    return Operations(macs - boxed * shared.has_offsets + factors, adds)


def _with_instances(phase: Phase, outer: Counts, home: int) -> Phase:
    """The phase with the instances that work side by side: those of all homes."""
    inside = phase.counts.instances[home:] * outer.instances[home]
    instances = np.concatenate([outer.instances[:home], inside])
    return replace(phase, counts=replace(phase.counts, instances=instances))


def _cycles(
    shared: SharedLayer, mapping: SharedMapping, outer: Counts, gather: Phase, entries: Phase
) -> Cycles:
    """Cycles of the phases one after the other, beside the transfers of each level.

    Homes that work side by side wait for the one with the most entries.
    """
    hardware = shared.hardware
    home, beside = hardware.level_index(mapping.home), 1
    beside = int(outer.instances[home])
    compute = gather.cycles // beside
    entering = entries.cycles if beside == 1 else entries.longest * entries.runs // beside
    longer = gather if compute > entering else entries
    compute += entering
    transfer, total, bound_by = {}, compute, longer.bound_by
    place = codebook_place(entries.counts, entries.weights)
    index_form = shared.indexed_form(mapping.tile, mapping.ordered)
    parts = (
        (outer, index_form, None),
        (gather.counts, gather.weights, None),
        (entries.counts, entries.weights, place),
    )
    for i, level in enumerate(hardware.levels):
        outside = transfer_cycles(*parts[0], i, level)
        transfer[level.name] = sum(transfer_cycles(*part, i, level) for part in parts)
        needed = transfer[level.name]
        if level.buffering == "single":
            needed = compute + outside
        if needed > total:
            total, bound_by = needed, level.name
    lookup = lookup_cycles(entries.counts, entries.weights, place)
    if lookup > total:
        total, bound_by = lookup, "codebook"
    return Cycles(compute, transfer, lookup, total, bound_by)


def _outer_items(
    shared: SharedLayer, mapping: SharedMapping, outer: Counts
) -> Iterator[EnergyItem]:
    form = shared.indexed_form(mapping.tile, mapping.ordered)
    yield from storage_items(outer, form)
    yield from network_items(outer, form)


def _gather_items(shared: SharedLayer, gather: Phase) -> Iterator[EnergyItem]:
    """The phase that gathers: additions where others multiply, and factors."""
    counts, hardware = gather.counts, shared.hardware
    for item in (*storage_items(counts, gather.weights), *network_items(counts, gather.weights)):
        yield _renamed(item, shared.role)
    for item in mac_items(counts):
        yield replace(item, component="adder", action="gate" if item.action == "gate" else "add")
    more = macs_left(counts).computed
    for component, action, count, energy_pj in (
        ("adder", "add", more * shared.has_offsets, hardware.add_pj),
        ("multiplier", "multiply", more * (shared.has_factors + shared.has_offsets),
         hardware.multiply_pj),
    ):  # fmt: skip
        yield EnergyItem(component, "", action, count, 0, count, count * energy_pj)


def _entry_items(shared: SharedLayer, entries: Phase) -> Iterator[EnergyItem]:
    """The phase that multiplies by entries, and their way from the codebook."""
    counts, form = entries.counts, entries.weights
    for item in (*storage_items(counts, form), *network_items(counts, form)):
        yield _renamed(item, shared.sharing.role("entries"))
    yield from mac_items(counts)
    yield from codebook_items(counts, form)


def _renamed(item: EnergyItem, role: str) -> EnergyItem:
    return replace(item, tensor="intermediate") if item.tensor == role else item


def _merged(items: list[EnergyItem]) -> tuple[EnergyItem, ...]:
    """Items of all parts, those about the same thing added up."""
    merged: dict[tuple[str, str, str], EnergyItem] = {}
    for item in items:
        key = item.component, item.tensor, item.action
        known = merged.get(key)
        merged[key] = item if known is None else replace(
            known, count=known.count + item.count, bits=known.bits + item.bits,
            accesses=known.accesses + item.accesses, energy_pj=known.energy_pj + item.energy_pj,
        )  # fmt: skip
    return tuple(item for item in merged.values() if item.count)


class _Totals:
    """Words of all parts together, those of the intermediate tensor apart."""

    def __init__(self, shared: SharedLayer, outer: Counts, gather: Phase, entries: Phase) -> None:
        self.accesses, self.transfers = outer.accesses.copy(), outer.transfers.copy()
        self.tables = np.zeros_like(self.accesses[:, 0])
        for phase, role in (
            (gather, shared.role),
            (entries, shared.sharing.role("entries")),
        ):
            for j, tensor in enumerate(TENSORS):
                if tensor == role:
                    self.tables += phase.counts.accesses[:, j]
                else:
                    self.accesses[:, j] += phase.counts.accesses[:, j]
                    self.transfers[:, j] += phase.counts.transfers[:, j]
