"""Pairs of subnets that share layers against single subnets, at equal MACs, on one supernet.

nas train config.toml --out RUN
python benchmarks/ensembles.py RUN --budgets 30% 60% --seeds 5 --evaluations 100

For every budget and seed three searches spend the same evaluations: of single subnets, of pairs,
and of pairs in a space shrunk by the evidence of the first half, drawn at random within the
budget. What validates best is scored once on the test split. Intervals are over the seeds of the
searches; the supernet is one.
"""

from __future__ import annotations

import argparse
import math
import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from common import print_table, write_result

from nas import pipeline
from nas.config import parse_limit
from nas.evaluation import SubnetEvaluator
from nas.problems import compiled_costs, space_of
from nas.runs import RunFolder
from nas.search import Evolution, Problem, RandomSearch, Searcher, UpperLimit, search
from nas.shrinking import gather, remaining, worse
from nas.training import load_supernet
from predictors import Macs, compile_cost
from search_spaces import Architecture, SearchSpace
from search_spaces.ensemble import SPLIT, EnsembleSpace
from search_spaces.progress import silent
from search_spaces.supernet import Supernet

_BATCH = 20
_T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Two-sided 95 % quantiles of Student's t, by the number of seeds."""

Scored = tuple[float, Architecture, dict[str, float]]


def searched(
    space: SearchSpace,
    searcher: Searcher,
    evaluator: SubnetEvaluator,
    limit: UpperLimit,
    *,
    evaluations: int,
    seed: int,
) -> list[Scored]:
    """Return what a search evaluated: validation accuracy, architecture, all numbers."""
    costs = compiled_costs(space, {})
    problem = Problem(space, costs=costs, limits=(limit,))
    found: list[Scored] = []

    def evaluate(architecture: Architecture) -> Any:
        metrics = evaluator(architecture)
        numbers = {name: metric.value for name, metric in metrics.items()}
        numbers["macs"] = costs["macs"].of(architecture)
        found.append((numbers["accuracy"], architecture, numbers))
        return metrics

    search(problem, searcher, evaluate, None, evaluations=evaluations, batch=_BATCH, seed=seed)
    return found


def shrunk(space: EnsembleSpace, scored: list[Scored], confidence: float) -> EnsembleSpace:
    """Return the ensembles that are left when options the evidence speaks against are dropped."""
    numbers = {
        name: np.array([row[2][name] for row in scored])
        for name in ("accuracy", "macs", "diversity")
    }
    evidence = gather(
        space,
        space.encode_all(row[1] for row in scored),
        numbers["accuracy"],
        numbers["macs"],
        diversity=numbers["diversity"],
        confidence=confidence,
    )
    return space.restrict(remaining(space, worse(evidence)))


def interval(values: list[float]) -> tuple[float, float]:
    """Return mean and half width of the 95 % interval of the mean."""
    if len(values) < 2:
        return values[0], math.nan
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), _T95[len(values)] * spread


def main() -> None:
    """Search, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run with a trained supernet")
    parser.add_argument("--budgets", nargs="+", default=["30%", "60%"], help="limits on MACs")
    parser.add_argument("--seeds", type=int, default=5, help="2 to 10")
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--confidence", type=float, default=0.8, help="of dropping options")
    parser.add_argument("--name", help="name of the result (default: the folder's)")
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    base = space_of(run.config)
    pairs = EnsembleSpace(base, arguments.members)
    splits = pipeline.load_splits(run.config, base, lambda title: nullcontext(silent))
    supernet = load_supernet(run, base)
    single = SubnetEvaluator(supernet, splits, run.config.evaluate, device="cpu")
    double = SubnetEvaluator(_of_pairs(run, pairs), splits, run.config.evaluate, device="cpu")
    largest = compile_cost(base, Macs()).maximum().value
    rows: list[dict[str, Any]] = []
    about = {
        "space": {"name": base.name, "options": dict(base.options), "size": base.size},
        "pairs": {"members": pairs.members, "size": pairs.size},
        "data": {"format": run.config.data.format, "train": len(splits.train)},
        "training": run.config.train.model_dump(mode="json"),
        "evaluations": arguments.evaluations,
    }
    for seed in range(arguments.seeds):
        for budget in arguments.budgets:
            limit = UpperLimit("macs", parse_limit("macs", budget).resolve(largest), budget)
            rows += _compared(arguments, base, pairs, single, double, limit, seed)
            print_table(rows[-3:])
        if seed:  # kept as it grows, for a run that takes hours
            table = _summary(rows, arguments.budgets)
            print_table(table)
            name = f"ensembles_{arguments.name or run.path.name}"
            write_result(name, {**about, "seeds": seed + 1, "summary": table, "rows": rows})


def _of_pairs(run: RunFolder, pairs: EnsembleSpace) -> Supernet:
    """Return the supernet of the pairs with the weights of the run's."""
    supernet = Supernet(pairs)
    supernet.load_state_dict(load_supernet(run, pairs.base).state_dict())
    return supernet


def _compared(
    arguments: argparse.Namespace,
    base: SearchSpace,
    pairs: EnsembleSpace,
    single: SubnetEvaluator,
    double: SubnetEvaluator,
    limit: UpperLimit,
    seed: int,
) -> list[dict[str, Any]]:
    """Return one row for each of the three searches."""
    total, half = arguments.evaluations, arguments.evaluations // 2
    evolution = Evolution(parents=10)
    alone = searched(base, evolution, single, limit, evaluations=total, seed=seed)
    together = searched(pairs, evolution, double, limit, evaluations=total, seed=seed)
    first = searched(pairs, RandomSearch(), double, limit, evaluations=half, seed=seed)
    smaller = shrunk(pairs, first, arguments.confidence)
    rest = searched(smaller, evolution, double, limit, evaluations=total - len(first), seed=seed)
    rows = []
    for method, scored, evaluator, space in (
        ("single", alone, single, base),
        ("pair", together, double, pairs),
        ("pair, shrunk space", [*first, *rest], double, smaller),
    ):
        accuracy, architecture, numbers = max(scored, key=lambda row: row[0])
        subnet = evaluator.subnet(architecture)
        test = evaluator.score(subnet, architecture, split="test")
        rows.append(
            {
                "budget": limit.said,
                "seed": seed,
                "method": method,
                "macs": numbers["macs"],
                "validation": accuracy,
                "test": test.value,
                "diversity": numbers.get("diversity"),
                "split": architecture.get(SPLIT),
                "space": float(space.fraction),
                "evaluations": len(scored),
            }
        )
    return rows


def _summary(rows: list[dict[str, Any]], budgets: list[str]) -> list[dict[str, Any]]:
    """Return mean test accuracies and their paired differences to single subnets."""
    table = []
    for budget in budgets:
        by_method: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["budget"] == budget:
                by_method.setdefault(row["method"], []).append(row)
        reference = [row["test"] for row in by_method["single"]]
        for method, of_method in by_method.items():
            tests = [row["test"] for row in of_method]
            mean, _ = interval(tests)
            gains = [test - other for test, other in zip(tests, reference, strict=True)]
            gain, half = interval(gains)
            table.append(
                {
                    "budget": budget,
                    "method": method,
                    "macs": statistics.fmean(row["macs"] for row in of_method),
                    "test_mean": mean,
                    "gain_over_single": gain,
                    "plus_minus_95": half,
                    "space": statistics.fmean(row["space"] for row in of_method),
                }
            )
    return table


if __name__ == "__main__":
    main()
