"""What one run of a phase counts: words below the home, and none of what others account for."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from kcsim.cost.access import CodebookPlace
from kcsim.cost.partial_sums import FinishedSums
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.counted import Counted
from kcsim.hardware.level import Level, LevelPrecision
from kcsim.hardware.schema import Hardware, Precision
from kcsim.mapping.nest import Loop, Mapping
from kcsim.model.codebook import codebook_place
from kcsim.model.counts import Counts, check_fit, count_layer, count_narrower
from kcsim.model.cycles import Cycles, count_cycles
from kcsim.sharing.arithmetic import Arithmetic
from kcsim.sharing.places import confined, index_level
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.strategies import PhaseName
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import TENSORS, Tensor

READS, FILLS, UPDATES = range(3)
DOWN, UP = range(2)


@dataclass(frozen=True, eq=False)
class Phase:
    """Everything that one part of a shared convolution counts, over all its runs.

    Attributes
    ----------
    counts : Counts
        Of a representative run; words and MACs are those of all runs, and those that belong to
        another part are zero.
    weights : WeightFormat
        Of the phase.
    role : {"inputs", "outputs"}
        The tensor that the intermediate one is to it.
    runs : int
    cycles : int
        Of all runs, one after the other; transfers above the home left out, but for lookups.
    longest : int
        Cycles of the run with the most entries.
    bound_by : str
        What decides on them, as in `kcsim.model.cycles.Cycles`.
    """

    counts: Counts
    weights: WeightFormat
    role: Tensor
    runs: int
    cycles: int
    longest: int
    bound_by: str


def units_of(shared: SharedLayer, phase: PhaseName, tile: Tile, ordered: int) -> Arithmetic:
    """The widths and energies that a phase depends on; see `phase_hardware`."""
    units = shared.arithmetic(tile, ordered)
    # The phase that fills the intermediate tensor has no outputs to finish.
    return units._replace(finishes=True) if shared.sharing.role(phase) == "outputs" else units


def phase_hardware(
    shared: SharedLayer, phase: PhaseName, home: int, last: int, tile: Tile, ordered: int = 0
) -> Hardware:
    """The hardware as one phase sees it.

    Parameters
    ----------
    shared : SharedLayer
    phase : {"gather", "entries"}
    home : int
        Position of the home.
    last : int
        Position of the level that tables are gathered at.
    tile : Tile
        What the home holds at one time; the width of sums depends on it.
    ordered : int
        Likewise: filters that share an order; 0 for none.
    """
    units = units_of(shared, phase, tile, ordered)
    whole = shared.hardware
    # What is kept holds the hardware, so that its number stands for it.
    key = id(whole), shared.sharing.name, phase, home, last, units
    if key not in shared.seen:
        shared.seen[key] = whole, _phase_hardware(shared, phase, home, last, units)
    return shared.seen[key][1]


def _phase_hardware(
    shared: SharedLayer, phase: PhaseName, home: int, last: int, units: Arithmetic
) -> Hardware:
    is_gather, role = phase == "gather", shared.sharing.role(phase)
    hardware = confined(shared.hardware, home, (role, last) if is_gather else None)
    compute, precision = hardware.compute, hardware.precision_bits
    if is_gather:
        compute = replace(compute, mac_pj=units.add_pj)
    else:
        compute = replace(compute, mac_pj=units.mac_pj, gated_mac_pj=units.gated_mac_pj)
    widths: dict[str, int] = {tensor: getattr(precision, tensor) for tensor in TENSORS}
    widths[role] = units.bits
    if role != "outputs":
        widths["partial_sums"] = shared.hardware.level_bits[home]["partial_sums"]
        if not units.finishes:
            widths["outputs"] = widths["partial_sums"]
    levels = tuple(_phase_level(level, role) for level in hardware.levels)
    return replace(hardware, levels=levels, compute=compute, precision_bits=Precision(**widths))


def _phase_level(level: Level, role: Tensor) -> Level:
    """A level without what is counted once for a layer, or of outputs where these are tables."""
    return replace(
        level,
        precision_bits=LevelPrecision(),
        latency_cycles=0.0,
        fanout=replace(level.fanout, hop_latency=0.0),
        counted=Counted() if role == "outputs" else level.counted,
    )


def count_outer(shared: SharedLayer, mapping: SharedMapping) -> Counts:
    """Words that come to the home and leave it, and all above.

    Raises
    ------
    MappingError
        If the mapping does not cover the layer or does not fit.
    """
    hardware = shared.hardware
    home = hardware.level_index(mapping.home)
    form = shared.indexed_form(mapping.tile, mapping.order, home)
    counts = count_layer(shared.layer, hardware, mapping.outer, form).with_sums()
    leave_out(counts.accesses, counts.transfers, first_levels(hardware, home), outside=True)
    return counts


def count_gather(shared: SharedLayer, mapping: SharedMapping, width: int) -> Phase:
    """The phase that gathers by index, over all tiles.

    The tables of a tile are all as wide as the widest one of any tile, and move as a whole.
    What is gathered is read (or, of sums, read and updated) one by one, and never shared.

    Parameters
    ----------
    shared : SharedLayer
    mapping : SharedMapping
    width : int
        Entries of the widest table.

    Raises
    ------
    MappingError
        If the mapping does not cover the tile or does not fit.
    """
    home, last = (shared.hardware.level_index(n) for n in (mapping.home, mapping.gathered_at))
    tile, order = mapping.tile, mapping.order
    hardware = phase_hardware(shared, "gather", home, last, tile, order)
    shapes = shared.shapes(tile, order)
    layer, form = shapes.gather, shared.gather_form(tile, order)
    counts = count_layer(layer, hardware, mapping.gather, form).with_sums()
    role = TENSORS.index(shared.role)
    accesses, transfers = counts.accesses.copy(), counts.transfers.copy()
    tiles = counts.tile_words.copy()
    values = width * shared.depth * shapes.group
    accesses[: last + 1, role] *= values
    transfers[:last, role] *= values
    tiles[: last + 1, role] *= values
    gathered = layer.macs * (1 + shared.has_offsets)
    sums = None
    if mapping.ordered:
        sums = int(shapes.shared_tables * shared.room(tile, order))
    gather_one_by_one(accesses, transfers, last, shared.role, gathered, sums)
    counts = replace(counts, accesses=accesses, transfers=transfers, tile_words=tiles)
    check_fit(counts, form, outermost=home + 1)
    leave_out(counts.accesses, counts.transfers, first_levels(shared.hardware, home))
    runs = shared.runs(tile)
    taken = _cycles(counts, form, home)
    cycles = taken.total * (1 + shared.has_offsets)
    accesses, transfers = counts.accesses * runs, counts.transfers * runs
    if mapping.ordered:
        # Not every table is as wide as the widest.
        sums = shared.produced(tile, order)
        gather_one_by_one(accesses, transfers, last, shared.role, gathered * runs, sums)
    total = replace(
        counts, accesses=accesses, transfers=transfers, executed_macs=layer.macs * runs,
        finished=counts.finished and counts.finished.times(runs),
    )  # fmt: skip
    return Phase(total, form, shared.role, runs, cycles * runs, cycles, taken.bound_by)


def gather_one_by_one(
    accesses: np.ndarray, transfers: np.ndarray, last: int, role: Tensor, gathered: int,
    sums: int | None = None,
) -> None:  # fmt: skip
    """Set what values gathered from a table, or into one, are at the last level that holds it.

    In order, the running sum stays in its adder: only complete `sums` come to the level.
    """
    j, moved = TENSORS.index(role), gathered if sums is None else sums
    transfers[last:, j] = 0
    transfers[last:, j, DOWN if role == "inputs" else UP] = moved
    accesses[last, j, READS] = gathered if sums is None else 0
    if role == "outputs":
        accesses[last, j, UPDATES] = moved


def count_entries(shared: SharedLayer, mapping: SharedMapping, widths: dict[int, int]) -> Phase:
    """The phase that multiplies by entries, over all blocks (or filters) of all tiles.

    Parameters
    ----------
    shared : SharedLayer
    mapping : SharedMapping
    widths : dict of int to int
        How many blocks have a number of entries; see `SharedLayer.widths`.

    Raises
    ------
    MappingError
        If the mapping does not cover the entries or does not fit.
    """
    home = shared.hardware.level_index(mapping.home)
    hardware = phase_hardware(shared, "entries", home, home, mapping.tile, mapping.order)
    shapes = shared.shapes(mapping.tile)
    form = replace(shared.entry_form(shapes), codebook_level=mapping.codebook_level)
    rounds = mapping.tile.rounds(shared.layer)
    again = rounds.N * rounds.P * rounds.Q
    runs = {entries: widths[entries] * again for entries in sorted(widths, reverse=True)}
    place: CodebookPlace | None = None
    # The codebook stays where the widest run has it, and is loaded once for all.
    loaded = replace(form, loads_codebook=False)
    counted, taken = list[Counts](), []
    for entries in runs:
        layer = shared.entries_layer(mapping.tile, entries)
        nest = fitted_entries(mapping.entries, shared, entries)
        if counted:
            counts = count_narrower(layer, nest, counted[0], form).with_sums()
        else:
            counts = count_layer(layer, hardware, nest, form).with_sums()
        place = place or codebook_place(counts, form)
        taken.append(_cycles(counts, loaded, home, place))
        leave_out(counts.accesses, counts.transfers, entry_levels(shared, home))
        counted.append(counts)
    times = runs.values()
    repeated = list(zip(counted, times, strict=True))
    total = replace(
        counted[0],
        accesses=np.sum([each.accesses * n for each, n in repeated], axis=0),
        transfers=np.sum([each.transfers * n for each, n in repeated], axis=0),
        executed_macs=sum(each.macs * n for each, n in repeated),
        finished=_finished(repeated),
    )
    cycles = sum(each.total * n for each, n in zip(taken, times, strict=True))
    longest, role = max(taken, key=lambda each: each.total), shared.sharing.role("entries")
    return Phase(total, form, role, sum(times), cycles, longest.total, longest.bound_by)


def _finished(repeated: list[tuple[Counts, int]]) -> FinishedSums | None:
    """What all runs finish together, each of them several times."""
    all_runs = [each.finished.times(n) for each, n in repeated if each.finished]
    if not all_runs:
        return None
    held, arriving, crossing = zip(*all_runs, strict=True)
    return FinishedSums(np.all(held, axis=0), np.sum(arriving, axis=0), np.sum(crossing, axis=0))


def with_sums_read(phase: Phase, home: int, words: int) -> Phase:
    """The second phase, which reads so many outputs of other tiles at the home."""
    accesses = phase.counts.accesses.copy()
    accesses[home, TENSORS.index("outputs"), READS] += words
    return replace(phase, counts=replace(phase.counts, accesses=accesses))


def fitted_entries(mapping: Mapping, shared: SharedLayer, entries: int) -> Mapping:
    """The mapping of the phase that multiplies, for fewer entries than it was made for."""
    # Loops over them cover no more than these, from inside out.
    left, levels = entries, []
    for level in reversed(mapping.levels):
        nests = []
        for nest in reversed(level.nests):
            loops = []
            for loop in reversed(nest):
                fitted = loop
                if loop.dimension == shared.sharing.merged:
                    fitted = Loop(loop.dimension, min(loop.bound, left))
                    left = -(-left // fitted.bound)
                loops.append(fitted)
            nests.append(tuple(reversed(loops)))
        temporal, along_x, along_y = nests = nests[::-1]
        if tuple(nests) != level.nests:
            level = replace(level, temporal=temporal, spatial_x=along_x, spatial_y=along_y)
        levels.append(level)
    return Mapping(tuple(reversed(levels)))


def first_levels(hardware: Hardware, home: int) -> list[int]:
    """The levels that hold a tile's indexes, inputs and outputs."""
    return [index_level(hardware, home), home, home]


