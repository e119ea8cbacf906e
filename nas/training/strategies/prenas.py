"""Preferred subnets (Wang et al. 2023, PreNAS, arXiv:2304.14636, section 3).

The freshly initialised supernet is scored without data, by |w * g| of every weight after one
backward pass of its largest network on noise. A subnet's score is the sum over the weights that
it keeps, so it is a sum over slots, and the best subnet of every interval of parameters is found
exactly. From then on only these are trained, and nothing is searched afterwards.

The authors enumerate widths and depths, and give larger heads and perceptrons to the layers
whose blocks score best; here the mixed-integer program decides all of it by one score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch

from nas.config import TrainConfig
from nas.errors import ConfigError, InfeasibleError
from nas.rng import torch_stream
from nas.search import Objective, Problem, UpperLimit, optimum
from nas.training.largest import RESOLUTION
from nas.training.losses import hard_loss
from nas.training.state import TrainState
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from predictors import CostTable, Params, Provenance, compile_cost, largest
from predictors.zero_cost import saliencies
from search_spaces import Architecture, SearchSpace
from search_spaces.optional import import_optional
from search_spaces.supernet import Supernet
from search_spaces.tables import Table

__all__ = ["preferred", "prenas", "score_table"]

_NOISE_IMAGES = 64  # as the authors draw
_SOURCE = Provenance("predicted", "|w * g| of the untrained supernet")


def prenas(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy that chooses subnets once and then trains one of them a step.

    Raises:
        ConfigError: Options of the space have weights of their own, which one pass cannot score.
        MissingExtraError: scipy is not installed.
    """
    if separate := [slot.name for slot in space.slots if slot.separate_weights]:
        raise ConfigError(
            f"train.strategy = 'prenas' scores all subnets by one pass of the largest, but the "
            f"operations of {separate[0]!r} in {space.name!r} share no weights with each other. "
            "Use a space whose subnets are slices of the largest, such as autoformer, or "
            "another strategy."
        )
    import_optional("scipy.optimize", extra="exact", purpose="Choosing PreNAS's subnets")
    loss = hard_loss(config)

    def draw(moment: Moment) -> tuple[Member, ...]:
        chosen = moment.chosen[int(moment.rng().integers(len(moment.chosen)))]
        return (Member("preferred", chosen, loss),)

    choose = partial(_choose, intervals=config.param_intervals)
    return one_phase(config, steps_per_epoch, draw, prepare=(choose,))


def _choose(state: TrainState, *, intervals: int) -> None:
    """Let the state know the preferred subnets of its supernet."""
    scores = score_table(state.copied_supernet())
    state.chosen = preferred(scores, intervals)


@dataclass(frozen=True, slots=True)
class _Score:
    """What is said of the score."""

    metric: str = "prenas"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = _SOURCE


def score_table(supernet: Supernet) -> CostTable:
    """Return the score of every architecture as a compiled cost ``prenas``.

    Args:
        supernet: Untrained; in training mode its running statistics move.
    """
    space, architecture = supernet.space, largest(supernet.space)
    device = next(supernet.parameters()).device
    shape = (_NOISE_IMAGES, *space.input_shape_of(architecture))
    images = torch.randn(shape, generator=torch_stream(0, "prenas")).to(device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)  # for dropout
        scores = saliencies(supernet, images, architecture)
    grid, tables = space.grid, []
    for slot, table, scope in zip(space.slots, grid.tables, grid.scopes, strict=True):
        values = np.zeros(len(grid.blocks))
        for position in np.unique(table):
            if (block := grid.blocks[position]) is not None:
                kept = supernet.active_in_slot(slot.name, block)
                values[position] = sum(
                    float(scores[name][region].sum())
                    for name, region in kept.items()
                    if name in scores
                )
        tables.append(Table(scope, values[table]))
    return CostTable(space, _Score(), tables)


def preferred(scores: CostTable, intervals: int) -> list[Architecture]:
    """Return the architecture of the highest score in each interval of parameters.

    Args:
        scores: From `score_table`.
        intervals: Of equal width, from the fewest to the most parameters of the space; the
            upper end belongs to an interval. One without architectures gives none.

    Returns:
        From few to many parameters, at the resolution of the largest architecture.
    """
    space, params = scores.space, compile_cost(scores.space, Params())
    edges = np.linspace(params.minimum().value, params.maximum().value, intervals + 1)
    edges[0] -= 1  # the fewest belong to the first
    return [
        _at_largest_resolution(space, best)
        for low, high in pairwise(edges.tolist())
        if (best := _best(scores, params, low, high)) is not None
    ]


def _best(scores: CostTable, params: CostTable, low: float, high: float) -> Architecture | None:
    """Return the best architecture of more than `low` and at most `high` parameters."""
    largest_params = params.maximum().value
    lacking = CostTable(
        params.space,
        replace(Params(), metric="params_lacking", constant=largest_params + 1),
        [Table(table.scope, -table.values) for table in params.tables],
    )
    problem = Problem(
        scores.space,
        objectives=(Objective("prenas"),),
        costs={"prenas": scores, "params": params, "params_lacking": lacking},
        limits=(
            UpperLimit("params", high),
            UpperLimit("params_lacking", largest_params + 0.5 - np.floor(low)),
        ),
    )
    try:
        return optimum(problem).architecture
    except InfeasibleError:
        return None


def _at_largest_resolution(space: SearchSpace, architecture: Architecture) -> Architecture:
    """Return an architecture, whose weights do not depend on it, at the largest resolution."""
    if RESOLUTION not in architecture:
        return architecture
    return Architecture({**architecture, RESOLUTION: largest(space)[RESOLUTION]})
