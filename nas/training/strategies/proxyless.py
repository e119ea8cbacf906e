"""Binarised two-path gates (Cai, Zhu, Han 2019, ProxylessNAS, arXiv:1812.00332, section 3).

Every choice of operations has a parameter for each option, and softmax of them is the
probability with which an option is drawn. A step trains the weights of one drawn path. Every few
steps the parameters are trained on held-out images: of each choice two options are drawn, a
binary gate opens one of them, and the gradients of both gates tell which is worth more (section
3.2). The expected cost, a sum of probability times cost, is added to the loss (section 3.3). At
the end the most probable option of every choice is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adam import adam

from nas.config import ProxylessConfig, TrainConfig
from nas.latency_tables import read_table
from nas.rng import stream
from nas.training.batch import Batch
from nas.training.gates import gated_choices, option_costs
from nas.training.largest import largest
from nas.training.losses import Targets, hard_loss, label_loss
from nas.training.state import TrainState
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from predictors import CostTable, Macs, compile_cost
from search_spaces import Architecture, SearchSpace
from search_spaces.supernet import Gate

__all__ = ["gate_gradient", "proxyless"]

_BETAS, _EPS = (0.0, 0.999), 1e-8  # as the authors'


def proxyless(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: A slot reads two choices of operations.
        TableError: The latency table cannot be read or lacks blocks of the space.
    """
    section, gated, loss = config.proxyless, gated_choices(space, "proxyless"), hard_loss(config)
    cost = _cost(space, section)
    steps = config.epochs * steps_per_epoch
    alone = round(config.weight_epochs * steps_per_epoch)
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)

    def draw(moment: Moment) -> tuple[Member, ...]:
        rng = moment.rng()
        chosen = {name: int(rng.choice(n, p=_shares(moment, name))) for name, n in gated.items()}
        return (Member("path", _architecture(space, chosen), loss),)

    begin = partial(_begin, gated=gated)
    adjust = partial(_adjust, gated=gated, cost=cost, config=section, steps=steps)
    weights = Phase("weights", alone, draw, rate, (begin,))
    gates = Phase("gates", steps - alone, draw, rate, () if alone else (begin,), adjust=adjust)
    return Strategy((weights, gates))


def _cost(space: SearchSpace, section: ProxylessConfig) -> CostTable:
    """Return milliseconds where there is a table, else multiply-accumulates."""
    if section.latency_table is None:
        return compile_cost(space, Macs())
    table = read_table(Path(section.latency_table), device=section.latency_table_device)
    table.check(space)
    return compile_cost(space, table.cost_model())


def _begin(state: TrainState, *, gated: Mapping[str, int]) -> None:
    """Make every option of every choice equally likely."""
    device = next(state.supernet.parameters()).device
    for name, count in gated.items():
        for kind in ("alpha", "exp_avg", "exp_avg_sq"):
            state.gates[f"{kind}/{name}"] = torch.zeros(count, device=device)
        state.gates[f"step/{name}"] = torch.zeros(())


def _shares(moment: Moment, name: str) -> NDArray[np.float64]:
    """Return the probabilities of the options of a choice."""
    shares = moment.gates[f"alpha/{name}"].double().softmax(0).cpu().numpy()
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _architecture(space: SearchSpace, chosen: Mapping[str, int]) -> Architecture:
    """Return the largest architecture with the chosen options of the gated choices."""
    options = {c.name: c.options[chosen[c.name]] for c in space.choices if c.name in chosen}
    return Architecture({**largest(space), **options})


def _adjust(
    state: TrainState,
    moment: Moment,
    held_out: Callable[[], Batch],
    *,
    gated: Mapping[str, int],
    cost: CostTable,
    config: ProxylessConfig,
    steps: int,
) -> list[tuple[str, float]]:
    """Train the gates, where it is their turn, and let the state know the choice at the end."""
    losses: list[tuple[str, float]] = []
    if (moment.step + 1) % config.every == 0:
        losses = _train_gates(state, moment, held_out(), gated, cost, config)
    if moment.step == steps - 1:
        best = {name: int(state.gates[f"alpha/{name}"].argmax()) for name in gated}
        state.chosen = [_architecture(cost.space, best)]
    return losses


