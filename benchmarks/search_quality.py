"""Regret of every searcher on tabular benchmarks, with seeds and intervals.

    python benchmarks/search_quality.py --data ../shared/data

Regret is how far the test accuracy of the network that a searcher holds for best lies below the
best feasible test accuracy, in points. Searchers see the test accuracy, so that nothing but
searching counts, and on NAS-Bench-201 also the validation accuracy: there, whoever evaluates
everything has a regret too, the row ``exhaustive``. To compare another searcher, add it to
`SEARCHERS`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from common import print_table, write_result
from numpy.typing import NDArray

from nas.search import (
    NSGA2,
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
from predictors import CostTable, Provenance
from search_spaces import SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import Conv
from search_spaces.tables import Table

SEARCHERS: dict[str, Callable[[], Searcher]] = {
    "random": RandomSearch,
    "evolution": partial(Evolution, parents=5),
    "spos": partial(spos_evolution, parents=5),
    "aging": partial(AgingEvolution, population=30, tournament=8),
    "nsga2": partial(NSGA2, population=20),
    "assisted": AssistedSearch,
}
QUANTILES = (0.10, 0.25, 0.50, 0.75)
EVALUATIONS = (50, 100, 200, 500)
BATCH = 10
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


def regrets(
    benchmark: Tabular, problem: Problem, make: Callable[[], Searcher], seeds: int
) -> NDArray[np.float64]:
    """Return the regret of every seed after each number of evaluations, [seeds, budgets]."""
    seen = benchmark.table("accuracy", benchmark.seen)
    test = benchmark.table("accuracy", benchmark.test)
    rows = benchmark.space.enumerated
    best = test(rows[problem.feasible(rows)]).max()
    result = np.empty((seeds, len(EVALUATIONS)))
    evaluate = EvaluatePopulation(lambda asked: {"accuracy": seen(asked)}, MEASURED)
    for seed in range(seeds):
        history = search(
            problem, make(), evaluate, None, evaluations=EVALUATIONS[-1], batch=BATCH, seed=seed
        ).history
        for column, count in enumerate(EVALUATIONS):
            rounds = count // BATCH
            early = np.flatnonzero(history.rounds < rounds)
            chosen = early[history.values[early, 0].argmax()]
            result[seed, column] = best - test(history.population[chosen][None])[0]
    return result


def exhaustive(benchmark: Tabular, problem: Problem) -> NDArray[np.float64]:
    """Return the regret of evaluating everything, [1, budgets]."""
    rows = benchmark.space.enumerated
    rows = rows[problem.feasible(rows)]
    seen = benchmark.table("accuracy", benchmark.seen)(rows)
    test = benchmark.table("accuracy", benchmark.test)(rows)
    return np.full((1, len(EVALUATIONS)), test.max() - test[seen.argmax()])


def summary(found: NDArray[np.float64]) -> dict[str, float]:
    """Return mean regrets and the half width of their 95 % intervals, over all rows."""
    spread = 1.96 * found.std(axis=0, ddof=1) / len(found) ** 0.5
    columns: dict[str, float] = {}
    for column, count in enumerate(EVALUATIONS):
        columns[f"regret@{count}"] = float(found[:, column].mean())
        columns[f"+-@{count}"] = float(spread[column])
    return columns


def main() -> None:
    """Print the mean regret of every searcher over devices and limits, and keep all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../../shared/data"))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--assisted-seeds", type=int, default=30, help="its runs take longest")
    parser.add_argument("--searchers", nargs="*", default=list(SEARCHERS), choices=SEARCHERS)
    options = parser.parse_args()
    details, overall = [], []
    benchmarks = (
        nasbench201(options.data, seen="test"),
        nasbench201(options.data, seen="val"),
        nasbench_macro(options.data),
    )
    for benchmark in benchmarks:
        cases = list(problems(benchmark))
        floor = np.concatenate([exhaustive(benchmark, problem) for _, _, problem in cases])
        overall.append(
            {
                "benchmark": benchmark.name,
                "searcher": "exhaustive",
                "seeds": 1,
                **summary(floor),
                "cpu_s": 0.0,
            }
        )
        for name in options.searchers:
            seeds = options.assisted_seeds if name == "assisted" else options.seeds
            start, all_of_it = time.process_time(), []
            for device, quantile, problem in cases:
                found = regrets(benchmark, problem, SEARCHERS[name], seeds)
                all_of_it.append(found)
                case = {"benchmark": benchmark.name, "device": device, "quantile": quantile}
                details.append({**case, "searcher": name, **summary(found)})
            seconds = (time.process_time() - start) / (len(cases) * seeds)
            row = {"benchmark": benchmark.name, "searcher": name, "seeds": seeds}
            overall.append({**row, **summary(np.concatenate(all_of_it)), "cpu_s": seconds})
            print_table(overall[-1:])
    print()
    print_table(overall)
    write_result("search_quality", {"overall": overall, "cases": details})


if __name__ == "__main__":
    main()
