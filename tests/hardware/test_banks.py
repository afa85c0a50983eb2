"""Banks of a store of codebooks: conflicts of random lookups, and the cycles that follow."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import kcsim
from kcsim.hardware.banks import random_words_per_cycle


@pytest.mark.parametrize(
    ("banks", "ports"), [(1, 1), (2, 1), (3, 1), (5, 1), (2, 2), (3, 2), (1, 2)]
)
def test_a_round_takes_as_long_as_its_fullest_bank_in_every_case(banks, ports):
    words, total = banks * ports, Fraction(0)
    for places in itertools.product(range(banks), repeat=words):
        total += -(-max(Counter(places).values()) // ports)
    assert random_words_per_cycle(banks, ports) == pytest.approx(words * banks**words / total)


@pytest.mark.parametrize(("banks", "ports"), [(64, 1), (512, 1), (600, 1), (32, 2)])
def test_many_banks_give_what_draws_give(banks, ports):
    rng, words = np.random.default_rng(3), banks * ports
    loads = [np.bincount(rng.integers(banks, size=words)).max() for _ in range(4000)]
    found = words / np.mean(-(-np.array(loads) // ports))
    assert random_words_per_cycle(banks, ports) == pytest.approx(found, rel=0.01)


def test_more_banks_and_ports_never_give_less():
    given = [random_words_per_cycle(banks) for banks in (*range(1, 40), 511, 512, 513, 514)]
    assert given == sorted(given)
    assert random_words_per_cycle(1) == 1
    assert all(random_words_per_cycle(n) <= random_words_per_cycle(n, 2) <= 2 * n for n in (1, 4))


def store(**keys):
    hardware = kcsim.load_hardware("ucnn_like")
    return replace(hardware, codebook=replace(hardware.codebook, **keys))


def cycles(hardware):
    run = kcsim.estimate(hardware, "lenet5", "scalar:k=16", execution="decode")["decode"]
    return [layer.cycles.lookup for layer in run.layers]


def test_a_store_with_banks_gives_what_is_left_of_conflicts():
    auto, given = store(read_words_per_cycle="auto", banks=4), random_words_per_cycle(4)
    assert auto.codebook.words_per_cycle == given
    assert cycles(auto) == cycles(store(read_words_per_cycle=given, banks=4))
    one, many = (cycles(store(read_words_per_cycle="auto", banks=n)) for n in (1, 16))
    assert one == cycles(store(read_words_per_cycle=1))
    assert sum(many) < sum(one)


def test_ports_of_a_bank_take_part():
    one, two = (
        store(read_words_per_cycle="auto", ports=ports).codebook.words_per_cycle
        for ports in ("1R1W", "2R1W")
    )
    assert (one, two) == (1, 2)


def test_another_word_is_refused():
    with pytest.raises(kcsim.InputError, match="read_words_per_cycle"):
        kcsim.load_hardware("ucnn_like", ["codebook.read_words_per_cycle=banked"])
    read = kcsim.load_hardware("ucnn_like", ["codebook.read_words_per_cycle=auto"])
    assert read.codebook.words_per_cycle == 1
