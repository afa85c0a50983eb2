"""What one access costs: a layer and a hardware as arrays for the kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from kcsim.cost.access import block_bits, rates
from kcsim.cost.accounts import number_ports, stall_cycles
from kcsim.cost.biases import bias_cycles, bias_pj
from kcsim.cost.counted import count_sums
from kcsim.cost.padding import generates_padding, generating_level, padding_lines
from kcsim.cost.partial_sums import has_wide_sums
from kcsim.cost.ports import start_cycles
from kcsim.cost.rooms import Room, rooms_of
from kcsim.cost.static import idle_pj, statics_of
from kcsim.cost.zero_costs import leave_out_zeros
from kcsim.cost.zero_savings import left_of_cycles, left_of_macs, left_of_reads
from kcsim.cost.zero_savings import value_bits as expected_bits
from kcsim.hardware.at_precision import at_precision
from kcsim.hardware.level import Access, Level
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import NO_MULTICAST, RULE, TILE_MULTICAST, WINDOW, WORD_MULTICAST
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.workload.layer import TENSORS, ConvLayer

_MULTICAST = {"none": NO_MULTICAST, "tile": TILE_MULTICAST, "word": WORD_MULTICAST}
_WEIGHTS, _OUTPUTS = TENSORS.index("weights"), TENSORS.index("outputs")


@dataclass(frozen=True)
class WeightCosts:
    """What the mapper has to know of clustered weights; the defaults are dense ones.

    Attributes
    ----------
    unit : tuple of int
        Channels, rows and columns of the block that one index stands for.
    unit_bits : float
        Bits of one stored unit.
    decode_level : int
        Position of the last level that holds indexes; -1 for dense weights.
    lookup_pj : float
        Energy of looking up one weight.
    load_pj : float
        Energy of reading the codebook, once.
    copy_pj : float
        Energy of writing it into one copy of its store.
    store_level : int, optional
        Position of the level that holds the codebook beside its tiles; ``None`` where each instance
        of the level that is decoded has a store of its own.
    codebook_bits : int
        Room that the codebook takes there.
    entry_bits, word_bits : int
        Bits of one value of an entry, and of one word of the store or that level.
    lookup_cycles : float
        Cycles of reading one such word, at one instance; 0 where unlimited.
    load_cycles : float
        Cycles of reading the codebook at the outermost level, once.
    copy_cycles : float
        Cycles of writing it into one instance of `store_level`.
    unit_filters : int
        Filters of a unit.
    leaves_out_zeros : bool
        See `kcsim.cost.weight_format.WeightFormat`.
    """

    unit: tuple[int, int, int] = (1, 1, 1)
    unit_bits: float = 0.0
    decode_level: int = -1
    lookup_pj: float = 0.0
    load_pj: float = 0.0
    copy_pj: float = 0.0
    store_level: int | None = None
    codebook_bits: int = 0
    entry_bits: int = 1
    word_bits: int = 1
    lookup_cycles: float = 0.0
    load_cycles: float = 0.0
    copy_cycles: float = 0.0
    unit_filters: int = 1
    leaves_out_zeros: bool = False

    @property
    def value_bits(self) -> float:
        """Bits of an index for each weight of its unit."""
        return self.unit_bits / (math.prod(self.unit) * self.unit_filters)

    def leaves_out_zeros_at(self, level: int) -> bool:
        """Whether weights come to a level as they are stored, without zeros."""
        return self.leaves_out_zeros and self.decode_level == level


DENSE = WeightCosts()


@dataclass(frozen=True, eq=False)
class Prices:
    """What the accesses of a nest cost that is part of a larger account.

    Attributes
    ----------
    factors : float64[levels, 3, 13]
        Times the costs of a `Machine`: 0 for what others account for, above 1 where a word stands
        for several.
    cycles_per_mac : float, optional
        As the hardware says, zeros left out, when absent.
    more_pj : float
        Energy of all else that no mapping changes.
    used : float64[levels + 1], optional
        Instances in use, MAC units last, for each one that the nest counts; 1 when absent.
    ports : float64[levels + 1, 2], optional
        ``MORE_CYCLES`` and ``SHARED_CYCLES`` of a `Machine`; none when absent.
    """

    factors: np.ndarray
    cycles_per_mac: float | None = None
    more_pj: float = 0.0
    used: np.ndarray | None = None
    ports: np.ndarray | None = None


def window_array(layer: ConvLayer, hardware: Hardware) -> np.ndarray:
    """Strides and dilations along rows and columns: WINDOW[2].

    Where the hardware leaves skipped pixels out, windows stand side by side that are further
    apart in the image.
    """
    strides = list(layer.stride)
    if hardware.skipped_pixels == "left_out":
        taps = layer.kernel_height, layer.kernel_width
        reaches = [d * (n - 1) + 1 for d, n in zip(layer.dilation, taps, strict=True)]
        strides = [min(pair) for pair in zip(strides, reaches, strict=True)]
    return np.array(list(zip(strides, layer.dilation, strict=True)), WINDOW)


def rule_array(layer: ConvLayer, hardware: Hardware, keeps: np.ndarray) -> np.ndarray:
    """What each level keeps, and what the network below it can do: RULE[levels].

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    keeps : bool[levels, 3]
        Whether a level stores a tensor; see `kcsim.mapping.nest.Mapping.keeps_array`.
    """
    networks = [level.fanout for level in hardware.levels]
    rules = np.zeros(len(networks), RULE)
    rules["keeps"], rules["repeated"] = keeps, hardware.slides == "repeated"
    rules["multicast"] = [_MULTICAST[network.multicast] for network in networks]
    rules["reduces"] = [network.reduction for network in networks]
    rules["forwards"] = [[t in network.forwarding for t in TENSORS] for network in networks]
    if generates_padding(layer, hardware):
        lines = padding_lines(layer, window_array(layer, hardware))
        rules["padding"][: generating_level(hardware, keeps) + 1] = lines
    return rules


def build_machine(
    layer: ConvLayer, hardware: Hardware, keeps: np.ndarray, weights: WeightCosts = DENSE,
    prices: Prices | None = None,
) -> Machine:  # fmt: skip
    """Everything the search needs to know, as arrays; see `Machine`.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    keeps : bool[levels, 3]
        Whether a level stores a tensor.
    weights : WeightCosts
    prices : Prices, optional
        Those of the hardware when absent.
    """
    return build_machines(layer, hardware, keeps, weights, prices)[0]


class Bare(NamedTuple):
    """What of a `Machine` depends on what the innermost level stores; see there."""

    costs: np.ndarray
    lookup_pj: float
    lookup_cycles: float


def build_machines(
    layer: ConvLayer, hardware: Hardware, keeps: np.ndarray, weights: WeightCosts = DENSE,
    prices: Prices | None = None,
) -> tuple[Machine, Bare]:  # fmt: skip
    """Likewise, and what is different where the innermost level stores nothing."""
    hardware = at_precision(hardware, layer)
    words, network_cycles, finished = _word_costs(layer, hardware, weights)
    own, bare = (
        _bare(layer, hardware, each, weights, words.copy())
        for each in (keeps[-1], np.zeros(3, np.bool_))
    )
    if prices:
        finished *= prices.factors[:, _OUTPUTS, _SPARED]
        for each in (own.costs, bare.costs):
            each *= prices.factors
    return _machine(layer, hardware, keeps, weights, prices, (own, network_cycles, finished)), bare


def _bare(
    layer: ConvLayer, hardware: Hardware, keeps: np.ndarray, weights: WeightCosts, costs: np.ndarray
) -> Bare:
    """What depends on the tensors that the innermost level keeps (bool[3]), by costs of words."""
    compute, last = hardware.compute, len(hardware.levels) - 1
    leave_out_zeros(layer, hardware, costs, keeps, weights.leaves_out_zeros_at(last))
    lookup_pj, lookup_cycles = float(weights.lookup_pj), float(weights.lookup_cycles)
    if weights.decode_level == last and keeps[_WEIGHTS]:
        # Weights that are not read are not looked up.
        lookup_pj *= float(left_of_reads(compute, layer.zeros, "weights"))
        lookup_cycles *= float(left_of_cycles(compute, layer.zeros))
    return Bare(costs, lookup_pj, lookup_cycles)


def _machine(
    layer: ConvLayer, hardware: Hardware, keeps: np.ndarray, weights: WeightCosts,
    prices: Prices | None, words: tuple[Bare, np.ndarray, np.ndarray],
) -> Machine:  # fmt: skip
    """The machine, by what words cost."""
    compute, count = hardware.compute, len(hardware.levels)
    (costs, lookup_pj, lookup_cycles), network_cycles, finished = words
    left = float(left_of_macs(compute, layer.zeros))
    timed = float(left_of_cycles(compute, layer.zeros))
    cycles_per_mac, fixed_pj = compute.cycles_per_mac * timed, weights.load_pj
    if prices:
        fixed_pj += prices.more_pj
        cycles_per_mac = cycles_per_mac if prices.cycles_per_mac is None else prices.cycles_per_mac
    mac_pj = layer.macs * (left * compute.mac_pj + (timed - left) * compute.gated_mac_pj)
    store, port = weights.store_level, weights.store_level
    if store is None:
        store, port = weights.decode_level, count
    decoder = weights.decode_level, store, port, weights.entry_bits, weights.word_bits
    ports, port_ends = number_ports(hardware, costs)
    stalls = stall_cycles(hardware)
    stall_account = int(port_ends[-1, 2]) if stalls.any() else 0
    return Machine(
        window=window_array(layer, hardware),
        rules=rule_array(layer, hardware, keeps),
        costs=costs,
        ports=ports,
        port_ends=port_ends,
        network_cycles=network_cycles,
        stalls=stalls,
        stall_account=stall_account,
        start_cycles=start_cycles(hardware),
        finished=finished,
        has_wide_sums=has_wide_sums(hardware),
        rooms=_room_array(hardware, weights),
        cycles=_cycles(hardware, prices),
        unit=np.array([*weights.unit, *decoder, weights.unit_filters], np.int64),
        macs=float(layer.macs),
        cycles_per_mac=float(cycles_per_mac),
        mac_pj=float(mac_pj + fixed_pj + bias_pj(layer, hardware)),
        static_pj=float(hardware.static_pj_per_cycle) + idle_pj(hardware),
        lookup_pj=lookup_pj,
        copy_pj=float(weights.copy_pj),
        lookup_cycles=lookup_cycles,
        load_cycles=float(weights.load_cycles),
        bias_cycles=bias_cycles(layer, hardware),
        copy_cycles=float(weights.copy_cycles),
    )


_SPARED = [
    columns.UPDATE_PJ, columns.UPDATE_CYCLES, columns.VALUE_BITS, columns.TRANSFER_PJ,
    columns.TRANSFER_PJ,
]  # fmt: skip
"""What a finished word spares a part of, in the order of `Machine.finished`."""


def _cycles(hardware: Hardware, prices: Prices | None) -> np.ndarray:
    """``cycles`` of a `Machine`."""
    found, levels = np.zeros((len(hardware.levels) + 1, 4)), hardware.levels
    found[:, columns.LEAK_PJ] = [each.in_use_pj for each in statics_of(hardware)]
    found[:, columns.OVERLAPPED] = [level.buffering != "single" for level in levels] + [True]
    if prices and prices.used is not None:
        found[:, columns.LEAK_PJ] *= prices.used
    if prices and prices.ports is not None:
        found[:, columns.MORE_CYCLES :] = prices.ports
    return found


def _word_costs(
    layer: ConvLayer, hardware: Hardware, weights: WeightCosts
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``costs``, ``network_cycles`` and ``finished`` of a `Machine`, zeros in MACs aside."""
    count = len(hardware.levels)
    costs, finished = np.zeros((count, 3, columns.COSTS)), np.zeros((count, 5))
    cycles = np.zeros((count, 3))
    for i in range(count):
        for j in range(3):
            _fill_costs(costs[i, j], finished[i], layer, hardware, i, j, weights)
        _fill_transfers(costs[i], cycles[i], finished[i], hardware, i, weights)
    return costs, cycles, finished


