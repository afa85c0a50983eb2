"""What one access costs: a layer and a hardware as arrays for the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from kcsim.hardware.level import Access, Level
from kcsim.hardware.schema import Hardware
from kcsim.hardware.zeros import left_of_cycles, left_of_reads
from kcsim.hardware.zeros import value_bits as expected_bits
from kcsim.kernels.search import Machine
from kcsim.workload import ConvLayer
from kcsim.workload.layer import TENSORS

__all__ = ["build_machine", "multicast_array", "rule_array", "value_bits", "window_array"]

_MULTICAST = {"none": 0, "tile": 1, "word": 2}


def window_array(layer: ConvLayer, hardware: Hardware) -> np.ndarray:
    """Vertical and horizontal stride, vertical and horizontal dilation: int64[4].

    Where the hardware leaves skipped pixels out, windows stand side by side that are further
    apart in the image.
    """
    strides = list(layer.stride)
    if hardware.skipped_pixels == "left_out":
        taps = layer.kernel_height, layer.kernel_width
        reaches = [d * (n - 1) + 1 for d, n in zip(layer.dilation, taps, strict=True)]
        strides = [min(pair) for pair in zip(strides, reaches, strict=True)]
    return np.array([*strides, *layer.dilation], np.int64)


def multicast_array(hardware: Hardware) -> np.ndarray:
    """How the network below each level shares reads: int64[levels]."""
    return np.array([_MULTICAST[level.fanout.multicast] for level in hardware.levels], np.int64)


def reduction_array(hardware: Hardware) -> np.ndarray:
    """Whether the network below each level adds up partial sums: bool[levels]."""
    return np.array([level.fanout.reduction for level in hardware.levels], np.bool_)


def forwarding_array(hardware: Hardware) -> np.ndarray:
    """What children below each level take from neighbours: bool[levels, 3]."""
    return np.array(
        [[tensor in level.fanout.forwarding for tensor in TENSORS] for level in hardware.levels],
        np.bool_,
    )


def rule_array(hardware: Hardware, keeps: np.ndarray) -> np.ndarray:
    """What each level keeps, and what the network below it can do: int64[levels, 8].

    Parameters
    ----------
    hardware : Hardware
    keeps : bool[levels, 3]
        Whether a level stores a tensor; see `kcsim.mapping.Mapping.keeps_array`.
    """
    networks = multicast_array(hardware), reduction_array(hardware), forwarding_array(hardware)
    return np.column_stack([keeps, *networks]).astype(np.int64)


def value_bits(hardware: Hardware, weight_bits: Sequence[float] | None = None) -> np.ndarray:
    """Bits of one stored value of each tensor at each level: float64[levels, 3].

    Parameters
    ----------
    hardware : Hardware
    weight_bits : sequence of float, optional
        Bits per weight at each level, where clustered ones are stored; the
        hardware's precision everywhere when absent.
    """
    precision = hardware.precision_bits
    bits = np.empty((len(hardware.levels), 3))
    bits[:] = [precision.weights, precision.inputs, precision.outputs]
    if weight_bits is not None:
        bits[:, 0] = weight_bits
    return bits


def _stored_bits(layer: ConvLayer, hardware: Hardware, plain: np.ndarray) -> np.ndarray:
    """Bits of one value of each tensor where levels compress them: float64[levels, 3].

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    plain : ndarray of float64, [levels, 3]
        Bits without compression; weights that differ from the hardware's
        precision are indexes and stay as they are.
    """
    stored = plain.copy()
    for i, level in enumerate(hardware.levels):
        for j, tensor in enumerate(TENSORS):
            width = getattr(hardware.precision_bits, tensor)
            if plain[i, j] == width:
                stored[i, j] = expected_bits(level, tensor, width, layer.zeros)
    return stored


def build_machine(
    layer: ConvLayer, hardware: Hardware, weight_bits: Sequence[float] | None = None
) -> Machine:
    """Everything the search needs to know, as arrays; see `Machine`."""
    levels = hardware.levels
    count = len(levels)
    bits = value_bits(hardware, weight_bits)
    stored = _stored_bits(layer, hardware, bits)
    capacity = np.full((count, 3), np.inf)
    group = np.zeros((count, 3), np.int64)
    access = np.zeros((count, 3, 3))
    reading, writing = np.zeros((count, 3)), np.zeros((count, 3))
    for i, level in enumerate(levels):
        for j, tensor in enumerate(TENSORS):
            group[i, j] = _group(level, tensor)
            limit = level.capacity_bits(tensor)
            capacity[i, group[i, j]] = np.inf if limit is None else limit
            words = stored[i, j] / level.word_bits
            for k, action in enumerate(get_args(Access)):
                access[i, j, k] = level.energy_pj(tensor, action) * words / level.block_words
            reading[i, j] = words / (level.read_words_per_cycle or np.inf)
            writing[i, j] = words / (level.write_words_per_cycle or np.inf)
    _add_spilled_sums(hardware, access, reading, bits - stored)
    _leave_out_zeros(layer, hardware, access, reading)
    return Machine(
        window=window_array(layer, hardware),
        rules=rule_array(
            hardware, np.array([[t in level.kept_tensors for t in TENSORS] for level in levels])
        ),
        capacity_bits=capacity,
        group=group,
        value_bits=bits,
        access_pj=access,
        # Hops depend on the mapping; the search counts one for each arrival.
        transfer_pj=np.array(
            [[level.fanout.transfer_pj + level.fanout.hop_pj] * 3 for level in levels], np.float64
        ),
        cycle_pj=np.array(
            [level.leakage_pj_per_cycle for level in levels]
            + [hardware.compute.leakage_pj_per_cycle],
            np.float64,
        ),
        static_pj=float(hardware.static_pj_per_cycle),
        read_cycles=reading,
        write_cycles=writing,
        overlapped=np.array([level.buffering != "single" for level in levels], np.bool_),
        cycles_per_mac=hardware.compute.cycles_per_mac
        * float(left_of_cycles(hardware.compute, layer.zeros)),
    )


def _add_spilled_sums(
    hardware: Hardware, access: np.ndarray, reading: np.ndarray, saved: np.ndarray
) -> None:
    """Charge partial sums, which are read back once for each update but the last, in full."""
    for i, level in enumerate(hardware.levels):
        words = saved[i, 2] / level.word_bits
        for action in ("read", "update"):
            access[i, 2, 0] += level.energy_pj("outputs", action) * words / level.block_words
        reading[i, 2] += words / (level.read_words_per_cycle or np.inf)


def _leave_out_zeros(
    layer: ConvLayer, hardware: Hardware, access: np.ndarray, reading: np.ndarray
) -> None:
    """Spare the accesses of MACs with zeros at the innermost level, first ones of a sum too."""
    compute = hardware.compute
    for j, tensor in enumerate(TENSORS):
        left = float(left_of_reads(compute, layer.zeros, tensor))
        access[-1, j, 0] *= left
        if tensor == "outputs":
            access[-1, j, 2] *= left
    reading[-1] *= float(left_of_cycles(compute, layer.zeros))


def _group(level: Level, tensor: str) -> int:
    """Number of the partition that holds a tensor; 0 where all share the level."""
    partition = level.partition_of(tensor)
    return level.partitions.index(partition) if partition else 0
