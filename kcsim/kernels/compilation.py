"""Compiling kernels, keeping what is compiled, and telling the user when a first run has to."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba import config, njit
from numba.core import event

from kcsim.private import why_not_private


def kernel(function):
    """Compile a function of arrays for callers in Python; it lets other threads run meanwhile."""
    compiled, folder = njit(nogil=True, error_model="numpy")(function), _folder()
    if folder is None or not hasattr(compiled, "enable_caching"):
        return compiled
    with _kept_in(folder):
        compiled.enable_caching()
    return compiled


def what_is_not_kept() -> str:
    """What is unusual about where compiled kernels are kept; empty if nothing is."""
    folder = _folder()
    if folder is None:
        return "kernels are compiled in every run: no folder can be written to to keep them"
    return f"kernels are kept in '{folder}', which may not last" if folder else ""


@functools.cache
def _folder() -> str | None:
    """Where kernels are kept: empty where Numba finds a folder by itself, ``None`` for nowhere."""
    try:
        njit(_nothing).enable_caching()
    except AttributeError:
        return None
    except RuntimeError:
        # Neither beside the sources nor in the user's home.
        return _spare_folder()
    return ""


def run_beside(code: str) -> None:
    """Run code that compiles kernels in a process of its own, which keeps them for this one.

    Nothing is run where only one processor may be used, or no kernels are kept.
    """
    if _folder() is None or _processors() < 2:
        return
    command = [sys.executable, "-c", code]
    nowhere = subprocess.DEVNULL
    # It goes on by itself: whoever needs the kernels earlier compiles them, too.
    threading.Thread(
        target=lambda: subprocess.run(
            command, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False
        ),
        daemon=True,
    ).start()


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _nothing():
    """Stand for any kernel."""


def _spare_folder() -> str | None:
    """A folder of this user among the temporary files; what is in it is executed."""
    try:
        folder = Path(tempfile.gettempdir()) / f"kcsim-kernels-{getattr(os, 'geteuid', int)()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return None if why_not_private(folder) else str(folder)


@contextmanager
def _kept_in(folder: str) -> Iterator[None]:
    before = config.CACHE_DIR  # type: ignore[attr-defined]  # set when Numba is imported
    config.CACHE_DIR = folder or before  # type: ignore[attr-defined]
    try:
        yield
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


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
