"""Images from folders and from files of NumPy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem, missing_package, nearest
from kcsim.weights.weight_files import first_bytes, reading

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
Size = tuple[int, int, int]
"""Rows, columns and channels of an image."""

DIGITS = "digits"
"""The word that stands for the handwritten digits of scikit-learn."""
_DIGITS_TESTED = 500

PARTS = {"train": ("train", "training"), "test": ("test", "val", "validation")}
"""What the folders and the arrays of a part of the data are called."""

_PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_images(path: str | os.PathLike[str], part: str, size: Size) -> Arrays:
    """Images and their classes.

    Parameters
    ----------
    path : str or path
        A folder with one folder of pictures for each class, or with such folders under ``train``
        and ``test`` (or ``val``); a file of NumPy (``.npz``) with ``images`` and ``labels``, or
        with ``x_train``, ``y_train``, ``x_test`` and ``y_test``; or the word ``digits``.
    part : str
        ``train`` or ``test``, where the data have both.
    size : (int, int, int)
        Rows, columns and channels that images are to have. Pictures of another size are scaled
        until they cover it, and cropped in their middle; arrays must have it.

    Returns
    -------
    pixels : uint8[N, H, W, C]
    labels : int64[N]

    Raises
    ------
    InputError
        If there are no such images.
    """
    file = os.fspath(path)
    if file == DIGITS:
        pixels, labels = _digits(part)
    elif "\0" not in file and os.path.isdir(file):
        return _folder(Path(file), part, size)
    else:
        pixels, labels = _arrays(file, part)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim == 4 and pixels.shape[1:] != size and pixels.shape[1:] == (size[2], *size[:2]):
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    if pixels.shape[1:] != size:
        shown, wanted = ("x".join(map(str, each)) for each in (pixels.shape[1:], size))
        raise InputError(Problem(f"'{file}': images are {shown}", f"{wanted} for this network"))
    return pixels, labels.astype(np.int64)


def has_parts(path: str | os.PathLike[str]) -> bool:
    """Whether data have images for training and for testing apart."""
    file = os.fspath(path)
    if file == DIGITS:
        return True
    if "\0" in file or not os.path.isdir(file):
        return bool(_names(file, "test"))
    return all(_part_folder(Path(file), part) for part in PARTS)


def _part_folder(folder: Path, part: str) -> Path | None:
    return next((folder / name for name in PARTS[part] if (folder / name).is_dir()), None)


def _folder(folder: Path, part: str, size: Size) -> Arrays:
    root = _part_folder(folder, part) or folder
    classes = sorted(each.name for each in root.iterdir() if each.is_dir())
    files = [
        (picture, label)
        for label, name in enumerate(classes)
        for picture in sorted((root / name).iterdir())
        if picture.suffix.lower() in _PICTURES
    ]
    if not files:
        what = f"'{root}' has no pictures in folders of classes"
        expected = "a folder for each class, with pictures as .png or .jpg"
        raise InputError(Problem(what, expected))
    pixels = np.empty((len(files), *size), np.uint8)
    for place, (picture, _) in enumerate(files):
        pixels[place] = _picture(picture, size)
    return pixels, np.array([label for _, label in files], np.int64)


def _picture(file: Path, size: Size) -> NDArray[np.uint8]:
    """A picture, scaled until it covers the size and cropped in its middle."""
    from PIL import Image

    rows, columns, channels = size
    with reading(str(file), "picture"), Image.open(file) as opened:
        image = opened.convert("L" if channels == 1 else "RGB")
        if image.size != (columns, rows):
            scale = max(columns / image.width, rows / image.height)
            scaled = (
                max(columns, round(image.width * scale)), max(rows, round(image.height * scale))
            )  # fmt: skip
            image = image.resize(scaled, Image.Resampling.BILINEAR)
            left, top = (image.width - columns) // 2, (image.height - rows) // 2
            image = image.crop((left, top, left + columns, top + rows))
        return np.asarray(image, np.uint8).reshape(size)


def _names(file: str, part: str) -> tuple[str, str] | None:
    """The arrays of a part in a file that has parts."""
    with _opened(file) as arrays:
        for name in PARTS[part]:
            if f"x_{name}" in arrays and f"y_{name}" in arrays:
                return f"x_{name}", f"y_{name}"
    return None


def _opened(file: str) -> Any:
    start = first_bytes(file)
    if start[:4] != b"PK\x03\x04":
        raise InputError(Problem(f"'{file}' holds no images", "a folder, or an .npz of NumPy"))
    with reading(file, ".npz file"):
        return np.load(file, allow_pickle=False)


def _arrays(file: str, part: str) -> Arrays:
    names = _names(file, part) or ("images", "labels")
    with _opened(file) as arrays, reading(file, ".npz file"):
        for name in names:
            if name not in arrays:
                found = ", ".join(arrays.files[:6]) or "nothing"
                what = f"'{file}' has no {name!r}; it has {found}"
                expected = "images and labels, or x_train, y_train, x_test and y_test"
                raise InputError(Problem(what, expected, nearest(name, arrays.files)))
        pixels, labels = arrays[names[0]], arrays[names[1]].squeeze()
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        shape = "x".join(map(str, pixels.shape))
        what = f"'{file}': {names[0]} is {shape} of {pixels.dtype}"
        raise InputError(Problem(what, "uint8, (N, H, W) or (N, H, W, C)"))
    if labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        what = f"'{file}': {names[1]} is {labels.shape} of {labels.dtype}"
        raise InputError(Problem(what, f"{len(pixels)} classes as whole numbers"))
    return pixels, labels


def _digits(part: str) -> Arrays:
    """Digits of 8x8, scaled to 28x28: 1,297 to train with, 500 to test."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise missing_package("the digits need", "scikit-learn") from None
    from PIL import Image

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    chosen = order[:_DIGITS_TESTED] if part == "test" else order[_DIGITS_TESTED:]
    small = (found.images[chosen] * (255 / 16)).astype(np.uint8)
    scaled = [Image.fromarray(e).resize((28, 28), Image.Resampling.BILINEAR) for e in small]
    return np.stack([np.asarray(e) for e in scaled]), found.target[chosen]
