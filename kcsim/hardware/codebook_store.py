"""Where clustered weights turn into dense ones."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.hardware.banks import random_words_per_cycle
from kcsim.hardware.description import DESCRIBING, Described
from kcsim.hardware.values import (
    STRICT,
    Bits,
    CapacityKib,
    EnergyPj,
    Name,
    Rate,
    WordBits,
    plain_errors,
    unknown_word,
)  # fmt: skip
from kcsim.reading.source import Path_

_SAME_PART = (*DESCRIBING, "capacity_kib", "sizing", "word_bits")


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class MovedStore(Described):
    """What is different of the store at a level that the decoder may be moved to.

    Attributes
    ----------
    capacity_kib, sizing, word_bits, read_pj, write_pj, read_words_per_cycle : optional
        As of `CodebookStore`, and those of the main store when absent.
    """

    capacity_kib: CapacityKib | None = None
    sizing: Literal["fixed", "auto"] | None = None
    word_bits: Bits | None = None
    read_pj: EnergyPj | None = None
    write_pj: EnergyPj | None = None
    read_words_per_cycle: Rate | Literal["auto"] | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class CodebookStore(Described):
    """Where clustered weights turn into dense ones, and what the store is.

    Attributes
    ----------
    level : str
        The decoder sits at the output of this level: it and all levels above
        hold indexes, all below hold dense weights. `kcsim.cost.weight_format.decode_at`
        moves it, and the store with it.
    capacity_kib : float
        Size of each copy of the store; every instance of the level has one.
    sizing : {"fixed", "auto"}
        Whether that is so, or the store has the size that the largest codebook of a layer needs
        (`kcsim.cost.sized_store`): then it is a stand-in until there are codebooks.
    word_bits : int
        Width of a word of the store; when absent that of a weight.
    read_pj, write_pj : float
        Energy of one word.
    read_words_per_cycle : float or "auto", optional
        Words that each copy gives in a cycle, "auto" as many as its ports and banks give on average
        of random words; when absent, as many as what it feeds can take.
    at : dict of str to MovedStore
        By level, what is different of the store if the decoder is moved there.
    """

    level: Name
    capacity_kib: CapacityKib
    read_pj: EnergyPj
    write_pj: EnergyPj
    word_bits: WordBits = Field(default_factory=unknown_word)
    sizing: Literal["fixed", "auto"] = "fixed"
    read_words_per_cycle: Rate | Literal["auto"] | None = None
    at: dict[Name, MovedStore] = Field(default_factory=dict)

    @property
    def levels(self) -> tuple[str, ...]:
        """The level of the decoder, and those with a store of their own if it is moved there."""
        return (self.level, *self.at)

    @property
    def sized_levels(self) -> tuple[str, ...]:
        """Levels whose stores have sizes that follow from codebooks, each a size of its own."""
        found = [self.level] if self.sizing == "auto" else []
        for level, given in self.at.items():
            moved = self.moved_to(level)
            is_as_here = given.sizing is None and moved.word_bits == self.word_bits
            if moved.sizing == "auto" and not is_as_here:
                found.append(level)
        return tuple(found)

    def path_of(self, level: str) -> Path_:
        """Where the hardware has what is different of the store at a level."""
        return ("codebook",) if level == self.level else ("codebook", "at", level)

    def moved_to(self, level: str) -> CodebookStore:
        """The store that each instance of a level has if the decoder is there.

        Parameters
        ----------
        level : str
        """
        if level == self.level:
            return self
        moved = self.at.get(level, MovedStore())
        values = {each.name: getattr(moved, each.name) for each in fields(moved)}
        given = {name: value for name, value in values.items() if value is not None}
        if "capacity_kib" in given:
            given.setdefault("sizing", "fixed")
        found = replace(self, level=level, at={}, **given)
        if "area_mm2" in given or found.is_same_part(self):
            return found
        return replace(found, area_mm2=None)

    def is_same_part(self, other: CodebookStore) -> bool:
        """Whether two stores are the same, whatever they cost."""
        return all(getattr(self, name) == getattr(other, name) for name in _SAME_PART)

    @property
    def words_per_cycle(self) -> float | None:
        """`read_words_per_cycle` as a number; see `kcsim.hardware.banks`."""
        if self.read_words_per_cycle != "auto":
            return self.read_words_per_cycle
        ports = self.ports if isinstance(self.ports, str) else "1RW"
        return random_words_per_cycle(self.banks or 1, int(ports[0]))
