"""Hypervolume of every multi-objective searcher on the archive of a real supernet, against peers.

    python benchmarks/search_hypervolume.py --peers PYTHON --run runs/volume

The space is small enough (1,458 networks, a `mobile_small` whose choices are coupled by stage) for
all of it to be evaluated with the weights of one supernet, trained on scikit-learn's digits or,
with ``--data cifar10.npz``, on CIFAR-10, so that the true front is known. The run folder holds
supernet and archive: what is there is not done again, and what was measured is kept in
``results/search_hypervolume_archive.json``, from which ``--run`` can be left out. PYTHON is the
interpreter of an environment with `pymoo` from PyPI.

Every searcher gets the same number of evaluations; where a peer asks for a network again, that
costs it an evaluation, as it would in earnest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, hypervolume, peer, print_table, write_result
from numpy.typing import NDArray

from nas import pipeline
from nas.archive import Archive
from nas.config import parse_config
from nas.problems import build_problem, space_of
from nas.runs import RunFolder
from nas.search import (
    NSGA2,
    NSGA3,
    EvaluatePopulation,
    Objective,
    Problem,
    RandomSearch,
    Searcher,
    search,
)
from nas.search.optuna_bridge import OptunaSearcher
from predictors import Macs, Params, Provenance, compile_cost
from search_spaces import Population, SearchSpace, SpaceBuilder, get_space, register_space
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.progress import silent

NAME, WIDTHS = "mobile_small_coupled", (24, 48, 96)
DEPTHS, KERNELS, EXPANSIONS = (1, 2, 3), (3, 5), (2, 3, 4)
POPULATION = 20
EVALUATIONS = (40, 100, 200)
OBJECTIVES = (("accuracy", "macs"), ("accuracy", "macs", "params"))
LOOKED_UP = Provenance("measured", "archive of a supernet")
SEARCHERS: dict[str, Callable[[], Searcher]] = {
    "random": RandomSearch,
    "nsga2": partial(NSGA2, population=POPULATION),
    "nsga3": partial(NSGA3, population=POPULATION),
    "optuna TPESampler": partial(OptunaSearcher, "TPESampler"),
    "optuna NSGAIISampler": partial(
        OptunaSearcher, "NSGAIISampler", {"population_size": POPULATION}
    ),
}
ALONE = {"TPESampler": {}, "NSGAIISampler": {"population_size": POPULATION}}


@register_space(NAME)
def coupled(channels: int = 1, resolution: int = 16) -> SearchSpace:
    """Elastic MobileNet-style space with one depth and expansion for a stage, one kernel for all.

    Its stages are those of `mobile_small` at their full widths.

    Args:
        channels: Of the image.
        resolution: Input height = width.
    """
    builder = SpaceBuilder(NAME)
    kernel = builder.choice("kernel", KERNELS)
    builder.slot("stem", reads=(), block=partial(Conv, channels, 16, resolution, kernel=3))
    hw, cin = resolution, 16
    for s, cout in enumerate(WIDTHS, 1):
        depth = builder.choice(f"depth_{s}", DEPTHS)
        expand = builder.choice(f"expand_{s}", EXPANSIONS)
        for b in range(max(DEPTHS)):
            make = partial(_block, b, cin, cout, hw)
            builder.slot(f"stage{s}.{b}", reads=(depth, kernel, expand), block=make)
            cin, hw = (cout, hw // 2) if b == 0 else (cin, hw)
    builder.slot("final", reads=(), block=partial(Conv, WIDTHS[-1], 256, hw))
    builder.slot("head", reads=(), block=partial(Head, 256, 10, hw))
    return builder.build()


def _block(b: int, cin: int, cout: int, hw: int, depth: int, kernel: int, expand: int) -> Any:
    if b >= depth:
        return None
    first = b == 0
    return MBConv(
        cin, cout, cin * expand, hw, kernel=kernel, stride=2 if first else 1, shortcut=not first
    )


def configuration(data: Path | None) -> dict[str, Any]:
    """Return how the supernet is trained and every network of the space evaluated."""
    digits = {
        "space": {"name": NAME, "options": {"channels": 1, "resolution": 12}},
        "data": {"format": "digits", "validation": 500},
        "augment": {"crop_padding": 1},
        "train": {"epochs": 40, "batch_size": 64, "warmup_epochs": 2},
    }
    cifar10 = {
        "space": {"name": NAME, "options": {"channels": 3, "resolution": 16}},
        "data": {"format": "npz", "path": str(data and data.resolve()), "validation": 2000},
        "augment": {"crop_padding": 4, "flip": True},
        "train": {"epochs": 4, "batch_size": 128, "warmup_epochs": 0.5, "weight_decay": 1e-4},
    }
    document = digits if data is None else cifar10
    document["train"] |= {"strategy": "single_path", "learning_rate": 0.1, "threads": 1}
    document["evaluate"] = {"calibration_images": 500}
    document["search"] = {"searcher": "random", "population": 27, "evaluations": coupled().size}
    return document


def evaluated(data: Path | None, folder: Path) -> dict[str, Any]:
    """Train the supernet and evaluate the whole space, or go on with it; return accuracies."""
    new = not (folder / "run.json").exists()
    config = parse_config(configuration(data), source="of this benchmark")
    run = RunFolder.create(folder, config) if new else RunFolder.open(folder)
    space = space_of(config)
    started = time.process_time()

    def bars(title: str) -> Any:
        return nullcontext(silent)

    splits = pipeline.load_splits(config, space, bars)
    with run.lock():
        pipeline.train_stage(run, space, splits, bars)
        pipeline.search_stage(run, build_problem(config, space), splits, bars)
    with Archive.read(run.archive_path) as archive:
        found = {row.id: row.metrics["accuracy"].value for row in archive.rows()}
        (origin,) = {str(row.metrics["accuracy"].provenance) for row in archive.rows()}
    steps = [row for row in run.read_metrics() if row["kind"] == "train"]
    return {
        "space": {"name": NAME, "options": dict(space.options), "size": space.size},
        "supernet": {
            "images": splits.source,
            "strategy": config.train.strategy,
            "epochs": config.train.epochs,
            "last_loss": steps[-1]["loss"],
        },
        "cpu_s": time.process_time() - started,
        "provenance": origin,
        "accuracy": dict(sorted(found.items())),
    }


class Table:
    """Every objective of every network of the space.

    Attributes:
        names: Of the objectives.
        values: Over all combinations of options, to be minimised, float64 [..., objectives].
    """

    def __init__(self, space: SearchSpace, accuracy: dict[str, float], names: Sequence[str]):
        self.space, self.names = space, tuple(names)
        shape = tuple(space.option_counts.tolist())
        rows = np.indices(shape).reshape(len(shape), -1).T.astype(np.int16)
        costs = {model.metric: compile_cost(space, model) for model in (Macs(), Params())}
        columns = [-np.array([accuracy[id] for id in space.ids(rows)])]
        columns += [costs[name](rows) for name in names[1:]]
        self.values = np.stack(columns, axis=1).reshape(*shape, len(columns))
        self._flat = self.values.reshape(-1, len(columns))
        self._low, self._high = self._flat.min(axis=0), self._flat.max(axis=0)
        objectives = (Objective("accuracy"), *(Objective(name, "minimize") for name in names[1:]))
        self.problem = Problem(space, objectives=objectives, costs=costs)
        self._all = self.volume(self._flat)

    def of(self, rows: Population) -> NDArray[np.float64]:
        """Return the objectives of networks, to be minimised, float64 [n, objectives]."""
        return np.asarray(self.values[tuple(rows.T)])

    def volume(self, values: NDArray[np.float64]) -> float:
        """Return the hypervolume of points, each objective scaled to [0, 1] over the space."""
        scaled = (values - self._low) / (self._high - self._low)
        return hypervolume(scaled, np.full(scaled.shape[1], 1.0 + 1e-6))

    def share(self, values: NDArray[np.float64]) -> float:
        """Return the hypervolume over that of the true front."""
        return self.volume(values) / self._all


def ours(table: Table, make: Callable[[], Searcher], seed: int) -> NDArray[np.float64]:
    """Return what a searcher of this engine evaluates, in order."""

    def accuracy(rows: Population) -> dict[str, NDArray[np.float64]]:
        return {"accuracy": -table.of(rows)[:, 0]}

    evaluate = EvaluatePopulation(accuracy, LOOKED_UP)
    result = search(
        table.problem,
        make(),
        evaluate,
        None,
        evaluations=max(EVALUATIONS),
        batch=POPULATION,
        seed=seed,
    )
    return table.of(result.history.population)


def optuna_alone(
    table: Table, sampler: str, options: dict[str, Any], seed: int
) -> NDArray[np.float64]:
    """Return what a sampler of Optuna evaluates by itself, in order, repetitions too."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make = getattr(optuna.samplers, sampler)
    study = optuna.create_study(
        directions=["minimize"] * len(table.names), sampler=make(seed=seed, **options)
    )
    sizes = table.space.option_counts.tolist()
    found = []
    for _ in range(max(EVALUATIONS)):
        trial = study.ask()
        row = [trial.suggest_int(f"x{i}", 0, n - 1) for i, n in enumerate(sizes)]
        found.append(table.values[tuple(row)])
        study.tell(trial, found[-1].tolist())
    return np.array(found)


