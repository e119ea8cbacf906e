"""Heads kept by MPCViT's top-k against the same number of heads found by a search on real cost.

    python benchmarks/mpc_packing.py

MPCViT (arXiv:2211.13955) keeps the heads with the largest trained weights as ReLU-softmax and
makes the others ScaleAttn, whatever layers they lie in. Every layer that keeps one pays the rounds
of a ReLU-softmax, so that equal numbers of heads cost different times. Here stand, for its CIFAR
shape (7 layers of 4 heads) under SEMI2K's laws and a WAN of 40 ms and 400 Mbit/s:

* top-k of random weights (mean and best of many draws), and heads spread evenly;
* what evolution finds at equal head count, and the proven optimum;
* the largest sum of weights among networks of as many heads that need 92 % of the top-k's time,
  relative to the top-k's own sum: what the saving costs in the publication's own measure.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import print_table, write_result
from numpy.typing import NDArray

from nas.search import (
    EvaluatePopulation,
    Evolution,
    Objective,
    Problem,
    UpperLimit,
    optimum,
    search,
)
from predictors import CostTable, Provenance, compile_cost
from predictors.linear import linear_cost
from predictors.mpc import NETWORKS, Laws, SoftmaxHeads, get_protocol, private_costs
from predictors.provenance import ANALYTIC
from search_spaces import Population, SearchSpace, get_space
from search_spaces.blocks import BlockSpec, layers_of

KEPT, OTHER = "relu_softmax", "scale_attention"
LAYERS, HEADS = 7, 4
WAN = NETWORKS["wan"]
SAVED = 0.08


@dataclass(frozen=True)
class DroppedHeads:
    """Heads that are not kept, as a cost that a limit can bound."""

    metric: str = "dropped_heads"
    reduce: str = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the heads of a block that scale only."""
        return float(sum(x.out_shape[0] for x in layers_of(block) if x.op == OTHER))


def columns_of_heads(space: SearchSpace) -> NDArray[np.int64]:
    """Return the columns of a population that hold the kinds of heads, layer by layer."""
    names = [choice.name for choice in space.choices]
    return np.array([i for i, name in enumerate(names) if name.startswith("attention_")])


def keeping(space: SearchSpace, heads: NDArray[np.bool_]) -> Population:
    """Return the networks that keep the marked heads, bool [n, 28]."""
    rows = np.zeros((len(heads), len(space.choices)), np.int16)
    rows[:, columns_of_heads(space)] = heads
    return rows


def top_k(weights: NDArray[np.float64], kept: int) -> NDArray[np.bool_]:
    """Return the heads with the largest weights of every draw."""
    order = np.argsort(-weights, axis=1)
    chosen = np.zeros(weights.shape, bool)
    np.put_along_axis(chosen, order[:, :kept], True, axis=1)
    return chosen


def compare(kept: int, draws: int, seeds: int, evaluations: int) -> dict[str, Any]:
    """Return the network times of all ways to keep a number of heads."""
    space = get_space("mpc_vit", attention=(OTHER, KEPT), activations=("gelu",))
    seconds: CostTable = compile_cost(space, private_costs(Laws(get_protocol("semi2k")), WAN)[2])
    dropped = compile_cost(space, DroppedHeads())
    weights = np.random.default_rng(0).random((draws, LAYERS * HEADS))
    chosen = top_k(weights, kept)
    by_weight = seconds(keeping(space, chosen))
    even = np.zeros((1, LAYERS * HEADS), bool)
    even[0, [layer * HEADS + i // LAYERS for i in range(kept) for layer in [i % LAYERS]]] = True
    problem = Problem(
        space,
        objectives=(Objective(seconds.metric, "minimize"),),
        costs={seconds.metric: seconds, dropped.metric: dropped},
        limits=(UpperLimit(dropped.metric, LAYERS * HEADS - kept),),
    )

    def evaluate(rows: Population) -> dict[str, Any]:
        return {seconds.metric: seconds(rows)}

    found = [
        search(
            problem,
            Evolution(parents=25),
            EvaluatePopulation(evaluate, seconds.provenance),
            None,
            evaluations=evaluations,
            batch=50,
            seed=seed,
        ).history.values.min()
        for seed in range(seeds)
    ]
    mean = float(by_weight.mean())
    return {
        "kept_heads": kept,
        "top_k_mean_s": mean,
        "top_k_best_s": float(by_weight.min()),
        "even_s": float(seconds(keeping(space, even))[0]),
        "search_worst_seed_s": float(max(found)),
        "search_best_seed_s": float(min(found)),
        "optimum_s": float(optimum(problem, max_seconds=60.0).value),
        "saved_by_worst_seed": 1 - float(max(found)) / mean,
        "weights_kept_at_8_percent_less": _weights_kept(problem, weights[:5], kept),
    }


def _weights_kept(problem: Problem, weights: NDArray[np.float64], kept: int) -> float:
    """Return the mean share of the top-k's sum of weights that 8 % less time leaves."""
    space, shares = problem.space, []
    for row in weights:
        best = top_k(row[None], kept)
        seconds = problem.costs["mpc_online_s"]
        limit = (1 - SAVED) * float(seconds(keeping(space, best))[0])
        features = np.zeros(int(space.option_counts.sum()))
        starts = np.cumsum([0, *space.option_counts[:-1]])
        features[starts[columns_of_heads(space)] + 1] = row
        provenance = Provenance("predicted", "random weights")
        score = linear_cost(space, features, metric="weights", provenance=provenance)
        found = optimum(
            dataclasses.replace(
                problem,
                objectives=(Objective("weights"),),
                costs={**problem.costs, "weights": score, "kept": _kept_cost(problem)},
                limits=(UpperLimit("mpc_online_s", limit), UpperLimit("kept", kept)),
            ),
            max_seconds=60.0,
        )
        shares.append(found.value / row[best[0]].sum())
    return float(np.mean(shares))


def _kept_cost(problem: Problem) -> CostTable:
    """Return the number of kept heads, which at most as many may be."""
    return compile_cost(problem.space, dataclasses.replace(SoftmaxHeads(), metric="kept"))


def main() -> None:
    """Compare three numbers of heads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=2000)
    arguments = parser.parse_args()
    rows = [
        compare(kept, arguments.draws, arguments.seeds, arguments.evaluations)
        for kept in (8, 14, 20)
    ]
    print_table(
        [
            {
                "heads": row["kept_heads"],
                "top-k": f"{row['top_k_mean_s']:.2f} s",
                "even": f"{row['even_s']:.2f} s",
                "search": f"{row['search_worst_seed_s']:.2f} s",
                "optimum": f"{row['optimum_s']:.2f} s",
                "saved": f"{row['saved_by_worst_seed']:.1%}",
                "weights at -8 %": f"{row['weights_kept_at_8_percent_less']:.1%}",
            }
            for row in rows
        ]
    )
    write_result("mpc_packing", {"arguments": vars(arguments), "rows": rows})


if __name__ == "__main__":
    main()
