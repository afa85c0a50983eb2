"""Evaluating points on a cluster of dask: the same requests, the same results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.exploration.designs import Request
from kcsim.exploration.local_engine import PAUSE_SECONDS, Batches, Failed
from kcsim.exploration.worker import SINGLE_THREADED, Answer, answer_all, plain_request

AHEAD = 2
"""Batches that each worker has at one time, so that none waits."""
CONNECT_SECONDS = 30


class DaskEngine:
    """Evaluates points with ``dask.distributed``.

    What a worker was at when it died, others evaluate; a batch at which several died is tried
    again point by point, and the point at fault given up.

    Parameters
    ----------
    workers : int
        Processes, of a cluster on this machine.
    scheduler : str, optional
        Address of a cluster that runs already.

    Raises
    ------
    InputError
        If dask is not installed.
    """

    def __init__(self, workers: int, scheduler: str | None = None) -> None:
        try:
            import distributed
        except ImportError:
            problem = "the engine dask needs the package distributed, which is not installed"
            raise InputError(Problem(problem, "pip install 'kcsim[dask]'")) from None
        self._distributed = distributed
        self.workers, self.scheduler = workers, scheduler

    def run(self, batches: Batches) -> Iterator[Answer | Failed | None]:
        """The results of all points, in the order in which they come; ``None`` while waiting."""
        with self._client() as client:
            yield from self._run(client, batches)

    def _run(self, client: Any, batches: Batches) -> Iterator[Answer | Failed | None]:
        running: dict[Any, list[Request]] = {}
        again: list[list[Request]] = []
        exhausted = False
        while True:
            idle = False
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
            while not (exhausted or idle) and len(running) < AHEAD * max(1, workers):
                batch = next(batches, [])
                idle, exhausted = batch is None, batch == []
                if batch:
                    running |= _submitted(client, batch)
            while again:
                running |= _submitted(client, again.pop())
            if not running and not idle:
                return
            yield from self._gather(running, again, idle)

    def _gather(
        self, running: dict[Any, list[Request]], again: list[list[Request]], idle: bool
    ) -> Iterator[Answer | Failed | None]:
        """Results that are there; those of workers that died are to be had again."""
        try:
            done, _ = self._distributed.wait(
                list(running), timeout=PAUSE_SECONDS if idle or not running else 10 * PAUSE_SECONDS,
                return_when="FIRST_COMPLETED",
            )  # fmt: skip
        except TimeoutError:
            yield None
            return
        for future in done:
            batch = running.pop(future)
            if future.status == "finished":
                yield from future.result()
            elif future.status == "cancelled" or len(batch) > 1:
                again += [[request] for request in batch]
            elif isinstance(error := future.exception(), self._distributed.KilledWorker):
                yield Failed(batch[0].point, "the workers that were at it died")
            else:
                raise error

    def _client(self) -> Any:
        if self.scheduler is None:
            from dask import config

            with config.set({"distributed.nanny.pre-spawn-environ": SINGLE_THREADED}):
                cluster = self._distributed.LocalCluster(
                    n_workers=self.workers, threads_per_worker=1, dashboard_address=None
                )
            return _Own(self._distributed.Client(cluster), cluster)
        try:
            return self._distributed.Client(self.scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            problem = f"there is no scheduler of dask at '{self.scheduler}'"
            raise InputError(Problem(problem, "an address, as tcp://host:8786")) from error


class _Own:
    """A client whose cluster ends with it."""

    def __init__(self, client: Any, cluster: Any) -> None:
        self._client, self._cluster = client, cluster

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._cluster.close()


def _submitted(client: Any, batch: list[Request]) -> dict[Any, list[Request]]:
    future = client.submit(answer_all, [plain_request(each) for each in batch], pure=False)
    return {future: batch}
