"""The tables of the training proof, from what its units left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from proof_units import SEEDS, measured

from nas.rng import stream
from predictors import CostModel, Macs, Params, compile_cost
from predictors.ranking import kendall_tau_b
from search_spaces import SearchSpace

__all__ = ["Finished", "accuracy_table", "difference_table", "ranking_table", "subnet_table"]

RESAMPLES, INTERVAL = 2000, (2.5, 97.5)
NEAR = 1.25
"""Subnets are near each other when neither has more than so many times the other's MACs."""

FEWEST = 5
"""Subnets in common below which nothing is compared."""

Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Finished:
    """What the finished units found; some may be missing.

    Attributes:
        space: Of the supernets.
        supernets: Their results, in the order of the units.
        alone: Test accuracy of the measured subnets trained alone, float64 [seeds, n]; nan
            where the training is missing.
    """

    space: SearchSpace
    supernets: tuple[dict[str, Any], ...]
    alone: Numbers

    @classmethod
    def of(cls, space: SearchSpace, results: Sequence[dict[str, Any]]) -> Finished:
        """Sort results."""
        alone = np.full((len(SEEDS), len(measured(space))), np.nan)
        for result in results:
            if result["kind"] == "alone":
                alone[SEEDS.index(result["seed"]), result["subnet"]] = result["test"][0]
        return cls(space, tuple(r for r in results if r["kind"] != "alone"), alone)

    def cost(self, model: CostModel) -> Numbers:
        """Return what the measured subnets cost, float64 [n]."""
        return compile_cost(self.space, model)(self.space.encode_all(measured(self.space)))

    @property
    def comparable(self) -> bool:
        """Whether there are a supernet and enough subnets trained alone."""
        return bool(self.supernets) and int(np.isfinite(self.truth).sum()) >= FEWEST

    @property
    def truth(self) -> Numbers:
        """Accuracy of every measured subnet trained alone, the mean of its seeds, float64 [n]."""
        known = ~np.isnan(self.alone)
        with np.errstate(invalid="ignore"):
            return np.nansum(self.alone, axis=0) / known.sum(axis=0)


def ranking_table(finished: Finished) -> list[dict[str, Any]]:
    """Return Kendall's tau between the subnets trained alone and everything that may rank them."""
    truth, macs = finished.truth, finished.cost(Macs())
    rankings = {
        "MACs": macs,
        "parameters": finished.cost(Params()),
        **{r["kind"]: np.array(r["test"]) for r in finished.supernets},
    }
    rows = [_ranking(by, scores, truth, macs) for by, scores in rankings.items()]
    return rows + [
        _ranking(f"alone, seed {SEEDS[s]} by {SEEDS[t]}", *finished.alone[[s, t]], macs)
        for s, t in combinations(range(len(SEEDS)), 2)
        if np.isfinite(finished.alone[[s, t]]).all(axis=0).sum() >= FEWEST
    ]


def _ranking(by: str, scores: Numbers, truth: Numbers, macs: Numbers) -> dict[str, Any]:
    """Return how well scores order the subnets of which both numbers are known."""
    known = ~np.isnan(scores) & ~np.isnan(truth)
    scores, truth = scores[known], truth[known]
    low, high = _interval(scores, truth)
    near, pairs = _near_tau(scores, truth, macs[known])
    return {
        "ranked by": by,
        "subnets": len(scores),
        "tau": kendall_tau_b(scores, truth),
        "low": low,
        "high": high,
        "tau of near": near,
        "near pairs": pairs,
    }


def _interval(a: Numbers, b: Numbers) -> tuple[float, float]:
    """Return the percentile bootstrap interval of tau over subnets."""
    drawn = stream(0, "bootstrap").integers(0, len(a), size=(RESAMPLES, len(a)))
    low, high = np.nanpercentile([kendall_tau_b(a[i], b[i]) for i in drawn], INTERVAL)
    return float(low), float(high)


def _near_tau(a: Numbers, b: Numbers, macs: Numbers) -> tuple[float, int]:
    """Return tau over the pairs that are near each other in MACs, and how many there are."""
    first, second = np.triu_indices(len(macs), 1)
    ratio = np.maximum(macs[first] / macs[second], macs[second] / macs[first])
    first, second = first[ratio <= NEAR], second[ratio <= NEAR]
    agree = np.sign(a[first] - a[second]) * np.sign(b[first] - b[second])
    return float(agree.sum()) / max(1, len(first)), len(first)


def accuracy_table(finished: Finished) -> list[dict[str, Any]]:
    """Return what every supernet cost and how accurate its subnets are, in percent."""
    rows = []
    for result in finished.supernets:
        test = 100 * np.array(result["test"])
        rows.append(
            {
                "strategy": result["kind"],
                "steps": result["steps"],
                "training_tmacs": result["macs"] / 1e12,
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
        known = points[~np.isnan(points)]
        rows.append(
            {
                "strategy": result["kind"],
                "subnets": len(known),
                "smallest": _or_none(points[0]),
                "largest": _or_none(points[-1]),
                "mean": known.mean(),
                "worst": known.min(),
                "best": known.max(),
                "within a point": int((known >= -1).sum()),
            }
        )
    return rows


def subnet_table(finished: Finished) -> list[dict[str, Any]]:
    """Return MACs and accuracies in percent of every measured subnet."""
    rows = []
    for i, macs in enumerate(finished.cost(Macs())):
        alone = {
            f"alone {seed}": _or_none(100 * accuracies[i])
            for seed, accuracies in zip(SEEDS, finished.alone, strict=True)
        }
        inherited = {r["kind"]: 100 * r["test"][i] for r in finished.supernets}
        rows.append({"macs": round(macs), **alone, **inherited})
    return rows


def _or_none(value: float) -> float | None:
    """Return None in place of nan, which JSON lacks."""
    return None if np.isnan(value) else float(value)
