"""Run in an environment with `pymoo`: NSGA-II on sums of looked-up numbers, or on a whole table.

The sums are two objectives and a constraint; a table holds the objectives of every network.
Reads the problem (NPZ), prints one line of JSON: CPU seconds and all that was found.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize


class Additive(Problem):
    """Sums of looked-up numbers: one to maximise, one to minimise, one to stay below a limit."""

    def __init__(self, tables: np.ndarray, limit: float) -> None:
        _, choices, options = tables.shape
        super().__init__(n_var=choices, n_obj=2, n_ieq_constr=1, xl=0, xu=options - 1, vtype=int)
        self.tables, self.limit = tables, limit
        self.evaluated: list[np.ndarray] = []  # values of all that was within the limit

    def _evaluate(self, x: np.ndarray, out: dict, *_: object, **__: object) -> None:
        columns = np.arange(self.n_var)
        score, cost, other = (table[columns, x].sum(axis=1) for table in self.tables)
        out["F"] = np.stack([-score, cost], axis=1)
        out["G"] = other[:, None] / self.limit - 1.0
        self.evaluated.append(out["F"][other <= self.limit])


class LookedUp(Problem):
    """Objectives to be minimised, looked up over all combinations of options."""

    def __init__(self, values: np.ndarray) -> None:
        *options, objectives = values.shape
        super().__init__(
            n_var=len(options), n_obj=objectives, xl=0, xu=np.array(options) - 1, vtype=int
        )
        self.values = values
        self.evaluated: list[np.ndarray] = []  # in order, repetitions too

    def _evaluate(self, x: np.ndarray, out: dict, *_: object, **__: object) -> None:
        out["F"] = self.values[tuple(x.T)]
        self.evaluated.append(out["F"])


def main() -> None:
    """Search with every seed and print the figures."""
    options = json.loads(sys.argv[1])
    arrays = np.load(options["tables"])
    results = []
    for seed in range(options["seeds"]):
        problem = (
            LookedUp(arrays["values"])
            if "values" in arrays
            else Additive(arrays["tables"], float(arrays["limit"]))
        )
        algorithm = NSGA2(
            pop_size=options["population"],
            sampling=IntegerRandomSampling(),
            crossover=UX(prob=0.9, vtype=float, repair=RoundingRepair()),
            mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
            eliminate_duplicates=True,
        )
        start = time.process_time()
        minimize(problem, algorithm, ("n_eval", options["evaluations"]), seed=seed, verbose=False)
        seconds = time.process_time() - start
        results.append({"cpu_s": seconds, "found": np.concatenate(problem.evaluated).tolist()})
    print(json.dumps(results))


if __name__ == "__main__":
    main()
