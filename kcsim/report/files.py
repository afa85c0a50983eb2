"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kcsim.errors import InputError, Problem

__all__ = ["check_writable", "write_whole"]


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
    needed = target if target.exists() else target.parent
    if not os.access(needed, os.W_OK):
        raise InputError(f"cannot write '{path}': no permission to write to '{needed}'")


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
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}") from error


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, _permissions(target))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _permissions(target: Path) -> int:
    """Those of the file that is replaced, or those of a new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
