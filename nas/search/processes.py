"""Worker processes of this machine as an executor in which one death hurts nobody else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import ParamSpec, TypeVar

__all__ = ["ProcessExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class ProcessExecutor(Executor):
    """Processes that share nothing, each in a pool of its own.

    A `ProcessPoolExecutor` gives up all its work when one process dies, and cannot say on what
    it died. Here only the future of the dead process raises `BrokenProcessPool`, and another
    process takes its place. Processes are spawned, start with the first work they get, and end
    with the process that made them, however that ends. Calls beyond one a process wait behind
    another one, and are lost with it.

    Args:
        workers: How many processes.
    """

    def __init__(self, workers: int) -> None:
        self._context = get_context("spawn")
        self._stop_reader, self._stop_writer = self._context.Pipe(duplex=False)
        self._pools = [self._pool() for _ in range(workers)]
        self._pending: list[list[Future[object]]] = [[] for _ in range(workers)]

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, self._context, initializer=_live_with_parent, initargs=(self._stop_reader,)
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Give a call to the process that has least to do; see `Executor.submit`."""
        for futures in self._pending:
            futures[:] = [future for future in futures if not future.done()]
        slot = min(range(len(self._pools)), key=lambda i: len(self._pending[i]))
        try:
            future = self._pools[slot].submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self._pools[slot].shutdown()
            self._pools[slot] = self._pool()
            future = self._pools[slot].submit(fn, *args, **kwargs)
        self._pending[slot].append(future)  # type: ignore[arg-type]
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes.

        Args:
            wait: Return when they have ended.
            cancel_futures: End them at once, whatever they are doing.
        """
        if cancel_futures:
            self._stop_writer.close()
        for pool in self._pools:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._stop_writer.close()


def _live_with_parent(stop: Connection) -> None:
    """Leave Ctrl-C to the parent; end when it ends or closes its side of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel, stop])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
