"""One storage level: its sizes, energies and partitions, and the network below it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem
from kcsim.hardware.description import Described
from kcsim.reading.fault_words import argument_problems
from kcsim.workload.layer import TENSORS, Tensor

Access = Literal["read", "write", "update"]
Coding = Literal["run_length", "bitmask"]

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s.=/][^.=/]*$")]
EnergyPj = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=1, le=65536)]
Count = Annotated[int, Field(ge=1, le=65536)]
CapacityKib = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
RunBits = Annotated[int, Field(ge=1, le=8)]
CapacityWords = Annotated[int, Field(ge=1, le=2**50)]

STRICT = ConfigDict(extra="forbid")


class AssumedBits(int):
    """Width of a word that nobody has given; a `Hardware` derives it anew from its precision."""


def _keep_assumed(value: Any, validate: Callable[[Any], int]) -> int:
    return value if isinstance(value, AssumedBits) else validate(value)


WordBits = Annotated[Bits, WrapValidator(_keep_assumed)]


def unknown_word() -> int:
    """The width of a word before anything is known of the precision."""
    return AssumedBits(16)


T = TypeVar("T")


def plain_errors(cls: type[T]) -> type[T]:
    """Let a dataclass of pydantic raise an InputError, one line a problem, when constructed."""
    construct = cls.__init__

    @functools.wraps(construct)
    def __init__(self: T, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            construct(self, *args, **kwargs)
        except ValidationError as error:
            raise InputError(list(argument_problems(error, cls.__name__))) from None

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


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
class Fanout:
    """The network below a level: how many children it feeds, and how.

    Attributes
    ----------
    x, y : int
        Children along the two axes of the array.
    multicast : str
        ``tile``: children that need the same tile at the same step share one
        read; ``word``: every distinct word is read once, partial overlaps of
        neighboring windows included; ``none``: each child costs a read.
    reduction : bool
        Whether partial sums of the same output are added up on their way.
    forwarding : tuple of str
        Tensors that a child may take from a neighbor that was just given them.
    transfer_pj : float
        Energy of one word arriving at a child, or leaving it upwards.
    hop_pj : float
        Energy of one word crossing a link of the mesh, fed at its first child.
    """

    x: Count = 1
    y: Count = 1
    multicast: Literal["tile", "word", "none"] = "tile"
    reduction: bool = True
    forwarding: tuple[Tensor, ...] = ()
    transfer_pj: EnergyPj = 0.0
    hop_pj: EnergyPj = 0.0

    def __post_init__(self) -> None:
        if self.hop_pj and self.forwarding:
            raise InputError(
                Problem(
                    "a network that forwards has no energy for hops: which children are fed from "
                    "above is not counted",
                    "transfer_pj alone",
                    path=("hop_pj",),
                )
            )

    @property
    def children(self) -> int:
        """Number of instances below one instance above."""
        return self.x * self.y


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
    compression : dict of str to str
        Coding of tensors whose zeros cost less: ``run_length``, ``bitmask``.
    run_bits : int
        Bits of the length of a run, for ``run_length``.
    leakage_pj_per_cycle : float
        Per instance in use.
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
    compression: dict[Tensor, Coding] = Field(default_factory=dict)
    run_bits: RunBits = 5
    leakage_pj_per_cycle: EnergyPj = 0.0
    fanout: Fanout = Fanout()

    def __post_init__(self) -> None:
        raise_all(self._problems())

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
        for tensor in self.compression:
            if tensor not in self.kept_tensors:
                yield Problem(
                    f"level '{self.name}' compresses {tensor} but does not keep them",
                    path=("compression",),
                )


def raise_all(problems: Iterator[Problem]) -> None:
    """Raise an InputError with all problems, if there are any."""
    found = tuple(problems)
    if found:
        raise InputError(found)
