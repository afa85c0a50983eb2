"""One storage level: its sizes, energies and partitions, and the network below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.errors import Problem
from kcsim.hardware.counted import Counted
from kcsim.hardware.description import Described
from kcsim.hardware.idle import Idle
from kcsim.hardware.network import Fanout
from kcsim.hardware.port import Port
from kcsim.hardware.stalls import Stalls
from kcsim.hardware.values import (
    STRICT,
    AssumedBits,
    Bits,
    CapacityKib,
    CapacityWords,
    Count,
    EnergyPj,
    Latency,
    Name,
    Rate,
    WordBits,
    plain_errors,
    raise_all,
    unknown_word,
)  # fmt: skip
from kcsim.workload.layer import TENSORS, Tensor

Access = Literal["read", "write", "update"]
Coding = Literal["run_length", "bitmask"]
RunBits = Annotated[int, Field(ge=1, le=8)]


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Partition(Described):
    """A part of a level that is reserved for some tensors.

    What it is, as `Described` says, goes by the level where it says nothing.

    Attributes
    ----------
    tensors : tuple of str
        The tensors that share this part.
    capacity_kib : float, optional
        Size in units of 1024 bytes; give either this or `capacity_words`.
    capacity_words : int, optional
        Size in words.
    read_pj, write_pj : float, optional
        Energy of one access of one block; the level's own when absent.
    word_bits : int
        Width of a word; when absent that of the level or, if that is absent too, of the widest
        value kept here.
    """

    tensors: tuple[Tensor, ...] = Field(min_length=1)
    capacity_kib: CapacityKib | None = None
    capacity_words: CapacityWords | None = None
    read_pj: EnergyPj | None = None
    write_pj: EnergyPj | None = None
    word_bits: WordBits = Field(default_factory=unknown_word)


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class LevelPrecision:
    """Bits of one value of each tensor at a level, where they are not those of the chip."""

    weights: Bits | None = None
    inputs: Bits | None = None
    outputs: Bits | None = None
    partial_sums: Bits | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Level(Described):
    """One storage level of the hierarchy, with the network below it, and what it is.

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
        Width of a word, also on the network below; values narrower than a word are packed. When
        absent it is that of the widest value that the level keeps, or of the widest of all if it
        keeps none. Known only as part of a `Hardware`, which has the precision.
    precision_bits : LevelPrecision
        Widths of the values here that are not those of the chip.
    block_words : int
        Words per access.
    capacity_kib, capacity_words : optional
        Size; one of them, or `partitions`, or neither for an unlimited level.
    partitions : tuple of Partition
        Parts reserved for tensors, where the chip has them.
    keeps : tuple of str, optional
        Tensors that the level stores; all others pass by. Defaults to the
        tensors of the partitions, else to all three.
    may_bypass : tuple of str
        Tensors that the level can store but a mapping may leave out: the mapper decides.
    buffering : str
        ``overlapped``: transfers run beside the computation in the full
        capacity; ``double``: likewise, in half the capacity; ``single``:
        transfers and computation take turns.
    read_words_per_cycle, write_words_per_cycle : float, optional
        Words per cycle and instance; unlimited when absent.
    shared_port : bool
        Whether reads and writes take turns; then a rate that is absent is that of the other.
    shared_bandwidth : float, optional
        Words per cycle of reads and writes together: short for a shared port with both rates.
    latency_cycles : float
        Cycles from asking for a word to having it; a layer begins with waiting for one.
    stalls : Stalls
        What the array stands still for; all is hidden when absent.
    counted : Counted
        First reads of sums, drains and fills, as a publication counts them.
    compression : dict of str to str
        Coding of tensors whose zeros cost less: ``run_length``, ``bitmask``.
    run_bits : int
        Bits of the length of a run, for ``run_length``.
    leakage_pj_per_cycle, clock_pj_per_cycle : float
        Per instance in use.
    idle : Idle, optional
        What idle instances take; as the chip says when absent.
    fanout : Fanout
        The network to the level below (or to the MAC units).
    """

    name: Name
    read_pj: EnergyPj
    write_pj: EnergyPj
    update_pj: EnergyPj | None = None
    word_bits: WordBits = Field(default_factory=unknown_word)
    precision_bits: LevelPrecision = LevelPrecision()
    block_words: Count = 1
    capacity_kib: CapacityKib | None = None
    capacity_words: CapacityWords | None = None
    partitions: tuple[Partition, ...] = ()
    keeps: tuple[Tensor, ...] | None = None
    may_bypass: tuple[Tensor, ...] = ()
    buffering: Literal["overlapped", "double", "single"] = "overlapped"
    read_words_per_cycle: Rate | None = None
    write_words_per_cycle: Rate | None = None
    shared_port: bool = False
    shared_bandwidth: Rate | None = None
    latency_cycles: Latency = 0.0
    stalls: Stalls = Stalls()
    counted: Counted = Counted()
    compression: dict[Tensor, Coding] = Field(default_factory=dict)
    run_bits: RunBits = 5
    leakage_pj_per_cycle: EnergyPj = 0.0
    clock_pj_per_cycle: EnergyPj = 0.0
    idle: Idle | None = None
    fanout: Fanout = Fanout()

    def __post_init__(self) -> None:
        raise_all(self._problems())

    @property
    def kept_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that this level stores."""
        if self.keeps is not None:
            return self.keeps
        if self.partitions:
            held = {tensor for part in self.partitions for tensor in part.tensors}
            return tuple(t for t in TENSORS if t in held)
        return TENSORS

    @property
    def shares_port(self) -> bool:
        """Whether reads and writes take turns."""
        return self.shared_port or self.shared_bandwidth is not None

    @property
    def is_limited(self) -> bool:
        """Whether any of its accesses take time."""
        rates = self.read_words_per_cycle, self.write_words_per_cycle, self.shared_bandwidth
        return bool(self.port_list) or any(rates)

    @property
    def port_list(self) -> tuple[Port, ...]:
        """Its ports by tensor and direction, where a file lists them."""
        return self.ports if isinstance(self.ports, tuple) else ()

    def partition_of(self, tensor: str) -> Partition | None:
        """The partition that holds a tensor, if the level has partitions."""
        return next((p for p in self.partitions if tensor in p.tensors), None)

    def word_bits_of(self, tensor: str) -> int:
        """Width of a word in which the level stores a tensor."""
        return (self.partition_of(tensor) or self).word_bits

    def words_per_access(self, tensor: str) -> int:
        """Words of a block that one access serves."""
        return int(self.used_words(self.partition_of(tensor)) or self.block_words)

    def used_words(self, part: Partition | None) -> float | None:
        """Words that are used of an access; energies that follow from a kind have this in them."""
        if self.kind or (part and part.kind):
            return None
        return (part and part.used_words_per_access) or self.used_words_per_access

    def own_bits(self, widths: Mapping[str, int | None]) -> dict[str, int]:
        """Bits of a value of each tensor here, and of one of ``partial_sums``.

        Parameters
        ----------
        widths : mapping of str to int or None
            Those of the chip. Partial sums are as wide as outputs where nothing is given.
        """
        given = {**widths, **{k: v for k, v in vars(self.precision_bits).items() if v is not None}}
        given["partial_sums"] = given["partial_sums"] or given["outputs"]
        return {name: int(bits or 0) for name, bits in given.items()}

    def with_widths(self, widths: Mapping[str, int]) -> Level:
        """The level with words, where none are given, as wide as the widest value kept.

        Parameters
        ----------
        widths : mapping of str to int
            Bits of a value of each tensor here.
        """

        def widest(tensors: Iterable[str]) -> int:
            return AssumedBits(max(widths[tensor] for tensor in tensors))

        own, partitions = self.word_bits, []
        for part in self.partitions:
            bits = part.word_bits
            if isinstance(bits, AssumedBits):
                bits = widest(part.tensors) if isinstance(own, AssumedBits) else AssumedBits(own)
            partitions.append(replace(part, word_bits=bits))
        if isinstance(own, AssumedBits):
            own = widest(self.kept_tensors or TENSORS)
        return replace(self, word_bits=own, partitions=tuple(partitions))

    def with_given_words(self) -> Level:
        """The level with its words as if they had been given."""
        partitions = tuple(replace(p, word_bits=int(p.word_bits)) for p in self.partitions)
        return replace(self, word_bits=int(self.word_bits), partitions=partitions)

    def capacity_bits(self, tensor: str) -> int | None:
        """Bits that `tensor` may use (shared with others), ``None`` if unlimited."""
        holder = self.partition_of(tensor) or self
        if holder.capacity_words is not None:
            bits = holder.capacity_words * holder.word_bits
        elif holder.capacity_kib is not None:
            bits = int(holder.capacity_kib * 8192)
        else:
            return None
        return bits // 2 if self.buffering == "double" else bits

    def price(self, tensor: str, action: Access) -> float:
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
        for part in self.partitions or (None,):
            used = self.used_words(part)
            if used is not None and used not in range(1, self.block_words + 1):
                yield Problem(
                    f"used_words_per_access of level '{self.name}' is {used:g}",
                    f"a whole number up to {self.block_words}, its block_words",
                    path=("used_words_per_access",),
                )
        yield from self._tensor_problems()

    def _tensor_problems(self) -> Iterator[Problem]:
        for tensor in self.may_bypass:
            if tensor not in self.kept_tensors:
                yield Problem(
                    f"level '{self.name}' does not keep {tensor} in the first place",
                    "one of " + ", ".join(self.kept_tensors) if self.kept_tensors else "",
                    path=("may_bypass",),
                )
        for name, bits in vars(self.precision_bits).items():
            held = "outputs" if name == "partial_sums" else name
            if bits is not None and held not in self.kept_tensors:
                yield Problem(
                    f"level '{self.name}' has a width for {name} but does not keep {held}",
                    "one of " + ", ".join(self.kept_tensors) if self.kept_tensors else "",
                    path=("precision_bits", name),
                )
        yield from self._port_problems()
        dumped = ("outputs",) if self.stalls.dumps else ()
        for waited in (*self.stalls.loads, *self.stalls.cycles_per_tile, *dumped):
            if waited not in self.kept_tensors:
                yield Problem(
                    f"level '{self.name}' stalls for {waited} but does not keep them",
                    "one of " + ", ".join(self.kept_tensors) if self.kept_tensors else "",
                    path=("stalls",),
                )
        for index, part in enumerate(self.partitions):
            if isinstance(part.ports, tuple):
                yield Problem(
                    f"a partition of level '{self.name}' lists ports",
                    "ports of the level, with the tensors of the partition",
                    path=("partitions", index, "ports"),
                )
        for tensor in self.compression:
            if tensor not in self.kept_tensors:
                yield Problem(
                    f"level '{self.name}' compresses {tensor} but does not keep them",
                    path=("compression",),
                )

    def _port_problems(self) -> Iterator[Problem]:
        rates = "read_words_per_cycle", "write_words_per_cycle"
        given = [key for key in (*rates, "shared_bandwidth") if getattr(self, key) is not None]
        if self.port_list:
            given += ["shared_port"] if self.shared_port else []
            if given:
                message = f"level '{self.name}' has both ports and {given[0]}"
                yield Problem(message, "one of them", path=(given[0],))
        elif self.shared_bandwidth is not None and len(given) > 1:
            message = f"level '{self.name}' has both shared_bandwidth and {given[0]}"
            yield Problem(message, "one of them", path=("shared_bandwidth",))
        elif self.shared_port and not given:
            message = f"level '{self.name}' has a shared port without a rate"
            yield Problem(message, " or ".join(rates), path=("shared_port",))
        seen: set[tuple[str, str]] = set()
        for index, port in enumerate(self.port_list):
            for tensor, action in port.serves:
                if (tensor, action) in seen:
                    yield Problem(
                        f"two ports of level '{self.name}' have the {action} of {tensor}",
                        "each in one port, with the words of both",
                        path=("ports", index),
                    )
                    return
                seen.add((tensor, action))
