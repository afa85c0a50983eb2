"""How many words banks give in a cycle that are asked for in random places."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

MOST_BANKS = 512
"""From here on, words of one bank are as good as independent of those of others."""


@cache
def random_words_per_cycle(banks: int, ports: int = 1) -> float:
    """Words that a memory gives in a cycle on average, each in a bank of its own by chance.

    Words wait in a queue, and come in rounds of as many as all ports together give: a round takes
    as many cycles as its fullest bank, whose expected load is that of as many balls in bins
    (Raab, Steger, "Balls into Bins", RANDOM 1998).

    Parameters
    ----------
    banks : int
    ports : int
        Words that one bank gives in a cycle.
    """
    words = banks * ports
    cycles, done = 0.0, 0.0
    for rounds in range(words):
        done = _fits(banks, words, rounds * ports)
        cycles += 1 - done
        if done > 1 - 1e-15:
            break
    return words / cycles


def _fits(banks: int, words: int, most: int) -> float:
    """Probability that no bank has more than so many of random words."""
    mean = words / banks
    loads = np.arange(min(most, words) + 1)
    logs = loads * math.log(mean) - mean - np.array([math.lgamma(load + 1) for load in loads])
    one = np.exp(logs)
    if banks > MOST_BANKS:
        return float(one.sum() ** banks)
    # Words of a bank are Poisson, given how many all have together.
    every, left = np.ones(1), banks
    while left:
        if left & 1:
            every = np.convolve(every, one)[: words + 1]
        one, left = np.convolve(one, one)[: words + 1], left >> 1
    if len(every) <= words:
        return 0.0
    return float(every[words] / math.exp(words * math.log(words) - words - math.lgamma(words + 1)))
