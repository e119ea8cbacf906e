"""The tables of the training proof, from what its units left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from proof_units import ALONE_SEEDS, measured, proof_space

from nas.rng import stream
from predictors import Macs, Params, compile_cost
from predictors.ranking import kendall_tau_b

__all__ = ["Finished", "accuracy_table", "difference_table", "ranking_table", "subnet_table"]

RESAMPLES, INTERVAL = 2000, (2.5, 97.5)
NEAR = 1.25
"""Subnets are near each other when neither has more than so many times the other's MACs."""

Accuracies = NDArray[np.float64]


@dataclass(frozen=True)
class Finished:
    """What the finished units found.

    Attributes:
        supernets: Their results, in the order of the units.
        alone: Test accuracy by seed of the measured subnets trained alone, each float [n].
    """

    supernets: tuple[dict[str, Any], ...]
    alone: tuple[Accuracies, ...]

    @classmethod
    def of(cls, results: Sequence[dict[str, Any]]) -> Finished:
        """Sort results; a seed of which a subnet is missing is left out."""
        alone = []
        for seed in ALONE_SEEDS:
            found = {
                r["subnet"]: r["test"][0]
                for r in results
                if r["kind"] == "alone" and r["seed"] == seed
            }
            if len(found) == len(measured()):
                alone.append(np.array([found[i] for i in sorted(found)]))
        return cls(tuple(r for r in results if r["kind"] != "alone"), tuple(alone))

    @property
    def truth(self) -> Accuracies:
        """Accuracy of every measured subnet trained alone, the mean of the seeds."""
        return np.mean(self.alone, axis=0)


def macs_of_measured() -> Accuracies:
    """Return the multiply-accumulates of the measured subnets, float64 [n]."""
    space = proof_space()
    return compile_cost(space, Macs())(space.encode_all(measured()))


def ranking_table(finished: Finished) -> list[dict[str, Any]]:
    """Return Kendall's tau between the subnets trained alone and everything that may rank them."""
    space, truth = proof_space(), finished.truth
    params = compile_cost(space, Params())(space.encode_all(measured()))
    rows = [_ranking("MACs", "", macs_of_measured(), truth)]
    rows.append(_ranking("parameters", "", params, truth))
    if len(finished.alone) > 1:
        rows.append(_ranking("alone, seed 0 by seed 1", "", *finished.alone))
    rows += [_ranking(r["kind"], r["seed"], r["test"], truth) for r in finished.supernets]
    return rows


def _ranking(by: str, seed: int | str, scores: ArrayLike, truth: Accuracies) -> dict[str, Any]:
    values = np.asarray(scores, dtype=np.float64)
    low, high = _interval(values, truth)
    near, pairs = _near_tau(values, truth)
    return {
        "ranked by": by,
        "seed": seed,
        "tau": kendall_tau_b(values, truth),
        "low": low,
        "high": high,
        "tau of near": near,
        "near pairs": pairs,
    }


def _interval(a: Accuracies, b: Accuracies) -> tuple[float, float]:
    """Return the percentile bootstrap interval of tau over subnets."""
    rng = stream(0, "bootstrap")
    drawn = rng.integers(0, len(a), size=(RESAMPLES, len(a)))
    low, high = np.percentile([kendall_tau_b(a[i], b[i]) for i in drawn], INTERVAL)
    return float(low), float(high)


def _near_tau(a: Accuracies, b: Accuracies) -> tuple[float, int]:
    """Return tau over the pairs that are near each other in MACs, and how many there are."""
    macs = macs_of_measured()
    first, second = np.triu_indices(len(macs), 1)
    ratio = np.maximum(macs[first] / macs[second], macs[second] / macs[first])
    first, second = first[ratio <= NEAR], second[ratio <= NEAR]
    agree = np.sign(a[first] - a[second]) * np.sign(b[first] - b[second])
    return float(agree.mean()), len(first)


def accuracy_table(finished: Finished) -> list[dict[str, Any]]:
    """Return what every supernet cost and how accurate its subnets are, in percent."""
    unit = next(r["macs"] for r in finished.supernets if r["kind"] == "progressive")
    rows = []
    for result in finished.supernets:
        test = 100 * np.array(result["test"])
        rows.append(
            {
                "strategy": result["kind"],
                "seed": result["seed"],
                "steps": result["steps"],
                "cost": result["macs"] / unit,
                "cpu_s": result["cpu_s"],
                "smallest": test[0],
                "largest": test[-1],
                "mean": test.mean(),
                "mean Pareto": 100 * np.mean(result["pareto"]),
            }
        )
    return rows


def difference_table(finished: Finished) -> list[dict[str, Any]]:
    """Return inherited minus stand-alone accuracy over the measured subnets, in points."""
    rows = []
    for result in finished.supernets:
        points = 100 * (np.array(result["test"]) - finished.truth)
        rows.append(
            {
                "strategy": result["kind"],
                "seed": result["seed"],
                "smallest": points[0],
                "largest": points[-1],
                "mean": points.mean(),
                "worst": points.min(),
                "best": points.max(),
                "within a point": int((points >= -1).sum()),
            }
        )
    return rows


def subnet_table(finished: Finished) -> list[dict[str, Any]]:
    """Return MACs and accuracies in percent of every measured subnet."""
    rows = []
    for i, macs in enumerate(macs_of_measured()):
        alone = {f"alone {s}": 100 * accuracies[i] for s, accuracies in enumerate(finished.alone)}
        inherited = {f"{r['kind']} {r['seed']}": 100 * r["test"][i] for r in finished.supernets}
        rows.append({"macs": round(macs), **alone, **inherited})
    return rows
