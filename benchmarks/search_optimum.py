"""Whether evolution finds the known optimum, and how soon, in spaces of 6,000 to 1e20 networks.

    python benchmarks/search_optimum.py

The score is a ridge on the one-hot encoding with random weights, so that the optimum under a limit
on MACs (the 30 % quantile of the space) is known exactly, with a proof, by mixed-integer
programming. Beside it stands random search. `budget` is what this engine states for a space; the
goal is that at least 19 of 20 seeds reach the optimum within it, for every one of the scores.
`least_share` is how far the worst seed came on the way from the mean of random networks within
the limit to the optimum.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from common import print_table, write_result

from nas.search import (
    EvaluatePopulation,
    Evolution,
    Objective,
    Problem,
    RandomSearch,
    Searcher,
    UpperLimit,
    optimum,
    search,
)
from predictors import CostTable, Macs, Provenance, compile_cost
from predictors.linear import linear_cost
from search_spaces import Population, SearchSpace, get_space

BUDGETS = {
    "compofa": 500,
    "spos_shufflenet_v2": 4_000,
    "mobile_small": 10_000,
    "ofa_mobilenet_v3": 60_000,
}
DRAWN = Provenance("predicted", "random weights")
BATCH = 50


def problem_of(space: SearchSpace, seed: int) -> Problem:
    """Return a linear score, drawn with a seed, under a limit on MACs."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=int(space.option_counts.sum()))
    score = linear_cost(space, weights, metric="score", provenance=DRAWN)
    macs = compile_cost(space, Macs())
    limit = float(np.quantile(macs(space.sample(20_000, rng)), 0.3))
    return Problem(
        space,
        objectives=(Objective("score"),),
        costs={"macs": macs, "score": score},
        limits=(UpperLimit("macs", limit),),
    )


class _FoundError(Exception):
    """The optimum was evaluated."""


def reached_after(
    problem: Problem, searcher: Searcher, best: float, budget: int, seed: int
) -> tuple[int, float]:
    """Search until the optimum is found.

    Returns:
        After how many evaluations it was there, 0 for never, and the best value found.
    """
    score: CostTable = problem.costs["score"]
    made, found = 0, -np.inf

    def evaluate(rows: Population) -> dict[str, Any]:
        nonlocal made, found
        values = score(rows)
        made, found = made + len(rows), max(found, float(values.max()))
        if found >= best - 1e-9:
            raise _FoundError
        return {"score": values}

    evaluator = EvaluatePopulation(evaluate, DRAWN)
    try:
        search(problem, searcher, evaluator, None, evaluations=budget, batch=BATCH, seed=seed)
    except _FoundError:
        return made, found
    return 0, found


def _within(problem: Problem) -> Population:
    """Return random networks within the limit."""
    rows = problem.space.sample(20_000, np.random.default_rng(0))
    return rows[problem.feasible(rows)]


def row_of(name: str, budget: int, score: int, seeds: int) -> dict[str, Any]:
    """Compare evolution and random search with the optimum of one score."""
    space = get_space(name)
    problem = problem_of(space, score)
    start = time.process_time()
    best = optimum(problem, max_seconds=600.0)
    exact_s = time.process_time() - start
    assert best.proven, "the optimum is not proven; raise max_seconds"
    searchers: tuple[Searcher, ...] = (Evolution(parents=25), RandomSearch())
    runs, seconds = [], []
    for searcher in searchers:
        start = time.process_time()
        runs.append(
            [reached_after(problem, searcher, best.value, budget, seed) for seed in range(seeds)]
        )
        seconds.append((time.process_time() - start) / seeds)
    evolved, drawn = runs
    found = [count for count, _ in evolved if count]
    mean = float(problem.costs["score"](_within(problem)).mean())
    worst = min(value for _, value in evolved)
    return {
        "space": name,
        "networks": float(space.size),
        "score": score,
        "exact_cpu_s": exact_s,
        "budget": budget,
        "seeds": seeds,
        "evolution_reaches": len(found),
        "median_evaluations": int(statistics.median(found)) if found else 0,
        "most_evaluations": max(found, default=0),
        "evolution_cpu_s": seconds[0],
        "least_share": (worst - mean) / (best.value - mean),
        "random_reaches": sum(count > 0 for count, _ in drawn),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scores", type=int, default=3)
    arguments = parser.parse_args()
    rows = [
        row_of(name, budget, score, arguments.seeds)
        for name, budget in BUDGETS.items()
        for score in range(arguments.scores)
    ]
    print_table(rows)
    print(f"\nwrote {write_result('search_optimum', {'rows': rows})}")


if __name__ == "__main__":
    main()
