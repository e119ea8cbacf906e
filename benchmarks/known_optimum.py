"""Whether evolution reaches optima that are proven, and after how many evaluations.

    python benchmarks/known_optimum.py

Scores are sums over choices drawn at random, the limit is the MACs that three in ten networks
meet, and the optimum under it is computed by `nas.search.optimum` with its proof.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import print_table, write_result

from nas.search import (
    EvaluatePopulation,
    Evolution,
    Objective,
    Problem,
    UpperLimit,
    optimum,
    search,
)
from predictors import Macs, Provenance, compile_cost
from predictors.linear import linear_cost
from search_spaces import get_space

BUDGETS = {"spos_shufflenet_v2": 4_000, "mobile_small": 10_000}
PARENTS, BATCH, SHARE = 25, 50, 0.3
TARGET = 19 / 20
DRAWN = Provenance("predicted", "drawn weights")


def problem_of(name: str, drawn: int) -> Problem:
    """Return a space with a drawn score among its costs and a limit on MACs."""
    space, rng = get_space(name), np.random.default_rng(drawn)
    macs = compile_cost(space, Macs())
    weights = rng.random(int(space.option_counts.sum()))
    score = linear_cost(space, weights, metric="score", provenance=DRAWN)
    limit = float(np.quantile(macs(space.sample(10_000, rng)), SHARE))
    return Problem(
        space,
        objectives=(Objective("score"),),
        costs={"macs": macs, "score": score},
        limits=(UpperLimit("macs", limit),),
    )


def reached(name: str, drawn: int, seeds: int) -> dict[str, Any]:
    """Search with every seed and compare with the proven optimum."""
    problem = problem_of(name, drawn)
    best = optimum(problem)
    evaluate = EvaluatePopulation(lambda rows: {}, DRAWN)  # the score is a cost
    needed = []
    for seed in range(seeds):
        history = search(
            problem,
            Evolution(parents=PARENTS),
            evaluate,
            None,
            evaluations=BUDGETS[name],
            batch=BATCH,
            seed=seed,
        ).history
        hits = np.flatnonzero(history.values[:, 0] >= best.value - 1e-9)
        needed += [BATCH * (int(history.rounds[hits[0]]) + 1)] if len(hits) else []
    return {
        "space": name,
        "score": drawn,
        "size": f"{float(problem.space.size):.1e}",
        "proven": best.proven,
        "budget": BUDGETS[name],
        "reached": f"{len(needed)} of {seeds}",
        "target": f"{TARGET:.0%}",
        "median_needed": float(np.median(needed)) if needed else None,
        "most_needed": max(needed, default=None),
    }


def main() -> None:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scores", type=int, default=3, help="drawn for each space")
    options = parser.parse_args()
    rows = [
        reached(name, drawn, options.seeds) for name in BUDGETS for drawn in range(options.scores)
    ]
    print_table(rows)
    write_result("known_optimum", {"rows": rows})


if __name__ == "__main__":
    main()
