"""Trained weights from files: safetensors, NumPy, torch, ONNX.

Nothing in a file is run, and everything that is wrong with one is an `InputError`.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import checked
from kcsim.weights.coded import CodedTensor
from kcsim.weights.coded_names import join_codes
from kcsim.weights.coreml_weights import is_package, read_coreml
from kcsim.weights.keras_weights import ARCHIVED, SIGNATURE, read_keras
from kcsim.weights.weight_parts import join_parts

MAX_BYTES = 4 * 2**30
"""What a zip archive may unpack to."""

Tensors = dict[str, NDArray[Any]]
Read = tuple[Tensors, dict[str, str]]
_MAX_SHOWN = 3
_FORMATS = "a file of safetensors, .npz, torch (.pt, .pth), .onnx, Keras or .mlpackage"


class WeightFile(Mapping[str, NDArray[Any]]):
    """The tensors of a file, by name, in its order.

    Attributes
    ----------
    file : str
        The file as the user named it.
    unread : dict of str to str
        What else could be weights, by name, and what it is instead of floating point.
    has_outputs_first : bool
        Whether its format says that rows of a matrix are outputs.
    coded : dict of str to CodedTensor
        Weights that are kept as codes and a codebook. Those of vectors and of several codebooks
        are none of the tensors: only a layer tells their shape.
    notes : tuple of str
        What else was noticed, one sentence each.
    """

    def __init__(
        self,
        file: str,
        tensors: Tensors,
        unread: Mapping[str, str] | None = None,
        has_outputs_first: bool = False,
        coded: Mapping[str, CodedTensor] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.file = file
        self.unread = dict(unread or {})
        self.has_outputs_first = has_outputs_first
        self.coded = dict(coded or {})
        self.notes = notes
        self._tensors = tensors

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"WeightFile({self.file!r}: {len(self)} tensors)"


@checked
def load_weights(path: str | os.PathLike[str]) -> WeightFile:
    """Read the tensors of a file.

    Parameters
    ----------
    path : str or path
        * safetensors;
        * ``.npz``;
        * a torch state dict (``.pt``, ``.pth``; needs the extra ``torch``), also one level down
          (`kcsim.weights.torch_weights`); a prefix ``module.`` is dropped;
        * ``.onnx`` (needs the extra ``onnx``): weights of Conv, Gemm and MatMul in the order of
          the graph, also behind nodes that reorder, look up or scale constants;
        * a Core ML package (``.mlpackage``; needs the extra ``coreml``);
        * Keras (``.keras``, ``.h5``; needs the extra ``keras``), with the axes in kcsim's order.

        The content decides, except between ONNX and what is none of these. Masks and weight
        norms of torch are multiplied out (`kcsim.weights.weight_parts`). Codes and codebooks
        become weights, and so do integers with scales (`kcsim.weights.coded`).

    Returns
    -------
    WeightFile
        Tensors of floating point.

    Raises
    ------
    InputError
        If the file cannot be read, is none of these, is damaged or compressed beyond reason, or
        the extra that reads it is not installed.
    """
    file = os.fspath(path)
    kind, reader = _reader(file)
    with reading(file, kind):
        tensors, unread = reader(file)
        tensors, incomplete = join_parts(tensors)
        tensors, coded, undecoded, integers = join_codes(tensors, file)
    unread |= incomplete | undecoded
    found = {name: value for name, value in tensors.items() if value.dtype.kind == "f"}
    # A vector is no layer's weights.
    unread |= {
        name: value.dtype.name
        for name, value in tensors.items()
        if name not in found and value.ndim > 1
    }
    if odd := [name for name in (*found, *coded, *unread) if not name.isprintable()]:
        raise InputError(Problem(f"'{file}' has a tensor named {odd[0]!r}", "printable names"))
    if not (found or coded):
        raise InputError(_nothing(file, unread))
    is_outputs_first = reader in (_read_torch, _read_onnx, read_coreml, read_keras)
    return WeightFile(file, found, unread, is_outputs_first, coded, _integer_notes(integers))


def _integer_notes(integers: Sequence[str]) -> tuple[str, ...]:
    if not integers:
        return ()
    more = f", ... ({len(integers)} tensors)" if len(integers) > _MAX_SHOWN else ""
    return (f"Integers times their scales: {', '.join(integers[:_MAX_SHOWN])}{more}.",)


def _nothing(file: str, unread: Mapping[str, str]) -> Problem:
    """That a file has no weights, and what it has."""
    if not unread:
        return Problem(f"'{file}' holds no tensors of floating point", "weights")
    shown = [f"{name} is {reason}" for name, reason in unread.items()]
    what = ", ".join(shown[:_MAX_SHOWN]) + (", ..." if len(shown) > _MAX_SHOWN else "")
    return Problem(f"'{file}' holds no weights that are read: {what}", "floating point")


def _reader(file: str) -> tuple[str, Callable[[str], Read]]:
    """The format of a file, and what reads it."""
    if is_package(file):
        return "Core ML package", read_coreml
    start = first_bytes(file)
    if start[:4] == b"PK\x03\x04":
        with reading(file, "zip archive"), zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            is_torch = any(name.endswith("/data.pkl") for name in names)
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise InputError(Problem(f"'{file}' unpacks to {size} bytes", f"at most {MAX_BYTES}"))
        if ARCHIVED in names:
            return "Keras archive", read_keras
        return ("torch file", _read_torch) if is_torch else (".npz file", _read_npz)
    if start[:8] == SIGNATURE:
        return "HDF5 file", read_keras
    if start[8:9] == b"{":
        return "safetensors file", _read_safetensors
    if start[:1] == b"\x80":
        return "torch file", _read_torch
    if file.lower().endswith(".onnx"):
        return "ONNX file", _read_onnx
    raise InputError(Problem(f"'{file}' holds no weights that kcsim can read", _FORMATS))


def first_bytes(file: str) -> bytes:
    """The first 16 bytes of a regular file; refuses what is none or cannot be read."""
    if "\0" in file:
        raise InputError("a file name cannot contain the character U+0000")
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise InputError(Problem(f"'{file}' is not a regular file", _FORMATS))
        with open(file, "rb") as stream:
            return stream.read(16)
    except FileNotFoundError:
        raise InputError(f"no such file: '{file}'") from None
    except OSError as error:
        raise InputError(f"cannot read '{file}': {(error.strerror or '').lower()}") from None


@contextmanager
def reading(file: str, kind: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into one line."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"'{file}' does not fit into memory") from None
    # Readers raise anything on bad bytes: from zlib.error to SyntaxError and KeyError.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"'{file}' is no sound {kind}: {reason}") from None


def read_safetensors(file: str) -> Tensors:
    """All tensors of a safetensors file, those of bfloat16 as float32."""
    from safetensors import deserialize

    tensors = {}
    for name, entry in deserialize(Path(file).read_bytes()):  # type: ignore[no-untyped-call]
        if entry["dtype"] == "BF16":
            half = np.frombuffer(entry["data"], "<u2").astype(np.uint32)
            values: NDArray[Any] = (half << 16).view(np.float32)
        elif entry["dtype"] in _DTYPES:
            values = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]])
        else:
            raise InputError(
                Problem(f"'{file}': tensor {name!r} is of the type {entry['dtype']}",
                        "integers, or floating point of at least 16 bits")
            )  # fmt: skip
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def safetensors_metadata(file: str) -> dict[str, str]:
    """The texts in the header of a safetensors file."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as opened:
        return opened.metadata() or {}


_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def _read_safetensors(file: str) -> Read:
    return read_safetensors(file), {}


def _read_npz(file: str) -> Read:
    tensors: Tensors = {}
    unread = {}
    with np.load(file, allow_pickle=False) as arrays:
        for name in arrays.files:
            # What is no .npy comes as bytes.
            array = arrays[name]
            if isinstance(array, np.ndarray):
                tensors[name] = array
            else:
                unread[name] = "no array of NumPy (.npy)"
    return tensors, unread


def _read_torch(file: str) -> Read:
    from kcsim.weights.torch_weights import read_torch

    return read_torch(file)


def _read_onnx(file: str) -> Read:
    from kcsim.weights.onnx_weights import read_onnx

    return read_onnx(file)
