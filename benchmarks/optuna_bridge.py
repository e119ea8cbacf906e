"""What the Optuna bridge costs a trial beyond Optuna's own ask and tell, and the mirror's speed.

    python benchmarks/optuna_bridge.py

One thread, CPU milliseconds, on ofa_mobilenet_v3 under a limit on MACs, with evaluations that
cost next to nothing. Optuna's own share is the time inside `Study.ask` and `Study.tell`; the
rest of the search is ours: studies told the history, rejections priced, deduplication, the
archive in memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from common import print_table, write_result

from nas.archive import Archive
from nas.search import EvaluatePopulation, Objective, Problem, RandomSearch, UpperLimit, search
from nas.search.optuna_bridge import OptunaSearcher, StudyMirror
from predictors import Macs, Params, Provenance, compile_cost
from search_spaces import get_space

SPACE = "ofa_mobilenet_v3"
TARGET_MS = 5.0
BATCH = 20


def problem() -> Problem:
    """Return the largest networks in parameters within 60 % of the largest MACs."""
    space = get_space(SPACE)
    macs = compile_cost(space, Macs())
    limit = UpperLimit("macs", 0.6 * macs.maximum().value)
    objective = Objective("score", "maximize")
    return Problem(space, objectives=(objective,), costs={"macs": macs}, limits=(limit,))


def scorer(asked: Problem) -> EvaluatePopulation:
    """Return an evaluation that costs a table look-up."""
    params = compile_cost(asked.space, Params())
    return EvaluatePopulation(lambda rows: {"score": params(rows)}, Provenance("predicted", "toy"))


def timed(method: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return a method that adds the CPU seconds of each call to a list."""

    def call(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return method(*arguments, **options)
        finally:
            spent.append(time.process_time() - start)

    return call


def overhead(sampler: str, trials: int) -> dict[str, Any]:
    """Search with one sampler; return what a trial costs, and whose share it is."""
    asked, spent = problem(), list[float]()
    ask, tell = optuna.Study.ask, optuna.Study.tell
    optuna.Study.ask, optuna.Study.tell = timed(ask, spent), timed(tell, spent)  # type: ignore[method-assign]
    start = time.process_time()
    try:
        evaluate = scorer(asked)
        options = {"evaluations": trials, "batch": BATCH, "seed": 0}
        search(asked, OptunaSearcher(sampler), evaluate, None, **options)
    finally:
        optuna.Study.ask, optuna.Study.tell = ask, tell  # type: ignore[method-assign]
    total, own = time.process_time() - start, sum(spent)
    ours_ms = 1e3 * (total - own) / trials
    return {
        "sampler": sampler,
        "trials": trials,
        "ms a trial": 1e3 * total / trials,
        "optuna's": 1e3 * own / trials,
        "ours": ours_ms,
        "target": TARGET_MS,
        "met": ours_ms < TARGET_MS,
    }


def mirrored(kind: str, trials: int) -> dict[str, Any]:
    """Mirror an archive into a study; return the wall time of a trial."""
    asked = problem()
    space = asked.space
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        with Archive.open(
            Path(folder) / "archive.sqlite",
            space_name=space.name,
            space_options=space.options,
            fingerprint=space.fingerprint,
        ) as archive:
            options = {"evaluations": trials, "batch": trials, "seed": 0}
            search(asked, RandomSearch(), scorer(asked), archive, **options)
            mirror = StudyMirror(
                asked, f"sqlite:///{path}" if kind == "sqlite" else str(path), "m"
            )
            start = time.perf_counter()
            copied = mirror.update(archive)
            seconds = time.perf_counter() - start
    assert copied == trials
    return {"storage": kind, "trials": trials, "ms a trial": 1e3 * seconds / trials}


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    samplers = ("RandomSampler", "NSGAIISampler", "TPESampler")
    rows = [overhead(sampler, trials) for sampler in samplers]
    print_table(rows)
    print()
    mirrors = [mirrored(kind, trials) for kind in ("journal", "sqlite")]
    print_table(mirrors)
    write_result("optuna_bridge", {"space": SPACE, "bridge": rows, "mirror": mirrors})


if __name__ == "__main__":
    main()
