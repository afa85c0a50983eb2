"""What parts of a chip may be, by name."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "sram", "register_file", "registers", "dram", "mac", "adder", "multiplier", "multiplexer",
    "comparator", "wire", "router",
]  # fmt: skip
Cell = Literal["LSTP", "HP", "LOP"]
Ports = Literal["1RW", "1R1W", "2R1W", "2RW"]
Number = Literal["int", "float", "bfloat"]

DEFAULT_CELL: Cell = "LSTP"
ROOM_TEMPERATURE_K = 300.0
