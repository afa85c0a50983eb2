"""Ctrl-C: any command ends within a second, whatever it is in the middle of.

Python handles a signal only once the main thread is back from the kernel that it runs, or from
threads that it waits for; so a thread of its own waits for signals, and ends the process if that
takes long. Files are written whole or not at all, which makes this safe.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

EXIT_CODE = 128 + signal.SIGINT
GRACE_SECONDS = 1.0
"""Time to put away what is half written."""
_SHOW_CURSOR = "\x1b[?25h"


class _Interrupt(BaseException):
    """The user wants the command to end; no `KeyboardInterrupt`, which others catch."""


@contextmanager
def interruptible() -> Iterator[None]:
    """End the process soon after an interrupt, with one line and exit code 130."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # Whoever started the command wants to handle interrupts, or to have none.
        yield
        return
    before, writing = -1, -1
    try:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, _unwind)
        threading.Thread(target=_watch, args=(reading,), daemon=True).start()
        yield
    except (_Interrupt, KeyboardInterrupt):
        _end()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        os.close(writing)


def _unwind(number: int, frame: Any) -> NoReturn:
    raise _Interrupt


def _watch(signals: int) -> None:
    """Wait for an interrupt; then let the main thread clean up, but not for long."""
    with open(signals, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if signal.SIGINT in number:
                time.sleep(GRACE_SECONDS)
                _end()


def _end() -> NoReturn:
    line = "kcsim: interrupted\n"
    # What is drawn there, as a progress bar, hides the cursor and leaves its line unfinished.
    text = f"{_SHOW_CURSOR}\n{line}" if sys.stderr.isatty() else line
    if _ENDING.acquire(blocking=False):
        os.write(2, text.encode())
        os._exit(EXIT_CODE)
    while True:
        time.sleep(GRACE_SECONDS)


_ENDING = threading.Lock()
