"""Hardware as architectures of Timeloop, of version 0.3 or 0.4."""

from __future__ import annotations

import re
from typing import Any

from kcsim.hardware.foreign.converted import TENSORS_OF_TIMELOOP, Converted
from kcsim.hardware.foreign.lost import lost_of_chip, lost_of_level
from kcsim.hardware.level import Access, Level
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.reading.foreign_yaml import TAG
from kcsim.workload.layer import DIMENSIONS, TENSORS

_CLASSES = {"dram": "DRAM", "sram": "SRAM", "register_file": "regfile", "registers": "reg_storage"}
_SPLITS = {"x": len(DIMENSIONS), "y": 0}
"""Where to split the dimensions of a container that has instances along one axis alone."""


def plain_name(name: str) -> str:
    """A name as Timeloop can use it."""
    return re.sub(r"\W+", "_", name).strip("_") or "level"


def timeloop_architecture(hardware: Hardware, version: str = "0.4") -> Converted:
    """A hardware as what an architecture file holds, with energies as an ERT beside it.

    Parameters
    ----------
    hardware : Hardware
    version : {"0.4", "0.3"}
    """
    made = Converted({})
    _lose(hardware, made, version)
    levels = hardware.levels
    x = y = 1
    nodes: list[dict[str, Any]] = []
    flat: list[dict[str, Any]] = []
    tables = []
    previous: Level | None = None
    for level in (*levels, None):
        if previous is not None:
            fanout = previous.fanout
            x, y = x * fanout.x, y * fanout.y
            for axis, name in container_names(previous).items():
                nodes.append({
                    TAG: "Container", "name": name,
                    "spatial": {f"mesh{axis.upper()}": getattr(fanout, axis)},
                    **_along(hardware, previous, axis),
                })  # fmt: skip
        if level is None:
            break
        node: dict[str, Any] = {
            "name": plain_name(level.name), "class": _CLASSES.get(level.kind or "", "SRAM"),
            "attributes": _attributes(level, made),
        }  # fmt: skip
        if level is levels[0]:
            node["class"] = "DRAM"
        nodes.append({TAG: "Component", **node, **_inline(hardware, level)})
        mesh = {"meshX": x} if x * y > 1 else {}
        instances = f"{node['name']}[0..{x * y - 1}]" if x * y > 1 else node["name"]
        flat.append({**node, "name": instances, "attributes": {**node["attributes"], **mesh}})
        tables.append(_table(node["name"], x * y, {
            **{action: _price(level, action) for action in ("read", "write", "update")},
            "leak": level.leakage_pj_per_cycle,
        }))  # fmt: skip
        previous = level
    bits = hardware.precision_bits
    mac: dict[str, Any] = {"name": "mac", "class": "intmac",
           "attributes": {"multiplier_width": bits.weights, "adder_width": bits.outputs,
                          "datawidth": bits.weights}}  # fmt: skip
    nodes.append({TAG: "Component", **mac})
    instances = f"mac[0..{x * y - 1}]" if x * y > 1 else "mac"
    mesh = {"meshX": x} if x * y > 1 else {}
    flat.append({**mac, "name": instances, "attributes": {**mac["attributes"], **mesh}})
    compute = hardware.compute
    tables.append(_table("mac", x * y, {
        "compute": compute.mac_pj, "leak": compute.leakage_pj_per_cycle
    }))  # fmt: skip
    head = _chip(hardware)
    if version == "0.4":
        system = {TAG: "Container", "name": "system", **({"attributes": head} if head else {})}
        made.data = {"architecture": {"version": 0.4, "nodes": [system, *nodes]}}
    else:
        tree = {"name": "system", **({"attributes": head} if head else {}), "local": flat}
        made.data = {"architecture": {"version": 0.3, "subtree": [tree]}}
        made.data |= _targets(hardware)
    made.data["ERT"] = {"version": float(version), "tables": tables}
    return made


