"""Gradual one-level pruning (Bi et al. 2020, GOLD-NAS, arXiv:2007.03331, section 3).

Every operation of the super-network has a gate, and all run at once. Weights and gates learn in
the same step from the same images. A penalty on the gates, dearer for operations that cost more,
grows until gates die; dead and weak ones are pruned behind each epoch, a few at a time, and the
penalty is relaxed when many were. Whenever nothing has been pruned for some epochs the operations
that are left are an architecture of the series, from large to small, that one run finds.

A gate is the sigmoid of its parameter over the sum of those of its node, as in the paper, here
times the number of gates left there: equal gates make the plain sum that the architecture is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from nas.config import GoldConfig, TrainConfig
from nas.errors import ConfigError
from nas.training.batch import Batch
from nas.training.gates import expected_cost, gated_choices
from nas.training.losses import Targets, hard_loss
from nas.training.state import TrainState
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from predictors import CostTable, Macs, compile_cost, largest
from search_spaces import Architecture, SearchSpace
from search_spaces.supernet import Gate

__all__ = ["Penalty", "gold_nas", "next_penalty"]

_PRESENT = ("no", "yes")
_RELAX = 2.0  # c_0 of the paper


@dataclass(frozen=True, eq=False)
class _Gates:
    """What all gates of a space are.

    Attributes:
        names: Their choices.
        nodes: For each gate the number of its node, int64 [gates].
        prices: For each gate its multiply-accumulates over the mean, float32 [gates].
        macs: Of the space.
    """

    names: tuple[str, ...]
    nodes: Tensor
    prices: Tensor
    macs: CostTable

    def shares(self, alpha: Tensor, opened: Tensor) -> Tensor:
        """Return the share that every gate has of its node, [gates]; of a shut one 0."""
        strengths = alpha.sigmoid() * opened
        return strengths / self._by_node(strengths)

    def weights(self, alpha: Tensor, opened: Tensor) -> Tensor:
        """Return what the outputs of the operations are multiplied by, [gates]."""
        return self.shares(alpha, opened) * self._by_node(opened)

    def _by_node(self, values: Tensor) -> Tensor:
        """Return for each gate the sum of the values at its node."""
        nodes = self.nodes.to(values.device)
        sums = values.new_zeros(int(self.nodes.max()) + 1).index_add(0, nodes, values)
        return sums[nodes]

    def architecture(self, opened: Tensor) -> Architecture:
        """Return the architecture of the open gates."""
        options = zip(self.names, opened.tolist(), strict=True)
        chosen = {name: _PRESENT[int(is_open)] for name, is_open in options}
        return Architecture({**largest(self.macs.space), **chosen})


def gold_nas(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: The space has other choices than whether an operation is there.
    """
    gates, section = _gates(space), config.gold_nas
    hard, steps = hard_loss(config), config.epochs * steps_per_epoch
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)

    def draw(moment: Moment) -> tuple[Member, ...]:
        alpha = moment.gates["alpha"].requires_grad_()
        opened, penalty = moment.gates["open"], float(moment.gates["penalty"][0])
        weights = gates.weights(alpha, opened)
        mixed = {
            gates.names[i]: Gate((1,), weights[i : i + 1])
            for i in opened.nonzero().flatten().tolist()
        }

        def loss(logits: Tensor, targets: Targets) -> Tensor:
            return hard(logits, targets) + penalty * _burden(gates, weights, section)

        return (Member("mixture", gates.architecture(opened), loss, gates=mixed),)

    adjust = partial(
        _adjust, gates=gates, config=section, steps=steps, steps_per_epoch=steps_per_epoch
    )
    begin = partial(_begin, gates=gates)
    return Strategy((Phase(config.strategy, steps, draw, rate, (begin,), adjust=adjust),))


def _gates(space: SearchSpace) -> _Gates:
    """Return what the gates of a space are.

    Raises:
        ConfigError: It has other choices than whether an operation is there.
    """
    gated = gated_choices(space, "gold_nas")
    others = [choice.name for choice in gated if choice.options != _PRESENT]
    if others:
        raise ConfigError(
            f"train.strategy = 'gold_nas' prunes operations that are there or not, and "
            f"{others[0]!r} of {space.name!r} is another choice. Use the space gold_nas, or one "
            'whose choices have the options ("no", "yes").'
        )
    macs = compile_cost(space, Macs())
    present = {c.name: torch.tensor([0.0, 1.0], dtype=torch.float64) for c in gated}
    for share in present.values():
        share.requires_grad_()
    expected_cost(macs, largest(space), present).backward()  # type: ignore[no-untyped-call]
    by_option = torch.stack([share.grad for share in present.values() if share.grad is not None])
    costs, names = by_option[:, 1] - by_option[:, 0], tuple(present)
    relative = (costs / costs.mean()).float()
    return _Gates(names, torch.tensor(_nodes(space, names)), relative, macs)


