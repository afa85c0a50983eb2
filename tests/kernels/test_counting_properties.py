"""The closed-form counts against the plain walk, and what holds for every mapping."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from mapped_layers import mapped_layers
from oracle import TENSORS, walk

from kcsim.model.counts import count_layer

NORMAL = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
THOROUGH = settings(NORMAL, max_examples=5000)


def differences(layer, hardware, mapping):
    """Everything that kcsim and the walk count differently: place, kcsim's, the walk's."""
    counts, walked = count_layer(layer, hardware, mapping), walk(layer, hardware, mapping)
    found = []
    for level in hardware.level_names:
        for tensor in TENSORS:
            for action in ("reads", "fills", "updates"):
                ours = counts.words(level, tensor, action)
                theirs = getattr(walked, action)[level, tensor]
                found.append((level, tensor, action, ours, theirs))
            for direction in ("down", "up", "forwarded"):
                ours = counts.moved(level, tensor, direction)
                theirs = getattr(walked, direction)[level, tensor]
                found.append((level, tensor, direction, ours, theirs))
            tile = int(counts.tile_words[hardware.level_index(level), TENSORS.index(tensor)])
            found.append((level, tensor, "tile words", tile, walked.tile_words[level, tensor]))
    found.append(("", "", "instances", counts.instances.tolist(), walked.instances))
    found.append(("", "", "steps", counts.temporal_steps, walked.temporal_steps))
    return [entry for entry in found if entry[-2] != entry[-1]]


@NORMAL
@given(mapped_layers())
def test_counts_equal_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400))
def test_counts_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(windows=True))
def test_forwarding_equals_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, windows=True))
def test_forwarding_equals_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []
