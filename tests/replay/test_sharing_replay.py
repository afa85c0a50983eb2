"""Shared products and sums: executed with real codebooks, the numbers and the counts are right."""

from __future__ import annotations

import numpy as np
import pytest
from cascades import cascades
from hypothesis import assume, given, settings

from kcsim.replay.dense import trusted_convolution
from kcsim.replay.sharing import compare_cascade, replay_cascade
from kcsim.sharing.account import evaluate_cascade


def check(cascade):
    """Everything that is executed against what is counted, and against torch."""
    shared = cascade.shared
    estimate = evaluate_cascade(shared, cascade.mapping)
    replayed = replay_cascade(shared, cascade.mapping, cascade.weights, cascade.codebook)
    decoded = cascade.weights.decode(cascade.codebook).astype(np.int64)
    expected, _ = trusted_convolution(shared.layer, replayed.inputs, decoded)
    assert replayed.outputs.dtype == np.int64
    np.testing.assert_array_equal(replayed.outputs, expected)
    assert compare_cascade(replayed, estimate) == ()


@settings(max_examples=60, deadline=None)
@given(cascades())
def test_random_cascades_count_what_is_executed_and_compute_what_torch_does(cascade):
    assume(cascade is not None)
    check(cascade)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(cascades())
def test_five_thousand_random_cascades(cascade):
    assume(cascade is not None)
    check(cascade)
