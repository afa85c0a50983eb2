"""Telling the user when a first run has to compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from numba.core import event

__all__ = ["announced_compilation"]


class _Once(event.Listener):
    """Calls back at the first compilation that no cache could spare."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callbacks = [callback]

    def on_start(self, event: Any) -> None:
        # Several threads may begin to compile at the same time; only one can take it.
        with suppress(IndexError):
            self._callbacks.pop()()

    def on_end(self, event: Any) -> None:
        """Do nothing; Numba wants it defined."""


@contextmanager
def announced_compilation(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback` once if a kernel is compiled within the block."""
    with event.install_listener("numba:compile", _Once(callback)):
        yield
