"""Codes and codebooks in files, under the names and in the shapes that tools write."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

import kcsim
from kcsim.errors import InputError

LAYER = kcsim.ConvLayer("c", 16, 32, 10, 10, 3, 3)
NETWORK = kcsim.Network("n", (LAYER,))
RANDOM = np.random.default_rng(0)
SHAPE = (32, 16, 3, 3)


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def codes(k, *shape):
    return RANDOM.integers(0, k, shape).astype(np.uint8)


def written(tensors, path):
    """A file of the kind that its ending says."""
    tensors = {name: np.ascontiguousarray(each) for name, each in tensors.items()}
    if path.suffix == ".npz":
        np.savez(path, **tensors)
    elif path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(each) for name, each in tensors.items()}, path)
    return path


endings = pytest.mark.parametrize("ending", ["npz", "safetensors", "pt"])


def read(tensors, path, network=NETWORK):
    result = kcsim.cluster_network(network, written(tensors, path), "found")
    return result, result.layers["c"].part.settings


def scalars():
    k, book = codes(16, *SHAPE), floats(16)
    return k, book, book[k]


def kernels():
    k, book = codes(8, 32, 16), floats(8, 9)
    return k, book, book[k].reshape(SHAPE)


@endings
@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("c.codes", "c.codebook"),
        ("c.weight.codes", "c.weight.codebook"),
        ("c.indices", "c.lut"),
        ("c.weight_indices", "c.weight_lut"),
        ("c.assignments", "c.centroids"),
        ("c.indexes", "c.palette"),
        ("module.c.labels", "module.c.centroids"),
    ],
)
@pytest.mark.parametrize("made", [scalars, kernels])
def test_usual_names(tmp_path, ending, of, to, made):
    k, book, weights = made()
    result, _ = read({of: k, to: book}, tmp_path / f"w.{ending}")
    assert result.decode("c").tobytes() == weights.tobytes()
    expected = {"scalars": 512 + 18_432, "kernels": 8 * 9 * 32 + 512 * 3}[made.__name__]
    assert result.storage().total_bits == expected


def lut_of_filters():
    book, k = floats(4, 1, 1, 1, 16, 1), codes(16, *SHAPE)
    return k, book, np.stack([book[m // 8, 0, 0, 0, :, 0][k[m]] for m in range(32)])


def lut_of_channels():
    book, k = floats(1, 4, 16), codes(16, *SHAPE)
    return k, book, np.stack([book[0, c // 4][k[:, c]] for c in range(16)], axis=1)


def lut_of_each_filter():
    book, k = floats(32, 16), codes(16, *SHAPE)
    return k, book, np.stack([book[m][k[m]] for m in range(32)])


def one_table():
    book, k = floats(1, 1, 16, 1), codes(16, *SHAPE)
    return k, book, book.ravel()[k]


def vectors_of_channels():
    book, k = floats(16, 4), codes(16, 32, 4, 3, 3)
    return k, book, np.moveaxis(book[k], -1, 2).reshape(SHAPE)


def vectors_of_filters():
    book, k = floats(16, 8), codes(16, 4, 16, 3, 3)
    return k, book, np.moveaxis(book[k], -1, 1).reshape(SHAPE)


def kernels_with_taps():
    book, k = floats(8, 2, 3, 3), codes(8, 32, 8)
    return k, book, book[k].reshape(SHAPE)


def rows():
    book, k = floats(8, 3), codes(8, 32, 16, 3)
    return k, book, book[k].reshape(SHAPE)


def vectors_for_halves_of_the_filters():
    book, k = floats(2, 1, 1, 1, 16, 4), codes(16, 32, 4, 3, 3)
    halves = [np.moveaxis(book[m // 16, 0, 0, 0][k[m]], -1, 1).reshape(16, 3, 3) for m in range(32)]
    return k, book, np.stack(halves)


def sums_of_kernels():
    book, k = floats(3, 8, 9), codes(8, 32, 16, 3)
    return k, book, sum(book[i][k[..., i]] for i in range(3)).reshape(SHAPE)


def sums_with_stages_first():
    book, k = floats(2, 8, 2, 3, 3), codes(8, 2, 32, 8)
    return k, book, (book[0][k[0]] + book[1][k[1]]).reshape(SHAPE)


@endings
@pytest.mark.parametrize(
    ("made", "settings"),
    [
        (lut_of_filters, "scalar:k=16,codebook_filters=8"),
        (lut_of_channels, "scalar:k=16,codebook_channels=4"),
        (lut_of_each_filter, "scalar:k=16,codebook_filters=1"),
        (one_table, "scalar:k=16"),
        (vectors_of_channels, "block:k=16,shape=4x1x1"),
        (vectors_of_filters, "block:k=16,shape=8x1x1x1"),
        (kernels_with_taps, "block:k=8,shape=2x3x3"),
        (rows, "row:k=8"),
        (vectors_for_halves_of_the_filters, "block:k=16,shape=4x1x1,codebook_filters=16"),
        (sums_of_kernels, "kernel:k=8,stages=3"),
        (sums_with_stages_first, "block:k=8,shape=2x3x3,stages=2"),
    ],
)
def test_shapes_of_codes_and_codebooks(tmp_path, ending, made, settings):
    k, book, weights = made()
    result, found = read({"c.codes": k, "c.codebook": book}, tmp_path / f"w.{ending}")
    assert result.decode("c").tobytes() == weights.tobytes()
    text = str(found).replace("scope=layer,", "").replace(",dense=none", "")
    assert text.replace(",scope=layer", "") == settings


def test_what_a_file_says_is_kept_by_other_schemes_as_weights(tmp_path):
    k, book, weights = vectors_of_channels()
    path = written({"c.codes": k, "c.codebook": book}, tmp_path / "w.npz")
    result = kcsim.cluster_network(NETWORK, path, "scalar:k=64")
    assert result.layers["c"].variance_kept > 0.99
    assert np.abs(result.decode("c") - weights).max() < 1


def test_scales_of_filters_beside_a_codebook(tmp_path):
    k, book, weights = scalars()
    scales = np.abs(floats(32)) + 0.1
    tensors = {"c.codes": k, "c.codebook": book, "c.scales": scales.reshape(32, 1, 1, 1)}
    result, settings = read(tensors, tmp_path / "w.npz")
    assert settings.filter_scale_bits == 32
    expected = weights * scales[:, None, None, None]
    assert result.decode("c").tobytes() == expected.tobytes()
    assert result.storage().total_bits == 512 + 18_432 + 32 * 32


@pytest.mark.parametrize("packed", [True, False])
def test_codes_beside_a_mask(tmp_path, packed):
    mask = RANDOM.random(SHAPE) < 0.3
    book, k = floats(16), codes(16, *SHAPE)
    weights = np.where(mask, book[k], 0).astype(np.float32)
    tensors = {"c.codes": k[mask] if packed else k, "c.codebook": book, "c.mask": mask}
    result, settings = read(tensors, tmp_path / "w.npz")
    assert result.decode("c").tobytes() == weights.tobytes()
    assert settings.positions == "bitmask"
    assert result.storage().total_bits == 16 * 32 + mask.size + 4 * mask.sum()


def test_codes_of_signed_bytes_are_wrapped(tmp_path):
    # AQLM keeps numbers up to 255 as int8.
    book, k = floats(2, 256, 1, 8), RANDOM.integers(0, 256, (40, 8, 2))
    network = kcsim.Network("n", (kcsim.ConvLayer.linear("c", 64, 40),))
    weights = (book[0, :, 0][k[..., 0]] + book[1, :, 0][k[..., 1]]).reshape(40, 64)
    tensors = {"c.codes": k.astype(np.uint8).view(np.int8), "c.codebooks": book,
               "c.scales": np.ones((40, 1, 1, 1), np.float32)}  # fmt: skip
    result, settings = read(tensors, tmp_path / "w.npz", network)
    assert (result.decode("c")[:, :, 0, 0] == weights).all()
    assert (settings.stages, settings.shape) == (2, "8x1x1")


# --- integers and scales


@endings
@pytest.mark.parametrize("name", ["c.scale", "c.weight_scale", "c.weight.scales"])
@pytest.mark.parametrize("shape", [(), (32,), (32, 1, 1, 1)])
def test_integers_with_scales(tmp_path, ending, name, shape):
    integers = RANDOM.integers(-127, 128, SHAPE).astype(np.int8)
    scales = np.abs(floats(*shape)) + np.float32(0.1)
    weights = integers * scales.reshape(-1, 1, 1, 1)
    result, settings = read({"c.weight": integers, name: scales}, tmp_path / f"w.{ending}")
    assert result.decode("c").tobytes() == weights.tobytes()
    assert settings.filter_scale_bits == (32 if shape else None)
    assert "Integers times their scales: c.weight is int8." in result.notes


def test_zero_points_are_taken_off(tmp_path):
    integers = RANDOM.integers(0, 256, SHAPE).astype(np.uint8)
    tensors = {"c.weight": integers, "c.scale": np.float32(0.5), "c.zero_point": np.uint8(128)}
    result, _ = read(tensors, tmp_path / "w.npz")
    assert (result.decode("c") == (integers.astype(np.float32) - 128) / 2).all()


# --- what is wrong


def refused(tensors, path, network=NETWORK):
    with pytest.raises(InputError) as caught:
        read(tensors, path, network)
    return str(caught.value)


def test_codes_that_make_no_weights_of_a_layer(tmp_path):
    tensors = {"c.codes": codes(8, 32, 15), "c.codebook": floats(8, 9)}
    assert (
        refused(tensors, tmp_path / "w.npz")
        .splitlines()[0]
        .endswith(
            "'c.weight' is 32x15 codes of a 8x9 codebook, which fit no layer; "
            "expected weights of floating point"
        )
    )


def test_codes_beyond_their_codebook(tmp_path):
    tensors = {"c.codes": np.full((32, 16), 8, np.uint8), "c.codebook": floats(8, 9)}
    assert "32x16 codes of a 8x9 codebook, which fit no layer" in refused(
        tensors, tmp_path / "w.npz"
    )
    tensors = {"c.codes": np.full(SHAPE, 8, np.uint8), "c.codebook": floats(8)}
    assert "tensor 'c.codes' holds 8 to 8; expected 0 to 7" in refused(tensors, tmp_path / "w.npz")


def test_codes_and_codebooks_of_other_types(tmp_path):
    tensors = {"c.indices": floats(*SHAPE), "c.lut": floats(8)}
    assert "'c.indices', which has the type float32" in refused(tensors, tmp_path / "w.npz")
    tensors = {"c.codes": codes(8, *SHAPE), "c.codebook": codes(9, 8)}
    assert "has a codebook of uint8; expected values of floating" in refused(
        tensors, tmp_path / "w.npz"
    )


def test_codes_without_a_codebook_are_named(tmp_path):
    tensors = {"c.codes": codes(8, *SHAPE), "d.weight": floats(4, 4)}
    assert "c.codes is uint8" in refused(tensors, tmp_path / "w.npz")


def test_vectors_are_named_where_there_is_nothing_else(tmp_path):
    error = refused({"flat": floats(4608), "c.bias": floats(32)}, tmp_path / "w.npz")
    assert "vectors, which are no weights of layers: flat (4608), c.bias (32)" in error


@pytest.mark.parametrize("has_zero", [True, False])
def test_codes_at_relative_positions(tmp_path, has_zero):
    # EIE and Deep Compression: the zeros before each weight, in 4 bits; padding is zero.
    book = np.append(floats(15), 0).astype(np.float32)
    k = np.where(RANDOM.random(SHAPE) < 0.1, RANDOM.integers(0, 15, SHAPE), 15)
    k.ravel()[-1] = 3
    entries, before, run = [], [], 0
    for code in k.ravel().tolist():
        if code == 15 and (run < 15 or not has_zero):
            run += 1
            continue
        entries.append(code)
        before.append(run)
        run = 0
    tensors = {
        "c.codes": np.array(entries, np.uint8),
        "c.codebook": book if has_zero else book[:15],
        "c.zeros_before": np.array(before, np.uint8),
    }
    result, settings = read(tensors, tmp_path / "w.npz")
    assert result.decode("c").tobytes() == book[k].tobytes()
    assert settings.positions == "relative"
    if has_zero:
        assert settings.position_bits == 4
        assert result.storage().total_bits == 16 * 32 + len(entries) * (4 + 4) + 32


def test_relative_positions_that_lead_nowhere(tmp_path):
    tensors = {"c.codes": codes(4, 9), "c.codebook": floats(4), "c.gaps": np.full(9, 600)}
    assert "9 codes of a 5 codebook, which fit no layer" in refused(tensors, tmp_path / "w.npz")
