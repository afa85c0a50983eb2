"""When work has to end: after some seconds, or as soon as nobody waits for it any more."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kcsim.errors import KcsimError

Item = TypeVar("Item")
Result = TypeVar("Result")


class OutOfTime(KcsimError):  # noqa: N818 (it is no error of the user)
    """A deadline has passed."""


class GivenUp(KcsimError):  # noqa: N818
    """Nobody waits for the work any more."""


class Deadline:
    """A time at which work has to end.

    Parameters
    ----------
    seconds : float
        From now on.
    within : Deadline, optional
        Another one that holds too: the work ends at the earlier one, and is given up with it.
    """

    def __init__(self, seconds: float = math.inf, within: Deadline | None = None) -> None:
        self._until = time.monotonic() + seconds
        self._given_up = threading.Event()
        if within is not None:
            self._until = min(self._until, within._until)
            self._given_up = within._given_up

    @property
    def left(self) -> float:
        """Seconds that are left; 0 once the time has come."""
        return max(0.0, self._until - time.monotonic())

    @property
    def has_passed(self) -> bool:
        """Whether the time has come.

        Raises
        ------
        GivenUp
            If nobody waits any more.
        """
        if self._given_up.is_set():
            raise GivenUp("given up")
        return not self.left

    def check(self) -> None:
        """Raise `OutOfTime` if the time has come, `GivenUp` if nobody waits any more."""
        if self.has_passed:
            raise OutOfTime("out of time")

    def extended(self, seconds: float) -> Deadline:
        """Some seconds from now, whatever is left; given up with this one."""
        other = Deadline(seconds)
        other._given_up = self._given_up
        return other

    def give_up(self) -> None:
        """End all work with this deadline, and with those within it or around it."""
        self._given_up.set()


def in_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    deadline: Deadline,
    threads: int | None = None,
) -> Iterator[Result]:
    """The results of some work for every item, in their order, on all cores.

    Where one fails, or the caller is interrupted, the others are given up: kernels that run
    look at their deadline often.

    Parameters
    ----------
    work : callable
        Its searches run within `deadline`.
    items : iterable
    deadline : Deadline
    threads : int, optional
        One for each core when absent; of a single one, that of the caller.
    """
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        try:
            yield from pool.map(work, items)
        except BaseException:
            deadline.give_up()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
