"""Cheap problems whose answers are known: prices drawn by hash, tiny spaces, numpy objectives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.archive import Metric
from nas.search import EvaluatePopulation, History, Problem, Proposals, Searcher, UpperLimit
from predictors import CostTable, Macs, PeakMemory, Provenance, compile_cost
from search_spaces import Architecture, Population, SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import BlockSpec, Conv

DRAWN = Provenance("predicted", "drawn by hash")


@dataclass(frozen=True)
class HashedPrice:
    """A price in [0, 1) for each block, times MACs in millions to some power."""

    metric: str
    seed: int = 0
    power: float = 0.0
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = DRAWN

    def __call__(self, block: BlockSpec) -> float:
        drawn = _drawn(self.seed, block.to_json())
        return float(drawn * (1.0 + Macs()(block) / 1e6) ** self.power)


@dataclass(frozen=True)
class Score:
    """A smooth additive objective: each value of each field of a block has its own worth."""

    sign: float = 1.0
    constant: float = 0.0
    metric: str = "accuracy"
    reduce: Literal["sum", "max"] = "sum"
    provenance: Provenance = DRAWN

    def __call__(self, block: BlockSpec) -> float:
        return self.sign * sum(_drawn(1, item) for item in block.to_json().items())


def _drawn(seed: int, value: object) -> float:
    text = json.dumps([seed, value], sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") / 2**64


@dataclass(frozen=True)
class Slimness:
    """A cost that large networks have little of, so that limits on it and on MACs clash."""

    constant: float = 0.0
    metric: str = "slimness"
    reduce: Literal["sum", "max"] = "sum"
    provenance: Provenance = DRAWN

    def __call__(self, block: BlockSpec) -> float:
        return -4.0 * (Macs()(block) / 1e6) ** 0.5


@dataclass(frozen=True)
class ByKernel:
    """A price for each kernel size."""

    prices: tuple[tuple[int, float], ...]
    metric: str = "price"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = DRAWN

    def __call__(self, block: BlockSpec) -> float:
        assert isinstance(block, Conv)
        return dict(self.prices)[block.kernel]


@cache
def space_of(name: str) -> SearchSpace:
    """Return a registered space, built once."""
    return get_space(name)


@cache
def costs_of(name: str) -> dict[str, CostTable]:
    """Return MACs, peak memory, a price and a slimness (at least 1) of a registered space."""
    lowest = compile_cost(space_of(name), Slimness()).minimum().value
    slimness = Slimness(constant=1.0 - lowest)
    models = (Macs(), PeakMemory(), HashedPrice("price_ms", power=0.3), slimness)
    return {model.metric: compile_cost(space_of(name), model) for model in models}


@cache
def score_of(name: str) -> CostTable:
    """Return an additive objective whose exact optimum `CostTable.maximum` knows."""
    return compile_cost(space_of(name), Score())


def problem_of(name: str = "mobile_small", **limits: float) -> Problem:
    """Return a problem over a registered space with limits on the costs of `costs_of`."""
    uppers = tuple(UpperLimit(metric, value) for metric, value in limits.items())
    return Problem(space_of(name), costs=costs_of(name), limits=uppers)


def tiny_space(choices: int = 3, kernels: Sequence[int] = (1, 3, 5)) -> SearchSpace:
    """Return a space of a few convolutions in a row that differ in kernel size only."""
    builder = SpaceBuilder("tiny")
    for i in range(choices):
        kernel = builder.choice(f"kernel_{i}", tuple(kernels))
        builder.slot(f"conv{i}", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    return builder.build()


class Scorer:
    """Evaluates one architecture after the other by a compiled score, and counts."""

    def __init__(self, score: CostTable) -> None:
        self.score = score
        self.calls: list[Architecture] = []

    def __call__(self, architecture: Architecture) -> dict[str, Metric]:
        self.calls.append(architecture)
        return {"accuracy": Metric(self.score.of(architecture), DRAWN)}


@dataclass(frozen=True)
class Until:
    """A searcher that gives up when a value has been reached: the rest of its budget is saved."""

    searcher: Searcher
    value: float

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        if len(history.values) and history.values.max() >= self.value - 1e-9:
            return Proposals.none(len(history.problem.space.choices))
        return self.searcher.propose(history, count, round=round, rng=rng)


def population_scorer(score: CostTable) -> EvaluatePopulation:
    """Evaluate whole rounds by a compiled score."""

    def evaluate(population: Population) -> dict[str, NDArray[np.float64]]:
        return {"accuracy": score(population)}

    return EvaluatePopulation(evaluate, DRAWN)