def container_names(level: Level) -> dict[str, str]:
    """The containers below a level, by the axis that their instances lie along."""
    axes = [axis for axis in ("x", "y") if getattr(level.fanout, axis) > 1]
    name = f"below_{plain_name(level.name)}"
    return {axis: f"{name}_{axis}" if len(axes) > 1 else name for axis in axes}


def _price(level: Level, action: Access) -> float:
    """Energy of an access, the highest one of its tensors."""
    return max((level.price(tensor, action) for tensor in level.kept_tensors), default=0.0)


def _chip(hardware: Hardware) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if hardware.technology_nm:
        found["technology"] = f"{hardware.technology_nm:g}nm"
    if hardware.clock_mhz:
        found["global_cycle_seconds"] = 1e-6 / hardware.clock_mhz
    return found


def _attributes(level: Level, made: Converted) -> dict[str, Any]:
    width = level.word_bits * level.block_words
    found: dict[str, Any] = {"width": width, "datawidth": level.word_bits, "word-bits":
                             level.word_bits, "block-size": level.block_words}  # fmt: skip
    words = _capacity_words(level, made)
    if words is not None:
        depth, rest = divmod(words, level.block_words)
        if rest:
            # Of words that fill no block, all can be said in words.
            found |= {"entries": words}
        else:
            found |= {"depth": depth}
    reads, writes = level.read_words_per_cycle, level.write_words_per_cycle
    if level.shares_port:
        rates = {rate for rate in (reads, writes, level.shared_bandwidth) if rate is not None}
        found["shared_bandwidth"] = max(rates)
        if len(rates) > 1:
            made.lose(f"{level.name}: rates apart of a shared port")
        reads = writes = None
    for key, rate in (("read_bandwidth", reads), ("write_bandwidth", writes)):
        if rate is not None:
            found[key] = rate
    if level.buffering == "double":
        found["multiple_buffering"] = 2
    if level.banks and level.banks > 1:
        found["n_banks"] = level.banks
    if level.dram_type:
        found["type"] = level.dram_type
    if not level.fanout.reduction:
        found["reduction_supported"] = False
    return found


def _capacity_words(level: Level, made: Converted) -> int | None:
    if level.partitions:
        total = sum(
            part.capacity_words if part.capacity_words is not None
            else int((part.capacity_kib or 0) * 8192) // level.word_bits
            for part in level.partitions
        )  # fmt: skip
        made.lose(f"{level.name}: partitions become {total} words that tensors share")
        return total
    if level.capacity_words is not None:
        return level.capacity_words
    if level.capacity_kib is not None:
        return int(level.capacity_kib * 8192) // level.word_bits
    return None


def _dataspace(level: Level) -> dict[str, list[str]]:
    keep = [t for t in level.kept_tensors if t not in level.may_bypass]
    bypass = [t for t in TENSORS if t not in level.kept_tensors]
    found = {"keep": [TENSORS_OF_TIMELOOP[t] for t in keep],
             "bypass": [TENSORS_OF_TIMELOOP[t] for t in bypass]}  # fmt: skip
    return {key: names for key, names in found.items() if names}


def _ones(allowed: tuple[str, ...] | None) -> str:
    return " ".join(f"{d}=1" for d in DIMENSIONS if allowed is not None and d not in allowed)


def _temporal(constraint: LevelConstraint | None) -> dict[str, Any]:
    ones = _ones(constraint.temporal) if constraint else ""
    return {"factors": ones} if ones else {}


def _axes(hardware: Hardware, level: Level) -> dict[str, Any]:
    """Dimensions along X and Y as factors, an order and a split."""
    constraint = hardware.dataflow.levels.get(level.name)
    if constraint is None or (constraint.spatial_x is None and constraint.spatial_y is None):
        return {}
    along_x = DIMENSIONS if constraint.spatial_x is None else constraint.spatial_x
    along_y = DIMENSIONS if constraint.spatial_y is None else constraint.spatial_y
    both = [d for d in DIMENSIONS if d in along_x or d in along_y]
    ones = _ones(tuple(both))
    found: dict[str, Any] = {"factors": ones} if ones else {}
    if not set(along_x) & set(along_y):
        left = [d for d in DIMENSIONS if d in along_x]
        found["permutation"] = "".join([*left, *(d for d in DIMENSIONS if d not in along_x)])
        found["split"] = len(left)
    return found


