"""What no mapping of a layer undercuts, told at once."""

from __future__ import annotations

import numpy as np

from kcsim.cost.prices import Prices, WeightCosts, build_machine
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import OUTPUTS, WEIGHTS
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.problem import Problem
from kcsim.mapping.margins import clip_tiles
from kcsim.mapping.problem import words_of_tiles
from kcsim.workload.layer import TENSORS, ConvLayer


def outermost_cycles(problem: Problem) -> float:
    """`least_cycles` of a whole layer."""
    words = problem.words[WEIGHTS, -1], problem.distinct[-1], problem.words[OUTPUTS, -1]
    return least_cycles(problem.machine, np.array(words))


def least_cycles(machine: Machine, words: np.ndarray) -> float:
    """Cycles of the outermost level, which moves each word of a layer once, whatever the mapping.

    Parameters
    ----------
    machine : Machine
    words : float64[3]
        Of each tensor; of inputs, those that windows touch.
    """
    costs, ports = machine.costs[0], machine.ports[0]
    taken = np.zeros(machine.port_ends[-1, 2])
    np.add.at(taken, ports[:OUTPUTS, columns.READ], words[:2] * costs[:2, columns.READ_CYCLES])
    updating = costs[OUTPUTS, columns.UPDATE_CYCLES] - machine.finished[0, columns.SPARED_CYCLES]
    taken[ports[OUTPUTS, columns.UPDATE]] += words[OUTPUTS] * updating
    taken[ports[WEIGHTS, columns.READ]] += machine.load_cycles
    taken[ports[OUTPUTS, columns.READ]] += machine.bias_cycles
    taken[0] = 0
    return float(taken.max()) + machine.start_cycles


def least_of_any(
    layer: ConvLayer, hardware: Hardware, form: WeightCosts, prices: Prices | None = None
) -> tuple[float, float]:
    """Energy and cycles that no mapping undercuts, at once."""
    keeps = np.array([[t in level.kept_tensors for t in TENSORS] for level in hardware.levels])
    machine = build_machine(layer, hardware, keeps, form, prices)
    extents = np.array([list(layer.dimensions.values())])
    every, distinct = words_of_tiles(machine, extents)
    if clipped := clip_tiles(machine, extents, np.zeros(2, np.bool_)):
        distinct = clipped.distinct
    words = np.array([every[WEIGHTS, 0], distinct[0], every[OUTPUTS, 0]])
    cycles = machine.macs * machine.cycles_per_mac / hardware.mac_units
    cycles = max(cycles, least_cycles(machine, words))
    energy = machine.mac_pj + machine.static_pj * cycles
    if len(hardware.levels) > 1:
        costs = machine.costs[0]
        energy += float(words[:OUTPUTS] @ costs[:OUTPUTS, columns.READ_PJ])
        updating = costs[OUTPUTS, columns.UPDATE_PJ] - machine.finished[0, columns.SPARED_PJ]
        energy += float(words[OUTPUTS] * updating)
    return energy, cycles