def _nodes(space: SearchSpace, names: Sequence[str]) -> list[int]:
    """Return for every gate the number of the slot that sums its operation with others."""
    position = {choice.name: i for i, choice in enumerate(space.choices)}
    of_choice = {
        scope[0]: slot.name
        for slot, scope in zip(space.slots, space.grid.scopes, strict=True)
        if len(scope) == 1
    }
    readers = {name: i for i, slot in enumerate(space.slots) for name in slot.inputs}
    found = [readers[of_choice[position[name]]] for name in names]
    numbers = {node: number for number, node in enumerate(sorted(set(found)))}
    return [numbers[node] for node in found]


def _begin(state: TrainState, *, gates: _Gates) -> None:
    """Open all gates equally."""
    device = next(state.supernet.parameters()).device
    state.gates = {
        "alpha": torch.zeros(len(gates.names), device=device),
        "open": torch.ones(len(gates.names), device=device),
        "penalty": torch.zeros(3, dtype=torch.float64),  # as in `Penalty`
    }


def _burden(gates: _Gates, weights: Tensor, config: GoldConfig) -> Tensor:
    """Return the penalty of all gates, log(1 + gate): concave, so it drives them apart."""
    prices = 1.0 + config.cost_weight * gates.prices.to(weights.device)
    return (torch.log1p(weights) * prices).sum()


@dataclass(frozen=True, slots=True)
class Penalty:
    """The schedule of the penalty.

    Attributes:
        weight: lambda of the paper.
        step: By which it grew last.
        quiet: Epochs since something was pruned.
    """

    weight: float = 0.0
    step: float = 0.0
    quiet: int = 0


def next_penalty(penalty: Penalty, pruned: int, config: GoldConfig) -> Penalty:
    """Return the schedule behind an epoch in which some gates were pruned (algorithm 1)."""
    quiet = 0 if pruned else penalty.quiet + 1
    if pruned >= config.prune_at_once:
        return Penalty(penalty.weight / _RELAX, config.penalty_step, quiet)
    step = _RELAX * penalty.step or config.penalty_step
    return Penalty(penalty.weight + step, step, quiet)


@torch.no_grad()
def _adjust(
    state: TrainState,
    moment: Moment,
    held_out: Callable[[], Batch],
    *,
    gates: _Gates,
    config: GoldConfig,
    steps: int,
    steps_per_epoch: int,
) -> list[tuple[str, float]]:
    """Update the gates in every step, and prune behind every epoch."""
    alpha, step = state.gates["alpha"], moment.step + 1
    assert alpha.grad is not None, "the mixture was trained"
    alpha -= config.gate_learning_rate * alpha.grad
    alpha.grad = None
    if step % steps_per_epoch == 0:
        _prune(state.gates, gates, config)
        settled = int(state.gates["penalty"][2]) == config.settled_epochs
        found = gates.architecture(state.gates["open"])
        if (settled or step == steps) and found not in state.chosen:
            state.chosen.append(found)
    return []


def _prune(tensors: Mapping[str, Tensor], gates: _Gates, config: GoldConfig) -> None:
    """Shut dead gates and the weakest of the weak ones, and move the penalty on."""
    opened = tensors["open"]
    if config.least_macs is not None and (
        gates.macs.of(gates.architecture(opened)) <= config.least_macs
    ):
        tensors["penalty"].copy_(torch.tensor([0.0, 0.0, float(tensors["penalty"][2]) + 1]))
        return
    shares = gates.shares(tensors["alpha"], opened)
    shut = (opened > 0) & (shares <= config.dead_share)
    weak = ((opened > 0) & ~shut & (shares < config.weak_share)).nonzero().flatten()
    weakest = weak[shares[weak].argsort(stable=True)[: config.prune_at_once]]
    shut[weakest] = True
    opened[shut] = 0.0
    weight, step, quiet = tensors["penalty"].tolist()
    before = Penalty(weight, step, int(quiet))
    after = next_penalty(before, int(shut.sum()), config)
    tensors["penalty"].copy_(torch.tensor([after.weight, after.step, float(after.quiet)]))
