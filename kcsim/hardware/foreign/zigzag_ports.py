"""Ports of a memory of ZigZag: which operands pass, in which directions.

An allocation is ``O, fl``: an operand, and where it comes from or goes to: from or to a high or a
low memory. Sums that leave upwards (``th``) are no access of a level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kcsim.hardware.level import Level
from kcsim.hardware.port import Port
from kcsim.workload.layer import TENSORS

OPERANDS = {"weights": "I2", "inputs": "I1", "outputs": "O"}
TENSORS_OF = {operand: tensor for tensor, operand in OPERANDS.items()}
_DIRECTIONS = {"tl": "read", "fh": "fill", "fl": "update"}


def listed_ports(ports: Sequence[Mapping[str, Any]], word: int) -> list[dict[str, Any]] | None:
    """Ports as a hardware file lists them; ``None`` where two of them have the same accesses.

    Parameters
    ----------
    ports : sequence of mapping
    word : int
        Bits of a word.
    """
    found, taken = [], set[tuple[str, str]]()
    for port in ports:
        pairs = [_pair(each) for each in port.get("allocation") or []]
        if not pairs or None in pairs:
            return None
        known = [pair for pair in pairs if pair and pair[1] in _DIRECTIONS]
        tensors = [t for t in TENSORS if any(t == tensor for tensor, _ in known)]
        ways = [_DIRECTIONS[w] for w in _DIRECTIONS if any(w == way for _, way in known)]
        # Inputs and weights have no updates.
        own = {(t, w) for t in tensors for w in ways if t == "outputs" or w != "update"}
        if own & taken:
            return None
        taken |= own
        if own:
            rate = port["bandwidth_max"] / word
            found.append({"tensors": tensors, "directions": ways, "words_per_cycle": rate})
    return found


def _pair(allocation: Any) -> tuple[str, str] | None:
    operand, _, way = (part.strip() for part in str(allocation).partition(","))
    known = operand in TENSORS_OF and way in (*_DIRECTIONS, "th")
    return (TENSORS_OF[operand], way) if known else None


def ports_of_zigzag(level: Level) -> list[dict[str, Any]]:
    """Ports of a level as an accelerator file of ZigZag has them; a block where it has no limit."""
    operands = sorted(OPERANDS[tensor] for tensor in level.kept_tensors)
    down = [f"{operand}, tl" for operand in operands]
    into = [f"{operand}, fh" for operand in operands]
    # Only outputs move both ways.
    up = ["O, th"] if "O" in operands else []
    back = ["O, fl"] if "O" in operands else []
    if level.port_list:
        ports = [_listed(f"p_port_{i}", each, level) for i, each in enumerate(level.port_list, 1)]
        passed = {each for port in ports for each in port["allocation"]}
        for name, kind, all_of_it in (
            ("r_port_1", "read", [*down, *up]), ("w_port_1", "write", [*into, *back])
        ):  # fmt: skip
            left = [each for each in all_of_it if each not in passed]
            if left and left != up:
                ports.append(_port(name, kind, level.block_words * level.word_bits, left))
        return ports
    reads, writes = level.read_words_per_cycle, level.write_words_per_cycle
    if level.shares_port:
        reads, writes = (rate or level.shared_bandwidth for rate in (reads, writes))
        reads, writes = reads or writes, writes or reads
    read, write = (_bits(rate or level.block_words, level) for rate in (reads, writes))
    if level.shares_port and read == write:
        return [_port("rw_port_1", "read_write", read, [*down, *up, *into, *back])]
    return [
        _port("r_port_1", "read", read, [*down, *up]),
        _port("w_port_1", "write", write, [*into, *back]),
    ]


def port_widths(ports: Sequence[Mapping[str, Any]], without: str) -> int:
    """Bits of the widest of the ports that are not of one type: ``read`` or ``write``."""
    return max((port["bandwidth_max"] for port in ports if port["type"] != without), default=0)


def _listed(name: str, port: Port, level: Level) -> dict[str, Any]:
    ways = {"reads": "tl", "fills": "fh", "updates": "fl"}
    allocation = [
        f"{OPERANDS[tensor]}, {ways[action]}" for tensor, action in port.serves
        if tensor in level.kept_tensors and (tensor == "outputs" or action != "updates")
    ]  # fmt: skip
    actions = {action for _, action in port.serves}
    kind = "read" if actions == {"reads"} else "write" if "reads" not in actions else "read_write"
    return _port(name, kind, _bits(port.words_per_cycle, level), allocation)


def _bits(words_per_cycle: float, level: Level) -> int:
    return max(1, round(words_per_cycle * level.word_bits))


def _port(name: str, kind: str, bits: int, allocation: list[str]) -> dict[str, Any]:
    return {
        "name": name, "type": kind, "bandwidth_min": bits, "bandwidth_max": bits,
        "allocation": allocation,
    }  # fmt: skip
