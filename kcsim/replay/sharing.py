"""A shared convolution executed with real values and a real codebook, every access counted.

Tile by tile, the nests of both phases and of what surrounds them are replayed
(`kcsim.kernels.replay.walk`); `execute` says how tables are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.model.counts import ACTIONS, DIRECTIONS
from kcsim.replay.dense import Difference, random_operands, replay_layer
from kcsim.replay.sharing_execution import EXECUTIONS, Tally
from kcsim.sharing.account import SharedEstimate
from kcsim.sharing.phases import first_levels, leave_out
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.tiles import Tile
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True, eq=False)
class SharedReplay:
    """An executed layer that shares products or sums.

    Attributes
    ----------
    outputs : ndarray, [N, channels, P, Q]
        Integers if inputs, entries, scales and offsets are whole numbers, else float64.
    inputs : ndarray, [N, channels, H, W]
        What was given.
    outer, gather, entries : Tally
        See `SharedEstimate`.
    """

    outputs: np.ndarray
    inputs: np.ndarray
    outer: Tally
    gather: Tally
    entries: Tally


def replay_shared(
    shared: SharedLayer,
    mapping: SharedMapping,
    weights: ClusteredLayer,
    codebook: Codebook,
    inputs: np.ndarray | None = None,
    seed: int = 0,
) -> SharedReplay:
    """Execute a shared convolution and count every access as it happens.

    Parameters
    ----------
    shared : SharedLayer
        Of these weights.
    mapping : SharedMapping
    weights : ClusteredLayer
    codebook : Codebook
        That of the layer.
    inputs : ndarray, [N, channels, H, W], optional
        Without padding; small random integers when absent.
    seed : int
        Of the random integers.

    Raises
    ------
    MappingError
        If a part of the mapping does not cover what it should.
    InputError
        If the inputs have the wrong shape.
    """
    shared = shared.under(mapping)
    layer = shared.layer
    random_inputs, _ = random_operands(layer, seed)
    inputs = random_inputs if inputs is None else np.asarray(inputs)
    if inputs.shape != random_inputs.shape:
        raise InputError(
            Problem(f"the inputs given for {layer.name} are of shape {inputs.shape}",
                    f"shape {random_inputs.shape}")
        )  # fmt: skip
    run = EXECUTIONS[shared.sharing.name](shared, mapping, weights, codebook, inputs)
    for start in _starts(shared, mapping):
        run.run_tile(start)
    whole = replay_layer(layer, shared.hardware, mapping.outer, inputs, run.decoded)
    first = first_levels(shared.hardware, shared.hardware.level_index(mapping.home))
    outer = Tally(len(whole.accesses))
    outer.add(whole.accesses, whole.transfers, 0)
    leave_out(outer.accesses, outer.transfers, first, outside=True)
    return SharedReplay(run.outputs, inputs, outer, run.gather, run.entries)


def _starts(shared: SharedLayer, mapping: SharedMapping) -> Iterator[Tile]:
    """First index of every tile along each dimension."""
    rounds = mapping.tile.rounds(shared.layer)
    for place in itertools.product(*map(range, rounds)):
        yield Tile(*(at * size for at, size in zip(place, mapping.tile, strict=True)))


def compare_shared(replayed: SharedReplay, estimate: SharedEstimate) -> tuple[Difference, ...]:
    """Every number that a replay and the closed forms disagree on."""
    found = []
    parts = (
        ("outer", estimate.outer, replayed.outer),
        ("gather", estimate.gather.counts, replayed.gather),
        ("entries", estimate.entries.counts, replayed.entries),
    )
    for part, counts, tally in parts:
        for (i, name), (j, tensor) in itertools.product(
            enumerate(counts.hardware.level_names), enumerate(TENSORS)
        ):
            rows = (
                *zip(ACTIONS, counts.accesses[i, j], tally.accesses[i, j], strict=True),
                *zip(DIRECTIONS, counts.transfers[i, j], tally.transfers[i, j], strict=True),
            )
            found += [Difference(f"{part} {name}", tensor, w, int(a), int(b)) for w, a, b in rows]
        if part != "outer":
            found.append(Difference(part, "", "MACs", counts.macs, tally.macs))
    plan = estimate.plan
    passed = estimate.shared.passed(plan.tile, plan.order)
    found.append(Difference("gather", "", "passed sums", passed, replayed.gather.passed))
    return tuple(entry for entry in found if entry.counted != entry.replayed)
