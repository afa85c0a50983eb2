"""Layouts of other tools, found again in dense weights: the same values, and their bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_weights import real_file

import kcsim
from kcsim.errors import InputError

LAYER = kcsim.ConvLayer("conv", 32, 64, 16, 16, 3, 3)
NETWORK = kcsim.Network("one", (LAYER,))
SHAPE = (64, 32, 3, 3)
WORDS = 64 * 32 * 9


def found(weights, text="found", network=NETWORK):
    result = kcsim.cluster_network(network, {"conv.weight": weights}, text)
    return result, result.layers["conv"]


def check(weights, scheme, bits):
    """What is found decodes to the same bits, in the layout that it was made in."""
    result, layer = found(weights)
    assert result.decode("conv").tobytes() == weights.tobytes()
    assert str(layer.part.settings).removesuffix(",dense=none") == scheme
    assert result.storage().weights_bits == bits
    return layer


def of_tables(tables, indexes):
    """Weights of indexes that have the table of their place."""
    return np.take_along_axis(tables, indexes, axis=-1).astype(np.float32)


@pytest.mark.parametrize("served", [1, 2, 16, 32])
def test_a_codebook_for_some_filters(served):
    # coremltools per grouped channel, TFMOT and NNCF per channel.
    random = np.random.default_rng(served)
    tables = random.normal(size=(64 // served, 16))
    indexes = random.integers(16, size=SHAPE)
    weights = of_tables(
        np.repeat(tables, served, axis=0), indexes.reshape(64, -1)
    ).reshape(SHAPE)  # fmt: skip
    check(
        weights,
        f"scalar:k=16,codebook_filters={served}",
        64 // served * 16 * 32 + 4 * WORDS,
    )


@pytest.mark.parametrize("served", [1, 8])
def test_a_codebook_for_some_channels(served):
    random = np.random.default_rng(served)
    tables = np.repeat(random.normal(size=(32 // served, 16)), served, axis=0)
    indexes = random.integers(16, size=SHAPE)
    turned = indexes.transpose(1, 0, 2, 3).reshape(32, -1)
    weights = of_tables(tables, turned).reshape(32, 64, 3, 3).transpose(1, 0, 2, 3)
    check(
        np.ascontiguousarray(weights),
        f"scalar:k=16,codebook_channels={served}",
        32 // served * 16 * 32 + 4 * WORDS,
    )


def test_a_codebook_for_each_tile():
    random = np.random.default_rng(0)
    tables = random.normal(size=(4, 4, 8)).repeat(16, axis=0).repeat(8, axis=1)
    indexes = random.integers(8, size=(64, 32, 9))
    weights = of_tables(tables, indexes).reshape(SHAPE)
    check(
        weights,
        "scalar:k=8,codebook_filters=16,codebook_channels=8",
        16 * 8 * 32 + 3 * WORDS,
    )


@pytest.mark.parametrize("shape", ["4x1x1", "2x3x3", "8x1x1x1", "2x1x3x3", "2x2x1x1"])
def test_one_codebook_of_blocks_for_the_layer(shape):
    # And the bit goes down (vectors of channels), Core ML (vectors of filters), AQLM.
    random = np.random.default_rng(1)
    *filters, channels, rows, columns = map(int, shape.split("x"))
    across = filters[0] if filters else 1
    entries = random.normal(size=(32, across, channels, rows, columns)).astype(np.float32)
    grid = (64 // across, 32 // channels, 3 // rows, 3 // columns)
    blocks = entries[random.integers(32, size=grid)]
    weights = blocks.transpose(0, 4, 1, 5, 2, 6, 3, 7).reshape(SHAPE)
    size = entries[0].size
    check(
        np.ascontiguousarray(weights),
        f"block:k=32,shape={shape}",
        32 * size * 32 + 5 * WORDS // size,
    )


def test_a_codebook_of_vectors_for_some_filters():
    random = np.random.default_rng(2)
    entries = random.normal(size=(2, 16, 4)).astype(np.float32)
    indexes = random.integers(16, size=(2, 32, 8, 3, 3))
    vectors = np.stack([entries[half][indexes[half]] for half in range(2)])
    weights = np.moveaxis(vectors, -1, 3).reshape(SHAPE)
    check(
        np.ascontiguousarray(weights),
        "block:k=16,shape=4x1x1,codebook_filters=32",
        2 * 16 * 4 * 32 + 4 * WORDS // 4,
    )


@given(st.integers(2, 64), st.floats(0.002, 0.2), st.integers(0, 50))
@settings(max_examples=20)
def test_a_codebook_beside_outliers(k, share, seed):
    # SqueezeLLM: most weights from few values, the largest as they are.
    random = np.random.default_rng(seed)
    codebook = random.normal(size=k).astype(np.float32)
    weights = codebook[random.integers(k, size=SHAPE)]
    count = int(share * WORDS)
    places = random.choice(WORDS, count, replace=False)
    weights.ravel()[places] = 5 + random.random(count, np.float32)
    width = (k - 1).bit_length() * WORDS
    layer = check(
        weights,
        f"scalar:k={k},outliers={count / WORDS}",
        32 * k + width + count * (32 + 15),
    )
    assert (layer.outliers.positions == np.sort(places)).all()


def test_a_scale_for_each_filter_beside_the_codebook():
    random = np.random.default_rng(3)
    codebook = random.normal(size=16).astype(np.float32)
    scales = np.exp(random.normal(size=64)).astype(np.float32)
    weights = codebook[random.integers(16, size=SHAPE)] * scales[:, None, None, None]
    result, layer = found(weights)
    assert str(layer.part.settings) == "scalar:k=16,filter_scale_bits=32"
    assert result.storage().weights_bits == 16 * 32 + 4 * WORDS + 64 * 32
    error = np.abs(result.decode("conv") - weights).reshape(64, -1).max(axis=1)
    assert (error <= 1e-6 * np.abs(weights).reshape(64, -1).max(axis=1)).all()


# --- units that are zero


def pruned_and_shared(seed=0, k=31, share=0.1):
    random = np.random.default_rng(seed)
    codebook = random.normal(size=k).astype(np.float32)
    weights = codebook[random.integers(k, size=SHAPE)]
    return np.where(random.random(SHAPE) < share, weights, 0).astype(np.float32)


def test_relative_indexes_of_pruned_weights():
    weights = pruned_and_shared()
    result, layer = found(weights, "found:positions=relative")
    assert result.decode("conv").tobytes() == weights.tobytes()
    assert str(layer.part.settings) == "scalar:k=32,positions=relative"
    # Entry by entry, as Deep Compression writes them.
    entries, run = 0, 0
    for weight in weights.ravel().tolist():
        if weight:
            entries, run = entries + 1, 0
        else:
            run += 1
            pads = run == 16
            entries, run = entries + pads, 0 if pads else run
    behind = len(np.trim_zeros(weights.ravel(), "f")) - len(np.trim_zeros(weights.ravel()))
    entries -= behind // 16
    assert result.storage().weights_bits == 32 * 32 + entries * (5 + 4) + 32


def test_a_bitmask_beside_the_codes():
    weights = pruned_and_shared(k=32)
    result, layer = found(weights, "found:positions=bitmask")
    assert result.decode("conv").tobytes() == weights.tobytes()
    assert layer.part.clusters == 33
    used = np.count_nonzero(weights)
    assert result.storage().weights_bits == 32 * 32 + used * 5 + WORDS


def test_the_output_says_what_zeros_would_save():
    weights = pruned_and_shared()
    (note,) = found(weights)[0].notes
    best = min(
        found(weights, f"found:positions={kind}")[0].storage().total_bits
        for kind in ("relative", "bitmask")
    )
    assert f"takes {-(-int(best) // 8):,} bytes in place of" in note
    assert note.startswith("90 % of the clustered weights are zero: with found:positions=")
    dense = np.random.default_rng(0).normal(size=16).astype(np.float32)
    assert found(dense[np.random.default_rng(1).integers(16, size=SHAPE)])[0].notes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("found:positions=some", "positions is 'some'; expected all or relative or bitmask"),
        ("found:position=all", "found has no setting 'position'; expected index, positions"),
        ("found:position_bits=3", "position_bits are those of relative positions"),
        ("found:positions=relative,position_bits=0", "position_bits is 0"),
    ],
)
def test_mistakes_behind_found(text, message):
    with pytest.raises(InputError) as caught:
        found(pruned_and_shared(), text)
    assert message in str(caught.value)


# --- what is no layout


@pytest.mark.parametrize("share", [0.3, 0.7, 1])
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_pruned_dense_weights_are_not_found(share, kind):
    random = np.random.default_rng(0)
    weights = random.normal(size=SHAPE) * (random.random(SHAPE) < share)
    with pytest.raises(InputError, match="no layer has few distinct values"):
        found(weights.astype(kind).astype(np.float32))


def test_clusters_of_the_old_kinds_keep_their_units():
    # A codebook that serves some rows by chance is no layout that anybody chose.
    weights = pruned_and_shared(share=0.5)
    assert found(weights)[1].part.settings.codebook_filters is None


def test_the_genuine_deep_compression_of_squeezenet_with_relative_indexes():
    path = real_file("imagenet_squeezenet1_0_deepcompression.npz")
    result = kcsim.cluster_network("squeezenet1_0", path, "found:positions=relative")
    tensors = np.load(path, allow_pickle=False)
    size = 0.0
    for name in (name for name in tensors.files if name.endswith(".codes")):
        base = name.removesuffix(".codes")
        values = tensors[f"{base}.codebook"][tensors[name]].ravel()
        gaps = np.diff(np.flatnonzero(values), prepend=-1) - 1
        entries = len(gaps) + int((gaps // 16).sum())
        size += 4 + 1024 + 4 * tensors[f"{base}.bias"].size + (8 + 4) / 8 * entries
    assert result.storage().total_bits / 8 == size == 675_756.5
    plain = kcsim.cluster_network("squeezenet1_0", path, "found")
    assert plain.storage().total_bits / 8 == 1_286_976
    for layer in result.network:
        assert (result.decode(layer.name) == plain.decode(layer.name)).all()
