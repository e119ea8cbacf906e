"""Evaluations that worker processes run: slow, deadly once, deadly always, or wrong."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.archive import Metric
from nas.errors import ConfigError, NasError
from search_spaces import Architecture
from tests.nas.search.toys import DRAWN, score_of, space_of


@dataclass(frozen=True)
class Job:
    """Scores an architecture of `mobile_small`, and leaves a trace of every evaluation.

    Attributes:
        folder: Where the traces are: a file ``ID.N`` for the N-th time that ID was begun.
        seconds: How long it takes at least.
        deadly: Prefixes of ids on which the process kills itself.
        deaths: How often; after that it lives.
        wrong: Prefixes of ids on which the configuration turns out to be wrong.
    """

    folder: str
    seconds: float = 0.0
    deadly: tuple[str, ...] = ()
    deaths: int = 1
    wrong: tuple[str, ...] = ()

    def __call__(self, architecture: Architecture) -> Mapping[str, Metric]:
        id = space_of("mobile_small").id_of(architecture)
        times = len(list(Path(self.folder).glob(f"{id}.*")))
        (Path(self.folder) / f"{id}.{times + 1}").write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(self.seconds)
        if id.startswith(self.deadly or "-") and times < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        if id.startswith(self.wrong or "-"):
            raise ConfigError("evaluate.batch_size is wrong")
        return flaky(architecture)

    def begun(self) -> Counter[str]:
        """Return how often each id was begun."""
        return Counter(path.name.split(".")[0] for path in Path(self.folder).iterdir())

    def processes(self) -> set[int]:
        """Return the processes that evaluated."""
        return {int(path.read_text(encoding="utf-8")) for path in Path(self.folder).iterdir()}


def flaky(architecture: Architecture) -> Mapping[str, Metric]:
    """Fail for some architectures, always the same ones."""
    value = score_of("mobile_small").of(architecture)
    if architecture["kernel_1_0"] == 5 and architecture["depth_2"] != 1:
        raise NasError(f"does not fit: {value:.3f}")
    if architecture["width_3"] == 80:
        value = float("nan")
    return {"accuracy": Metric(value, DRAWN)}
