"""Regret of every searcher on tabular benchmarks, with seeds and intervals.

    python benchmarks/search_quality.py --data ../shared/data
    python benchmarks/search_quality.py --data ../shared/data --searchers assisted optuna

What is named is measured again, and the other rows are kept. Regret is how far the test accuracy
of the network that a searcher holds for best lies below the best feasible test accuracy, in
points. Searchers see the test accuracy, so that nothing but searching counts, and on
NAS-Bench-201 also the validation accuracy: there, whoever evaluates everything has a regret too,
the row ``exhaustive``. To compare another searcher, add it to `SEARCHERS`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from common import RESULTS, print_table, write_result
from numpy.typing import NDArray

from nas.search import (
    NSGA2,
    NSGA3,
    AgingEvolution,
    AssistedSearch,
    EvaluatePopulation,
    Evolution,
    Problem,
    RandomSearch,
    Searcher,
    UpperLimit,
    search,
    spos_evolution,
)
from nas.search.optuna_bridge import OptunaSearcher
from predictors import CostTable, Provenance
from search_spaces import Population, SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import Conv
from search_spaces.tables import Table

SEARCHERS: dict[str, Callable[[], Searcher]] = {
    "random": RandomSearch,
    "evolution": partial(Evolution, parents=5),
    "spos": partial(spos_evolution, parents=5),
    "aging": partial(AgingEvolution, population=30, tournament=8),
    "nsga2": partial(NSGA2, population=20),
    "nsga3": partial(NSGA3, population=20),
    "assisted": AssistedSearch,
    "optuna": OptunaSearcher,  # the tree-structured Parzen estimator
}
QUANTILES = (0.10, 0.25, 0.50, 0.75)
EVALUATIONS = (50, 100, 200, 500)
BATCH = 10
NAME, EXHAUSTIVE = "search_quality", "exhaustive"
Row: TypeAlias = dict[str, Any]
MEASURED = Provenance("measured", "tabular benchmark")


@dataclass(frozen=True)
class Described:
    """What is to be said of a tabular cost."""

    metric: str
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = MEASURED


@dataclass(frozen=True)
class Tabular:
    """A benchmark in which everything is known.

    Attributes:
        name: Of the benchmark.
        space: Its architectures.
        seen: Accuracy that searchers see, in percent, over all combinations of options.
        test: Test accuracy in percent.
        costs: By name, over all combinations.
    """

    name: str
    space: SearchSpace
    seen: NDArray[np.float64]
    test: NDArray[np.float64]
    costs: dict[str, NDArray[np.float64]]

    def table(self, metric: str, values: NDArray[np.float64]) -> CostTable:
        """Return values over all combinations as one compiled cost."""
        tables = [Table(tuple(range(values.ndim)), values)]
        return CostTable(
            self.space, Described(metric), tables, parts=["network"], canonical_only=True
        )


def nasbench201(data: Path, *, seen: Literal["test", "val"]) -> Tabular:
    """Return NAS-Bench-201, CIFAR-10, with the latencies of six devices.

    Args:
        data: The folder of the files.
        seen: The accuracy that searchers see.
    """
    space = get_space("nasbench201")
    cells, latency = (
        np.load(data / f"{name}.npz", allow_pickle=False)
        for name in ("nasbench201_cifar10", "nasbench201_latency")
    )
    names, columns = cells["op_names"].tolist(), cells["edges"].tolist()
    index = []
    for choice in space.choices:
        edge = columns.index(choice.name.removeprefix("edge_").replace("_", "-"))
        order = np.array([choice.options.index(name) for name in names])
        index.append(order[cells["ops"][:, edge]])
    shape = tuple(space.option_counts.tolist())

    def spread(values: NDArray[Any]) -> NDArray[np.float64]:
        array = np.full(shape, np.nan)
        array[tuple(index)] = values
        return array

    costs = {
        str(device): spread(latency["latency_ms"][:, i])
        for i, device in enumerate(latency["devices"])
    }
    return Tabular(
        f"NAS-Bench-201 ({seen})",
        space,
        spread(cells[f"{seen}_acc_200"]),
        spread(cells["test_acc_200"]),
        costs,
    )


def nasbench_macro(data: Path) -> Tabular:
    """Return NAS-Bench-Macro, CIFAR-10; searchers see the mean test accuracy of three seeds."""
    file = np.load(data / "nasbench_macro.npz", allow_pickle=False)
    builder = SpaceBuilder("nasbench_macro")
    for i in range(file["arch"].shape[1]):
        kernel = builder.choice(f"layer_{i}", (1, 3, 5))
        builder.slot(f"layer{i}", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    index = tuple(file["arch"].T)

    def spread(values: NDArray[Any]) -> NDArray[np.float64]:
        array = np.full((3,) * len(index), np.nan)
        array[index] = values
        return array

    test = file["test_acc"].mean(axis=1)
    costs = {"macs": spread(file["flops"])}
    return Tabular("NAS-Bench-Macro", builder.build(), spread(test), spread(test), costs)


BENCHMARKS: dict[str, Callable[[Path], Tabular]] = {
    "nasbench201": partial(nasbench201, seen="test"),
    "nasbench201_val": partial(nasbench201, seen="val"),
    "nasbench_macro": nasbench_macro,
}


def problems(benchmark: Tabular) -> Iterator[tuple[str, float, Problem]]:
    """Yield a problem for each device and quantile of its cost over all networks."""
    rows = benchmark.space.enumerated
    for device, values in benchmark.costs.items():
        metric = "macs" if device == "macs" else "latency_ms"
        cost = benchmark.table(metric, values)
        for quantile in QUANTILES:
            limit = UpperLimit(metric, float(np.quantile(cost(rows), quantile)))
            yield (
                device,
                quantile,
                Problem(benchmark.space, costs={metric: cost}, limits=(limit,)),
            )


@dataclass(frozen=True)
class Runs:
    """Searches of one problem, one for each seed.

    Attributes:
        regrets: After each number of evaluations, float64 [seeds, budgets].
        evaluations: How many were made in all.
    """

    regrets: NDArray[np.float64]
    evaluations: int


class _FoundError(Exception):
    """Nothing better can be found."""


class _Watched:
    """An evaluation that notes what was found, and ends the search when it is the best."""

    def __init__(self, benchmark: Tabular, problem: Problem) -> None:
        self._seen = benchmark.table("accuracy", benchmark.seen)
        self._test = benchmark.table("accuracy", benchmark.test)
        rows = feasible(benchmark, problem)
        self._best_seen, self._best_test = self._seen(rows).max(), self._test(rows).max()
        self._found: list[NDArray[np.float64]] = []

    def __call__(self, asked: Population) -> dict[str, NDArray[np.float64]]:
        values = self._seen(asked)
        self._found.append(np.stack([values, self._test(asked)]))
        if values.max() >= self._best_seen:
            raise _FoundError
        return {"accuracy": values}

    def outcome(self, budgets: Sequence[int]) -> tuple[list[float], int]:
        """Return the regret after each number of evaluations, and how many were made."""
        seen, test = np.concatenate(self._found, axis=1)
        chosen = [test[seen[:count].argmax()] for count in budgets]
        return [float(self._best_test - value) for value in chosen], len(seen)


def regrets(
    benchmark: Tabular,
    problem: Problem,
    make: Callable[[], Searcher],
    seeds: range,
    evaluations: int = EVALUATIONS[-1],
) -> Runs:
    """Search once for every seed.

    A search that has found the best there is by what it sees is stopped: it holds on to it.
    """
    budgets = [count for count in EVALUATIONS if count <= evaluations]
    outcomes = []
    for seed in seeds:
        watched = _Watched(benchmark, problem)
        evaluate = EvaluatePopulation(watched, MEASURED)
        with suppress(_FoundError):
            search(
                problem, make(), evaluate, None, evaluations=evaluations, batch=BATCH, seed=seed
            )
        outcomes.append(watched.outcome(budgets))
    return Runs(np.array([r for r, _ in outcomes]), sum(made for _, made in outcomes))


def feasible(benchmark: Tabular, problem: Problem) -> Population:
    """Return all networks within the limits."""
    rows = benchmark.space.enumerated
    return rows[problem.feasible(rows)]


def exhaustive(benchmark: Tabular, problem: Problem) -> NDArray[np.float64]:
    """Return the regret of evaluating everything, [budgets]."""
    watched = _Watched(benchmark, problem)
    with suppress(_FoundError):
        watched(feasible(benchmark, problem))
    regret, _ = watched.outcome([benchmark.seen.size])
    return np.array(regret * len(EVALUATIONS))


def summary(found: NDArray[np.float64]) -> dict[str, float]:
    """Return mean regrets and the half width of their 95 % intervals, over all rows."""
    spread = 1.96 * found.std(axis=0, ddof=1) / len(found) ** 0.5 if len(found) > 1 else 0 * found
    columns: dict[str, float] = {}
    for mean, half, count in zip(found.mean(axis=0), np.ravel(spread), EVALUATIONS, strict=False):
        columns[f"regret@{count}"] = round(float(mean), 4)
        columns[f"+-@{count}"] = round(float(half), 4)
    return columns


def rows_of(
    benchmark: Tabular, name: str, seeds: range, evaluations: int
) -> tuple[Row, list[Row]]:
    """Run a searcher on all problems of a benchmark; return its row, and one for each problem."""
    start, runs, cases = time.process_time(), [], []
    row: Row = {"benchmark": benchmark.name, "searcher": name}
    for device, quantile, problem in problems(benchmark):
        if name == EXHAUSTIVE:
            run = Runs(exhaustive(benchmark, problem)[None], 0)
        else:
            run = regrets(benchmark, problem, SEARCHERS[name], seeds, evaluations)
        runs.append(run)
        case = {"device": device, "quantile": quantile}
        cases.append({**row, **case, **summary(run.regrets)})
    made = sum(run.evaluations for run in runs)
    seconds = time.process_time() - start
    thought = {"cpu_ms_per_evaluation": round(1e3 * seconds / made, 3)} if made else {}
    row["seeds"] = len(runs[0].regrets)
    return {**row, **summary(np.concatenate([r.regrets for r in runs])), **thought}, cases


def kept(measured: Sequence[tuple[str, str]]) -> tuple[list[Row], list[Row]]:
    """Return the last results, overall and by case, but for pairs of benchmark and searcher."""
    path = RESULTS / f"{NAME}.json"
    last = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    overall, cases = (
        [row for row in last.get(part, ()) if (row["benchmark"], row["searcher"]) not in measured]
        for part in ("overall", "cases")
    )
    return overall, cases


def main() -> None:
    """Print the mean regret of every searcher over devices and limits, and keep all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../../shared/data"))
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--evaluations", type=int, default=500, choices=EVALUATIONS)
    parser.add_argument("--searchers", nargs="*", default=list(SEARCHERS), choices=SEARCHERS)
    parser.add_argument("--benchmarks", nargs="*", default=list(BENCHMARKS), choices=BENCHMARKS)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    names = [EXHAUSTIVE, *options.searchers]
    benchmarks = [BENCHMARKS[name](options.data) for name in options.benchmarks]
    overall, cases = kept([(b.name, name) for b in benchmarks for name in names])
    for name, benchmark in itertools.product(names, benchmarks):
        row, more = rows_of(benchmark, name, seeds, options.evaluations)
        overall.append(row)
        cases += more
        print_table([row])
        write_result(NAME, {"overall": overall, "cases": cases})
    print()
    print_table(sorted(overall, key=lambda row: (row["benchmark"], row["searcher"])))


if __name__ == "__main__":
    main()
