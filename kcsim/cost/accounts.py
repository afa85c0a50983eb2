"""What a search keeps account of beside energy, as arrays: ports, and what the array waits for."""

from __future__ import annotations

import numpy as np

from kcsim.cost.ports import DOWN, UP, network_paths, ports_of
from kcsim.cost.standing import stall_rates, stalls_of
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search import machine as columns
from kcsim.workload.layer import TENSORS

_ACTIONS = {"reads": columns.READ, "fills": columns.FILL, "updates": columns.UPDATE}
_WAYS = {DOWN: columns.DOWN, UP: columns.UP}
_CYCLES = {
    columns.READ: [columns.READ_CYCLES, columns.DRAIN_CYCLES],
    columns.FILL: [columns.WRITE_CYCLES],
    columns.UPDATE: [columns.UPDATE_CYCLES],
}


def stall_cycles(hardware: Hardware) -> np.ndarray:
    """Cycles that the array stands still; see `Machine`. MAC units have no tiles of their own."""
    stalls = np.zeros((len(hardware.levels), 3, 3))
    for stall in stalls_of(hardware):
        if stall.level < len(stalls):
            waits = stalls[stall.level, TENSORS.index(stall.tensor)]
            load, dump = stall_rates(hardware, stall)
            waits += (load, dump, stall.tile_cycles)
    return stalls


def number_ports(hardware: Hardware, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accounts of the ports that anything takes time at; see `Machine`. Account 0 is energy."""
    ports = np.zeros((len(costs), 3, 5), np.int64)
    ends, account = np.zeros((len(costs), 3), np.int64), 1
    for i, level in enumerate(hardware.levels):
        ends[i, 0] = account
        for path in ports_of(level):
            served = [(TENSORS.index(t), _ACTIONS[action]) for t, action in path.rates]
            if any(costs[i, tensor, _CYCLES[action]].any() for tensor, action in served):
                for tensor, action in served:
                    ports[i, tensor, action] = account
                account += 1
        ends[i, 1] = account
        for path in network_paths(level):
            for name, way in path.rates:
                ports[i, TENSORS.index(name), _WAYS[way]] = account
            account += 1
        ends[i, 2] = account
    return ports, ends
