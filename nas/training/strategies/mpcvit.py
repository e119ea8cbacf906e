"""MPCViT's search (Zeng et al. 2023, arXiv:2211.13955, section 4).

Every mixed choice has two options, a dear one and a cheap one, and a number alpha: the network
computes alpha times the one plus 1 - alpha times the other, and alpha is trained with the weights
under a penalty. In the end the largest alphas keep their dear option. The published penalty is
the sum of all |alpha|: each head weighs the same. With a compiled cost in its place, the mean
cost of the network is the penalty, in which a layer pays the rounds of a kind of attention once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from nas.config import MpcVitConfig, TrainConfig, parse_limit
from nas.errors import ConfigError
from nas.training.batch import Batch
from nas.training.gates import expected_cost, gated_choices, learn_gates, new_gates, require_sum
from nas.training.losses import Targets, hard_loss
from nas.training.state import TrainState
from nas.training.strategies.costs import Costs
from nas.training.strategies.knapsack import best_within
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from predictors import CostTable, largest, largest_cost
from search_spaces import Architecture, SearchSpace
from search_spaces.choices import Choice
from search_spaces.supernet import Gate

__all__ = ["keep_largest", "keep_within", "mpcvit"]

Alphas = Mapping[str, Tensor]


def mpcvit(
    space: SearchSpace, config: TrainConfig, steps_per_epoch: int, *, costs: Costs
) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: A mixed choice has another number of options than two.
    """
    section, hard = config.mpcvit, hard_loss(config)
    choices = gated_choices(space, "mpcvit", section.choices)
    for choice in choices:
        if len(choice.options) != 2:
            raise ConfigError(
                f"train.strategy = 'mpcvit' mixes a dear option with a cheap one; "
                f"{choice.name!r} of {space.name!r} has {list(choice.options)}. Leave two by "
                "the options of the space, the dear one first, or name other choices."
            )
    steps = config.epochs * steps_per_epoch

    @cache
    def cost() -> _Whole | None:
        if section.cost is None:
            return None
        table = require_sum(costs(section.cost), "train.mpcvit.cost")
        return _Whole(table, largest_cost(table))

    def draw(moment: Moment) -> tuple[Member, ...]:
        base = space.decode(space.sample(1, moment.rng())[0])
        alphas = {c.name: moment.gates[f"alpha/{c.name}"].requires_grad_() for c in choices}

        def loss(logits: Tensor, targets: Targets) -> Tensor:
            return hard(logits, targets) + section.cost_weight * _burden(alphas, cost(), base)

        gates = {name: Gate((0, 1), _both(alpha)) for name, alpha in alphas.items()}
        return (Member("mixture", base, loss, gates=gates),)

    def begin(state: TrainState) -> None:
        cost()  # so that one that is not there is noticed before the first step
        device = next(state.supernet.parameters()).device
        state.gates = new_gates({c.name: torch.ones(()) for c in choices}, device)

    def adjust(
        state: TrainState, moment: Moment, held_out: Callable[[], Batch]
    ) -> list[tuple[str, float]]:
        learn_gates(state.gates, section.gate_learning_rate)
        if moment.step == steps - 1:
            alphas = {choice.name: state.gates[f"alpha/{choice.name}"] for choice in choices}
            state.chosen = _chosen(space, choices, alphas, section, cost())
        return []

    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)
    return Strategy((Phase("mpcvit", steps, draw, rate, (begin,), adjust=adjust),))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A cost, and what it is of the largest network."""

    table: CostTable
    largest: float


def _both(alpha: Tensor) -> Tensor:
    """Return the gates of the dear and of the cheap option."""
    return torch.stack([alpha, 1.0 - alpha])


def _burden(alphas: Alphas, cost: _Whole | None, base: Architecture) -> Tensor:
    """Return the sum of all |alpha|, or the mean cost over that of the largest network.

    Alphas beyond 0 and 1 count as these, but keep the gradient that pulls them back.
    """
    if cost is None:
        return torch.stack([alpha.abs() for alpha in alphas.values()]).sum()
    inside = {name: a + (a.clamp(0.0, 1.0) - a).detach() for name, a in alphas.items()}
    shares = {name: _both(alpha) for name, alpha in inside.items()}
    return expected_cost(cost.table, base, shares) / cost.largest


def _chosen(
    space: SearchSpace,
    choices: Sequence[Choice],
    alphas: Alphas,
    section: MpcVitConfig,
    cost: _Whole | None,
) -> list[Architecture]:
    """Return the architectures of all shares and limits that are asked for, in their order."""
    found = [keep_largest(space, choices, alphas, share) for share in section.keep]
    if cost is not None:
        asked = [parse_limit(cost.table.metric, said) for said in section.within]
        limits = [limit.resolve(cost.largest) for limit in asked]
        found += [keep_within(space, choices, alphas, cost.table, limit) for limit in limits]
    return found


def keep_largest(
    space: SearchSpace, choices: Sequence[Choice], alphas: Alphas, share: float
) -> Architecture:
    """Return the architecture in which the largest alphas keep the dear option.

    Args:
        space: All other choices have the options of its largest architecture.
        choices: Of two options, the dear one first.
        alphas: A number for each of them.
        share: Of them that keep it; the count is rounded, halves to even.
    """
    ranked = sorted(choices, key=lambda choice: -float(alphas[choice.name]))
    kept = {choice.name for choice in ranked[: round(share * len(choices))]}
    options = {choice.name: choice.options[choice.name not in kept] for choice in choices}
    return Architecture({**largest(space), **options})


def keep_within(
    space: SearchSpace, choices: Sequence[Choice], alphas: Alphas, cost: CostTable, limit: float
) -> Architecture:
    """Return the architecture within a limit whose dear options have the largest sum of alphas.

    Where heads of one layer share rounds, it packs them: an exact answer for the compiled cost,
    in place of the largest alphas wherever they are.

    Args:
        space: All other choices have the options of its largest architecture.
        choices: Of two options, the dear one first.
        alphas: A number for each of them.
        cost: A sum over slots.
        limit: In its unit.

    Raises:
        InfeasibleError: Even all cheap options exceed the limit.
    """
    scores = {choice.name: np.array([float(alphas[choice.name]), 0.0]) for choice in choices}
    return best_within(space, scores, cost, limit, others=largest(space))