def _inline(hardware: Hardware, level: Level) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if level is not hardware.levels[0] and _dataspace(level) != {"keep": list(
        TENSORS_OF_TIMELOOP.values()
    )}:  # fmt: skip
        constraints["dataspace"] = _dataspace(level)
    temporal = _temporal(hardware.dataflow.levels.get(level.name))
    if temporal:
        constraints["temporal"] = temporal
    return {"constraints": constraints} if constraints else {}


def _along(hardware: Hardware, level: Level, axis: str) -> dict[str, Any]:
    """Constraints of the container along one axis."""
    constraint = hardware.dataflow.levels.get(level.name)
    allowed = getattr(constraint, f"spatial_{axis}") if constraint else None
    found: dict[str, Any] = {"permutation": "".join(DIMENSIONS), "split": _SPLITS[axis]}
    ones = _ones(allowed)
    return {"constraints": {"spatial": {**({"factors": ones} if ones else {}), **found}}}


def _targets(hardware: Hardware) -> dict[str, Any]:
    """Constraints of version 0.3, in a list of their own."""
    targets: list[dict[str, Any]] = []
    for level in hardware.levels:
        name = plain_name(level.name)
        inline = _inline(hardware, level).get("constraints", {})
        if "dataspace" in inline:
            targets.append({"target": name, "type": "bypass", **inline["dataspace"]})
        if "temporal" in inline:
            targets.append({"target": name, "type": "temporal", **inline["temporal"]})
        if axes := _axes(hardware, level):
            targets.append({"target": name, "type": "spatial", **axes})
    return {"architecture_constraints": {"targets": targets}} if targets else {}


def _table(name: str, instances: int, energies: dict[str, float]) -> dict[str, Any]:
    return {
        "name": f"system.{name}[1..{instances}]",
        "actions": [
            {"name": action, "arguments": {}, "energy": energy}
            for action, energy in energies.items()
        ],
    }


def _lose(hardware: Hardware, made: Converted, version: str) -> None:
    """Say what an architecture of Timeloop has no place for."""
    for said, what in (
        (hardware.codebook, "the codebook and its store"),
        (hardware.static_pj_per_cycle, "static energy of a cycle"),
        (hardware.energy_unit != "pJ", "the unit of energy, a MAC: its numbers stand as pJ"),
        (hardware.compute.zeros, "gating and skipping of zeros"),
        (hardware.compute.cycles_per_mac > 1, "cycles of a MAC"),
        (
            hardware.slides == "any",
            "windows that keep what they cover in any move: Timeloop has it for repeated ones",
        ),
    ):
        if said:
            made.lose(what)
    for name, constraint in hardware.dataflow.levels.items():
        if constraint.stationary:
            made.lose(f"{name}: what stays put (stationary: {constraint.stationary})")
        if version == "0.4":
            continue
        both = set(constraint.spatial_x or DIMENSIONS) & set(constraint.spatial_y or DIMENSIONS)
        if both and (constraint.spatial_x or constraint.spatial_y) is not None:
            made.lose(f"{name}: which axis dimensions lie along")
    for what in lost_of_chip(hardware):
        made.lose(what)
    for level in hardware.levels:
        _lose_of_level(level, made)
        for what in lost_of_level(level):
            made.lose(what)


def _lose_of_level(level: Level, made: Converted) -> None:
    fanout = level.fanout
    for said, what in (
        (fanout.multicast != "tile", f"multicast of {fanout.multicast}"),
        (fanout.forwarding, "forwarding between neighbors"),
        (fanout.has_prices or fanout.hop_pj, "energies of its network; Timeloop has wires"),
        (level.buffering == "single", "transfers that take turns with the computation"),
        (level.compression, "compression"),
        (level.partitions, "energies of its parts: the highest one stands for all"),
    ):
        if said:
            made.lose(f"{level.name}: {what}")
