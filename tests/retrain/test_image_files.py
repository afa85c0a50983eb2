"""Images from folders and from files of NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.image_files import has_parts, read_images  # noqa: E402
from kcsim.retrain.images import Images, Preparation  # noqa: E402

SIZE = (4, 6, 3)


def folder(root, classes=("cat", "dog"), count=2, size=(6, 4), mode="RGB"):
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(count):
            shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
            picture = Image.fromarray(rng.integers(0, 255, shape, np.uint8))
            picture.save(root / name / f"{number}.png")
    return root


def test_a_folder_has_a_class_for_each_folder_in_it(tmp_path):
    folder(tmp_path, ("dog", "ant", "cat"), 3)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    pixels, labels = read_images(tmp_path, "train", SIZE)
    assert pixels.shape == (9, 4, 6, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with Image.open(tmp_path / "cat" / "1.png") as picture:
        np.testing.assert_array_equal(pixels[4], np.asarray(picture))
    assert not has_parts(tmp_path)


def test_folders_for_training_and_testing_are_told_apart(tmp_path):
    folder(tmp_path / "train", count=3)
    folder(tmp_path / "val", count=1)
    assert has_parts(tmp_path)
    assert len(read_images(tmp_path, "train", SIZE)[0]) == 6
    assert len(read_images(tmp_path, "test", SIZE)[0]) == 2


@pytest.mark.parametrize("size", [(12, 8), (7, 20), (3, 2), (600, 5)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_of_any_size_are_scaled_and_cropped(size, mode, tmp_path):
    folder(tmp_path, size=size, mode=mode)
    assert read_images(tmp_path, "train", SIZE)[0].shape == (4, 4, 6, 3)
    assert read_images(tmp_path, "train", (4, 6, 1))[0].shape == (4, 4, 6, 1)


def test_a_damaged_picture_is_named(tmp_path):
    folder(tmp_path)
    (tmp_path / "cat" / "1.png").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"1\.png' is no sound picture"):
        read_images(tmp_path, "train", SIZE)


def arrays(path, **parts):
    np.savez(path, **parts)
    return path


def test_files_of_numpy_in_both_spellings(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 255, (5, *SIZE), np.uint8), np.arange(5)
    one = arrays(tmp_path / "one.npz", images=pixels, labels=labels.astype(np.uint8))
    found, classes = read_images(one, "train", SIZE)
    np.testing.assert_array_equal(found, pixels)
    assert classes.tolist() == [0, 1, 2, 3, 4]
    assert not has_parts(one)
    both = arrays(
        tmp_path / "both.npz", x_train=pixels, y_train=labels[:, None], x_test=pixels[:2],
        y_test=labels[:2],
    )  # fmt: skip
    assert has_parts(both)
    assert len(read_images(both, "train", SIZE)[0]) == 5
    assert len(read_images(both, "test", SIZE)[0]) == 2
    first = arrays(tmp_path / "first.npz", images=pixels.transpose(0, 3, 1, 2), labels=labels)
    np.testing.assert_array_equal(read_images(first, "train", SIZE)[0], pixels)
    gray = arrays(tmp_path / "gray.npz", images=pixels[..., 0], labels=labels)
    assert read_images(gray, "train", (4, 6, 1))[0].shape == (5, 4, 6, 1)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"pictures": np.zeros((2, *SIZE), np.uint8)}, "has no 'images'; it has pictures"),
        ({"images": np.zeros((2, *SIZE)), "labels": np.arange(2)}, "of float64; expected uint8"),
        ({"images": np.zeros((2, *SIZE), np.uint8), "labels": np.arange(3)}, "2 classes"),
        ({"images": np.zeros((2, 5, 6, 3), np.uint8), "labels": np.arange(2)}, "4x6x3 for this"),
        ({"images": np.array([None]), "labels": np.arange(1)}, "no sound"),
    ],
)
def test_wrong_arrays_are_refused(parts, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read_images(arrays(tmp_path / "wrong.npz", **parts), "train", SIZE)


def test_what_is_no_data_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "empty").mkdir()
    for path, words in (
        (tmp_path / "text.npz", "holds no images"),
        (tmp_path / "nothing.npz", "no such file"),
        (tmp_path / "empty", "no pictures"),
    ):
        with pytest.raises(InputError, match=words):
            read_images(path, "train", SIZE)


def test_digits_are_split_once_and_for_all():
    pytest.importorskip("sklearn")
    train, labels = read_images("digits", "train", (28, 28, 1))
    test, _ = read_images("digits", "test", (28, 28, 1))
    assert (len(train), len(test)) == (1297, 500)
    assert set(labels) == set(range(10))
    assert not (train.reshape(len(train), -1)[:, None] == test.reshape(500, -1)[:3]).all(2).any()


def pictures(shift=0, mirror=False):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (10, 4, 6, 3), np.uint8)
    return Images(pixels, np.arange(10), Preparation(shift=shift, mirror=mirror))


def test_every_epoch_has_each_image_once_in_another_order():
    data = pictures()
    epochs = [
        np.concatenate([data.training_batch(2, 0, step)[1] for step in range(5 * e, 5 * e + 5)])
        for e in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert list(epochs[0]) != list(epochs[1])


def test_training_images_are_moved_and_mirrored_and_nothing_else():
    data = pictures(shift=1, mirror=True)
    seen = set()
    for step in range(200):
        batch, labels = data.training_batch(5, 0, step)
        for image, label in zip(batch, labels, strict=True):
            found = np.rint(image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
            padded = np.pad(data.pixels[label], ((1, 1), (1, 1), (0, 0)))
            places = itertools.product(range(3), range(3), (1, -1))
            crops = {
                (top, left, turn): padded[top : top + 4, left : left + 6][:, ::turn]
                for top, left, turn in places
            }
            (which,) = [key for key, crop in crops.items() if np.array_equal(crop, found)]
            seen.add(which)
    assert len(seen) == 18


def test_values_are_normalized_by_channel():
    pixels = np.full((1, 2, 2, 3), 255, np.uint8)
    data = Images(pixels, np.zeros(1, np.int64), Preparation((0.5, 0.25, 0.0), (0.5, 0.25, 1.0)))
    ((batch, _),) = data.batches(10)
    assert batch[0, :, 0, 0].tolist() == [1.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": (0.1, 0.2)}, "mean has 2 values"),
        ({"deviation": (0.0,)}, "out of range"),
        ({"shift": -1}, "shift is -1"),
    ],
)
def test_wrong_preparations_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        Images(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.int64), Preparation(**change))
