"""Shared products and sums: a second walker agrees on words, bits, energy, room and cycles."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_sharing import level_keys, ports, shared_mappings
from shared_walker import TABLES, SharedWalk

from kcsim.hardware.schema import Precision
from kcsim.model.counts import ACTIONS
from kcsim.sharing.account import evaluate_shared


@st.composite
def limited(draw):
    """A random shared layer; of scalars, on levels with bandwidth and buffers that take turns."""
    drawn = draw(shared_mappings())
    assume(drawn is not None)
    shared, mapping = drawn.shared, drawn.mapping
    # How the channels of a sum lie is not for the page to say.
    assume(mapping.sharing.name == "share_products" or shared.unit.channels == 1)
    bits = st.sampled_from((8, 12, 16))
    own = st.sampled_from((None, None, 5, 24))
    precision = Precision(
        weights=shared.hardware.precision_bits.weights, inputs=draw(bits), outputs=draw(bits),
        products=draw(own), sums=draw(own),
    )  # fmt: skip
    if draw(st.booleans()):
        precision = replace(precision, partial_sums=precision.outputs + draw(bits))
    levels = shared.hardware.levels
    if shared.unit.size == 1:
        levels = tuple(
            replace(
                level, **draw(ports()),
                buffering=draw(st.sampled_from(("overlapped", "single"))) if i else "overlapped",
            )
            for i, level in enumerate(levels)
        )  # fmt: skip
    levels = tuple(replace(level, **draw(level_keys(level))) for level in levels)
    store = replace(shared.hardware.codebook, capacity_kib=4, read_words_per_cycle=None)
    compute = replace(
        shared.hardware.compute, zeros={}, cycles_per_mac=draw(st.integers(1, 2)),
        address_pj=draw(st.sampled_from((0, 0.25))),
    )  # fmt: skip
    hardware = replace(
        shared.hardware,
        levels=levels,
        precision_bits=precision,
        codebook=store,
        compute=compute,
        biases=draw(st.sampled_from(("counted", "left_out"))),
    )
    layer = replace(shared.layer, bias=draw(st.booleans()))
    # Loading the codebook is not part of the page.
    form = replace(shared.form, loads_codebook=False)
    return replace(shared, layer=layer, hardware=hardware, form=form), mapping


def check(shared, mapping):
    """Everything that is counted against the walk."""
    estimate, walked = evaluate_shared(shared, mapping), SharedWalk(shared, mapping).run()
    names = shared.hardware.level_names
    for part in ("outer", "gather", "entries"):
        counts = estimate.outer if part == "outer" else getattr(estimate, part).counts
        for i, name in enumerate(names):
            for tensor in ("weights", "inputs", "outputs"):
                for action in ACTIONS:
                    at = part, i, tensor, action
                    assert counts.words(name, tensor, action) == walked.words[at], at
                for way in ("down", "up"):
                    at = part, i, tensor, way
                    assert counts.moved(name, tensor, way) == walked.transfers[at], at
    assert estimate.intermediate.value_bits == walked.value_bits
    assert estimate.intermediate.home_bits == walked.home_bits
    found = Counter()
    for item in estimate.items:
        key = item.component, item.tensor, item.action
        if item.tensor in ("inputs", "outputs", TABLES):
            found[*key, "bits"] += item.bits
        if item.tensor in ("inputs", "outputs", TABLES) or not item.tensor:
            found[*key, "energy"] += item.energy
    found = {key: value for key, value in found.items() if value}
    assert found == pytest.approx(walked.energy)
    assert estimate.cycles.compute == walked.phase_cycles
    assert estimate.cycles.total == walked.cycles


@settings(max_examples=150, deadline=None)
@given(limited())
def test_random_shared_layers_count_what_the_page_says(drawn):
    check(*drawn)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(limited())
def test_five_thousand_random_shared_layers_count_what_the_page_says(drawn):
    check(*drawn)