def _train_gates(
    state: TrainState,
    moment: Moment,
    batch: Batch,
    gated: Mapping[str, int],
    cost: CostTable,
    config: ProxylessConfig,
) -> list[tuple[str, float]]:
    """Update the parameters of all choices once; return both losses."""
    rng, space = stream(moment.seed, "gates", moment.step), cost.space
    alphas = {name: state.gates[f"alpha/{name}"] for name in gated}
    pairs, open_ones = {}, {}
    for name, count in gated.items():
        pairs[name] = rng.choice(count, 2, replace=False, p=_shares(moment, name))
        between = alphas[name][pairs[name]].softmax(0)
        first = float(rng.random()) < float(between[0])
        opened = torch.tensor([first, not first], dtype=torch.float32, device=between.device)
        open_ones[name] = opened.requires_grad_()
    gates = {n: Gate(tuple(map(int, pairs[n])), weights) for n, weights in open_ones.items()}
    base = largest(space)
    with torch.enable_grad():
        images = batch.at(space.resolution_of(base))
        logits = state.supernet.mixture(images, base, gates)
        loss = label_loss()(logits, Targets(batch.labels))
        by_gate = torch.autograd.grad(loss, list(open_ones.values()))
    expected, by_alpha = _expected_cost(alphas, cost, gated, config)
    for name, gradient in zip(gated, by_gate, strict=True):
        total = by_alpha[name]
        total[pairs[name]] += gate_gradient(alphas[name][pairs[name]], gradient)
        _update(state.gates, name, total, pairs[name], config.gate_learning_rate)
    return [("gates", float(loss.detach())), ("cost", expected)]


def gate_gradient(alphas: Tensor, by_gate: Tensor) -> Tensor:
    """Return the gradient of the parameters of two options, [2] (section 3.2, equation 4).

    Args:
        alphas: Their parameters, [2].
        by_gate: The gradient of the loss by the gates, [2].
    """
    p = alphas.softmax(0)
    return p * (by_gate - (p * by_gate).sum())


def _expected_cost(
    alphas: Mapping[str, Tensor],
    cost: CostTable,
    gated: Mapping[str, int],
    config: ProxylessConfig,
) -> tuple[float, dict[str, Tensor]]:
    """Return the weighted expected cost over its reference, and its gradient by parameter."""
    fixed, prices = option_costs(cost, gated)
    middle = (cost.minimum().value + cost.maximum().value) / 2
    scale = config.cost_weight / (config.cost_reference or middle)
    total, gradients = fixed, {}
    for name, alpha in alphas.items():
        price = torch.as_tensor(prices[name], dtype=alpha.dtype, device=alpha.device)
        share = alpha.softmax(0)
        mean = (share * price).sum()
        total += float(mean)
        gradients[name] = scale * share * (price - mean)
    return scale * total, gradients


def _update(
    gates: Mapping[str, Tensor],
    name: str,
    gradient: Tensor,
    pair: NDArray[np.intp],
    learning_rate: float,
) -> None:
    """Do one step of Adam, and keep the probability that both drawn options have together.

    Without that an update of two would make all others less likely, or more.
    """
    alpha = gates[f"alpha/{name}"]
    before = alpha[pair].logsumexp(0)
    adam(
        [alpha],
        [gradient],
        [gates[f"exp_avg/{name}"]],
        [gates[f"exp_avg_sq/{name}"]],
        [],
        [gates[f"step/{name}"]],
        amsgrad=False,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        lr=learning_rate,
        weight_decay=0.0,
        eps=_EPS,
        maximize=False,
    )
    alpha[pair] -= alpha[pair].logsumexp(0) - before
