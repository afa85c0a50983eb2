"""The models of hwcomponents as a library of components; needs its packages and Python 3.12."""

from __future__ import annotations

import importlib
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.names import ROOM_TEMPERATURE_K
from kcsim.hardware.components.part import Estimate, Part

_CACTI, _ALADDIN = "hwcomponents_cacti", "hwcomponents_library.library.aladdin"
_PACKAGES = {_CACTI: "hwcomponents-cacti", _ALADDIN: "hwcomponents-library"}
_DRAM = {"LPDDR4": 64, "LPDDR": 64, "DDR3": 64, "HBM2": 2048, "HBM3": 2048, "HBM4": 4096}
"""Bits of an access of its models of DRAM."""
_KINDS = ("sram", "registers", "adder", "multiplier", "mac", "comparator", "dram")


class HwcomponentsLibrary:
    """SRAM and DRAM of hwcomponents-cacti, logic of hwcomponents-library (Aladdin's)."""

    name = "hwcomponents"

    def estimate(self, part: Part) -> Estimate:
        """What a part costs by these models; each is asked with what it knows.

        Raises
        ------
        InputError
            If the packages are not installed, or have no such part.
        """
        if part.kind not in _KINDS:
            problem = f"hwcomponents has no part of kind {part.kind}"
            raise InputError(Problem(problem, "one of " + ", ".join(_KINDS)))
        unusual = (part.cell, part.temperature_k, part.voltage_v)
        if unusual != ("LSTP", ROOM_TEMPERATURE_K, None) or part.ports not in ("1RW", "2RW"):
            raise InputError(
                Problem("hwcomponents knows one cell, temperature and supply, and ports that read "
                        "and write", "LSTP, 300 K, no voltage, 1RW or 2RW")
            )  # fmt: skip
        return self._dram(part) if part.kind == "dram" else self._on_chip(part)

    def _dram(self, part: Part) -> Estimate:
        known = {each.lower(): each for each in _DRAM}
        name = known.get(part.dram_type.lower())
        if name is None:
            problem = f"hwcomponents has no DRAM '{part.dram_type}'"
            raise InputError(Problem(problem, "one of " + ", ".join(_DRAM)))
        model = _made(_CACTI, name, part)
        share = part.width_bits / _DRAM[name]
        text = f"hwcomponents-cacti {name}, {_DRAM[name]} bits"
        energies = {
            each: _figure(getattr(model, each)().energy * 1e12 * share, "pJ", text, part)
            for each in ("read", "write")
        }
        return Estimate(energies, notes=(f"{name}: one number for read and write.",))

    def _on_chip(self, part: Part) -> Estimate:
        node = part.node * 1e-9
        width, other = part.width_bits, part.other_width_bits or part.width_bits
        if part.kind == "sram":
            ports = 2 if part.ports == "2RW" else 1
            bits = part.depth * width
            model = _made(
                _CACTI, "SRAM", part, tech_node=node, width=width, size=bits, depth=part.depth,
                n_rw_ports=ports, n_banks=part.banks,
            )  # fmt: skip
            return _estimate(model, part, 1, ("read", "write"))
        if part.kind == "registers":
            model = _made(_ALADDIN, "AladdinRegister", part, tech_node=node, width=width)
            return _estimate(model, part, part.depth, ("read", "write"))
        if part.kind == "mac":
            model = _made(
                _ALADDIN, "AladdinIntMAC", part, tech_node=node,
                adder_width=part.accumulator_bits or width + other, multiplier_width=width,
            )  # fmt: skip
            return _estimate(model, part, 1, ("mac",))
        if part.kind == "multiplier":
            model = _made(
                _ALADDIN, "AladdinMultiplier", part, tech_node=node, width_a=width, width_b=other
            )
            return _estimate(model, part, 1, ("multiply",))
        name, action = {
            "adder": ("AladdinAdder", "add"), "comparator": ("AladdinComparator", "compare")
        }[part.kind]  # fmt: skip
        model = _made(_ALADDIN, name, part, tech_node=node, width=width)
        return _estimate(model, part, 1, (action,))


def _made(module: str, name: str, part: Part, **settings: Any) -> Any:
    """A model, made with what it takes."""
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        problem = f"'{_PACKAGES[module]}' cannot be used: {error}"
        wanted = "Python 3.12 or later, and pip install 'kcsim[hwcomponents]'"
        raise InputError(Problem(problem, wanted)) from None
    try:
        return kind(**settings)
    # Its models raise whatever their tools do.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(Problem(f"hwcomponents refuses the {part.kind}: {reason}")) from None


def _estimate(model: Any, part: Part, count: float, actions: tuple[str, ...]) -> Estimate:
    text = f"hwcomponents {type(model).__name__}"
    energies = {}
    for action in actions:
        energies[action] = _figure(_action(model, action).energy * 1e12, "pJ", text, part)
    return Estimate(
        energies,
        _figure(model.leak_power * 1e3 * count, "mW", text, part),
        _figure(model.area * 1e6 * count, "mm2", text, part),
    )


def _action(model: Any, name: str) -> Any:
    return getattr(model, name, model.read)()


def _figure(value: float, unit: str, rule: str, part: Part) -> Figure:
    inputs: tuple[tuple[str, float | str], ...] = (("bits", part.width_bits),)
    if part.kind == "dram":
        inputs += (("type", part.dram_type),)
    else:
        inputs += (("nm", part.node), ("words", part.depth))
    return Figure(float(value), unit, rule, inputs, ("hwcomponents",))
