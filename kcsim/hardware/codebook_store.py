"""Where clustered weights turn into dense ones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.hardware.banks import random_words_per_cycle
from kcsim.hardware.description import Described
from kcsim.hardware.values import (
    STRICT,
    CapacityKib,
    EnergyPj,
    Name,
    Rate,
    WordBits,
    plain_errors,
    unknown_word,
)  # fmt: skip


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class CodebookStore(Described):
    """Where clustered weights turn into dense ones, and what the store is.

    Attributes
    ----------
    level : str
        The decoder sits at the output of this level: it and all levels above
        hold indexes, all below hold dense weights. `kcsim.cost.weight_format.decode_at`
        moves it.
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
    """

    level: Name
    capacity_kib: CapacityKib
    read_pj: EnergyPj
    write_pj: EnergyPj
    word_bits: WordBits = Field(default_factory=unknown_word)
    sizing: Literal["fixed", "auto"] = "fixed"
    read_words_per_cycle: Rate | Literal["auto"] | None = None

    @property
    def words_per_cycle(self) -> float | None:
        """`read_words_per_cycle` as a number; see `kcsim.hardware.banks`."""
        if self.read_words_per_cycle != "auto":
            return self.read_words_per_cycle
        ports = self.ports if isinstance(self.ports, str) else "1RW"
        return random_words_per_cycle(self.banks or 1, int(ports[0]))
