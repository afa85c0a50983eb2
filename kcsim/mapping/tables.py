"""What searches of problems that are alike have in common, kept while there is room for it."""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from kcsim.mapping.memory import Memory

T = TypeVar("T")
TABLE_BYTES = 200_000_000
"""Memory of tables that are kept, in one process."""


class SharedTables:
    """Tables by all that they depend on; those that were used last stay.

    Parameters
    ----------
    most_bytes : int
    """

    def __init__(self, most_bytes: int = TABLE_BYTES) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self.memory = Memory()
        self._known: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def of(self, parts: tuple[Any, ...], make: Callable[[], T]) -> T:
        """A table, made if it is not there.

        Parameters
        ----------
        parts : tuple
            All that it depends on: arrays, and what is shown in full.
        make : callable
        """
        key = _key_of(parts)
        if key in self._known:
            self._known.move_to_end(key)
            return cast(T, self._known[key][0])
        found = make()
        size = _bytes_of(found) + sys.getsizeof(key)
        self._known[key] = found, size
        self.bytes += size
        while self.bytes > self.most_bytes and len(self._known) > 1:
            _, (_, freed) = self._known.popitem(last=False)
            self.bytes -= freed
        return found


def _key_of(parts: tuple[Any, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(repr((part.shape, part.dtype)).encode())
            digest.update(part.tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.digest()


def _bytes_of(found: Any) -> int:
    if isinstance(found, tuple):
        return sum(map(_bytes_of, found))
    return found.nbytes if isinstance(found, np.ndarray) else sys.getsizeof(found)
