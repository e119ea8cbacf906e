"""Evaluations on many workers: any `concurrent.futures.Executor` does the work.

A worker that dies in the middle of an evaluation loses that evaluation only, and it is done
again. An architecture on which workers die every time is a failed evaluation, and the search
goes on. No architecture is evaluated twice at the same time.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Self

from nas.errors import ConfigError, RunError
from nas.search.evaluators import Evaluate, Outcomes, evaluate_one
from search_spaces import Population, SearchSpace

__all__ = ["WorkerPool"]

logger = logging.getLogger(__name__)


class WorkerPool:
    """Evaluates the architectures of a round on several workers; close it after use.

    Args:
        evaluate: Measures one architecture. It is sent to the workers: a function of a module,
            or a small object that loads what it needs once in each process.
        open_executor: Opens the executor, and opens another one if it breaks as a whole.
        workers: Evaluations that run at the same time.
        attempts: After so many deaths of workers on one architecture it counts as failed.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        open_executor: Callable[[], Executor],
        *,
        workers: int,
        attempts: int = 3,
    ) -> None:
        for name, value in (("workers", workers), ("attempts", attempts)):
            if value < 1:
                raise ConfigError(f"worker pool: {name} = {value}, must be at least 1.")
        self.workers = workers
        self.attempts = attempts
        self._evaluate = evaluate
        self._open = open_executor
        self._executor: Executor | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """Let the workers go; nothing is evaluated after that.

        Args:
            at_once: Give up what was not begun, and with our own processes what was, too.
        """
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=at_once)
            self._executor = None

    def reopen(self) -> None:
        """Replace an executor that broke; the next evaluation opens another one."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def outcomes(
        self, space: SearchSpace, population: Population, positions: Sequence[int]
    ) -> Iterator[Outcomes]:
        """Evaluate some rows of a population; yield results in the order in which they arrive.

        Raises:
            RunError: The executor takes nothing, however often it is opened, or the pool is
                closed.
        NasError: An error about the whole run, as `evaluators.outcomes` raises it.
        """

        def submit(position: int) -> Future[Outcomes]:
            if self._closed:  # or what its own end has broken would be begun anew
                raise RunError("The workers were let go; what was not evaluated is left out.")
            if self._executor is None:
                self._executor = self._open()
            architecture = space.decode(population[position])
            return self._executor.submit(evaluate_one, self._evaluate, architecture, position)

        return _Round(self, submit, positions).outcomes()


class _Round:
    """One round in flight.

    Attributes:
        waiting: Positions to submit.
        running: Positions by future.
        alone: Positions one of which broke the whole executor, nobody knows which; each is
            evaluated with nothing beside it.
        deaths: Of workers, by position, where the position is certain.
        lost: Positions lost since the last one was submitted.
        refusals: How often in a row the executor took nothing although it had nothing to do.
    """

    def __init__(
        self, pool: WorkerPool, submit: Callable[[int], Future[Outcomes]], positions: Sequence[int]
    ) -> None:
        self.pool = pool
        self.submit = submit
        self.waiting = deque(positions)
        self.running: dict[Future[Outcomes], int] = {}
        self.alone: list[int] = []
        self.deaths = Counter[int]()
        self.lost: list[int] = []
        self.refusals = 0

    def outcomes(self) -> Iterator[Outcomes]:
        """Yield results until every position has one."""
        while self.waiting or self.alone or self.running:
            self._fill()
            for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                position = self.running.pop(future)
                try:
                    outcome = future.result()
                except BrokenExecutor:
                    yield from self._died(position)
                    continue
                if position in self.alone:
                    self.alone.remove(position)
                yield outcome

    def _fill(self) -> None:
        """Submit as much as may run at the same time."""
        while (position := self._next()) is not None:
            try:
                future = self.submit(position)
            except BrokenExecutor as error:
                self._break(error)
                continue
            if position not in self.alone:
                self.waiting.popleft()
            self.running[future] = position
            self.lost.clear()  # the executor lives: whoever was lost was lost alone
            self.refusals = 0

    def _next(self) -> int | None:
        if self.alone:
            return None if self.running else self.alone[0]
        if self.waiting and len(self.running) < self.pool.workers:
            return self.waiting[0]
        return None

    def _died(self, position: int) -> Iterator[Outcomes]:
        """Ask for a lost evaluation again, or yield its failure after too many deaths."""
        self.deaths[position] += 1
        if self.deaths[position] >= self.pool.attempts:
            if position in self.alone:
                self.alone.remove(position)
            why = f"the worker died in each of {self.deaths[position]} attempts"
            logger.warning("An evaluation failed: %s.", why)
            yield Outcomes(failures={position: why})
            return
        logger.warning("A worker died in the middle of an evaluation, which is done again.")
        self.lost.append(position)
        if position not in self.alone:
            self.waiting.appendleft(position)

    def _break(self, error: BrokenExecutor) -> None:
        """Open another executor; suspect all that the broken one was working on.

        Raises:
            RunError: It had nothing to work on, and that several times in a row.
        """
        suspects = [*self.lost, *self.running.values()]
        self.refusals = 0 if suspects else self.refusals + 1
        if self.refusals >= self.pool.attempts:
            raise RunError(
                f"The executor takes no evaluations: {error}. Everything finished is on disk; "
                "mend the workers and go on with --resume."
            ) from error
        if len(suspects) > 1:
            self.deaths.subtract(self.lost)
        for position in suspects:
            if position in self.waiting:
                self.waiting.remove(position)
            if position not in self.alone:
                self.alone.append(position)
        self.lost.clear()
        self.running.clear()
        self.pool.reopen()
