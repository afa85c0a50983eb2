"""What zeros in MACs leave of the costs of the innermost level."""

from __future__ import annotations

import numpy as np

from kcsim.cost.zero_savings import left_of_cycles, left_of_reads, spared_twice
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search import machine as columns
from kcsim.workload.layer import TENSORS, ConvLayer


def leave_out_zeros(
    layer: ConvLayer, hardware: Hardware, costs: np.ndarray, keeps: np.ndarray, are_left_out: bool
) -> None:
    """Spare what MACs with zeros do not do, at the innermost level and on its network.

    Nothing is added to a partial sum, unless it is the first: so what is spared of
    outputs is spared of those that are read. Weights whose zeros `are_left_out` of what is
    stored are not spared twice.
    """
    compute, last = hardware.compute, costs[-1]
    timed = float(left_of_cycles(compute, layer.zeros))
    if are_left_out:
        twice = float(spared_twice(compute, layer.zeros))
        last[TENSORS.index("weights"), [columns.READ_PJ, columns.READ_CYCLES]] *= twice
    for j, tensor in enumerate(TENSORS):
        if not keeps[j]:
            continue
        left = float(left_of_reads(compute, layer.zeros, tensor))
        last[j, columns.READ_PJ] *= left
        last[j, columns.READ_CYCLES] *= timed
        if tensor == "outputs":
            spared = last[j, columns.UPDATE_PJ] + last[j, columns.TRANSFER_PJ]
            last[j, columns.READ_PJ] -= spared * (1 - left)
            last[j, columns.SPILL_CYCLES] *= timed
            last[j, columns.SPILL_CYCLES] -= last[j, columns.UPDATE_CYCLES] * (1 - timed)
        else:
            last[j, columns.TRANSFER_PJ] *= left
