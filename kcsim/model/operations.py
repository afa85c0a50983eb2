"""What additions, concatenations and poolings cost, beside the layers of a network.

An operation reads each word of its inputs once from the outermost level and writes each word of its
outputs there. Inputs are filled into every level that keeps inputs and read there, outputs are
updated at every level that keeps outputs, and both cross the networks; the MAC units, all of them,
do its additions, and comparisons likewise. A concatenation copies within the outermost level.
Nothing is kept from a layer before it or for one behind it, and zeros spare nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from kcsim.cost.access import block_bits
from kcsim.cost.ports import network_paths, ports_of, start_cycles
from kcsim.cost.static import statics_of
from kcsim.hardware.level import Access
from kcsim.hardware.schema import Hardware
from kcsim.model.cycles import in_turns, network_name
from kcsim.model.energy import EnergyItem
from kcsim.sums import exact_sum
from kcsim.workload.network import Network
from kcsim.workload.operation import Operation

_ACCESSES: dict[str, Access] = {"reads": "read", "fills": "write", "updates": "update"}
_Moved = dict[tuple[str, str], int]
"""Words by tensor and action, or tensor and way."""


@dataclass(frozen=True)
class OperationEstimate:
    """An operation on a hardware.

    Attributes
    ----------
    operation : Operation
    items : tuple of EnergyItem
        Its account, as that of a layer.
    cycles : int
    """

    operation: Operation
    items: tuple[EnergyItem, ...]
    cycles: int

    @cached_property
    def energy(self) -> float:
        """In the hardware's energy unit."""
        return exact_sum(item.energy for item in self.items)


def estimate_operations(network: Network, hardware: Hardware) -> tuple[OperationEstimate, ...]:
    """All operations of a network that are counted, in their order."""
    counted = (each for each in network.operations if each.is_counted)
    return tuple(estimate_operation(each, hardware) for each in counted)


def estimate_operation(operation: Operation, hardware: Hardware) -> OperationEstimate:
    """What an addition, a concatenation or a pooling costs.

    Parameters
    ----------
    operation : Operation
    hardware : Hardware

    Raises
    ------
    ValueError
        If it is another operation.
    """
    if not operation.is_counted:
        raise ValueError(f"{operation.kind} is not counted")
    moves = list(_moves(operation, hardware))
    cycles = _cycles(operation, hardware, moves)
    items = [item for i, moved in enumerate(moves) for item in _items(hardware, i, moved)]
    adds = operation.all_adds
    items.append(EnergyItem("MAC", "", "add", adds, 0, adds, adds * hardware.add_pj))
    items += _static_items(hardware, cycles)
    return OperationEstimate(operation, tuple(item for item in items if item.count), cycles)


def operations_text(estimates: Sequence[OperationEstimate], unit: str) -> str:
    """How many operations there are of each kind, and what they cost together, as a phrase."""
    kinds = [each.operation.kind for each in estimates]
    named = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    energy = exact_sum(each.energy for each in estimates)
    return f"{named}: {energy:.4g} {unit}, {sum(each.cycles for each in estimates)} cycles"


def _moves(operation: Operation, hardware: Hardware) -> Iterator[_Moved]:
    """Words that each level, and the network below it, moves."""
    inputs = operation.batch * operation.input_words
    outputs = operation.batch * operation.output_words
    for i, level in enumerate(hardware.levels):
        moved: _Moved = {}
        if i and operation.kind == "concat":
            yield moved
            continue
        if "inputs" in level.kept_tensors:
            moved["inputs", "reads"] = inputs
            if i and level.counted.fills:
                moved["inputs", "fills"] = inputs
        if "outputs" in level.kept_tensors:
            moved["outputs", "updates"] = outputs
            if i and level.counted.drains:
                moved["outputs", "reads"] = outputs
        if operation.kind != "concat":
            moved |= {("inputs", "down"): inputs, ("outputs", "up"): outputs}
        yield moved


def _items(hardware: Hardware, index: int, moved: _Moved) -> Iterator[EnergyItem]:
    level, bits = hardware.levels[index], hardware.level_bits[index]
    crossing = hardware.network_bits(index)
    for (tensor, action), words in moved.items():
        if access := _ACCESSES.get(action):
            moved_bits = words * bits[tensor]
            accesses = -(-moved_bits // block_bits(level, tensor))  # type: ignore[arg-type]
            price = level.price(tensor, access)
            name, shown = level.name, action.removesuffix("s")
        else:
            moved_bits = words * crossing[tensor]
            accesses = -(-moved_bits // level.word_bits)
            price = level.fanout.transfer_price(tensor)  # type: ignore[arg-type]
            name, shown = network_name(level), "transfer"
            if not price:
                continue
        yield EnergyItem(name, tensor, shown, words, float(moved_bits), accesses, accesses * price)


def _static_items(hardware: Hardware, cycles: int) -> Iterator[EnergyItem]:
    """What every cycle costs, with all instances in use."""
    parts = list(statics_of(hardware))
    leaking = exact_sum(each.leakage(each.instances) for each in parts)
    energy = cycles * (hardware.static_pj_per_cycle + leaking)
    if energy:
        yield EnergyItem("static", "", "cycle", cycles, 0, cycles, energy)
    for each in parts:
        if each.clock_pj:
            energy = cycles * each.clock(each.instances)
            yield EnergyItem(each.component, "", "clock", cycles, 0, cycles, energy)


def _cycles(operation: Operation, hardware: Hardware, moves: list[_Moved]) -> int:
    """Cycles, with the work of a level spread evenly over its instances."""
    adding = math.ceil(operation.all_adds / hardware.mac_units) * hardware.compute.cycles_per_mac
    needed, instances = {}, 1
    for i, (level, moved) in enumerate(zip(hardware.levels, moves, strict=True)):
        bits, crossing = hardware.level_bits[i], hardware.network_bits(i)
        for name, widths, paths in (
            (level.name, bits, ports_of(level)),
            (network_name(level), crossing, network_paths(level)),
        ):
            longest = 0
            for path in paths:
                taken = sum(
                    (
                        Fraction(moved.get(key, 0) * widths[key[0]])
                        / (level.word_bits if key[1] in ("down", "up") else
                           level.word_bits_of(key[0]))
                        / rate
                        for key, rate in path.rates.items()
                    ),
                    Fraction(0),
                )  # fmt: skip
                longest = max(longest, math.ceil(taken / instances))
            if longest:
                needed[name] = longest
        instances *= level.fanout.children
    total, _ = in_turns(hardware, adding, "compute", needed)
    return total + math.ceil(start_cycles(hardware))
