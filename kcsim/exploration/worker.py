"""A process that evaluates points: requests come as lines of JSON, results go as such."""

from __future__ import annotations

import functools
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from kcsim.exploration.designs import Request, evaluate, settings_tuple
from kcsim.exploration.problems import SharingMapper

Answer = tuple[dict[str, Any], list[dict[str, Any]]]
SINGLE_THREADED = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
"""What the environment of a process says that has one core to itself."""


_one_at_a_time = threading.Lock()
"""Of the threads of a process, as workers of dask have several: they share the mapper."""


@functools.cache
def mapper_of_process() -> SharingMapper:
    """The mapper of this process, which knows what it has solved before."""
    return SharingMapper()


def plain_request(request: Request) -> dict[str, Any]:
    """A request in plain types, for JSON."""
    return asdict(request)


def answers(requests: Iterable[dict[str, Any]]) -> Iterator[Answer]:
    """The results of points, one after the other; see `kcsim.exploration.designs.evaluate`.

    Parameters
    ----------
    requests : iterable of dict
        Of `plain_request`.
    """
    for plain in requests:
        request = Request(
            **{
                **plain,
                "settings": settings_tuple(plain["settings"]),
                "larger": tuple(settings_tuple(each) for each in plain["larger"]),
                "bound_of": tuple(settings_tuple(each) for each in plain["bound_of"]),
            }
        )
        with _one_at_a_time:
            answer = evaluate(request, mapper_of_process())
        yield answer


def answer_all(requests: list[dict[str, Any]]) -> list[Answer]:
    """The results of some points together."""
    return list(answers(requests))


def serve() -> None:
    """Answer requests until the input ends, which also ends what is being computed."""
    # Ctrl-C is for the process that asks, whose end closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        for answer in answers(json.loads(lines.get())):
            replies.write(json.dumps(answer, separators=(",", ":")) + "\n")
            replies.flush()
