"""The evaluation of a run's subnets in a worker: made from the run folder, once a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from nas.archive import Metric
from nas.errors import NasError, RunError
from nas.pipeline.evaluation import subnet_evaluator
from nas.pipeline.images import load_splits
from nas.problems import network_space
from nas.runs import RunFolder
from search_spaces import Architecture
from search_spaces.progress import silent

if TYPE_CHECKING:
    from nas.evaluation import SubnetEvaluator

__all__ = ["RunEvaluator"]


@dataclass(frozen=True, slots=True)
class RunEvaluator:
    """Scores subnets of the supernet of a run; small, so that it can be sent to workers.

    Attributes:
        path: The run folder, which every worker must see under this path.
        workers: How many share a machine's cores; what the configuration says of threads
            goes first.
    """

    path: str
    workers: int

    def __call__(self, architecture: Architecture) -> Mapping[str, Metric]:
        """Return ``accuracy``; see `SubnetEvaluator`.

        Raises:
            RunError: This worker cannot load the supernet or the images.
        """
        return _loaded(self)(architecture)


@cache
def _loaded(wanted: RunEvaluator) -> SubnetEvaluator:
    from nas.devices import prepare_device

    try:
        run = RunFolder.open(wanted.path)
        space = network_space(run.config)
        splits = load_splits(run.config, space, lambda title: nullcontext(silent))
        evaluator = subnet_evaluator(run, space, splits)
    except NasError as error:
        raise RunError(f"A worker cannot load the run {wanted.path}: {error}") from error
    if run.config.train.threads is None:
        share = max(1, (os.cpu_count() or 1) // wanted.workers)
        prepare_device(run.config.train.device, threads=share)
    return evaluator
