"""Learned latency predictors on published measurements: NAS-Bench-201 and once-for-all subnets.

Usage: python benchmarks/latency_predictors.py [--table once_for_all] [--prices] [--data DIR]

For each device and number of measured networks: Spearman and share within 10 % on up to 3,000
other networks, mean over seeds (one seed from 300 samples on). ``random`` draws the networks,
``chosen`` takes them by `choose_support`; ``transfer`` gets predictors of all other devices
besides (leave one device out), each fitted on 900 networks, whose sample is drawn apart. With
``--prices`` one sum of prices of layers is fitted on the random ones, which a run can limit.

The ceiling is what a predictor could reach that knew every graph's true latency: cells of one
graph were measured several times, under different names, and their disagreement is the noise of
one measurement. If r is the rank correlation of such pairs, no predictor that gives them one
price is expected above the root of r (Spearman 1904, "The proof and measurement of association
between two things"); its share within 10 % is that of half of the pairs' variance.

Models are selected by cross-validation within the sample; no network is in sample and test.
The features, the views of what runs and the rule that chooses networks were designed while
looking at these tables.
Networks that compute a constant (dead edges cut the output from the input; 341 of 15,625
cells) are left out.

The Pi 5 was measured on the first cell of each of 6,466 published classes; the other rows are
copies, and only measured rows are used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import print_table, write_result

from predictors import Provenance
from predictors.learned import (
    FEATURES,
    SUM_OF_PRICES,
    Candidate,
    Execution,
    LearnedPredictor,
    choose_support,
    compare,
    fit,
    transfer,
)
from predictors.ranking import spearman
from search_spaces import Population, SearchSpace, get_space

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COUNTS = (10, 20, 50, 300, 900)
CHOSEN, FEW, MANY = 50, 20, 300
TEST, POOL, SOURCE = 3000, 2000, 900
PUBLISHED = {
    "HELP, 10 samples, mean of six other devices": 0.932,
    "HELP, 10 samples": {"pixel2": 0.802, "raspi4": 0.890, "gold_6226": 0.989},
    "BRP-NAS, 900 samples, mean": 0.789,
}
GOALS = {"10 samples with source devices": 0.96, "50 samples without": 0.97}


def nasbench201(data: Path) -> tuple[SearchSpace, Population, np.ndarray, list[str], np.ndarray]:
    """Return space, cells, latency_ms [n, devices], names, and which rows are measured."""
    with np.load(data / "nasbench201_latency.npz", allow_pickle=False) as file:
        latency, devices = file["latency_ms"].astype(np.float64), [str(d) for d in file["devices"]]
    with np.load(data / "nasbench201_cifar10.npz", allow_pickle=False) as file:
        cells, classes = file["ops"].astype(np.int16), file["unique_id"]
    measured = np.ones(latency.shape, dtype=bool)
    first = np.zeros(len(cells), dtype=bool)
    first[np.unique(classes, return_index=True)[1]] = True
    for column, device in enumerate(devices):
        if device.startswith("pi5"):
            measured[:, column] = first
    return get_space("nasbench201"), cells, latency, devices, measured


def once_for_all(data: Path) -> tuple[SearchSpace, Population, np.ndarray, list[str], np.ndarray]:
    """Return the same for once-for-all's subnets on two GPUs."""
    with np.load(data / "ofa_mbv3_gpu_latency.npz", allow_pickle=False) as file:
        table = dict(file)
    space = get_space("ofa_mobilenet_v3", resolutions=np.unique(table["r"]).tolist())
    columns = []
    for choice in space.choices:
        kind, *place = choice.name.split("_")
        if kind == "resolution":
            values = table["r"]
        elif kind == "depth":
            values = table["d"][:, int(place[0]) - 1]
        else:
            letter = {"kernel": "ks", "expand": "e"}[kind]
            values = table[letter][:, 4 * (int(place[0]) - 1) + int(place[1])]
        columns.append(np.searchsorted(np.array(choice.options), values))
    latency = table["latency_ms"].astype(np.float64)
    devices = [str(device) for device in table["devices"]]
    population = np.stack(columns, axis=1).astype(np.int16)
    return space, population, latency, devices, np.ones(latency.shape, dtype=bool)


