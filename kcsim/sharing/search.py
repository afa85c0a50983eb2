"""Choosing tiles, places and loops for a shared convolution.

A tile, the home of the intermediate tensor and the level that tables are gathered at are chosen
together: every choice is priced from below (`bounds`), and they are mapped in that order until
the bounds rule out all others. Given these three, the loops of each phase are found with proof
(`kcsim.mapping.search`), then those above the home, knowing what the phases take.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kcsim.errors import MappingError
from kcsim.mapping import cache
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import OUT_OF_TIME
from kcsim.mapping.search import TIME_LIMIT, SearchResult, objective_value
from kcsim.sharing.account import SharedEstimate, evaluate_shared
from kcsim.sharing.candidates import Candidates
from kcsim.sharing.keys import sharing_key
from kcsim.sharing.limits import check_shareable
from kcsim.sharing.phase_search import Phases, PhaseSearch, compile_kernels
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
            "group": plan.group, "listed": plan.listed, "tile": list(plan.tile),
            "codebook_level": plan.codebook_level,
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
            kept["group"], kept["listed"],
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
    value, mapped, failed, ruled_out, deadline = below, 0, 0, 0, known.deadline
    candidates = Candidates(shared, objective, known)
    cut, first = candidates.cut, candidates.least
    remaining, reason = np.inf, f"no tile fits, not even the smallest, on {shared.hardware.name}"
    while candidates.least < np.inf:
        least = candidates.least
        if least >= value or mapped == MAPPED_TILES or failed == 10 * MAPPED_TILES:
            remaining = least
            break
        if (mapped or failed) and deadline.has_passed:
            remaining, cut = least, cut or OUT_OF_TIME
            break
        try:
            found = candidates.look_at_next(value)
        except (MappingError, LayerError) as error:
            # A phase may be no layer: too large for its sizes to be counted.
            reason, failed = str(error), failed + 1
            continue
        if found is None:
            ruled_out += 1
            continue
        mapped += 1
        reached = objective_value(objective, found.energy, found.cycles.total)
        if reached < value:
            best, value = found, reached
    if best is None and not (mapped or ruled_out) and (failed or remaining == np.inf):
        return _Outcome(None, reason=reason, cut=cut or known.cut)
    if cut:
        # Tiles that are not known have no bounds.
        remaining = 0.0
    elif known.cut:
        # Nor have the loops of those that were mapped been searched in full.
        remaining = min(remaining, first)
    gap = max(0.0, 1 - remaining / value) if value and best else 0.0
    return _Outcome(best, gap, candidates.count, mapped, cut=cut or known.cut)
