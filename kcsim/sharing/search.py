"""Choosing tiles, places and loops for a shared convolution.

A tile, the home of the intermediate tensor and the level that tables are gathered at are chosen
together: every choice is priced from below (`bounds`), and they are mapped in that order until
the bounds rule out all others. Given these three, the loops of each phase are found with proof
(`kcsim.mapping.search`), then those above the home, knowing what the phases take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kcsim.cost.prices import Prices
from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search import machine as columns
from kcsim.mapping import cache
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.search import TIME_LIMIT, SearchResult, objective_value, search_mapping
from kcsim.sharing.account import SharedEstimate, evaluate_shared
from kcsim.sharing.bounds import Bounds
from kcsim.sharing.keys import sharing_key
from kcsim.sharing.outer import find_outer
from kcsim.sharing.phases import phase_hardware
from kcsim.sharing.places import can_order, gathering_levels, index_level, possible_homes
from kcsim.sharing.plan import SharedLayer, SharedMapping, check_shareable
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import TENSORS, ConvLayer, LayerError

_PARTS = ("outer", "gather", "entries")

MAPPED_TILES = 100
"""Tiles that are mapped at most: about three seconds."""


def find_shared_mapping(
    shared: SharedLayer,
    objective: str = "edp",
    below: float = np.inf,
    *,
    time_limit: float | None = None,
    within: Deadline | None = None,
    even: bool = False,
) -> SharedEstimate | None:
    """Find the best tile, places and loops of a shared convolution.

    Parameters
    ----------
    shared : SharedLayer
    objective : {"edp", "energy", "cycles"}
    below : float
        What the objective has to be below to be of interest.
    time_limit : float, optional
        Seconds after which the best one so far is returned; see `search_mapping`.
    within : Deadline, optional
        Of what the search is a part of.
    even : bool
        Only search even mappings of the phases; see `search_mapping`.

    Returns
    -------
    SharedEstimate or None
        Its `search` says by how much another tile or place could be better at most, and
        0 where all others are ruled out. ``None`` if nothing is of interest.

    Raises
    ------
    MappingError
        If the hardware has no room for the phases, or it cannot be counted there.
    """
    check_shareable(shared)
    started, limit = time.monotonic(), TIME_LIMIT if time_limit is None else time_limit
    deadline = Deadline(limit, within)
    store, outcome = cache.default_cache(), None
    key = "" if store is None else sharing_key(shared, objective, below, MAPPED_TILES, even)
    if store is not None:
        outcome = _read(store.read(key), shared, objective, below)
    if outcome is None:
        outcome = _explore(shared, objective, below, _Known(deadline, even))
        if store is not None and not outcome.cut:
            store.write(key, _to_document(outcome))
    if outcome.reason:
        reason = outcome.reason
        if outcome.cut:
            reason = f"no mapping was found within the time limit of {limit:.3g} s"
        raise MappingError(f"{shared.layer.name} cannot {shared.sharing.verb}: {reason}")
    best = outcome.best
    if best is None:
        return None
    note = "the loops of each phase are the best for that phase and its widest table"
    if outcome.cut:
        note = outcome.cut
    elif outcome.gap:
        note = f"only the {outcome.mapped} most promising tiles were mapped; {note}"
    search = SearchResult(
        best.mapping, best.energy, best.cycles.total, False, outcome.gap, outcome.candidates,
        outcome.mapped, outcome.mapped, time.monotonic() - started, note,
    )  # fmt: skip
    return replace(best, search=search)


class _Candidate(NamedTuple):
    """A tile and its places, with the least that it may come to."""

    value: float
    home: int
    last: int
    ordered: bool
    tile: Tile


class _Outcome(NamedTuple):
    """How a search ended: the best one, if any is of interest, or why there is none.

    Where it was cut short, `cut` says why.
    """

    best: SharedEstimate | None
    gap: float = 0.0
    candidates: int = 0
    mapped: int = 0
    reason: str = ""
    cut: str = ""


def _to_document(outcome: _Outcome) -> dict[str, Any]:
    """What is kept of a search: of the best one, its mapping and what it came to."""
    document = {**outcome._asdict(), "best": None}
    del document["cut"]
    if outcome.best is not None:
        plan, found = outcome.best.plan, outcome.best
        document["best"] = {
            "home": plan.home, "gathered_at": plan.gathered_at, "ordered": plan.ordered,
            "tile": list(plan.tile), "codebook_level": plan.codebook_level,
            "energy": found.energy, "cycles": found.cycles.total,
            **{part: cache.mapping_to_document(getattr(plan, part)) for part in _PARTS},
        }  # fmt: skip
    return document


def _read(
    document: dict[str, Any], shared: SharedLayer, objective: str, below: float
) -> _Outcome | None:
    """What a file of the cache says, if it is true; ``None`` if it says nothing."""
    try:
        outcome = _Outcome(**document)
        if outcome.best is None:
            return outcome
        kept = document["best"]
        if kept["codebook_level"] not in (None, *range(len(shared.hardware.levels))):
            return None
        outer, gather, entries = (cache.mapping_from_document(kept[part]) for part in _PARTS)
        plan = SharedMapping(
            shared.sharing, kept["home"], kept["gathered_at"], kept["ordered"],
            Tile(*map(int, kept["tile"])), outer, gather, entries, kept["codebook_level"],
        )  # fmt: skip
        found = evaluate_shared(shared, plan)
    except (*cache.UNREADABLE, IndexError, ZeroDivisionError):
        return None
    same = (found.energy, found.cycles.total) == (kept["energy"], kept["cycles"])
    is_better = objective_value(objective, found.energy, found.cycles.total) < below
    return outcome._replace(best=found) if same and is_better else None


def _explore(shared: SharedLayer, objective: str, below: float, known: _Known) -> _Outcome:
    """Map tiles in the order of their bounds, until the deadline."""
    best: SharedEstimate | None = None
    value, mapped, failed, deadline = below, 0, 0, known.deadline
    candidates, cut = _candidates(shared, objective, deadline)
    remaining, reason = np.inf, f"no tile fits, not even the smallest, on {shared.hardware.name}"
    for candidate in candidates:
        if candidate.value >= value or mapped == MAPPED_TILES or failed == 10 * MAPPED_TILES:
            remaining = candidate.value
            break
        if (mapped or failed) and deadline.has_passed:
            remaining, cut = candidate.value, cut or _CUT
            break
        try:
            found = known.mapped(shared, candidate, objective)
        except (MappingError, LayerError) as error:
            # A phase may be no layer: too large for its sizes to be counted.
            reason, failed = str(error), failed + 1
            continue
        mapped += 1
        reached = objective_value(objective, found.energy, found.cycles.total)
        if reached < value:
            best, value = found, reached
    if best is None and not mapped and (failed or remaining == np.inf):
        return _Outcome(None, reason=reason, cut=cut or known.cut)
    if cut:
        # Tiles that are not known have no bounds.
        remaining = 0.0
    elif known.cut:
        # Nor have the loops of those that were mapped been searched in full.
        remaining = min(remaining, candidates[0].value)
    gap = max(0.0, 1 - remaining / value) if value and best else 0.0
    return _Outcome(best, gap, len(candidates), mapped, cut=cut or known.cut)


_CUT = "the time limit ended the search"


def _candidates(
    shared: SharedLayer, objective: str, deadline: Deadline
) -> tuple[list[_Candidate], str]:
    """Tiles with their places, the most promising first; and why some are left out, if any is."""
    found: list[_Candidate] = []
    cut = ""
    for home, last, ordered in _places(shared):
        if found and deadline.has_passed:
            cut = _CUT
            break
        bounds = Bounds.of(shared, home, last, ordered)
        values = bounds.values(objective).tolist()
        found += [
            _Candidate(value, home, last, ordered, tile)
            for value, tile in zip(values, bounds.tiles, strict=True)
        ]
        cut = cut if bounds.are_all else "only some of its tiles were looked at"
    return sorted(found, key=lambda candidate: candidate[0]), cut


def _places(shared: SharedLayer) -> Iterator[tuple[int, int, bool]]:
    """Homes, the levels that tables are gathered at, and whether units are ordered instead."""
    for home in reversed(possible_homes(shared.hardware)):
        for last in reversed(gathering_levels(shared.hardware, home, shared.role)):
            yield home, last, False
        if can_order(shared.hardware, home, shared.sharing):
            yield home, home, True


class _Known:
    """Mappings of phases that several tiles have in common, found until a deadline.

    Where one is not proved, `cut` says why.
    """

    def __init__(self, deadline: Deadline | None = None, even: bool = False) -> None:
        self._found: dict[object, SearchResult | MappingError] = {}
        self.deadline, self._even = deadline or Deadline(), even
        self.cut = ""

    def _search(self, layer: ConvLayer, hardware: Hardware, **options: Any) -> SearchResult:
        limit = max(self.deadline.left, 1e-3)
        try:
            found = search_mapping(
                layer, hardware, time_limit=limit, within=self.deadline, even=self._even, **options
            )
        except MappingError:
            self.cut = self.cut or (_CUT if self.deadline.has_passed else "")
            raise
        self.cut = self.cut or found.note
        return found

    def _remembered(self, key: object, find: Callable[[], SearchResult]) -> SearchResult:
        """What was found for a key, or could not be."""
        if key not in self._found:
            try:
                self._found[key] = find()
            except MappingError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, MappingError):
            raise found
        return found

    def mapped(self, shared: SharedLayer, candidate: _Candidate, objective: str) -> SharedEstimate:
        """The estimate with the best loops for a tile and its places."""
        _, home, last, ordered, tile = candidate
        shapes, names = shared.shapes(tile), shared.hardware.level_names
        width = max(shared.widths(tile))

        def map_gather() -> SearchResult:
            return self._search(
                gathering, phase_hardware(shared, "gather", home, last),
                objective=objective, weights=(shared.gather_costs(tile, ordered),),
                prices=_gather_prices(shared, home, last, width * shared.depth),
            )  # fmt: skip

        def map_entries() -> SearchResult:
            hardware = phase_hardware(shared, "entries", home, home)
            # The codebook is loaded once for all runs.
            costs = tuple(
                replace(
                    each, load_pj=each.load_pj / loads, copy_pj=each.copy_pj / loads,
                    load_cycles=each.load_cycles / loads, copy_cycles=each.copy_cycles / loads,
                )
                for each in shared.entry_form(shapes).costs(hardware)
            )  # fmt: skip
            return self._search(
                entries, hardware, objective=objective, weights=costs,
                prices=_entry_prices(hardware, home),
            )  # fmt: skip

        gathering, entries = shapes.gather, shapes.entries(_smooth(width))
        rounds = tile.rounds(shared.layer)
        loads = 1
        if shared.form.loads_codebook:
            loads = sum(shared.widths(tile).values()) * rounds.N * rounds.P * rounds.Q
        gather_key = home, last, ordered, width, gathering.shape_key
        gather = self._remembered(gather_key, map_gather)
        multiply = self._remembered((home, loads, entries.shape_key), map_entries)
        tables = tile.G * shapes.tables
        within = (
            gather.energy + tables * multiply.energy,
            gather.cycles + tables * multiply.cycles,
        )
        outer = find_outer(shared, home, tile, ordered, objective, within, self._search)
        mapping = SharedMapping(
            shared.sharing, names[home], names[last], ordered, tile, outer, gather.mapping,
            multiply.mapping, multiply.codebook_level,
        )  # fmt: skip
        return evaluate_shared(shared, mapping)


def _entry_prices(hardware: Hardware, home: int) -> Prices:
    """The phase that multiplies: what its inputs and outputs do above the home is not its own."""
    factors = np.ones((len(hardware.levels), 3, columns.COSTS))
    factors[:home, 1:] = 0
    factors[home, 1:, columns.FILL_PJ] = 0
    factors[: home + 1, :, columns.VALUE_BITS] = 0
    return Prices(factors)


def _gather_prices(shared: SharedLayer, home: int, last: int, width: int) -> Prices:
    """The phase that gathers: tables move as a whole, and are gathered from at a fixed price."""
    factors = np.ones((len(shared.hardware.levels), 3, columns.COSTS))
    for j, first in enumerate((index_level(shared.hardware, home), home, home)):
        factors[:first, j] = 0
        factors[first, j, columns.FILL_PJ] = 0
    role = TENSORS.index(shared.role)
    factors[: last + 1, role] *= width
    factors[last, role, [columns.READ_PJ, columns.UPDATE_PJ, columns.TRANSFER_PJ]] = 0
    factors[last, role, [columns.READ_CYCLES, columns.SPILL_CYCLES]] = 0
    factors[last + 1 :, role] = 0
    if role == TENSORS.index("outputs"):
        factors[last, role, [columns.WRITE_CYCLES, columns.UPDATE_CYCLES]] = 0
    factors[: home + 1, :, columns.VALUE_BITS] = 0
    return Prices(factors)


def _smooth(number: int) -> int:
    """The next number without prime factors above 7: loops over it can be cut in many ways."""
    while True:
        left = number
        for prime in (2, 3, 5, 7):
            while left % prime == 0:
                left //= prime
        if left == 1:
            return number
        number += 1