def evaluate(name: str, data: Any, seeds: int, *, prices: bool) -> list[dict[str, Any]]:
    """Return one row for each device, method and number of samples."""
    space, population, latency, devices, measured = data
    usable = ~Execution(space).constant(population)
    pools = [np.flatnonzero(usable & measured[:, column]) for column in range(len(devices))]
    sources = [_source(space, population, latency[:, i], pools[i], i) for i in range(len(devices))]
    rows = []
    for column, device in enumerate(devices):
        others = [source for i, source in enumerate(sources) if i != column]
        for count in COUNTS:
            methods = ["random", *["chosen"] * (count <= CHOSEN)]
            methods += ["chosen, transfer"] * (count <= FEW)
            methods = ["random, prices"] if prices else methods
            for method in methods:
                found = [
                    _trial(
                        space,
                        population,
                        latency[:, column],
                        pools[column],
                        count,
                        method,
                        others,
                        seed,
                    )
                    for seed in range(seeds if count < MANY else 1)
                ]
                rows.append(
                    {
                        "data": name,
                        "device": device,
                        "samples": count,
                        "method": method,
                        "spearman": float(np.mean([f.spearman for f in found])),
                        "spearman_std": float(np.std([f.spearman for f in found])),
                        "within_10_percent": float(np.mean([f.within_10_percent for f in found])),
                    }
                )
                print_table([rows[-1]])
                sys.stdout.flush()
    return rows


def _source(
    space: SearchSpace, population: Population, values: np.ndarray, pool: np.ndarray, seed: int
) -> LearnedPredictor:
    """Return a known device's predictor, fitted on 900 networks."""
    rows = np.random.default_rng([seed, 1]).permutation(pool)[:SOURCE]
    views = [Candidate("additive", name) for name, view in FEATURES.items() if view is not None]
    where = Provenance("measured", "published table")
    return fit(
        space,
        population[rows],
        values[rows],
        metric="latency_ms",
        provenance=where,
        candidates=views,
    )


def _trial(
    space: SearchSpace,
    population: Population,
    values: np.ndarray,
    pool: np.ndarray,
    count: int,
    method: str,
    sources: list[LearnedPredictor],
    seed: int,
) -> Any:
    """Fit on one sample and compare on other networks; isomorphic copies are not in both."""
    order = np.random.default_rng([seed, 2]).permutation(pool)
    rows = order[:count]
    if method.startswith("chosen"):
        rows = order[:POOL][choose_support(space, population[order[:POOL]], count)]
    keys = space.keys(population)
    test = order[~np.isin(keys[order], keys[rows])][-TEST:]
    where = Provenance("measured", "published table")
    if method.endswith("transfer"):
        predictor = transfer(sources, population[rows], values[rows], provenance=where, seed=seed)
    else:
        predictor = fit(
            space,
            population[rows],
            values[rows],
            metric="latency_ms",
            provenance=where,
            candidates=[SUM_OF_PRICES] if method.endswith("prices") else None,
            seed=seed,
        )
    return compare(predictor(population[test]), values[test])


def ceilings(data: Any) -> list[dict[str, Any]]:
    """Return what the noise of the measurements leaves to predictors, for each device."""
    space, population, latency, devices, measured = data
    usable, keys = ~Execution(space).constant(population), space.keys(population)
    rows = []
    for column, device in enumerate(devices):
        pool = np.random.default_rng(0).permutation(np.flatnonzero(usable & measured[:, column]))
        first, second = _pairs(keys[pool])
        if not len(first):
            continue
        one, other = latency[pool[first], column], latency[pool[second], column]
        both = spearman(np.concatenate([one, other]), np.concatenate([other, one]))
        error = np.abs(np.log(one / other)) / np.sqrt(2.0)
        rows.append(
            {
                "device": device,
                "pairs": len(first),
                "values": len(np.unique(latency[pool, column])),
                "pairs_spearman": both,
                "spearman": float(np.sqrt(both)),
                "within_10_percent": float(np.mean(error < np.log(1.1))),
            }
        )
    return rows


def _pairs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of two rows of every network that has several."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], keys[order][1:] != keys[order][:-1]]))
    starts = starts[np.diff([*starts, len(keys)]) > 1]
    return order[starts], order[starts + 1]


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean over devices of each method and number of samples."""
    groups = dict.fromkeys((r["data"], r["samples"], r["method"]) for r in rows)
    found = []
    for data, samples, method in groups:
        own = [
            r for r in rows if (r["data"], r["samples"], r["method"]) == (data, samples, method)
        ]
        mean = {
            key: float(np.mean([r[key] for r in own])) for key in ("spearman", "within_10_percent")
        }
        found.append({"data": data, "samples": samples, "method": method, **mean})
    return found


TABLES = {"nasbench201": nasbench201, "once_for_all": once_for_all}


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", choices=tuple(TABLES), default="nasbench201")
    parser.add_argument("--prices", action="store_true", help="fit sums of prices only")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"skipped: the tables are not in {options.data}; name their folder with --data")
    data = TABLES[options.table](options.data)
    best = ceilings(data)
    if best:
        print_table(best)
        print(f"mean ceiling: Spearman {np.mean([row['spearman'] for row in best]):.4f}\n")
    rows = evaluate(options.table, data, options.seeds, prices=options.prices)
    print_table(means(rows))
    write_result(
        f"latency_predictors_{options.table}{'_prices' if options.prices else ''}",
        {
            "seeds": options.seeds,
            "goals": GOALS,
            "published": PUBLISHED,
            "ceilings": best,
            "means": means(rows),
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
