"""Ray as an executor: evaluations on the processes of a cluster, or of this machine.

The only module that imports Ray. A cluster is started with Ray's own commands; the address in
``RAY_ADDRESS`` is connected to, and without one Ray starts on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from search_spaces.optional import import_optional

__all__ = ["RayExecutor"]


class RayExecutor(Executor):
    """Runs each call as a Ray task on one CPU; Ray decides where.

    Ray does not repeat a call whose worker died: the future raises `BrokenExecutor`, as that
    of a process pool does.

    Args:
        workers: Calls at the same time; without a cluster, the processes to start here.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, workers: int) -> None:
        self._ray = import_optional("ray", extra="ray", purpose="The executor `ray`")
        self._started = not self._ray.is_initialized()
        if self._started:
            here: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
            self._ray.init(
                **({} if os.environ.get("RAY_ADDRESS") else here),
                log_to_driver=False,
                logging_level="ERROR",
            )
        self._references: dict[Future[Any], Any] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a task; see `Executor.submit`."""
        task = self._ray.remote(fn).options(num_cpus=1, max_retries=0)
        reference = task.remote(*args, **kwargs)
        inner, outer = reference.future(), Future[Any]()
        self._references[outer] = reference
        inner.add_done_callback(lambda done: self._finish(done, outer))
        return outer

    def _finish(self, inner: Future[Any], outer: Future[Any]) -> None:
        """Pass a result on, with Ray's errors as those of any executor."""
        self._references.pop(outer, None)
        error = inner.exception()
        if isinstance(error, self._ray.exceptions.RayTaskError):
            outer.set_exception(error.cause)
        elif isinstance(error, self._ray.exceptions.RayError):
            outer.set_exception(BrokenExecutor(f"Ray lost the call: {error}"))
        elif error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what was started on this machine ends.

        Args:
            wait: Return when the calls have ended.
            cancel_futures: Give up calls that were not finished, running ones too.
        """
        references = list(self._references.values())
        if cancel_futures:
            for reference in references:
                self._ray.cancel(reference, force=True)
        elif wait and references:
            self._ray.wait(references, num_returns=len(references))
        if self._started:
            self._ray.shutdown()