def _fill_costs(
    costs: np.ndarray,
    finished: np.ndarray,
    layer: ConvLayer,
    hardware: Hardware,
    index: int,
    tensor: int,
    weights: WeightCosts,
) -> None:
    """Fill the costs of one tensor at one level (float64[13]), networks and zeros in MACs aside."""
    level, name = hardware.levels[index], TENSORS[tensor]
    widths = hardware.level_bits[index]
    plain = stored = float(widths[name])
    if tensor == _WEIGHTS and index <= weights.decode_level:
        plain = stored = weights.value_bits
    else:
        stored = float(expected_bits(level, name, int(plain), layer.zeros))
    spared = 0.0
    if tensor == _OUTPUTS and widths["partial_sums"] > plain:
        wide = float(widths["partial_sums"])
        finished[columns.SPARED_BITS], spared = wide - plain, wide - stored
        plain = stored = wide
    costs[columns.VALUE_BITS] = plain
    block, (reading, filling, updating) = block_bits(level, name), rates(level, name)
    energies = [level.price(name, action) / block for action in get_args(Access)]
    costs[: len(energies)] = [stored * energy for energy in energies]
    costs[columns.READ_CYCLES], costs[columns.WRITE_CYCLES] = stored / reading, stored / filling
    costs[columns.UPDATE_CYCLES] = stored / updating
    if tensor == _OUTPUTS:
        finished[columns.SPARED_PJ] = spared * energies[2]
        finished[columns.SPARED_CYCLES] = spared / updating
        # Only finished outputs are compressed: a partial sum comes and goes in full.
        spilled = plain - stored
        costs[columns.READ_PJ] += spilled * (energies[0] + energies[2])
        costs[columns.READ_CYCLES] += spilled / reading
        costs[columns.SPILL_CYCLES] = spilled / updating
        count_sums(costs, level, plain * energies[0], plain / reading)
    if not level.counted.fills:
        costs[columns.FILL_PJ] = costs[columns.WRITE_CYCLES] = 0.0


