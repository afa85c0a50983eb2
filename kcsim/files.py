"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
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
