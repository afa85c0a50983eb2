"""The hardware: what a hardware file holds, validated.

Everything here is plain, frozen data. Each class checks itself, so a hardware that exists is a
consistent one, whether it came from a file or from Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem
from kcsim.hardware.checks import (
    first_read_problems,
    named_level_problems,
    padding_problems,
    store_problems,
    unknown_level,
)  # fmt: skip
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.components.names import Cell, Number
from kcsim.hardware.description import Kelvin, Nanometers, Origin, Positive
from kcsim.hardware.idle import Idle
from kcsim.hardware.level import Level
from kcsim.hardware.values import (
    STRICT,
    AssumedBits,
    Bits,
    Count,
    EnergyPj,
    Name,
    Rate,
    plain_errors,
    raise_all,
)
from kcsim.workload.layer import TENSORS, Dimension, Tensor

Operand = Literal["inputs", "weights"]


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Compute:
    """The MAC units below the innermost level.

    Attributes
    ----------
    mac_pj : float
        Energy of one multiply-accumulate at the hardware's precision.
    cycles_per_mac : int
        Cycles between two MACs of one unit.
    leakage_pj_per_cycle, clock_pj_per_cycle : float
        Per unit in use.
    idle : Idle, optional
        What idle units take; as the chip says when absent.
    zeros : dict of str to str
        What the units do where an operand is zero: ``gate`` spares the energy of the MAC and of
        its accesses, ``skip`` also its cycle. Operands that are not named are not looked at.
    gated_mac_pj : float
        Energy of a MAC that is gated.
    add_pj, multiply_pj : float, optional
        Of one that is no part of a MAC; a share of `mac_pj` when absent (`Hardware.add_pj`).
    kind : str, optional
        ``mac``, where energies that are not typed follow from the precision.
    number : str
        ``int``, ``float`` or ``bfloat``.
    accumulator_bits : int, optional
        Of the sum; as wide as a product when absent.
    technology_nm, voltage_v : float, optional
        Those of the chip when absent.
    address_pj : float
        Energy of finding the place of a value that is gathered where layers share, and of control.
    filter_group, group_cap : int
        Filters that may share a sorted order of units (UCNN's G), and inputs of a sum in order.
    area_mm2 : float, optional
        Of one unit, where it is not to follow from its size.
    """

    mac_pj: EnergyPj
    cycles_per_mac: Count = 1
    leakage_pj_per_cycle: EnergyPj = 0.0
    clock_pj_per_cycle: EnergyPj = 0.0
    idle: Idle | None = None
    zeros: dict[Operand, Literal["gate", "skip"]] = Field(default_factory=dict)
    gated_mac_pj: EnergyPj = 0.0
    add_pj: EnergyPj | None = None
    multiply_pj: EnergyPj | None = None
    address_pj: EnergyPj = 0.0
    filter_group: Count = 1
    group_cap: Count | None = None
    kind: Literal["mac"] | None = None
    number: Number = "int"
    accumulator_bits: Bits | None = None
    technology_nm: Nanometers | None = None
    voltage_v: Positive | None = None
    area_mm2: EnergyPj | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Precision:
    """Bits of one value of each tensor, and of a sum that is not finished.

    Attributes
    ----------
    weights, inputs, outputs : int
    partial_sums : int, optional
        As wide as outputs when absent.
    products, sums : int, optional
        Of what clustered layers share; as wide as operands and lengths want it when absent
        (`kcsim.sharing.strategies`).
    """

    weights: Bits = 16
    inputs: Bits = 16
    outputs: Bits = 16
    partial_sums: Bits | None = None
    products: Bits | None = None
    sums: Bits | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class LevelConstraint:
    """What a dataflow allows at one level.

    Attributes
    ----------
    temporal : tuple of str, optional
        Dimensions that may be iterated in time at this level; all when absent.
    spatial_x, spatial_y : tuple of str, optional
        Dimensions that may be spread over the children along X or Y; all when
        absent.
    stationary : str, optional
        The tensor that stays put: loops that do not index it come innermost.
    """

    temporal: tuple[Dimension, ...] | None = None
    spatial_x: tuple[Dimension, ...] | None = None
    spatial_y: tuple[Dimension, ...] | None = None
    stationary: Tensor | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Dataflow:
    """A named dataflow: what it is called, and what it allows at each level."""

    name: Literal[
        "row_stationary",
        "weight_stationary",
        "output_stationary",
        "input_stationary",
        "no_local_reuse",
        "flexible",
    ] = "flexible"
    levels: dict[str, LevelConstraint] = Field(default_factory=dict)


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Hardware:
    """An accelerator: storage levels outermost first, networks, MAC units.

    Attributes
    ----------
    name : str
        How results call it.
    levels : tuple of Level
        Outermost (DRAM) first; the MAC units sit below the last one.
    compute : Compute
        The MAC units.
    description : str
        What it is and where its numbers come from.
    precision_bits : Precision
        Width of the values.
    codebook : CodebookStore, optional
        Needed to estimate clustered layers.
    dataflow : Dataflow
        What the mapper may do.
    energy_unit : str
        ``pJ``, or ``MAC`` where all energies are relative to one MAC.
    technology_nm, clock_mhz : float, optional
        The node, and the clock that turns cycles into seconds.
    static_pj_per_cycle : float
        Energy of a cycle that depends on no count (clock tree, leakage).
    idle : Idle
        What instances take that are not in use; nothing when absent.
    biases : str
        ``counted``: read once from the outermost level, and added to each output; ``left_out``.
    skipped_pixels : str
        ``moved``: rows and columns of inputs that no window touches, as a stride larger
        than the window skips them, are stored and moved with the others; ``left_out``: not.
    padding : str
        ``generated``: padding of inputs is stored and moved at one level and further in only;
        ``moved``: like pixels.
    padding_level : str, optional
        The level that generates it; the innermost one that keeps inputs when absent.
    slides : str
        Which forward moves of a window along one axis keep what it still covers: ``any``, or
        ``repeated``, those as long as its last move, as Timeloop has it.
    cell : str
        Devices of SRAM: ``LSTP``, ``HP`` or ``LOP``.
    voltage_v, temperature_k : float, optional
        The supply, nominal when absent; for leakage, 300 K when absent.
    layout_factor : float
        Area of a laid-out chip over the sum of its components.
    provenance : dict of str to Origin
        Where numbers came from that nobody typed, by their place in the file.
    """

    name: Name
    levels: tuple[Level, ...] = Field(min_length=1, max_length=16)
    compute: Compute
    description: str = ""
    precision_bits: Precision = Precision()
    codebook: CodebookStore | None = None
    dataflow: Dataflow = Dataflow()
    energy_unit: Literal["pJ", "MAC"] = "pJ"
    technology_nm: Rate | None = None
    clock_mhz: Rate | None = None
    static_pj_per_cycle: EnergyPj = 0.0
    idle: Idle = Idle()
    biases: Literal["counted", "left_out"] = "left_out"
    skipped_pixels: Literal["moved", "left_out"] = "moved"
    padding: Literal["generated", "moved"] = "generated"
    padding_level: Name | None = None
    slides: Literal["any", "repeated"] = "any"
    cell: Cell = "LSTP"
    voltage_v: Positive | None = None
    temperature_k: Kelvin | None = None
    layout_factor: Positive = 1.0
    provenance: dict[str, Origin] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        widths = [dict(bits) for bits in self.level_bits]
        for bits in widths[1:-1]:
            # The outermost level has words of finished outputs.
            bits["outputs"] = max(bits["outputs"], bits["partial_sums"])
        levels = tuple(map(Level.with_widths, self.levels, widths))
        object.__setattr__(self, "levels", levels)
        if self.codebook and isinstance(self.codebook.word_bits, AssumedBits):
            store = replace(self.codebook, word_bits=AssumedBits(self.precision_bits.weights))
            object.__setattr__(self, "codebook", store)
        raise_all(self._problems())

    @cached_property
    def level_names(self) -> tuple[str, ...]:
        """Names of the levels, outermost first."""
        return tuple(level.name for level in self.levels)

    @cached_property
    def level_bits(self) -> tuple[dict[str, int], ...]:
        """Bits of a value of each tensor, and of one of ``partial_sums``.

        One for each level, outermost first, and one for the MAC units.
        """
        precision = self.precision_bits
        chip = {name: getattr(precision, name) for name in (*TENSORS, "partial_sums")}
        plain = Level(name="MAC", read_pj=0, write_pj=0)
        return tuple(level.own_bits(chip) for level in (*self.levels, plain))

    def network_bits(self, index: int) -> dict[str, int]:
        """Likewise, on the network below a level: the narrower of its two ends."""
        above, below = self.level_bits[index : index + 2]
        return {name: min(bits, below[name]) for name, bits in above.items()}

    @property
    def mac_units(self) -> int:
        """Number of MAC units in the array."""
        units = 1
        for level in self.levels:
            units *= level.fanout.children
        return units

    def with_given_words(self) -> Hardware:
        """The same hardware, of which no word becomes another when something else of it does."""
        levels = tuple(level.with_given_words() for level in self.levels)
        store = self.codebook and replace(self.codebook, word_bits=int(self.codebook.word_bits))
        return replace(self, levels=levels, codebook=store)

    @property
    def add_pj(self) -> float:
        """Energy of one addition: that of `compute`, or its share of a MAC.

        Counted in 1-bit full adders, a product of weights of B_w and inputs of B_x bits takes
        B_w B_x, and adding it to a sum B_w + B_x (Sakr, Kim, Shanbhag, ICML 2017, Section 2:
        B_w + B_x + ceil(log2 D) - 1 in a dot product of D products, here for D = 2, the least
        that is added to). A MAC is one of each.
        """
        given = self.compute.add_pj
        return self.compute.mac_pj * (1 - self._multiplier_share) if given is None else given

    @property
    def multiply_pj(self) -> float:
        """Energy of one multiplication: that of `compute`, or its share of a MAC; see `add_pj`."""
        given = self.compute.multiply_pj
        return self.compute.mac_pj * self._multiplier_share if given is None else given

    @property
    def full_adders(self) -> tuple[int, int, int]:
        """1-bit full adders of a MAC, of its product, and of adding that to a sum."""
        return full_adders(self.precision_bits.weights, self.precision_bits.inputs)

    @property
    def _multiplier_share(self) -> float:
        mac, product, _ = self.full_adders
        return product / mac

    def level_index(self, name: str) -> int:
        """Position of a level, 0 for the outermost.

        Raises
        ------
        InputError
            If there is no level of that name.
        """
        if name not in self.level_names:
            raise InputError(unknown_level(name, self.level_names, ()))
        return self.level_names.index(name)

    def _problems(self) -> Iterator[Problem]:
        names = self.level_names
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Problem(f"two levels are called '{name}'", path=("levels", index, "name"))
        outermost = self.levels[0]
        missing = [t for t in TENSORS if t not in outermost.kept_tensors]
        if missing:
            yield Problem(
                f"the outermost level '{outermost.name}' does not keep {' and '.join(missing)}",
                "it to keep all three tensors",
                path=("levels", 0),
            )
        if outermost.may_bypass:
            yield Problem(
                f"{outermost.may_bypass[0]} cannot bypass the outermost level '{outermost.name}'",
                path=("levels", 0, "may_bypass"),
            )
        yield from padding_problems(self.padding, self.padding_level, self.levels)
        yield from first_read_problems(self.levels, "skip" in self.compute.zeros.values())
        yield from self._width_problems()
        yield from self._array_problems()
        for index, level in enumerate(self.levels[1:], start=1):
            if level.kept_tensors and level.capacity_bits(level.kept_tensors[0]) is None:
                yield Problem(
                    f"level '{level.name}' has no size",
                    "capacity_kib, capacity_words or partitions (only the outermost level "
                    "may be unlimited)",
                    path=("levels", index),
                )
            if "outputs" in level.compression:
                yield Problem(
                    f"level '{level.name}' compresses outputs, which it holds as partial sums",
                    f"compression of outputs at the outermost level '{outermost.name}' alone",
                    path=("levels", index, "compression"),
                )
        if self.mac_units > 2**24:
            yield Problem(
                f"the array has {self.mac_units} MAC units", f"at most {2**24}", path=("levels",)
            )
        yield from store_problems(self.codebook, names)
        yield from named_level_problems(names, self.dataflow.levels, self.padding_level)

    def _array_problems(self) -> Iterator[Problem]:
        for index, level in enumerate(self.levels[:-1]):
            array, below = level.fanout.systolic, self.levels[index + 1]
            if array and (
                array.stationary not in below.kept_tensors or array.stationary in below.may_bypass
            ):
                yield Problem(
                    f"{array.stationary} stay in the systolic array below '{level.name}', but "
                    f"'{below.name}' does not keep them, or not always",
                    path=("levels", index, "fanout", "systolic"),
                )

    def _width_problems(self) -> Iterator[Problem]:
        """Partial sums narrower than outputs: of the chip or, where that is not so, of a level."""
        places: list[tuple[tuple[str | int, ...], str]] = [
            (("levels", i, "precision_bits"), f" at level '{name}'")
            for i, name in enumerate(self.level_names)
        ]
        places.append((("precision_bits",), ""))
        for (path, where), bits in reversed(list(zip(places, self.level_bits, strict=True))):
            sums, outputs = bits["partial_sums"], bits["outputs"]
            if sums < outputs:
                message = f"partial sums of {sums} bits are narrower than outputs of {outputs}"
                yield Problem(message + where, f"partial_sums: {outputs} or more", path=path)
                return


def full_adders(weight_bits: int, input_bits: int) -> tuple[int, int, int]:
    """1-bit full adders of a MAC of such operands, of its product, and of adding that to a sum."""
    product = weight_bits * input_bits
    return product + weight_bits + input_bits, product, weight_bits + input_bits