def _fill_transfers(
    costs: np.ndarray, cycles: np.ndarray, finished: np.ndarray,
    hardware: Hardware, index: int, weights: WeightCosts,
) -> None:  # fmt: skip
    """Fill energy and cycles of one word of each tensor on the network below a level.

    One hop is counted for each word; `kcsim.mapping.problem` counts those that a mapping takes.
    """
    level, widths = hardware.levels[index], hardware.network_bits(index)
    names = (*TENSORS[:_OUTPUTS], "partial_sums")
    bits = np.array([widths[name] for name in names], np.float64)
    if index + 1 <= weights.decode_level:
        bits[_WEIGHTS] = weights.value_bits
    prices = np.array([level.fanout.transfer_price(tensor) for tensor in TENSORS])
    prices += level.fanout.hop_pj
    costs[:, columns.TRANSFER_PJ] = prices * bits / level.word_bits
    spared = widths["partial_sums"] - widths["outputs"]
    finished[columns.SPARED_TRANSFER_PJ] = prices[_OUTPUTS] * spared / level.word_bits
    rate = level.fanout.words_per_cycle
    if rate is not None:
        cycles[:] = bits / level.word_bits / rate
        finished[columns.SPARED_NETWORK_CYCLES] = spared / level.word_bits / rate


def _room_array(hardware: Hardware, weights: WeightCosts) -> np.ndarray:
    """Bits of room of each group of tensors at each level, and the groups: float64[levels, 6]."""
    rooms = np.full((len(hardware.levels), 6), np.inf)
    rooms[:, columns.GROUP :] = 0
    for i, level in enumerate(hardware.levels):
        for group, room in enumerate(free_rooms(level, i, weights)):
            for tensor in room.tensors:
                rooms[i, columns.GROUP + TENSORS.index(tensor)] = group
                if tensor in level.kept_tensors and room.bits is not None:
                    rooms[i, columns.CAPACITY + group] = room.bits
    return rooms


def free_rooms(level: Level, index: int, weights: WeightCosts) -> tuple[Room, ...]:
    """The rooms that a level, given with its position, has for tiles: beside a codebook there."""
    rooms = rooms_of(level)
    if index != weights.store_level:
        return rooms
    return tuple(
        room.beside(weights.codebook_bits) if "weights" in room.tensors else room for room in rooms
    )
