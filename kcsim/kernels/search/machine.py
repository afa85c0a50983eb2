"""What one layer meets on one hardware, as arrays: the prices of every access.

*costs*, float64[levels, 3, 13]
    By level and tensor. ``READ_PJ``, ``FILL_PJ``, ``UPDATE_PJ``, ``TRANSFER_PJ``: energy of one
    word read, filled, updated, and crossing the network below. ``READ_CYCLES``,
    ``WRITE_CYCLES`` (fills), ``UPDATE_CYCLES``: cycles that one word takes at one instance, zero
    where unlimited.
    ``VALUE_BITS``: bits of one stored value. ``SPILL_CYCLES``: a partial sum that is read back may
    make its update dearer, as it does not compress, or spare it, as nothing is added to it; the
    energy of that is part of ``READ_PJ``. ``FIRST_PJ``, ``FIRST_CYCLES``: of reading a sum that is
    begun; ``DRAIN_PJ``, ``DRAIN_CYCLES``: of reading one that leaves upwards; zero where these are
    not counted.
*finished*, float64[levels, 5]
    What a word of outputs takes less than a partial sum once it is finished: ``SPARED_PJ``,
    ``SPARED_CYCLES`` of its update, ``SPARED_BITS`` of room, ``SPARED_TRANSFER_PJ`` and
    ``SPARED_NETWORK_CYCLES`` on the network below.
*ports*, int64[levels, 3, 5]
    By level and tensor, the accounts of cycles of ``READ``, ``FILL`` and ``UPDATE``, and of what
    goes ``DOWN`` and ``UP`` on the network below; 0 where unlimited.
*port_ends*, int64[levels, 3]
    The first account of a level, the first one of its network, and the one behind.
*stalls*, float64[levels, 3, 3]
    Cycles that the array stands still, by level and tensor: for a word that is filled
    (``LOAD``), one that is sent up (``DUMP``), and a new tile (``TILE``).
*rooms*, float64[levels, 6]
    ``CAPACITY`` (3): bits of each group of tensors, infinite where unlimited. ``GROUP`` (3): the
    group that holds a tensor.
*cycles*, float64[levels + 1, 4]
    ``LEAK_PJ``: leakage of one instance in use, a cycle. ``OVERLAPPED``: whether transfers run
    beside the computation. ``MORE_CYCLES``, ``SHARED_CYCLES``: what ports are taken for beside the
    nest, whatever it is, and by all MAC units together. The last row is for the MAC units.
*unit*, int64[9]
    Clustered weights: channels, rows and columns of the block that one index stands for;
    ``DECODER``: the last level that holds indexes, at whose output they are looked up, -1 for
    dense weights; ``STORE``: the level whose instances each have a copy of the codebook;
    ``PORT``: the level whose reads lookups add to, or the number of levels where each copy is a
    store of its own; ``ENTRY_BITS``: bits of one value of an entry; ``WORD_BITS``: of a word read;
    ``FILTERS``: filters that an index stands for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

(
    READ_PJ, FILL_PJ, UPDATE_PJ, TRANSFER_PJ, READ_CYCLES, WRITE_CYCLES, VALUE_BITS, SPILL_CYCLES,
    UPDATE_CYCLES, FIRST_PJ, FIRST_CYCLES, DRAIN_PJ, DRAIN_CYCLES,
) = range(13)  # fmt: skip
COSTS = 13
SPARED_PJ, SPARED_CYCLES, SPARED_BITS, SPARED_TRANSFER_PJ, SPARED_NETWORK_CYCLES = range(5)
READ, FILL, UPDATE, DOWN, UP = range(5)
LOAD, DUMP, TILE = range(3)
CAPACITY, GROUP = 0, 3
LEAK_PJ, OVERLAPPED, MORE_CYCLES, SHARED_CYCLES = range(4)
DECODER, STORE, PORT, ENTRY_BITS, WORD_BITS, FILTERS = 3, 4, 5, 6, 7, 8


class Machine(NamedTuple):
    """The prices of one layer on one hardware; see the module for its arrays.

    Attributes
    ----------
    window : WINDOW[2]
    rules : RULE[levels]
        See `kcsim.kernels.layout`.
    costs : float64[levels, 3, 13]
    ports : int64[levels, 3, 5]
    port_ends : int64[levels, 3]
    network_cycles : float64[levels, 3]
        Cycles of a word on the network below a level.
    start_cycles : float
        Until the first word has come from the outermost level to the MAC units.
    stalls : float64[levels, 3, 3]
    stall_account : int
        Account of these cycles, 0 for none.
    finished : float64[levels, 5]
    has_wide_sums : bool
        Whether partial sums are wider than outputs anywhere.
    rooms : float64[levels, 6]
    cycles : float64[levels + 1, 4]
    unit : int64[9]
    macs : float
    cycles_per_mac : float
    mac_pj : float
        Energy of all MACs, and of all else that no mapping changes.
    static_pj : float
        Energy of a cycle that depends on nothing.
    lookup_pj : float
        Energy of looking up one word that leaves the ``DECODER``.
    copy_pj : float
        Energy of writing the codebook into one copy of its store.
    lookup_cycles : float
        Cycles of reading one word of the codebook at one copy of it; zero where unlimited.
    load_cycles : float
        Cycles of reading the codebook at the outermost level.
    bias_cycles : float
        Cycles of reading biases at the outermost level.
    copy_cycles : float
        Cycles of writing it into one instance of the level that holds it.
    """

    window: np.ndarray
    rules: np.ndarray
    costs: np.ndarray
    ports: np.ndarray
    port_ends: np.ndarray
    network_cycles: np.ndarray
    start_cycles: float
    stalls: np.ndarray
    stall_account: int
    finished: np.ndarray
    has_wide_sums: bool
    rooms: np.ndarray
    cycles: np.ndarray
    unit: np.ndarray
    macs: float
    cycles_per_mac: float
    mac_pj: float
    static_pj: float
    lookup_pj: float
    copy_pj: float
    lookup_cycles: float
    load_cycles: float
    bias_cycles: float
    copy_cycles: float
