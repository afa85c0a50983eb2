"""Files that are read and written as a whole, and what their first bytes say."""

from __future__ import annotations

import itertools
import os
import secrets
import stat
from pathlib import Path

from kcsim.errors import InputError, Problem, nearest


def binary_format(start: bytes) -> str:
    """What a file of numbers is by its first 9 bytes; empty for all else.

    Parameters
    ----------
    start : bytes
    """
    if start[8:9] == b"{" and start[4:8] == bytes(4):
        return "a file of safetensors"
    known = {
        b"PK\x03\x04": "a zip archive, as NumPy and torch write",
        b"\x80": "a pickle, as torch writes",
        b"\x08": "a protocol buffer, as ONNX models are",
        b"\x89HDF": "an HDF5 file, as Keras writes",
        b"\x93NUMPY": "an array of NumPy",
    }
    return next((text for magic, text in known.items() if start.startswith(magic)), "")


def read_text_file(file: str, most_bytes: int) -> bytes:
    """The content of a file that is to be a text.

    Parameters
    ----------
    file : str
    most_bytes : int
        What it may hold.

    Raises
    ------
    InputError
        If it is no regular file, is larger, holds weights, or cannot be read.
    """
    if "\0" in file:
        raise InputError("a file name cannot contain the character U+0000")
    try:
        mode = os.stat(file).st_mode
        if not stat.S_ISREG(mode):
            kind = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file"
            raise InputError(Problem(f"'{file}' {kind}", "a file"))
        with open(file, "rb") as stream:
            content = stream.read(most_bytes + 1)
    except FileNotFoundError:
        raise InputError(Problem(f"no such file: '{file}'", suggestion=_neighbor(file))) from None
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"cannot read '{file}': {reason}") from None
    if kind := binary_format(content[:9]):
        raise InputError(
            Problem(f"'{file}' is {kind}", "a text in YAML; weights are for --weights")
        )
    if len(content) > most_bytes:
        raise InputError(too_large(file, most_bytes))
    return content


def too_large(file: str, most_bytes: int) -> Problem:
    """That a file is larger than it may be."""
    return Problem(f"'{file}' is too large", f"at most {most_bytes // 1_000_000} MB")


def _neighbor(file: str) -> str:
    """The file in the same folder whose name is nearest, or an empty string."""
    folder, name = os.path.split(file)
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in itertools.islice(entries, 1000) if entry.is_file()]
    except OSError:
        return ""
    near = nearest(name, names)
    return os.path.join(folder, near) if near else ""


def check_writable(path: str | os.PathLike[str]) -> None:
    """See whether a file can be written, before long work to produce it.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InputError
        If its folder is missing, it is a folder itself, or one may not write there.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(Problem(f"cannot write '{path}': it is a folder", "the name of a file"))
    if not target.parent.is_dir():
        raise InputError(
            Problem(
                f"cannot write '{path}': there is no folder '{target.parent}'",
                "a folder that exists",
            )
        )
    needed = [target] if target.exists() else []
    if not _is_device(target):
        needed.append(Path(os.path.realpath(target)).parent)
    for place in needed:
        if not os.access(place, os.W_OK):
            raise InputError(f"cannot write '{path}': no permission to write to '{place}'")


def write_whole(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file so that nobody ever sees a part of it.

    What was there stays until all of the new content is on its way; a failure
    leaves it as it was.

    Parameters
    ----------
    path : str or path
        A link is followed; a device such as ``/dev/stdout`` is written to.
    data : bytes or str
        Texts are written in UTF-8.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    check_writable(path)
    content = data.encode() if isinstance(data, str) else data
    target = Path(path)
    try:
        if _is_device(target):
            target.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(target)), content)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}") from error


def _is_device(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _replace(target: Path, content: bytes) -> None:
    beside = target.with_name(f".{target.name[:50]}.{secrets.token_hex(6)}")
    with beside.open("xb") as file:
        try:
            file.write(content)
            file.flush()
            if target.exists():
                beside.chmod(target.stat().st_mode & 0o777)
            beside.replace(target)
        except BaseException:
            beside.unlink()
            raise
