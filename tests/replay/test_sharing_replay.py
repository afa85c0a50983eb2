"""Shared products and sums: executed with real codebooks, the numbers and the counts are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_sharing import shared_mappings

from kcsim.replay.dense import trusted_convolution
from kcsim.replay.sharing import compare_shared, replay_shared
from kcsim.sharing.account import evaluate_shared


def check(drawn):
    """Everything that is executed against what is counted, and against torch."""
    shared = drawn.shared
    estimate = evaluate_shared(shared, drawn.mapping)
    replayed = replay_shared(shared, drawn.mapping, drawn.weights, drawn.codebook)
    decoded = drawn.weights.decode(drawn.codebook).astype(np.int64)
    expected, _ = trusted_convolution(shared.layer, replayed.inputs, decoded)
    assert replayed.outputs.dtype == np.int64
    np.testing.assert_array_equal(replayed.outputs, expected)
    assert compare_shared(replayed, estimate) == ()


@settings(max_examples=60, deadline=None)
@given(shared_mappings())
def test_random_shared_layers_count_what_is_executed_and_compute_what_torch_does(drawn):
    assume(drawn is not None)
    check(drawn)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(shared_mappings())
def test_random_layers_with_offsets_gather_the_sums_of_whole_blocks_too(drawn):
    assume(drawn is not None and drawn.shared.has_offsets)
    check(drawn)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(shared_mappings())
def test_five_thousand_random_shared_layers(drawn):
    assume(drawn is not None)
    check(drawn)
