"""Core ML packages: what the tools of Apple write is read as they compute it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kcsim
from kcsim.errors import InputError
from kcsim.weights.coreml_weights import looked_up

NETWORK = kcsim.Network("one", (kcsim.ConvLayer("conv1", 32, 64, 16, 16, 3, 3),))
RANDOM = np.random.default_rng(0)
WORDS = 64 * 32 * 9


def package(folder, compress, target="iOS18"):
    """A small program whose weights were compressed, saved; and its weights."""
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil import Builder

    weights = RANDOM.normal(size=(64, 32, 3, 3)).astype(np.float32)
    version = getattr(ct.target, target)

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 32, 8, 8))], opset_version=version)
    def program(x):
        return Builder.conv(x=x, weight=weights, pad_type="same", name="conv1")

    model = ct.convert(
        program, convert_to="mlprogram", minimum_deployment_target=version, skip_model_load=True,
        compute_precision=ct.precision.FLOAT32,
    )  # fmt: skip
    path = folder / "model.mlpackage"
    compress(ct.optimize.coreml, model).save(str(path))
    return path, weights


def palettized(**settings):
    def compress(tools, model):
        config = tools.OpPalettizerConfig(mode="kmeans", nbits=4, **settings)
        return tools.palettize_weights(model, tools.OptimizationConfig(global_config=config))

    return compress


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("settings", "target", "layout", "bits"),
    [
        ({}, "iOS16", "scalar:k=16", 16 * 32 + 4 * WORDS),
        ({}, "iOS18", "scalar:k=16", 16 * 32 + 4 * WORDS),
        (
            {"granularity": "per_grouped_channel", "group_size": 16},
            "iOS18",
            "scalar:k=16,codebook_filters=16",
            4 * 16 * 32 + 4 * WORDS,
        ),
        ({"cluster_dim": 2}, "iOS18", "block:k=16,shape=2x1x1x1", 16 * 2 * 32 + 2 * WORDS),
    ],
)
def test_palettized_weights(tmp_path, settings, target, layout, bits):
    path, weights = package(tmp_path, palettized(**settings), target)
    result = kcsim.cluster_network(NETWORK, path, "found")
    assert str(result.layers["conv1"].part.settings).removesuffix(",dense=none") == layout
    assert result.storage().weights_bits == bits
    error = np.square(result.decode("conv1") - weights).mean()
    assert error < 0.2 * weights.var()


@pytest.mark.filterwarnings("ignore")
def test_weights_that_were_pruned_and_palettized(tmp_path):
    def compress(tools, model):
        pruner = tools.OpMagnitudePrunerConfig(target_sparsity=0.7, weight_threshold=0)
        pruned = tools.prune_weights(model, tools.OptimizationConfig(global_config=pruner))
        config = tools.OpPalettizerConfig(mode="kmeans", nbits=4)
        config = tools.OptimizationConfig(global_config=config)
        return tools.palettize_weights(pruned, config, joint_compression=True)

    path, weights = package(tmp_path, compress)
    result = kcsim.cluster_network(NETWORK, path, "found")
    kept = np.abs(weights) > np.quantile(np.abs(weights), 0.7)
    assert abs(np.count_nonzero(result.decode("conv1")) - kept.sum()) < 10
    assert result.layers["conv1"].part.settings.positions == "bitmask"
    used = np.count_nonzero(result.layers["conv1"].indexes)
    assert result.storage().weights_bits == 16 * 32 + WORDS + 4 * used


@pytest.mark.filterwarnings("ignore")
def test_integers_of_a_package(tmp_path):
    def compress(tools, model):
        config = tools.OpLinearQuantizerConfig(mode="linear_symmetric")
        config = tools.OptimizationConfig(global_config=config)
        return tools.linear_quantize_weights(model, config)

    path, weights = package(tmp_path, compress)
    result = kcsim.cluster_network(NETWORK, path, "found")
    steps = np.abs(weights).reshape(64, -1).max(axis=1) / 127
    assert (np.abs(result.decode("conv1") - weights) <= 0.51 * steps[:, None, None, None]).all()
    assert result.layers["conv1"].part.settings.filter_scale_bits == 32


def test_a_package_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "coremltools", None)
    (tmp_path / "Manifest.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"needs coremltools; install it with: pip install"):
        kcsim.load_weights(tmp_path)


def test_a_folder_is_no_package(tmp_path):
    with pytest.raises(InputError, match="is not a regular file"):
        kcsim.load_weights(tmp_path)


@pytest.mark.parametrize("axis", [0, 1])
def test_tables_of_blocks_by_definition(axis):
    codes = RANDOM.integers(0, 5, (4, 6))
    lut = RANDOM.normal(size=(2, 3, 5, 2)).astype(np.float32)
    weights = looked_up(codes, lut, axis)
    for i in range(4):
        for j in range(6):
            pair = lut[i // 2, j // 2, codes[i, j]]
            for n in range(2):
                place = (2 * i + n, j) if axis == 0 else (i, 2 * j + n)
                assert weights[place] == pair[n]
