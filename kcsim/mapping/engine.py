"""Running a search: its memory, its clock, and what it has not looked at when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from kcsim.kernels.search import optimum
from kcsim.kernels.search.choices import CHOICES
from kcsim.kernels.search.inputs import NODE
from kcsim.kernels.search.labels import INPUTS_OPEN, LABEL, Labels, Search
from kcsim.kernels.search.machine import LEAK_PJ
from kcsim.kernels.search.padding import BEGINS, PARTS
from kcsim.kernels.search.progress import (
    BOX,
    COUNT,
    ENERGY,
    FOUND,
    FULL,
    HELD_BACK,
    LABEL_AT,
    PAUSED,
    STAGE,
)  # fmt: skip
from kcsim.kernels.search.strips import MOST_KINDS
from kcsim.mapping.collecting import make_room
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.floors import Floors
from kcsim.mapping.forwarding import settle_held
from kcsim.mapping.memory import Memory
from kcsim.mapping.problem import Built

CHUNK_SECONDS = 0.1
FIRST_CHUNK = 20_000
"""Steps of a search before the first look at the clock."""
LABEL_BYTES = 1_300_000_000
"""Memory of partial mappings."""
_NO_PATH = np.zeros((0, 2), np.int64)
_MOST_STEPS = 1 << 40
_HELD = 256
"""Whole mappings that are held back at most."""


def begin_search(
    built: Built,
    floors: Floors,
    objective: int,
    known: np.ndarray,
    most: float = np.inf,
    width: int = 1 << 62,
    room: int | None = None,
    memory: Memory | None = None,
) -> Search:
    """A search that has not begun.

    Parameters
    ----------
    built : Built
    floors : Floors
    objective : int
        See `kcsim.kernels.search.progress`.
    known : float64[points, 2]
        Energy and cycles of mappings that are known, infinite behind the last one: those that
        are found have to be better. In ``found``, they are -1, -2 and so on.
    most : float
        What the objective must not be above.
    width : int
        Partial mappings to keep at most of a stage and box.
    room : int, optional
        Partial mappings that there is room for; as many as take `LABEL_BYTES` when absent. Pages
        that nothing is written to take no memory.
    memory : Memory, optional
        Where they are; of no other search at the same time.
    """
    problem, tiles = built.problem, len(built.problem.rounds)
    networks = max(1, len(problem.places) - 2)
    amounts = INPUTS_OPEN + 2 * networks + problem.machine.has_wide_sums, built.accounts
    lines = problem.margins.begins.shape[2] if problem.margins else 0
    fields = PARTS + 4 * (BEGINS + lines) if lines else 0
    each = LABEL.itemsize + 8 * math.prod(amounts) + networks * NODE.itemsize
    each += 8 * (networks + 1) * fields
    choices = int((problem.places["last_stage"] - problem.places["first_stage"]).max())
    first = 2 * _HELD + CHOICES * choices * len(problem.splits)
    room = max(LABEL_BYTES // each, first) if room is None else room
    parts = (memory or Memory()).at_most(room, first, amounts, networks, fields)
    for part in parts:
        part[0] = np.zeros((), part.dtype)
    labels = Labels(
        *parts, np.full((len(problem.stages), tiles), -1, np.int64),
        np.zeros(HELD_BACK + 1, np.int64),
    )  # fmt: skip
    labels.tally[FOUND] = np.isfinite(known[:, 0]).sum()
    leaks = problem.machine.static_pj > 0 or problem.machine.cycles[:, LEAK_PJ].any()
    return Search(
        problem, labels, objective, known.copy(), -1 - np.arange(len(known)), most, width,
        bool(objective != ENERGY or leaks), floors.rest, floors.entry, floors.beyond, floors.inward,
        floors.outward, floors.shares, floors.least_cycles, floors.sent,
        np.zeros(_HELD, np.int64), floors.ways, np.zeros(2), np.zeros(3),
        np.zeros((MOST_KINDS, 1 + 2 * lines)), np.zeros(64, np.int64),
    )  # fmt: skip


def first_labels(search: Search) -> Search:
    """The search, begun."""
    optimum.search_on(search, 0, _NO_PATH)
    return search


def run_search(
    search: Search, deadline: Deadline, settle: Callable[[Search], None] = settle_held
) -> int:
    """Go on until all is done (`DONE`), the time is over (`PAUSED`), or the memory is (`FULL`).

    Parameters
    ----------
    search : Search
    deadline : Deadline
    settle : callable
        What becomes of whole mappings that are held back.
    """
    steps = FIRST_CHUNK
    while True:
        started = time.monotonic()
        outcome = int(optimum.search_on(search, steps, _NO_PATH))
        settle(search)
        if outcome == FULL and make_room(search):
            outcome = PAUSED
        if outcome != PAUSED or deadline.has_passed:
            return outcome
        # Signals, too, are only seen in between.
        passed = time.monotonic() - started
        more = min(4.0, CHUNK_SECONDS / max(passed, 1e-9))
        steps = min(max(1, int(steps * more)), _MOST_STEPS)


def least_left(search: Search) -> float:
    """The least that mappings may come to which a search has not looked at."""
    labels, tally = search.labels, search.labels.tally
    heads = labels.heads[tally[STAGE] :].copy()
    if len(heads) and tally[LABEL_AT] >= 0:
        heads[0, : tally[BOX]] = -1
        heads[0, tally[BOX]] = tally[LABEL_AT]
    elif len(heads):
        heads[0, : tally[BOX]] = -1
    least, at = np.inf, heads[heads >= 0]
    while len(at):
        least = min(least, float(labels.rows["least"][at].min()))
        at = labels.rows["next"][at]
        at = at[at >= 0]
    return least


def least_of_first(search: Search) -> float:
    """The least that any mapping may come to, of a search with its first labels."""
    rows = search.labels.rows["least"][1 : search.labels.tally[COUNT]]
    return float(rows.min()) if len(rows) else np.inf