def pymoo_alone(table: Table, python: str, seeds: int) -> list[NDArray[np.float64]]:
    """Return what pymoo's NSGA-II evaluates, in order, for every seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.npz"
        np.savez(path, values=table.values)
        results = peer(
            python,
            "pymoo_nsga2.py",
            tables=str(path),
            population=POPULATION,
            evaluations=max(EVALUATIONS),
            seeds=seeds,
        )
    return [np.array(result["found"]) for result in results]


def rows_of(
    table: Table, name: str, archives: Sequence[NDArray[np.float64]]
) -> list[dict[str, Any]]:
    """Return mean share of the true hypervolume and its 95 % interval after each budget."""
    row: dict[str, Any] = {
        "objectives": ", ".join(table.names),
        "searcher": name,
        "seeds": len(archives),
    }
    for count in EVALUATIONS:
        shares = [table.share(values[:count]) for values in archives]
        half = 1.96 * statistics.stdev(shares) / len(shares) ** 0.5
        row[f"after {count}"] = f"{statistics.mean(shares):.4f} ± {half:.4f}"
    return [row]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="CIFAR-10 as an .npz; digits without it")
    parser.add_argument("--run", type=Path, help="the run folder; else the kept archive is read")
    parser.add_argument("--peers", required=True, help="a Python with pymoo")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    kept = RESULTS / "search_hypervolume_archive.json"
    if arguments.run is not None:
        write_result(kept.stem, evaluated(arguments.data, arguments.run))
    archive = json.loads(kept.read_text(encoding="utf-8"))
    space = get_space(NAME, **archive["space"]["options"])
    seeds = range(arguments.seeds)
    rows = []
    for names in OBJECTIVES:
        table = Table(space, archive["accuracy"], names)
        for name, make in SEARCHERS.items():
            rows += rows_of(table, name, [ours(table, make, seed) for seed in seeds])
        for name, options in ALONE.items():
            found = [optuna_alone(table, name, options, seed) for seed in seeds]
            rows += rows_of(table, f"Optuna's {name} alone", found)
        found = pymoo_alone(table, arguments.peers, arguments.seeds)
        rows += rows_of(table, "pymoo's NSGA2", found)
    print_table(rows)
    about = {key: value for key, value in archive.items() if key != "accuracy"}
    print(f"\nwrote {write_result('search_hypervolume', {'archive': about, 'rows': rows})}")


if __name__ == "__main__":
    main()
