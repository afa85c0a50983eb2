"""Folders and files that belong to one user alone, for what programs keep between runs.

What another user may have written is not read, and nothing is written through a link.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

LARGEST_FILE = 2**20
_OTHERS_WRITE = stat.S_IWOTH


def why_not_private(folder: Path) -> str:
    """Why a folder can hold nothing that is private; empty if it can, or could once it is made.

    Parameters
    ----------
    folder : path
        A link to it is followed, if it is the user's own.
    """
    place = folder
    try:
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        status, link = place.stat(), place.lstat()
    except (OSError, ValueError) as error:
        return f"'{folder}' cannot be used: {getattr(error, 'strerror', None) or error}"
    if not stat.S_ISDIR(status.st_mode):
        return f"'{place}' is no folder"
    if place == folder and not (_is_own(status) and _is_own(link)):
        return f"'{folder}' belongs to another user"
    if place == folder and status.st_mode & _OTHERS_WRITE and hasattr(os, "geteuid"):
        return f"other users may write to '{folder}'"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"no permission to write to '{place}'"
    return ""


def read_private(path: Path) -> bytes:
    """What a file of the user holds.

    Raises
    ------
    OSError
        If there is none: a link, a file of another user, and a very large one are none.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        others = status.st_mode & _OTHERS_WRITE and hasattr(os, "geteuid")
        if not stat.S_ISREG(status.st_mode) or not _is_own(status) or others:
            raise PermissionError(f"'{path}' is not a file of this user alone")
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise OSError(f"'{path}' is too large")
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a file as a whole that the user alone may read; a link in its place is replaced.

    Its folder is made where it is missing, for the user alone.

    Raises
    ------
    OSError
        If that cannot be done.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    if not stat.S_ISDIR(path.parent.lstat().st_mode):
        raise NotADirectoryError(f"'{path.parent}' is no folder")
    beside = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(beside, flags, 0o600), "wb") as file:
        try:
            file.write(content)
            file.close()
            beside.replace(path)
        except BaseException:
            beside.unlink()
            raise


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
