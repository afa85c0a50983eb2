"""Weights that a file keeps as codes and a codebook, or as integers and scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem
from kcsim.weights.coded import CodedTensor, along, is_flat, unsigned

Array = NDArray[Any]

CODES = ("codes", "indices", "indexes", "index", "labels", "assignments", "pulling_indices")
"""Last words of the names under which tools keep codes."""
CODEBOOKS = ("codebook", "codebooks", "lut", "luts", "centroids", "cluster_centroids", "palette")
"""Likewise, of codebooks."""
SCALES = ("scale", "scales")
MASKS = ("mask", "bitmask")
ZEROS_BEFORE = (
    "zeros_before", "gaps", "runs", "run_lengths", "relative_positions", "relative_indexes",
    "relative_index",
)  # fmt: skip
ZERO_POINTS = ("zero_point", "zero_points")
_WEIGHTS = ("weight", "kernel")
_MOST_INTEGERS = 256


class Joined(NamedTuple):
    """What the tensors of a file make up.

    Attributes
    ----------
    tensors : dict of str to array
        In the order of the file; without weights whose shape only a layer tells.
    coded : dict of str to CodedTensor
        Weights that are made of codes, those among them.
    unread : dict of str to str
        What is the matter with codes and codebooks that make up nothing.
    integers : list of str
        Weights that are integers times scales, and of which type.
    """

    tensors: dict[str, Array]
    coded: dict[str, CodedTensor]
    unread: dict[str, str]
    integers: list[str]


def join_codes(tensors: Mapping[str, Array], file: str) -> Joined:
    """Put codes and codebooks together, and integers and their scales.

    Parameters
    ----------
    tensors : mapping of str to array
    file : str
        For messages.

    Returns
    -------
    Joined

    Raises
    ------
    InputError
        If a tensor that is named as codes holds none.
    """
    joined = Joined({}, {}, {}, [])
    wholes: dict[str, str] = {}
    used: set[str] = set()
    weights: dict[str, Array] = {}
    for name, tensor in tensors.items():
        base, word = _split(name, CODES)
        partners = _Partners.of(base, tensors) if word else None
        if partners is not None:
            used |= {name, *partners.names}
            whole, made = _weight_name(base), partners.put_together(tensor, tensors)
            if isinstance(made, CodedTensor):
                joined.coded[whole] = made
                wholes[name] = whole
            elif word == CODES[0]:
                raise InputError(Problem(f"'{file}': tensor {name!r} {made[0]}", made[1]))
            else:
                joined.unread[whole] = f"{name!r}, which {made[0]}"
        elif tensor.dtype.kind in "iu" and tensor.ndim > 1 and _is_weight(name):
            made_of = _dequantized(name, tensors, used)
            if made_of is not None:
                weights[name] = made_of[0]
                joined.integers.append(f"{name} is {tensor.dtype.name}")
                if made_of[1] is not None:
                    joined.coded[name] = made_of[1]
    for name, tensor in tensors.items():
        if name in wholes:
            scalars = joined.coded[wholes[name]].weights
            if scalars is not None:
                joined.tensors[wholes[name]] = scalars
        elif name not in used:
            joined.tensors[name] = weights.get(name, tensor)
    return joined


class _Partners(NamedTuple):
    """The tensors beside codes, by name."""

    codebook: str
    scales: str | None
    mask: str | None
    zeros_before: str | None

    @classmethod
    def of(cls, base: str, tensors: Mapping[str, Array]) -> _Partners | None:
        """Those of one base; ``None`` where there is no codebook."""
        codebook = _partner(base, CODEBOOKS, tensors)
        if codebook is None:
            return None
        others = (_partner(base, words, tensors) for words in (SCALES, MASKS, ZEROS_BEFORE))
        return cls(codebook, *others)

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        return [name for name in self if name]

    def put_together(
        self, codes: Array, tensors: Mapping[str, Array]
    ) -> CodedTensor | tuple[str, str]:
        """Codes with these; or what is the matter with them, and what was expected."""
        scales = None if self.scales is None else tensors[self.scales]
        made = _coded(codes, tensors[self.codebook], scales)
        if isinstance(made, CodedTensor) and self.mask is not None:
            return _beside_mask(made, tensors[self.mask] != 0)
        if isinstance(made, CodedTensor) and self.zeros_before is not None:
            return _at_distances(made, tensors[self.zeros_before])
        return made


def _split(name: str, words: tuple[str, ...]) -> tuple[str, str]:
    """A name without its last word and that, if it is one of some words."""
    for word in sorted(words, key=len, reverse=True):
        for separator in "._/":
            if name.lower().endswith(separator + word):
                return name[: -len(word) - 1], word
    return name, ""


def _partner(base: str, words: tuple[str, ...], tensors: Mapping[str, Array]) -> str | None:
    """A tensor of the same base with one of some last words."""
    stems = (base, *(base[: -len(word) - 1] for word in _WEIGHTS if base.endswith(f".{word}")))
    for stem in stems:
        for word in words:
            for separator in "._/":
                if f"{stem}{separator}{word}" in tensors:
                    return f"{stem}{separator}{word}"
    return None


def _is_weight(name: str) -> bool:
    return any(name == word or name.endswith((f".{word}", f"/{word}")) for word in _WEIGHTS)


def _weight_name(base: str) -> str:
    return base if _is_weight(base) else f"{base}.weight"


def _coded(codes: Array, codebook: Array, scales: Array | None) -> CodedTensor | tuple[str, str]:
    """Codes and a codebook; or what is the matter with them, and what was expected."""
    if codes.dtype.kind not in "iu":
        return f"has the type {codes.dtype.name}", "integers, which number entries of its codebook"
    if codebook.dtype.kind != "f" or not codebook.size:
        return f"has a codebook of {codebook.dtype.name}", "values of floating point"
    if scales is not None and scales.dtype.kind != "f":
        return f"has scales of {scales.dtype.name}", "values of floating point"
    if is_flat(codebook.shape) and codes.size:
        codes = unsigned(codes, codebook.size)
        least, most = int(codes.min()), int(codes.max())
        if not 0 <= least <= most < codebook.size:
            expected = f"0 to {codebook.size - 1}, the entries of its codebook"
            return f"holds {least} to {most}", expected
    return CodedTensor(codes, codebook, scales)


def _beside_mask(given: CodedTensor, mask: Array) -> CodedTensor | tuple[str, str]:
    """Codes of the weights that a mask has, and zeros: one entry more, the first."""
    codes = np.zeros(mask.shape, np.int32)
    if given.codes.size == np.count_nonzero(mask):
        codes[mask] = given.codes.ravel() + 1
    elif given.codes.shape == mask.shape:
        codes[mask] = given.codes[mask] + 1
    else:
        return (
            f"has {given.codes.size} codes beside a mask of {np.count_nonzero(mask)}",
            "a code for each weight that the mask has, or for all",
        )
    book = given.codebook
    axis = -1 if is_flat(book.shape) and book.ndim == 1 else (0 if book.ndim == 2 else -2)
    zero = np.zeros_like(np.take(book, [0], axis=axis))
    return CodedTensor(codes, np.concatenate([zero, book], axis=axis), given.scales, "bitmask")


def _at_distances(given: CodedTensor, zeros: Array) -> CodedTensor | tuple[str, str]:
    """Codes of some weights and the zeros before each; entry 0 becomes that of zero."""
    wanted = "the number of zeros before each code"
    if zeros.dtype.kind not in "iu" or zeros.size != given.codes.size or zeros.min(initial=0) < 0:
        return f"has {zeros.size} relative positions of {zeros.dtype.name}", wanted
    if not is_flat(given.codebook.shape):
        return f"has relative positions and a {given.codebook.ndim}-dimensional codebook", wanted
    book, codes = given.codebook.ravel(), given.codes.ravel().astype(np.int64)
    if not (book == 0).any():
        book, codes = np.concatenate([np.zeros_like(book[:1]), book]), codes + 1
    rank = np.argsort(np.argsort(book != 0, kind="stable"), kind="stable")
    ordered = book[np.argsort(book != 0, kind="stable")]
    return CodedTensor(
        rank[codes].astype(np.int32), ordered, given.scales, "relative", zeros.ravel()
    )


def _dequantized(
    name: str, tensors: Mapping[str, Array], used: set[str]
) -> tuple[Array, CodedTensor | None] | None:
    """Integers times their scales, less a zero point; nothing where there are no scales.

    With a scale for each filter, or one, the integers are also a codebook.
    """
    values = tensors[name]
    scale_name = _partner(name, SCALES, tensors)
    zero_name = _partner(name, ZERO_POINTS, tensors)
    if scale_name is None or tensors[scale_name].dtype.kind != "f":
        return None
    given = tensors[scale_name].astype(np.float32)
    scale = along(given, values)
    zero = None if zero_name is None else along(tensors[zero_name].astype(np.float32), values)
    if scale is None or (zero_name is not None and zero is None):
        return None
    used |= {scale_name} | ({zero_name} if zero_name else set())
    centered = values.astype(np.float32) - (0 if zero is None else zero)
    weights = np.asarray(centered * scale, np.float32)
    entries = np.unique(centered)
    if given.size not in (1, len(values)) or len(entries) > _MOST_INTEGERS:
        return weights, None
    codes = np.searchsorted(entries, centered).astype(np.int32)
    return weights, CodedTensor(codes, entries, given)
