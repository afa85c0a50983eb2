"""Evaluating points on the cores of this machine, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kcsim.errors import KcsimError
from kcsim.exploration.designs import Request
from kcsim.exploration.worker import SINGLE_THREADED, Answer, plain_request

Batches = Iterator[list[Request] | None]
"""What is to be evaluated together; ``None`` for nothing at the moment."""
MOST_ENDS = 2
"""How often a process may end at a point before the point is given up."""
PAUSE_SECONDS = 0.5


class Failed(KcsimError):  # noqa: N818 (it goes with points, and ends nothing)
    """A point that could not be evaluated, as processes end at it.

    Attributes
    ----------
    point : str
    """

    def __init__(self, point: str, reason: str) -> None:
        super().__init__(reason)
        self.point = point


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """A process, what it was asked and has not answered yet, and a thread that listens to it."""

    def __init__(self, inbox: queue.SimpleQueue[tuple[_Worker, str]]) -> None:
        here = str(Path(__file__).resolve().parent.parent.parent)
        paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ, **SINGLE_THREADED, "PYTHONPATH": os.pathsep.join(paths),
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
        }  # fmt: skip
        code = "from kcsim.exploration.worker import serve; serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, text=True, encoding="utf-8",
        )  # fmt: skip
        self.waiting: list[Request] = []
        self._inbox = inbox
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ask(self, batch: list[Request]) -> None:
        self.waiting = list(batch)
        line = json.dumps([plain_request(each) for each in batch], separators=(",", ":"))
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """End the process, whatever it is at."""
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self._listener.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._inbox.put((self, line))
        self._inbox.put((self, ""))


class LocalEngine:
    """Evaluates points in processes of this machine.

    A process that ends costs the points that it was at: they are evaluated again by another one,
    and given up where processes end twice at the same point.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._inbox: queue.SimpleQueue[tuple[_Worker, str]] = queue.SimpleQueue()
        self._ends: Counter[str] = Counter()
        self._again: list[list[Request]] = []

    def run(self, batches: Batches) -> Iterator[Answer | Failed | None]:
        """The results of all points, in the order in which they come; ``None`` while waiting."""
        team: list[_Worker] = []
        exhausted = False
        try:
            while True:
                idle = False
                while not exhausted and not idle:
                    free = next((each for each in team if not each.waiting), None)
                    if free is None and len(team) >= self.workers:
                        break
                    batch = self._again.pop() if self._again else next(batches, [])
                    if batch is None:
                        idle = True
                    elif batch:
                        if free is None:
                            free = _Worker(self._inbox)
                            team.append(free)
                        free.ask(batch)
                    else:
                        exhausted = True
                if not any(each.waiting for each in team) and not idle:
                    return
                yield from self._listen(team, idle)
                exhausted = exhausted and not self._again
        finally:
            for worker in team:
                worker.end()

    def _listen(self, team: list[_Worker], idle: bool) -> Iterator[Answer | Failed | None]:
        """What comes next; after a pause nothing, if something may be done meanwhile."""
        try:
            worker, line = self._inbox.get(timeout=PAUSE_SECONDS if idle else None)
        except queue.Empty:
            yield None
            return
        if worker not in team:
            return
        if line:
            worker.waiting.pop(0)
            row, layers = json.loads(line)
            yield row, layers
            return
        team.remove(worker)
        worker.end()
        yield from self._ended(worker)

    def _ended(self, worker: _Worker) -> Iterator[Failed]:
        """Have the points of a process that ended evaluated again, the first one alone."""
        if not worker.waiting:
            return
        first, *others = worker.waiting
        self._ends[first.point] += 1
        if others:
            self._again.append(others)
        if self._ends[first.point] < MOST_ENDS:
            self._again.append([first])
        else:
            code = worker.process.returncode
            yield Failed(first.point, f"the process ended with code {code}, twice")
