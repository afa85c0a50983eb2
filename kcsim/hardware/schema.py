"""The hardware: what a hardware file holds, validated.

Everything here is plain, frozen data. Each class checks itself, so a hardware
that exists is a consistent one, whether it came from a file or from Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem, nearest

__all__ = [
    "CodebookStore",
    "Compute",
    "Dataflow",
    "Fanout",
    "Hardware",
    "Level",
    "LevelConstraint",
    "Partition",
    "Precision",
]

Tensor = Literal["weights", "inputs", "outputs"]
Access = Literal["read", "write", "update"]
Dimension = Literal["N", "G", "M", "C", "P", "Q", "R", "S"]
TENSORS: tuple[Tensor, ...] = ("weights", "inputs", "outputs")
DIMENSIONS: tuple[Dimension, ...] = ("N", "G", "M", "C", "P", "Q", "R", "S")

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s.=/][^.=/]*$")]
EnergyPj = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=1, le=65536)]
Count = Annotated[int, Field(ge=1, le=65536)]
CapacityKib = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
CapacityWords = Annotated[int, Field(ge=1, le=2**50)]

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Partition:
    """A part of a level that is reserved for some tensors.

    Attributes
    ----------
    tensors : tuple of str
        The tensors that share this part.
    capacity_kib : float, optional
        Size in units of 1024 bytes; give either this or `capacity_words`.
    capacity_words : int, optional
        Size in words of the level's `word_bits`.
    read_pj, write_pj : float, optional
        Energy of one access of one block; the level's own when absent.
    """

    tensors: tuple[Tensor, ...] = Field(min_length=1)
    capacity_kib: CapacityKib | None = None
    capacity_words: CapacityWords | None = None
    read_pj: EnergyPj | None = None
    write_pj: EnergyPj | None = None


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Fanout:
    """The network below a level: how many children it feeds, and how.

    Attributes
    ----------
    x, y : int
        Children along the two axes of the array.
    multicast : str
        ``tile``: children that need the same tile at the same step share one
        read; ``word``: every distinct word is read once, partial overlaps of
        neighbouring windows included; ``none``: each child costs a read.
    reduction : bool
        Whether partial sums of the same output are added up on their way.
    forwarding : tuple of str
        Tensors that a child may take from a neighbour that was just given them.
    transfer_pj : float
        Energy of one word arriving at a child, or leaving it upwards.
    """

    x: Count = 1
    y: Count = 1
    multicast: Literal["tile", "word", "none"] = "tile"
    reduction: bool = True
    forwarding: tuple[Tensor, ...] = ()
    transfer_pj: EnergyPj = 0.0

    @property
    def children(self) -> int:
        """Number of instances below one instance above."""
        return self.x * self.y


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Level:
    """One storage level of the hierarchy, with the network below it.

    Attributes
    ----------
    name : str
        How the level is called in mappings and results.
    read_pj, write_pj : float
        Energy of reading or writing one block of `block_words` words.
    update_pj : float, optional
        Energy of accepting a block of partial sums from below; `write_pj` when
        absent.
    word_bits : int
        Width of a word. Values narrower than a word are packed.
    block_words : int
        Words per access.
    capacity_kib, capacity_words : optional
        Size; one of them, or `partitions`, or neither for an unlimited level.
    partitions : tuple of Partition
        Parts reserved for tensors, where the chip has them.
    keeps : tuple of str, optional
        Tensors that the level stores; all others pass by. Defaults to the
        tensors of the partitions, else to all three.
    buffering : str
        ``overlapped``: transfers run beside the computation in the full
        capacity; ``double``: likewise, in half the capacity; ``single``:
        transfers and computation take turns.
    read_bandwidth_words, write_bandwidth_words : float, optional
        Words per cycle and instance; unlimited when absent.
    leakage_pj_per_cycle : float
        Per instance in use.
    fanout : Fanout
        The network to the level below (or to the MAC units).
    """

    name: Name
    read_pj: EnergyPj
    write_pj: EnergyPj
    update_pj: EnergyPj | None = None
    word_bits: Bits = 16
    block_words: Count = 1
    capacity_kib: CapacityKib | None = None
    capacity_words: CapacityWords | None = None
    partitions: tuple[Partition, ...] = ()
    keeps: tuple[Tensor, ...] | None = None
    buffering: Literal["overlapped", "double", "single"] = "overlapped"
    read_bandwidth_words: Rate | None = None
    write_bandwidth_words: Rate | None = None
    leakage_pj_per_cycle: EnergyPj = 0.0
    fanout: Fanout = Fanout()

    def __post_init__(self) -> None:
        _raise_all(self._problems())

    @property
    def kept_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that this level stores."""
        if self.keeps is not None:
            return self.keeps
        if self.partitions:
            return tuple(t for t in TENSORS if any(t in p.tensors for p in self.partitions))
        return TENSORS

    def partition_of(self, tensor: str) -> Partition | None:
        """The partition that holds a tensor, if the level has partitions."""
        return next((p for p in self.partitions if tensor in p.tensors), None)

    def capacity_bits(self, tensor: str) -> int | None:
        """Bits that `tensor` may use (shared with others), ``None`` if unlimited."""
        holder = self.partition_of(tensor) or self
        if holder.capacity_words is not None:
            bits = holder.capacity_words * self.word_bits
        elif holder.capacity_kib is not None:
            bits = int(holder.capacity_kib * 8192)
        else:
            return None
        return bits // 2 if self.buffering == "double" else bits

    def energy_pj(self, tensor: str, action: Access) -> float:
        """Energy of one block access to a tensor."""
        partition = self.partition_of(tensor)
        if action == "read":
            own = partition.read_pj if partition else None
            return self.read_pj if own is None else own
        own = partition.write_pj if partition else None
        if action == "update" and own is None:
            own = self.update_pj
        return self.write_pj if own is None else own

    def _problems(self) -> Iterator[Problem]:
        holders: list[tuple[Level | Partition, tuple[str | int, ...]]] = [(self, ())]
        holders += [(p, ("partitions", i)) for i, p in enumerate(self.partitions)]
        for holder, path in holders:
            if holder.capacity_kib is not None and holder.capacity_words is not None:
                yield Problem(
                    f"level '{self.name}' gives its capacity twice",
                    "one of capacity_kib and capacity_words",
                    path=(*path, "capacity_words"),
                )
        if self.partitions and (self.capacity_kib or self.capacity_words):
            yield Problem(
                f"level '{self.name}' has both a capacity and partitions",
                "the capacity of each partition",
                path=("partitions",),
            )
        seen: set[str] = set()
        for index, partition in enumerate(self.partitions):
            if partition.capacity_kib is None and partition.capacity_words is None:
                yield Problem(
                    f"a partition of level '{self.name}' has no size",
                    "capacity_kib or capacity_words",
                    path=("partitions", index),
                )
            for tensor in partition.tensors:
                if tensor in seen:
                    yield Problem(
                        f"level '{self.name}' has two places for {tensor}",
                        "each tensor in one partition",
                        path=("partitions", index, "tensors"),
                    )
                seen.add(tensor)
        for tensor in self.keeps or ():
            if self.partitions and tensor not in seen:
                yield Problem(
                    f"level '{self.name}' keeps {tensor} but has no partition for it",
                    path=("keeps",),
                )


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Compute:
    """The MAC units below the innermost level.

    Attributes
    ----------
    mac_pj : float
        Energy of one multiply-accumulate at the hardware's precision.
    cycles_per_mac : int
        Cycles between two MACs of one unit.
    leakage_pj_per_cycle : float
        Per unit in use.
    """

    mac_pj: EnergyPj
    cycles_per_mac: Count = 1
    leakage_pj_per_cycle: EnergyPj = 0.0


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class CodebookStore:
    """Where clustered weights turn into dense ones.

    Attributes
    ----------
    level : str
        The decoder sits at the output of this level: it and all levels above
        hold indexes, all below hold dense weights.
    capacity_kib : float
        Size of each copy of the store.
    word_bits : int
        Width of a word of the store.
    read_pj, write_pj : float
        Energy of one word.
    """

    level: Name
    capacity_kib: CapacityKib
    read_pj: EnergyPj
    write_pj: EnergyPj
    word_bits: Bits = 16


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class Precision:
    """Bits of one value of each tensor."""

    weights: Bits = 16
    inputs: Bits = 16
    outputs: Bits = 16


