"""Searches in the cheap regime against peers, in one run, and draws inside tiny windows.

    python benchmarks/search_speed.py --peers PYTHON

PYTHON is the interpreter of an environment with `ofa` and `pymoo` from PyPI. Without it one is
made in a temporary folder, which downloads torch.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import hypervolume, peer, print_table, write_result
from numpy.typing import NDArray

from nas.search import (
    NSGA2,
    EvaluatePopulation,
    Objective,
    Problem,
    UpperLimit,
    ofa_evolution,
    search,
)
from predictors import CostTable, Macs, Provenance, compile_cost
from predictors.foreign.ofa_accuracy import OfaAccuracyPredictor
from predictors.linear import linear_cost
from search_spaces import SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import Conv

PACKAGES = ["ofa", "pymoo", "torch", "pillow", "pyyaml", "tqdm", "gdown"]
RESOLUTIONS = [160, 176, 192, 208, 224]
POPULATION, GENERATIONS = 100, 500
OFA_TARGET, NSGA_TARGET, SAMPLE_TARGET = 80.0, 5.0, 10_000.0
DRAWN = Provenance("predicted", "random weights")


def environment(folder: Path) -> str:
    """Make an environment with the peers and return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return str(python)


def layers(rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Return random weights of once-for-all's predictor; its biases are zero here."""
    sizes = [128, 400, 400, 400, 1]
    return [
        (rng.normal(size=(b, a)) * (2.0 / a) ** 0.5).astype(np.float32)
        for a, b in itertools.pairwise(sizes)
    ]


def ofa_pairs(python: str, folder: Path, macs: float, seeds: int) -> Iterator[dict[str, float]]:
    """Compare whole searches with the same predictor and limit, a seed at a time.

    The peer evaluates many networks again and again. Ours never does, so it is run twice: with
    as many different networks as the peer makes evaluations, and with as many different
    networks as the peer evaluates different ones.
    """
    weights = layers(np.random.default_rng(0))
    np.savez(folder / "layers.npz", **{f"weight_{i}": w for i, w in enumerate(weights)})
    space = get_space("ofa_mobilenet_v3", resolutions=RESOLUTIONS)
    pairs = tuple((w, np.zeros(len(w), np.float32)) for w in weights)
    predictor = OfaAccuracyPredictor(space, pairs, source="random weights")
    for seed in range(seeds):
        theirs = peer(
            python,
            "ofa_search.py",
            layers=str(folder / "layers.npz"),
            resolutions=RESOLUTIONS,
            macs=macs,
            population=POPULATION,
            generations=GENERATIONS,
            seed=seed,
        )
        long, short = (
            our_ofa_search(predictor, macs, theirs[count], seed)
            for count in ("evaluations", "different")
        )
        drawn = space.sample(POPULATION, np.random.default_rng(seed))
        start = time.process_time()
        for _ in range(GENERATIONS + 1):
            predictor(drawn)
        yield {
            "seed": seed,
            "evaluations": theirs["evaluations"],
            "peer_different": theirs["different"],
            "peer_cpu_s": theirs["cpu_s"],
            "peer_found": theirs["best"],
            "evaluations_cpu_s": long[0],
            "evaluations_found": long[1],
            "different_cpu_s": short[0],
            "different_found": short[1],
            "predictions_cpu_s": time.process_time() - start,
        }


def ofa_summary(pairs: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Return a row for each of our two searches."""

    def median(name: str) -> float:
        return statistics.median(pair[name] for pair in pairs)

    return [
        {
            "what": f"OFA search, {median(counted):,.0f} different networks",
            "ours_cpu_s": median(f"{kind}_cpu_s"),
            "peer_cpu_s": median("peer_cpu_s"),
            "ratio": statistics.median(p["peer_cpu_s"] / p[f"{kind}_cpu_s"] for p in pairs),
            "target": OFA_TARGET,
            "ours_found": statistics.mean(p[f"{kind}_found"] for p in pairs),
            "peer_found": statistics.mean(p["peer_found"] for p in pairs),
        }
        for kind, counted in (("evaluations", "evaluations"), ("different", "peer_different"))
    ]


def our_ofa_search(
    predictor: OfaAccuracyPredictor, macs: float, evaluations: int, seed: int
) -> tuple[float, float]:
    """Return CPU seconds of a whole search, costs compiled included, and the best found."""
    start = time.process_time()
    problem = Problem(
        predictor.space,
        costs={"macs": compile_cost(predictor.space, Macs())},
        limits=(UpperLimit("macs", macs),),
    )
    result = search(
        problem,
        ofa_evolution(POPULATION),
        EvaluatePopulation(lambda rows: {"accuracy": predictor(rows)}, predictor.provenance),
        None,
        evaluations=evaluations,
        batch=POPULATION,
        seed=seed,
    )
    return time.process_time() - start, float(result.history.values.max())


def additive_problem(rng: np.random.Generator) -> tuple[Problem, NDArray[np.float64], float]:
    """Return 45 choices of four options with three additive tables, and these tables."""
    builder = SpaceBuilder("additive")
    for i in range(45):
        kernel = builder.choice(f"kernel_{i}", (1, 3, 5, 7))
        builder.slot(f"conv{i}", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    space = builder.build()
    tables = np.sort(rng.random((3, 45, 4)), axis=2)
    tables[1:] *= rng.uniform(0.2, 1.8, size=(2, 45, 1))

    def cost(metric: str, table: NDArray[np.float64]) -> CostTable:
        return linear_cost(space, table, metric=metric, provenance=DRAWN)

    costs = {"cost": cost("cost", tables[1]), "other": cost("other", tables[2])}
    limit = float(np.quantile(costs["other"](space.sample(4000, rng)), 0.3))
    problem = Problem(
        space,
        objectives=(Objective("score"), Objective("cost", "minimize")),
        costs=costs,
        limits=(UpperLimit("other", limit),),
    )
    return problem, tables, limit


def nsga2(python: str, folder: Path, seeds: int, evaluations: int) -> dict[str, Any]:
    """Compare NSGA-II on two objectives and a constraint."""
    problem, tables, limit = additive_problem(np.random.default_rng(1))
    np.savez(folder / "tables.npz", tables=tables, limit=limit)
    score = linear_cost(problem.space, tables[0], metric="score", provenance=DRAWN)
    evaluate = EvaluatePopulation(lambda rows: {"score": score(rows)}, DRAWN)
    reference = np.array([0.0, problem.costs["cost"].maximum().value])
    seconds, volumes = [], []
    for seed in range(seeds):
        start = time.process_time()
        result = search(
            problem,
            NSGA2(),
            evaluate,
            None,
            evaluations=evaluations,
            batch=POPULATION,
            seed=seed,
        )
        seconds.append(time.process_time() - start)
        volumes.append(hypervolume(result.history.values * [-1.0, 1.0], reference))
    theirs = peer(
        python,
        "pymoo_nsga2.py",
        tables=str(folder / "tables.npz"),
        population=POPULATION,
        evaluations=evaluations,
        seeds=seeds,
    )
    peer_seconds = statistics.median(t["cpu_s"] for t in theirs)
    archives = [np.array(t["found"]) for t in theirs]
    return {
        "what": f"NSGA-II, {evaluations:,} evaluations",
        "ours_cpu_s": statistics.median(seconds),
        "peer_cpu_s": peer_seconds,
        "ratio": peer_seconds / statistics.median(seconds),
        "target": NSGA_TARGET,
        "ours_found": statistics.mean(volumes),
        "peer_found": statistics.mean(hypervolume(values, reference) for values in archives),
    }


def limit_of_share(space: SearchSpace, share: float) -> float:
    """Return the limit on MACs that so small a share of all networks meets."""
    macs = compile_cost(space, Macs())
    low, high = macs.minimum().value, macs.maximum().value
    wanted = math.log(share) + math.log(float(space.size))
    for _ in range(16):
        middle = (low + high) / 2
        few = macs.window(-math.inf, middle).log_count < wanted
        low, high = (middle, high) if few else (low, middle)
    return high


def drawing(architectures: int) -> list[dict[str, Any]]:
    """Time draws inside windows of once-for-all's space, counting included."""
    space = get_space("ofa_mobilenet_v3")
    rows = []
    limits = [limit_of_share(space, share) for share in (1e-3, 1e-9, 1e-15)]
    windows = [(f"up to {limit / 1e6:.2f} M MACs", -math.inf, limit) for limit in limits]
    windows += [
        ("300 M to 303 M MACs", 300e6, 303e6),
        ("300.0 M to 300.1 M MACs", 300.0e6, 300.1e6),
        ("300.00 M to 300.01 M MACs", 300.00e6, 300.01e6),
    ]
    for what, low, high in windows:
        macs = compile_cost(space, Macs())
        start = time.process_time()
        window = macs.window(low, high)
        counted = time.process_time()
        population = macs.sample(architectures, low=low, high=high, rng=np.random.default_rng(0))
        drawn = time.process_time()
        assert ((macs(population) >= low) & (macs(population) <= high)).all()
        rows.append(
            {
                "window": what,
                "counted_share": float(np.exp(window.log_count - np.log(float(space.size)))),
                "count_s": counted - start,
                "draws_per_s": architectures / (drawn - counted),
                "target": SAMPLE_TARGET,
            }
        )
    return rows


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with ofa and pymoo")
    parser.add_argument("--macs", type=float, default=400e6, help="limit of the OFA search")
    parser.add_argument("--ofa-seeds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--architectures", type=int, default=100_000)
    options = parser.parse_args()
    draws = drawing(options.architectures)
    print_table(draws)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = options.peers or environment(folder / "peers")
        nsga = nsga2(python, folder, options.seeds, 10_000)
        pairs: list[dict[str, float]] = []
        for pair in ofa_pairs(python, folder, options.macs, options.ofa_seeds):
            pairs.append(pair)
            searches = [nsga, *ofa_summary(pairs)]
            write_result("search_speed", {"searches": searches, "ofa": pairs, "draws": draws})
    print()
    print_table(searches)
    print()
    print_table(pairs)


if __name__ == "__main__":
    main()
