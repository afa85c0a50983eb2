"""What no mapping of a layer undercuts, told at once."""

from __future__ import annotations

import math

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


def cycles_of_any(problem: Problem) -> float:
    """`least_cycles` of a whole layer."""
    words = problem.words[WEIGHTS, -1], problem.distinct[-1], problem.words[OUTPUTS, -1]
    return least_cycles(problem.machine, np.array(words), problem.places["most_units"])


def least_cycles(machine: Machine, words: np.ndarray, instances: np.ndarray) -> float:
    """Cycles in which every word of a layer is moved once, and every weight is looked up once.

    Parameters
    ----------
    machine : Machine
    words : float64[3]
        Of each tensor; of inputs, those that windows touch.
    instances : float64[levels]
        Of each level at most.
    """
    outermost = _outermost_cycles(machine, words)
    return max(outermost, _lookup_cycles(machine, words[WEIGHTS], instances)) + machine.start_cycles


def _outermost_cycles(machine: Machine, words: np.ndarray) -> float:
    """Cycles of the outermost level, which moves each word once, whatever the mapping."""
    costs, ports = machine.costs[0], machine.ports[0]
    taken = np.zeros(machine.port_ends[-1, 2])
    np.add.at(taken, ports[:OUTPUTS, columns.READ], words[:2] * costs[:2, columns.READ_CYCLES])
    updating = costs[OUTPUTS, columns.UPDATE_CYCLES] - machine.finished[0, columns.SPARED_CYCLES]
    taken[ports[OUTPUTS, columns.UPDATE]] += words[OUTPUTS] * updating
    taken[ports[WEIGHTS, columns.READ]] += machine.load_cycles
    taken[ports[OUTPUTS, columns.READ]] += machine.bias_cycles
    taken[0] = 0
    return float(taken.max())


def _lookup_cycles(machine: Machine, words: float, instances: np.ndarray) -> float:
    """Cycles of the stores of a codebook, or of the level that it lies in, with all of them in use.

    Where MAC units may get what is decoded at once, this says nothing.
    """
    decoder, port, levels = *machine.unit[[columns.DECODER, columns.PORT]], len(machine.rules)
    if not 0 <= decoder < levels - 1:
        return 0.0
    filters, *sizes = machine.unit[[columns.FILTERS, 0, 1, 2]]
    bits = machine.unit[columns.ENTRY_BITS] / machine.unit[columns.WORD_BITS]
    read = max(bits, 1 / (filters * math.prod(sizes)))
    return float(
        words * read * machine.lookup_cycles / instances[decoder if port == levels else port]
    )


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
    children = [level.fanout.children for level in hardware.levels[:-1]]
    cycles = max(cycles, least_cycles(machine, words, np.cumprod([1.0, *children])))
    energy = machine.mac_pj + machine.static_pj * cycles
    if len(hardware.levels) > 1:
        costs = machine.costs[0]
        energy += float(words[:OUTPUTS] @ costs[:OUTPUTS, columns.READ_PJ])
        updating = costs[OUTPUTS, columns.UPDATE_PJ] - machine.finished[0, columns.SPARED_PJ]
        energy += float(words[OUTPUTS] * updating)
    return energy, cycles
