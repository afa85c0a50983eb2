"""The standard streams: closed, full or broken ones, and those that know few characters."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Put something in place of streams that are closed, so that nothing else takes their number.

    What is written to a closed output is an error like that of a full disk; what would be said
    on a closed error stream is not said. Characters that an output does not know are written as
    escapes, which the formats of kcsim read back.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False, encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Say something on the error stream; where nobody listens, go on."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def abandon(stream: TextIO) -> None:
    """Keep Python from writing at its exit what could not be written before."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def end_errors() -> None:
    """Write what is left to be said; where nobody listens, go on."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        abandon(sys.stderr)
