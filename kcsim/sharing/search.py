"""Choosing tiles, places and loops for a shared convolution.

A tile, the home of the intermediate tensor and the level that tables are gathered at are chosen
together: every choice is priced from below (`bounds`), and they are mapped in that order until
the bounds rule out all others. Given these three, the loops of each phase are found with proof
(`kcsim.mapping.search`), then those above the home, knowing what the phases take.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kcsim.errors import MappingError
from kcsim.mapping import cache
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import OUT_OF_TIME
from kcsim.mapping.search import TIME_LIMIT, SearchResult, objective_value
from kcsim.sharing.account import Cost, SharedEstimate, evaluate_shared
from kcsim.sharing.bounds import Bounds
from kcsim.sharing.keys import sharing_key
from kcsim.sharing.limits import check_shareable, possible_groups
from kcsim.sharing.phase_search import Phases, PhaseSearch, compile_kernels
from kcsim.sharing.places import Place, gathering_levels, possible_homes
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import LayerError

_PARTS = ("outer", "gather", "entries")

MAPPED_TILES = 1000
"""Tiles that are mapped as a whole at most."""


def find_shared_mapping(
    shared: SharedLayer,
    objective: str = "edp",
    below: float = np.inf,
    *,
    time_limit: float | None = None,
    within: Deadline | None = None,
    even: bool = False,
    phases: Phases | None = None,
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
    phases : Phases, optional
        Phases that are known, and those that become so: of this layer, way to share, objective
        and value of `even`, with the decoder anywhere.

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
    compile_kernels()
    started, limit = time.monotonic(), TIME_LIMIT if time_limit is None else time_limit
    deadline = Deadline(limit, within)
    store, outcome = cache.default_cache(), None
    key = "" if store is None else sharing_key(shared, objective, below, MAPPED_TILES, even)
    if store is not None:
        outcome = _read(store.read(key), shared, objective, below)
    if outcome is None:
        outcome = _explore(shared, objective, below, PhaseSearch(objective, deadline, even, phases))
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
    """A tile and its place, with the least that it may come to, and what is known of it."""

    value: float
    number: int
    place: Place
    tile: Tile
    bounds: Bounds
    at: int
    gather: Cost | None = None
    entries: Cost | None = None

    def with_phase(
        self, shared: SharedLayer, objective: str, known: PhaseSearch, below: float
    ) -> _Candidate | None:
        """With the phase that takes more; ``None`` if the whole of it does not come to less."""
        if not self.bounds.gathering_takes_more(self.at):
            entries = known.entries(shared, self.place, self.tile).cost
            return self._replace(entries=entries)._raised(objective)
        found = self._gathered(shared, objective, known, below)
        return found and self._replace(gather=found)._raised(objective)

    def _raised(self, objective: str) -> _Candidate:
        """With the value that it comes to at least, knowing more."""
        value = self.bounds.value_with(self.at, objective, self.entries, self.gather)
        # Sums are rounded.
        return self._replace(value=max(self.value, value * (1 - 1e-12)))

    def _gathered(
        self, shared: SharedLayer, objective: str, known: PhaseSearch, below: float
    ) -> Cost | None:
        """What gathering costs, if the whole of it may come to less than a value."""
        runs = shared.runs(self.tile)
        most = self.bounds.most_of_gather(self.at, objective, self.entries, below, runs)
        found = known.gather(shared, self.place, self.tile, most)
        return found and found.cost

    def mapped(
        self, shared: SharedLayer, objective: str, known: PhaseSearch, below: float
    ) -> SharedEstimate | None:
        """The whole of it, unless it does not come to less than a value: then ``None``."""
        entries = self.entries or known.entries(shared, self.place, self.tile).cost
        gather = self.gather or self._gathered(shared, objective, known, below)
        if gather is None:
            return None
        whole = self._replace(entries=entries, gather=gather)._raised(objective)
        return known.mapped(shared, self.place, self.tile) if whole.value < below else None


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
            "group": plan.group, "tile": list(plan.tile), "codebook_level": plan.codebook_level,
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
            kept["group"],
        )  # fmt: skip
        found = evaluate_shared(shared, plan)
    except (*cache.UNREADABLE, IndexError, ZeroDivisionError):
        return None
    same = (found.energy, found.cycles.total) == (kept["energy"], kept["cycles"])
    is_better = objective_value(objective, found.energy, found.cycles.total) < below
    return outcome._replace(best=found) if same and is_better else None


def _explore(shared: SharedLayer, objective: str, below: float, known: PhaseSearch) -> _Outcome:
    """Map tiles in the order of their bounds, until the deadline.

    The phase that takes more is mapped first. The one that gathers is only searched for what may be
    better than the best tile so far: so most tiles are ruled out by its bounds.
    """
    best: SharedEstimate | None = None
    value, mapped, failed, deadline = below, 0, 0, known.deadline
    candidates, cut = _candidates(shared, objective, deadline)
    count, first = len(candidates), candidates[0].value if candidates else 0.0
    remaining, reason = np.inf, f"no tile fits, not even the smallest, on {shared.hardware.name}"
    while candidates:
        candidate = candidates[0]
        if candidate.value >= value or mapped == MAPPED_TILES or failed == 10 * MAPPED_TILES:
            remaining = candidate.value
            break
        if (mapped or failed) and deadline.has_passed:
            remaining, cut = candidate.value, cut or OUT_OF_TIME
            break
        heapq.heappop(candidates)
        try:
            if not (candidate.gather or candidate.entries):
                more = candidate.with_phase(shared, objective, known, value)
                if more is None:
                    continue
                # The first one is mapped at once, to be what others have to undercut.
                if mapped or value < np.inf:
                    heapq.heappush(candidates, more)
                    continue
                candidate = more
            found = candidate.mapped(shared, objective, known, value)
        except (MappingError, LayerError) as error:
            # A phase may be no layer: too large for its sizes to be counted.
            reason, failed = str(error), failed + 1
            continue
        if found is None:
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
        remaining = min(remaining, first)
    gap = max(0.0, 1 - remaining / value) if value and best else 0.0
    return _Outcome(best, gap, count, mapped, cut=cut or known.cut)


def _candidates(
    shared: SharedLayer, objective: str, deadline: Deadline
) -> tuple[list[_Candidate], str]:
    """Tiles with their places, as a heap by their bounds; and why some are left out, if any is."""
    found: list[_Candidate] = []
    cut = ""
    for place in _places(shared):
        if found and deadline.has_passed:
            cut = OUT_OF_TIME
            break
        bounds = Bounds.of(shared, *place)
        values = bounds.values(objective).tolist()
        found += [
            _Candidate(value, len(found) + i, place, tile, bounds, i)
            for i, (value, tile) in enumerate(zip(values, bounds.tiles, strict=True))
            if tile.P <= tile.Q or not shared.can_turn
        ]
        cut = cut if bounds.are_all else "only some of its tiles were looked at"
    heapq.heapify(found)
    return found, cut


def _places(shared: SharedLayer) -> Iterator[Place]:
    """All places of the intermediate tensor."""
    for home in reversed(possible_homes(shared.hardware)):
        for last in reversed(gathering_levels(shared.hardware, home, shared.role)):
            yield Place(home, last, False)
        for filters in possible_groups(shared, home):
            yield Place(home, home, filters)
