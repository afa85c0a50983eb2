"""Locks on files that end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

try:
    import fcntl as _posix
except ImportError:  # Windows: processes that share a folder there may do some points twice.
    _posix = None  # type: ignore[assignment]
_fcntl: Any = _posix
_LARGEST_OFFSET = 2**62


def lock_whole(file: int) -> bool:
    """Lock an open file; whether nobody else has."""
    if _fcntl is None:
        return True
    try:
        _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Claims:
    """Names of which each is held by one process at most: bytes of one file, far beyond its end.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, name: str) -> bool:
        """Claim a name; whether nobody else has."""
        return self._lock(name, "LOCK_EX")

    def leave(self, name: str) -> None:
        """Give a name back."""
        self._lock(name, "LOCK_UN")

    def close(self) -> None:
        """Give back all names."""
        os.close(self._file)

    def _lock(self, name: str, kind: str) -> bool:
        if _fcntl is None:
            return True
        digest = hashlib.sha256(name.encode()).digest()
        offset = int.from_bytes(digest[:8], "big") % _LARGEST_OFFSET
        with contextlib.suppress(OSError):
            how = getattr(_fcntl, kind) | (0 if kind == "LOCK_UN" else _fcntl.LOCK_NB)
            _fcntl.lockf(self._file, how, 1, offset)
            return True
        return False