def entry_levels(shared: SharedLayer, home: int) -> list[int]:
    """Likewise, of the phase that multiplies: it is told its entries by lists."""
    return [shared.list_level(home), home, home]


def leave_out(
    accesses: np.ndarray, transfers: np.ndarray, first: list[int], outside: bool = False
) -> None:
    """Clear counts (int64[levels, 3, 3]) of what the phases do, or of what is `outside` of them.

    A phase finds each tensor in one level, filled. What happens above, and the filling, is the
    business of the loops outside.
    """
    inner = _inner(len(accesses), *first)
    accesses[inner == outside] = 0
    transfers[inner[:, :, READS] == outside] = 0


@functools.lru_cache(256)
def _inner(levels: int, *first: int) -> np.ndarray:
    """What phases do that find each tensor in one level: bool[levels, 3, 3]."""
    inner = np.zeros((levels, 3, 3), np.bool_)
    for j, level in enumerate(first):
        inner[level:, j] = True
        inner[level, j, FILLS] = False
    return inner


def _cycles(
    counts: Counts, form: WeightFormat, home: int, place: CodebookPlace | None = None
) -> Cycles:
    """Cycles of one run, with transfers at the home and below."""
    inside = replace(counts, accesses=counts.accesses.copy(), transfers=counts.transfers.copy())
    leave_out(inside.accesses, inside.transfers, [home] * 3)
    return count_cycles(inside, form, place)