@dataclass(frozen=True, config=_STRICT, kw_only=True)
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


@dataclass(frozen=True, config=_STRICT, kw_only=True)
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


@dataclass(frozen=True, config=_STRICT, kw_only=True)
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

    def __post_init__(self) -> None:
        _raise_all(self._problems())

    @property
    def level_names(self) -> tuple[str, ...]:
        """Names of the levels, outermost first."""
        return tuple(level.name for level in self.levels)

    @property
    def mac_units(self) -> int:
        """Number of MAC units in the array."""
        units = 1
        for level in self.levels:
            units *= level.fanout.children
        return units

    def level_index(self, name: str) -> int:
        """Position of a level, 0 for the outermost.

        Raises
        ------
        InputError
            If there is no level of that name.
        """
        if name not in self.level_names:
            raise InputError(_unknown_level(name, self.level_names, ()))
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
        for index, level in enumerate(self.levels[1:], start=1):
            if level.kept_tensors and level.capacity_bits(level.kept_tensors[0]) is None:
                yield Problem(
                    f"level '{level.name}' has no size",
                    "capacity_kib, capacity_words or partitions (only the outermost level "
                    "may be unlimited)",
                    path=("levels", index),
                )
        if self.mac_units > 2**24:
            yield Problem(
                f"the array has {self.mac_units} MAC units", f"at most {2**24}", path=("levels",)
            )
        if self.codebook and self.codebook.level not in names:
            yield _unknown_level(self.codebook.level, names, ("codebook", "level"))
        for name in self.dataflow.levels:
            if name not in names:
                yield _unknown_level(name, names, ("dataflow", "levels", name))


def _unknown_level(name: str, names: tuple[str, ...], path: tuple[str | int, ...]) -> Problem:
    return Problem(
        f"there is no level '{name}'", "one of " + ", ".join(names), nearest(name, names), path=path
    )


def _raise_all(problems: Iterator[Problem]) -> None:
    found = tuple(problems)
    if found:
        raise InputError(found)
