"""Values with units, as ``capacity: 108 KiB``, beside the keys whose names carry the unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.scalars import describe

_VALUE = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([^\s0-9]\S*)?\s*")
_BYTES = re.compile(r"[kKMGT][bB]|[kKMGT]?bits?|[kKMGT]?bytes?|b")
_CHOICES = {"k": "KiB", "K": "KiB", "M": "MiB", "G": "GiB", "T": "GiB"}


@dataclass(frozen=True)
class Spelling:
    """A key whose values carry their unit.

    Attributes
    ----------
    keys : dict of str to tuple of (str, float)
        By unit: the key without units that it stands for, and what one unit is there.
    example : str
    """

    keys: dict[str, tuple[str, float]]
    example: str

    @property
    def targets(self) -> tuple[str, ...]:
        """The keys that it may stand for."""
        return tuple(dict.fromkeys(key for key, _ in self.keys.values()))


def _energy(key: str, example: str) -> Spelling:
    units = {"fJ": 1e-3, "pJ": 1.0, "nJ": 1e3}
    return Spelling({unit: (key, factor) for unit, factor in units.items()}, example)


_CAPACITY = Spelling(
    {
        "B": ("capacity_kib", 1 / 1024), "KiB": ("capacity_kib", 1.0),
        "MiB": ("capacity_kib", 1024.0), "GiB": ("capacity_kib", 1024.0**2),
        "Kibit": ("capacity_kib", 1 / 8), "Mibit": ("capacity_kib", 128.0),
        "words": ("capacity_words", 1.0),
    },
    "108 KiB",
)  # fmt: skip
_PART = {
    "technology": Spelling({"nm": ("technology_nm", 1.0)}, "65 nm"),
    "voltage": Spelling({"V": ("voltage_v", 1.0), "mV": ("voltage_v", 1e-3)}, "0.9 V"),
    "temperature": Spelling({"K": ("temperature_k", 1.0)}, "360 K"),
    "width": Spelling({"bits": ("width_bits", 1.0), "bit": ("width_bits", 1.0)}, "64 bits"),
    "area": Spelling({"mm2": ("area_mm2", 1.0), "um2": ("area_mm2", 1e-6)}, "0.75 mm2"),
}
_ACCESSES = {name: _energy(f"{name}_pj", "2.5 pJ") for name in ("read", "write", "update")}
_CHIP = {name: _PART[name] for name in ("technology", "voltage", "temperature")}
_MEMORY = {"capacity": _CAPACITY, **_PART, **_ACCESSES}

SPELLINGS: dict[str, dict[str, Spelling]] = {
    "chip": {
        **_CHIP,
        "clock": Spelling({"MHz": ("clock_mhz", 1.0), "GHz": ("clock_mhz", 1e3)}, "200 MHz"),
    },
    "level": _MEMORY,
    "partition": _MEMORY,
    "codebook": _MEMORY,
    "moved store": _MEMORY,
    "compute": {
        **{name: _energy(f"{name}_pj", "2 pJ") for name in ("mac", "add", "multiply")},
        **{name: _PART[name] for name in ("technology", "voltage", "area")},
    },
    "fanout": {name: _energy(f"{name}_pj", "0.5 pJ") for name in ("transfer", "hop")},
}
"""The keys with units by where they may stand."""


def read_value(spelling: Spelling, name: str, value: Any) -> tuple[str, float | int]:
    """The key without units that a value stands for, and its number there.

    Parameters
    ----------
    spelling : Spelling
    name : str
        The key with units.
    value : Any
        What a user gave.

    Raises
    ------
    InputError
        If it is no number with a known unit; of ambiguous units with the choices.
    """
    wanted = f"a number and a unit, as {spelling.example} ({', '.join(spelling.keys)})"
    found = _VALUE.fullmatch(value) if isinstance(value, str) else None
    try:
        number = float(found[1]) if found else None
    except ValueError:
        number = None
    if found is None or number is None or found[2] is None:
        raise InputError(Problem(f"'{name}' is {describe(value).removeprefix('the ')}", wanted))
    unit = found[2]
    if unit not in spelling.keys:
        if "KiB" in spelling.keys and _BYTES.fullmatch(unit):
            raise InputError(Problem(f"'{name}: {value.strip()}' is ambiguous", _choices(unit)))
        raise InputError(
            Problem(f"'{name}' has the unit '{unit}'", wanted, nearest(unit, spelling.keys))
        )
    key, factor = spelling.keys[unit]
    scaled = number * factor
    return key, int(scaled) if scaled.is_integer() else scaled


def _choices(unit: str) -> str:
    prefix = _CHOICES.get(unit[0], "")
    if prefix in ("KiB", "MiB"):
        bits = prefix.replace("B", "bit")
        return f"{prefix} (bytes, of 1024) or {bits} (bits, of 1024)"
    return "B, KiB, MiB or GiB (bytes, of 1024), Kibit or Mibit (bits), words"
