"""What a part of a chip is, and what it was found to cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.names import (
    DEFAULT_CELL,
    ROOM_TEMPERATURE_K,
    Cell,
    Kind,
    Number,
    Ports,
)


@dataclass(frozen=True)
class Part:
    """A part of a chip, as a library of components has to know it.

    Attributes
    ----------
    kind : str
    technology_nm : float, optional
        Needed by all kinds but ``dram``.
    width_bits : int
        Of one access: a word of a memory, an operand, a bus.
    depth : float
        Words of a memory; inputs of a multiplexer; registers of a set.
    cell : {"LSTP", "HP", "LOP"}
        ITRS devices: low standby power, high performance, low operating power.
    ports : str
    banks : int
        Banks that are read one at a time, each on its own, at the end of a wire.
    temperature_k : float
        For leakage.
    voltage_v : float, optional
        The supply; nominal when absent.
    dram_type : str
        A row of the table of DRAM.
    number : {"int", "float", "bfloat"}
        Of arithmetic.
    other_width_bits : int, optional
        Of the second operand of a multiplier; `width_bits` when absent.
    accumulator_bits : int, optional
        Of a MAC; as wide as the product when absent.
    length_mm : float
        Of a wire.
    name : str
        How the hardware calls it, for libraries that go by names.
    """

    kind: Kind
    technology_nm: float | None = None
    width_bits: int = 16
    depth: float = 1
    cell: Cell = DEFAULT_CELL
    ports: Ports = "1RW"
    banks: int = 1
    temperature_k: float = ROOM_TEMPERATURE_K
    voltage_v: float | None = None
    dram_type: str = ""
    number: Number = "int"
    other_width_bits: int | None = None
    accumulator_bits: int | None = None
    length_mm: float = 1.0
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, get_args(Kind))
        _check_choice("cell", self.cell, get_args(Cell))
        _check_choice("ports", self.ports, get_args(Ports))
        _check_choice("number", self.number, get_args(Number))
        for name in ("width_bits", "depth", "banks", "length_mm", "temperature_k"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(Problem(f"{name} is {getattr(self, name)}", "a number > 0"))

    @property
    def size_bytes(self) -> float:
        """Of a memory, all banks together."""
        return self.depth * self.width_bits / 8

    @property
    def node(self) -> float:
        """The technology [nm].

        Raises
        ------
        InputError
            If none is given.
        """
        if self.technology_nm is None:
            raise InputError(
                Problem(f"the cost of a part of kind {self.kind} depends on technology_nm",
                        "technology_nm, of the chip or of this level")
            )  # fmt: skip
        return self.technology_nm


@dataclass(frozen=True)
class Estimate:
    """What a part costs; ``None`` for what is not known.

    Attributes
    ----------
    energies : mapping of str to Figure
        Of one action [pJ]: ``read`` and ``write`` of memories, ``mac``, ``add``, ``multiply``,
        ``select``, ``compare``, ``transfer``, and ``clock`` of a cycle whatever happens.
    leakage : Figure, optional
        In mW.
    area : Figure, optional
        In mm2.
    access_ns : Figure, optional
        Time of one access.
    notes : tuple of str
        What a user should know, a sentence each.
    """

    energies: Mapping[str, Figure]
    leakage: Figure | None = None
    area: Figure | None = None
    access_ns: Figure | None = None
    notes: tuple[str, ...] = field(default=())


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = "one of " + ", ".join(choices)
        raise InputError(Problem(f"{name} is '{value}'", expected, nearest(value, choices)))
