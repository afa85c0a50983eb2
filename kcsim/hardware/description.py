"""What a part of the hardware is, in place of what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from kcsim.hardware.components.names import Cell, Ports
from kcsim.hardware.port import Port

MemoryKind = Literal["sram", "register_file", "registers", "dram"]
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Nanometers = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Kelvin = Annotated[float, Field(ge=300, le=400, allow_inf_nan=False)]
Width = Annotated[int, Field(ge=1, le=65536)]


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a memory is; energies that are not typed follow from it.

    Attributes
    ----------
    kind : str, optional
        ``sram``, ``register_file``, ``registers`` or ``dram``.
    dram_type : str, optional
        As ``LPDDR4``, for ``dram``.
    technology_nm, voltage_v, temperature_k, cell : optional
        Those of the chip when absent.
    ports : str or tuple of Port, optional
        What it is built with, ``1RW`` (when absent), ``1R1W``, ``2R1W`` or ``2RW``; or, of a
        level, what shares a path, in place of rates: what passes none is unlimited.
    banks : int, optional
        Banks of which an access takes one, at the end of a wire; 1 when absent.
    width_bits : int, optional
        What one physical access reads or writes; a block when absent.
    used_words_per_access : float, optional
        Words of a physical access that are used; when absent all of a block that fit into one.
    area_mm2 : float, optional
        Of one instance, where it is not to follow from its size.
    """

    kind: MemoryKind | None = None
    dram_type: str | None = None
    technology_nm: Nanometers | None = None
    voltage_v: Positive | None = None
    temperature_k: Kelvin | None = None
    cell: Cell | None = None
    ports: Ports | tuple[Port, ...] | None = None
    banks: Annotated[int, Field(ge=1, le=65536)] | None = None
    width_bits: Width | None = None
    used_words_per_access: Positive | None = None
    area_mm2: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None


DESCRIBING = tuple(name for name in Described.__dataclass_fields__ if name != "area_mm2")
"""The keys that say what a memory is."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a number that nobody typed came from.

    Attributes
    ----------
    value : float
        As it is used, in the unit of its key.
    unit : str
    rule : str
    inputs : dict
    sources : tuple of str
    low, high : float
        The error bar: between these times the value.
    library : str
        What estimated it.
    """

    value: float
    unit: str
    rule: str
    inputs: dict[str, float | int | str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    low: float = 1.0
    high: float = 1.0
    library: str = "kcsim"
