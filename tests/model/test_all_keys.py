"""All that a hardware file may say of a chip, mixed: words, energy, room and cycles."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers, padded_layers
from plain_account import Account
from random_chips import with_counted, with_idle, with_ports, with_stalls, with_widths

from kcsim.cost.weight_format import dense_format
from kcsim.errors import InputError
from kcsim.hardware.schema import Compute
from kcsim.model.counts import ACTIONS, DIRECTIONS, count_layer, used_bits
from kcsim.model.evaluate import evaluate
from kcsim.replay.dense import compare, direct_convolution, replay_layer
from kcsim.workload.layer import TENSORS
from kcsim.workload.precision import LayerBits

NORMAL = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
KEYS = (with_widths, with_ports, with_stalls, with_idle, with_counted)


@st.composite
def everything(draw):
    """A mapped layer on a chip of which a file says some of all there is."""
    options = draw(
        st.sampled_from(({"uneven": True}, {"uneven": True, "windows": True}, {"imperfect": True}))
    )
    mapped = st.sampled_from((padded_layers, mapped_layers))
    layer, hardware, mapping = draw(draw(mapped)(**options))
    rng = random.Random(draw(st.integers(0, 2**32)))
    if hardware.padding == "generated" or "imperfect" in options:
        hardware = dataclasses.replace(hardware, slides="any")
    hardware = with_plain_keys(rng, hardware)
    for change in KEYS:
        # Sums and passes of short tiles are as of whole ones, which a walk does not see.
        if rng.random() < 0.7 and not ("imperfect" in options and change in KEYS[:3:2]):
            hardware = change(rng, hardware)
    layer = dataclasses.replace(layer, bias=rng.random() < 0.3)
    if rng.random() < 0.3 and "imperfect" not in options:
        layer = with_own_widths(rng, layer, hardware)
    return layer, hardware, mapping


def with_plain_keys(rng, hardware):
    """Other energies and words, blocks, buffers that take turns, and static energy."""
    levels = []
    for i, level in enumerate(hardware.with_given_words().levels):
        block = rng.choice((1, 1, 2, 4))
        keys = {
            "read_pj": rng.choice((0.5, 1.0, 60.0)), "write_pj": rng.choice((0.5, 2.0, 100.0)),
            "update_pj": rng.choice((None, 3.0)), "word_bits": rng.choice((8, 16, 16, 24)),
            "block_words": block, "used_words_per_access": rng.choice((None, block // 2 or 1)),
            "buffering": rng.choice(("overlapped", "single", "double")) if i else "overlapped",
            "read_words_per_cycle": rng.choice((None, None, 0.5, 2.0)),
            "write_words_per_cycle": rng.choice((None, None, 0.5, 2.0)),
            "fanout": dataclasses.replace(level.fanout, transfer_pj=rng.choice((0.0, 0.4, 3.0))),
        }  # fmt: skip
        levels.append(dataclasses.replace(level, **keys))
    compute = Compute(mac_pj=rng.choice((0.0, 2.0)), cycles_per_mac=rng.choice((1, 1, 2)))
    static = rng.choice((0.0, 0.7, 20.0))
    return dataclasses.replace(
        hardware, levels=tuple(levels), compute=compute, static_pj_per_cycle=static
    )


def with_own_widths(rng, layer, hardware):
    """The layer with widths of its own, where its sums are as wide as its outputs at least."""
    own = {tensor: rng.choice((4, 8, 16)) for tensor in TENSORS if rng.random() < 0.6}
    changed = dataclasses.replace(layer, precision_bits=LayerBits(**own))
    try:
        dataclasses.replace(
            hardware, precision_bits=dataclasses.replace(hardware.precision_bits, **own)
        )
    except InputError:
        return layer
    return changed


def check(layer, hardware, mapping):
    """Counts, what is executed, and the walk; then what all that costs."""
    counts, walk = count_layer(layer, hardware, mapping), oracle.walk(layer, hardware, mapping)
    replayed = replay_layer(layer, hardware, mapping)
    assert compare(replayed, counts) == ()
    expected = direct_convolution(layer, replayed.inputs, replayed.weights)
    assert (replayed.outputs == expected).all()
    for i, name in enumerate(hardware.level_names):
        for j, tensor in enumerate(TENSORS):
            walked = [getattr(walk, action)[name, tensor] for action in (*ACTIONS, *DIRECTIONS)]
            assert [*counts.accesses[i, j], *counts.transfers[i, j]] == walked, (name, tensor)
            assert counts.tile_words[i, j] == walk.tile_words[name, tensor], (name, tensor)
    account, estimate = Account(layer, hardware, mapping), evaluate(layer, hardware, mapping)
    form = dense_format(layer, hardware)
    for i, tensor in account.nest.keeps:
        if i and account.nest.keeps[i, tensor]:
            assert used_bits(counts, form, i, (tensor,)) == account.needed_bits(i, tensor)
    assert estimate.cycles.standing == account.standing
    assert estimate.cycles.total == account.cycles
    found = Counter()
    for item in estimate.items:
        found[item.component, item.tensor] += item.energy
    assert {k: v for k, v in found.items() if v} == pytest.approx(
        {k: v for k, v in account.energy.items() if v}, rel=1e-12
    )


@NORMAL
@given(everything())
def test_words_energy_room_and_cycles_are_those_of_plain_walks(mapped):
    check(*mapped)


@pytest.mark.slow
@settings(NORMAL, max_examples=5000)
@given(everything())
def test_words_energy_room_and_cycles_of_five_thousand_chips(mapped):
    check(*mapped)
