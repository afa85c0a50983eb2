"""Tiles of a shared convolution with their places, in the order of what they may come to."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kcsim.mapping.explore import OUT_OF_TIME
from kcsim.sharing.account import SharedEstimate
from kcsim.sharing.bounds import Bounds
from kcsim.sharing.cost import Cost
from kcsim.sharing.least_entries import tables_of_widest
from kcsim.sharing.limits import possible_groups
from kcsim.sharing.phase_search import PhaseSearch
from kcsim.sharing.places import Place, gathering_levels, possible_homes
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.tiles import Tile


class Candidate(NamedTuple):
    """A tile and its place, with the least that it may come to, and what is known of it."""

    value: float
    number: int
    shared: SharedLayer
    place: Place
    tile: Tile
    bounds: Bounds
    at: int
    gather: Cost | None = None
    entries: Cost | None = None


class Candidates:
    """Those of a shared layer that are left, by what they may come to.

    Parameters
    ----------
    shared : SharedLayer
    objective : {"edp", "energy", "cycles"}
    known : PhaseSearch
        Its phases.

    Attributes
    ----------
    count : int
        Of all, at first.
    cut : str
        Why some are left out, if any is.
    """

    def __init__(self, shared: SharedLayer, objective: str, known: PhaseSearch) -> None:
        self._objective, self._phases = objective, known
        self.cut, self._known = "", list[Candidate]()
        self._bounds, values = list[tuple[SharedLayer, Place, Bounds]](), [np.empty(0)]
        for each, place in _places(shared):
            if self._bounds and known.deadline.has_passed:
                self.cut = OUT_OF_TIME
                break
            bounds = Bounds.of(each, *place, known.gathering)
            self._bounds.append((each, place, bounds))
            rows, columns = bounds.tiles[:, -2:].T
            left_out = shared.can_turn & (rows > columns)
            if each.listed and not place.ordered:
                left_out |= _lists_all(each, bounds.tiles)
            values.append(np.where(left_out, np.inf, bounds.values(objective)))
            if not bounds.are_all:
                self.cut = "only some of its tiles were looked at"
        self._values = np.concatenate(values)
        self._starts = np.cumsum([len(each) for each in values])
        order = np.argsort(self._values, kind="stable")
        self._order = order[np.isfinite(self._values[order])]
        self.count, self._next = len(self._order), 0

    @property
    def least(self) -> float:
        """What all that are left come to at least."""
        known = self._known[0].value if self._known else math.inf
        return min(known, self._least_new[0])

    def look_at_next(self, below: float) -> SharedEstimate | None:
        """Map the one that may come to the least or, where nothing is known of it, a phase of it.

        The first one is mapped at once, to be what others have to undercut.

        Parameters
        ----------
        below : float
            What the objective has to be below; then this is none of those that are left.

        Raises
        ------
        MappingError, LayerError
            If a phase cannot be mapped.
        """
        candidate = self._pop()
        if not (candidate.gather or candidate.entries):
            more = self._with_phase(candidate, below)
            if more is None or below < math.inf:
                if more is not None:
                    heapq.heappush(self._known, more)
                return None
            candidate = more
        return self._mapped(candidate, below)

    def _pop(self) -> Candidate:
        """The one that may come to the least."""
        value, number = self._least_new
        if self._known and self._known[0][:2] < (value, number):
            return heapq.heappop(self._known)
        self._next += 1
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        (shared, place, bounds), at = self._bounds[part], number - int(self._starts[part])
        return Candidate(value, number, shared, place, bounds.tile(at), bounds, at)

    @property
    def _least_new(self) -> tuple[float, int]:
        """Of those that nothing is known of."""
        if self._next == self.count:
            return math.inf, len(self._values)
        number = int(self._order[self._next])
        return float(self._values[number]), number

    def _with_phase(self, candidate: Candidate, below: float) -> Candidate | None:
        """With the phase that takes more; ``None`` if the whole of it does not come to less."""
        if candidate.bounds.gathering_takes_more(candidate.at):
            gather = self._gather(candidate, below)
            return None if gather is None else self._raised(candidate._replace(gather=gather))
        entries = self._entries(candidate, below)
        return None if entries is None else self._raised(candidate._replace(entries=entries))

    def _raised(self, candidate: Candidate) -> Candidate:
        """With the value that it comes to at least, knowing more."""
        value = candidate.bounds.value_with(
            candidate.at, self._objective, candidate.entries, candidate.gather
        )
        # Sums are rounded.
        return candidate._replace(value=max(candidate.value, value * (1 - 1e-12)))

    def _entries(self, candidate: Candidate, below: float) -> Cost | None:
        """What multiplying costs at least, if the whole of it may come to less than a value."""
        shared, place, tile = candidate.shared, candidate.place, candidate.tile
        tables = tables_of_widest(shared, tile, place.ordered)
        most = candidate.bounds.most_of_entries(
            candidate.at, self._objective, candidate.gather, below, tables
        )
        return self._phases.least_of_entries(shared, place, tile, most)

    def _gather(self, candidate: Candidate, below: float) -> Cost | None:
        """What gathering costs at least, if the whole of it may come to less than a value."""
        bounds, at, runs = candidate.bounds, candidate.at, candidate.shared.runs(candidate.tile)
        most = bounds.most_of_gather(at, self._objective, candidate.entries, below, runs)
        loops = self._phases.gather_loops(candidate.shared, candidate.place, candidate.tile, most)
        return None if loops is None else bounds.gather_with(at, loops, runs)

    def _mapped(self, candidate: Candidate, below: float) -> SharedEstimate | None:
        """The whole of it, unless it does not come to less than a value: then ``None``."""
        shared, place, tile = candidate.shared, candidate.place, candidate.tile
        entries = self._phases.entries(shared, place, tile).cost
        candidate = self._raised(candidate._replace(entries=entries))
        if candidate.value >= below:
            return None
        gather = candidate.gather or self._gather(candidate, below)
        if gather is None or self._raised(candidate._replace(gather=gather)).value >= below:
            return None
        return self._phases.mapped(shared, place, tile, below)


def _places(shared: SharedLayer) -> Iterator[tuple[SharedLayer, Place]]:
    """All places of the intermediate tensor, with and without lists of entries."""
    for home in reversed(possible_homes(shared.hardware)):
        for last in reversed(gathering_levels(shared.hardware, home, shared.role)):
            yield shared.unlisted, Place(home, last, 0)
            if shared.listed:
                yield shared, Place(home, last, 0)
        for filters in possible_groups(shared, home):
            yield shared, Place(home, home, filters)


def _lists_all(shared: SharedLayer, tiles: np.ndarray) -> np.ndarray:
    """Whether lists would have all entries of the codebook, so that there are none."""
    merged = tiles[:, Tile._fields.index(shared.sharing.merged)]
    _, first, at = np.unique(merged, True, True)
    some = [Tile(*sizes) for sizes in tiles[first].tolist()]
    alike = [shared.widths(each) == shared.unlisted.widths(each) for each in some]
    return np.array(alike, np.bool_)[at]
