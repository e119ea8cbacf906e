"""Binarised two-path gates (Cai, Zhu, Han 2019, ProxylessNAS, arXiv:1812.00332, section 3).

Every choice of operations has a parameter for each option, and softmax of them is the
probability with which an option is drawn. A step trains the weights of one drawn path. Every few
steps the parameters are trained on held-out images: of each choice two options are drawn, a
binary gate opens one of them, and the gradients of both gates tell which is worth more (section
3.2). The expected cost, a sum of probability times cost, is added to the loss (section 3.3). At
the end the most probable option of every choice is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.config import ProxylessConfig, TrainConfig
from nas.rng import stream
from nas.training.batch import Batch
from nas.training.gates import expected_cost, gated_choices, new_gates, require_sum, update_gates
from nas.training.losses import Targets, hard_loss, label_loss
from nas.training.state import TrainState
from nas.training.strategies.costs import Costs
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from predictors import CostTable, largest
from search_spaces import Architecture, SearchSpace
from search_spaces.choices import Choice
from search_spaces.supernet import Gate

__all__ = ["gate_gradient", "proxyless"]


def proxyless(
    space: SearchSpace, config: TrainConfig, steps_per_epoch: int, *, costs: Costs
) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: Its choices cannot be mixed.
    """
    section, loss = config.proxyless, hard_loss(config)
    choices = gated_choices(space, "proxyless", section.choices)
    steps = config.epochs * steps_per_epoch
    alone = round(config.weight_epochs * steps_per_epoch)
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)

    @cache
    def cost() -> CostTable:
        return require_sum(costs(section.cost), "train.proxyless.cost")

    def begin(state: TrainState) -> None:
        cost()  # so that one that is not there is noticed before the first step
        device = next(state.supernet.parameters()).device
        state.gates = new_gates({c.name: torch.zeros(len(c.options)) for c in choices}, device)

    def draw(moment: Moment) -> tuple[Member, ...]:
        rng = moment.rng()
        chosen = {c.name: int(rng.choice(len(c.options), p=_shares(moment, c))) for c in choices}
        return (Member("path", _architecture(space, chosen), loss),)

    def adjust(
        state: TrainState, moment: Moment, held_out: Callable[[], Batch]
    ) -> list[tuple[str, float]]:
        losses: list[tuple[str, float]] = []
        if (moment.step + 1) % section.every == 0:
            losses = _train_gates(state, moment, held_out(), choices, cost(), section)
        if moment.step == steps - 1:
            best = {c.name: int(state.gates[f"alpha/{c.name}"].argmax()) for c in choices}
            state.chosen = [_architecture(space, best)]
        return losses

    weights = Phase("weights", alone, draw, rate, (begin,))
    gates = Phase("gates", steps - alone, draw, rate, () if alone else (begin,), adjust=adjust)
    return Strategy((weights, gates))


def _shares(moment: Moment, choice: Choice) -> NDArray[np.float64]:
    """Return the probabilities of the options of a choice."""
    shares = moment.gates[f"alpha/{choice.name}"].double().softmax(0).cpu().numpy()
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _architecture(space: SearchSpace, chosen: Mapping[str, int]) -> Architecture:
    """Return the largest architecture with the chosen options of the gated choices."""
    options = {c.name: c.options[chosen[c.name]] for c in space.choices if c.name in chosen}
    return Architecture({**largest(space), **options})


def _train_gates(
    state: TrainState,
    moment: Moment,
    batch: Batch,
    choices: Sequence[Choice],
    cost: CostTable,
    config: ProxylessConfig,
) -> list[tuple[str, float]]:
    """Update the parameters of all choices once; return both losses."""
    rng, space = stream(moment.seed, "gates", moment.step), cost.space
    alphas = {choice.name: state.gates[f"alpha/{choice.name}"] for choice in choices}
    pairs, open_ones = {}, {}
    for choice in choices:
        pair = rng.choice(len(choice.options), 2, replace=False, p=_shares(moment, choice))
        between = alphas[choice.name][pair].softmax(0)
        first = float(rng.random()) < float(between[0])
        opened = torch.tensor([first, not first], dtype=torch.float32, device=between.device)
        pairs[choice.name], open_ones[choice.name] = pair, opened.requires_grad_()
    gates = {n: Gate(tuple(map(int, pairs[n])), weights) for n, weights in open_ones.items()}
    base = largest(space)
    with torch.enable_grad():
        images = batch.at(space.resolution_of(base))
        logits = state.supernet.mixture(images, base, gates)
        loss = label_loss()(logits, Targets(batch.labels))
        by_gate = torch.autograd.grad(loss, list(open_ones.values()))
        expected, gradients = _cost_gradients(alphas, cost, config)
    for name, gradient in zip(pairs, by_gate, strict=True):
        gradients[name][pairs[name]] += gate_gradient(alphas[name][pairs[name]], gradient)
    together = {name: alphas[name][pair].logsumexp(0) for name, pair in pairs.items()}
    update_gates(state.gates, gradients, config.gate_learning_rate)
    for name, pair in pairs.items():  # so that the other options become no less likely
        alphas[name][pair] -= alphas[name][pair].logsumexp(0) - together[name]
    return [("gates", float(loss.detach())), ("cost", expected)]


def gate_gradient(alphas: Tensor, by_gate: Tensor) -> Tensor:
    """Return the gradient of the parameters of two options, [2] (section 3.2, equation 4).

    Args:
        alphas: Their parameters, [2].
        by_gate: The gradient of the loss by the gates, [2].
    """
    p = alphas.softmax(0)
    return p * (by_gate - (p * by_gate).sum())


def _cost_gradients(
    alphas: Mapping[str, Tensor], cost: CostTable, config: ProxylessConfig
) -> tuple[float, dict[str, Tensor]]:
    """Return the weighted expected cost over its reference, and its gradient by parameter."""
    free = {name: alpha.detach().clone().requires_grad_() for name, alpha in alphas.items()}
    shares = {name: alpha.softmax(0) for name, alpha in free.items()}
    middle = (cost.minimum().value + cost.maximum().value) / 2
    scale = config.cost_weight / (config.cost_reference or middle)
    mean = scale * expected_cost(cost, largest(cost.space), shares)
    gradients = torch.autograd.grad(mean, list(free.values()))
    return float(mean.detach()), dict(zip(free, gradients, strict=True))
