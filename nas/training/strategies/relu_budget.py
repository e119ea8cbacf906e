"""What strategies that keep few activations share: the phases, and what a budget keeps.

Both published methods begin with a trained network that rectifies everything, learn which
elements matter, and train the network with those alone on, taught by the first (SNL, Cho et al.
2022, arXiv:2202.02340, section 3; AutoReP, Peng et al. 2023, arXiv:2308.10134, section 3). Here
the three are phases of one run over a space such as `mpc_resnet`, whose options say how many
elements each activation may keep: the budget is spent on those options by an exact knapsack. A
limit on a real cost may stand in place of the budget: one kept element costs a layer the rounds of
all of them, so within a limit on seconds few layers keep much where a count spreads it.
What SNL does for every element, MPCViT+ does for every token of a transformer's GELU (Zeng et
al. 2023, arXiv:2211.13955): in the space `mpc_vit` with ``token_shares`` a token's score decides
for all of its elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from nas.config import ReluConfig, TrainConfig, parse_limit
from nas.errors import ConfigError
from nas.training.batch import Batch
from nas.training.gates import learn_gates, new_gates, require_sum
from nas.training.losses import Targets, label_and_soft_loss, label_loss
from nas.training.state import TrainState
from nas.training.strategies.costs import Costs
from nas.training.strategies.knapsack import best_within
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from predictors import CostTable, compile_cost, largest_cost
from predictors.mpc import ActivationCount
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import BlockSpec, PrivateMlp, RectifiedConv, RectifiedSum
from search_spaces.choices import Option
from search_spaces.modules.kept import KeptUnits
from search_spaces.modules.rectified import PartialRelu, nearest_parabola

__all__ = ["Masks", "Site", "kept_within", "sites_of", "three_phases"]


@dataclass(frozen=True, slots=True)
class Site:
    """One activation that may keep some of its elements or tokens.

    Attributes:
        slot: Its slot.
        kept: The choice of the share that it keeps.
        shape: Of its scores: of the map, (C, H, W), or (tokens, 1).
        width: Elements that one score decides for.
    """

    slot: str
    kept: str
    shape: tuple[int, ...]
    width: int = 1


@dataclass(frozen=True, slots=True)
class Masks:
    """How a method trains what decides which elements are kept.

    Attributes:
        rest: What happens to the others.
        start: First scores by slot, tensors of the sites' shapes.
        gates: From the state's gates, where ``alpha/SLOT`` are the scores, to how much of every
            activation is taken, by slot.
        penalty: From these to what is added to the loss, before its weight.
        settle: Done to the state's gates behind every update.
        memory: What it keeps beside the scores, by name.
    """

    rest: str
    start: Mapping[str, Tensor]
    gates: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    penalty: Callable[[Mapping[str, Tensor]], Tensor]
    settle: Callable[[dict[str, Tensor]], None]
    memory: Mapping[str, Tensor] = field(default_factory=dict)


def sites_of(space: SearchSpace) -> list[Site]:
    """Return the activations of a space whose choices are those of `mpc_resnet` or `mpc_vit`.

    Raises:
        ConfigError: There is none, or one cannot keep everything and nothing.
    """
    found = []
    for slot in space.slots:
        shape, width = _scored(space.slot_blocks(slot.name))
        read = [space.choices[v] for v in slot.scope if v < len(space.choices)]
        kept = next((choice for choice in read if choice.name.startswith("kept_")), None)
        if not shape or kept is None:
            continue
        if not {0.0, 1.0} <= set(kept.options):
            raise ConfigError(
                f"{kept.name!r} of {space.name!r} has the shares {list(kept.options)}; 0 and 1 "
                "must be among them. Add them to space.options.shares, or in mpc_vit to "
                "token_shares."
            )
        found.append(Site(slot.name, kept.name, shape, width))
    if not found:
        raise ConfigError(
            f"No block of {space.name!r} activates part of its elements. Train this strategy on "
            "such a space: mpc_resnet, or mpc_vit with token_shares."
        )
    return found


def _scored(blocks: Sequence[BlockSpec]) -> tuple[tuple[int, ...], int]:
    """Return the shape of the scores of a slot, and the elements of one; () without scores."""
    for block in blocks:
        if isinstance(block, RectifiedConv | RectifiedSum):
            return block.out_shape, 1
        if isinstance(block, PrivateMlp) and block.act != "linear":
            return (block.tokens, 1), block.mid
    return (), 0


def everywhere(space: SearchSpace, share: float, rest: str) -> Architecture:
    """Return the architecture that keeps one share of the elements everywhere.

    Raises:
        ConfigError: The space lacks an option, or has a choice that is not decided here.
    """
    wanted = {"kept": share, "rest": rest, "granularity": "pixel"}
    options = {}
    for choice in space.choices:
        kind = choice.name.partition("_")[0]
        if kind not in wanted and len(choice.options) > 1:
            raise ConfigError(
                f"{choice.name!r} of {space.name!r} has the options {list(choice.options)}, and "
                "this strategy decides which activations are kept and nothing else. Leave one "
                "by space.keep or by the options of the space."
            )
        option = wanted.get(kind, choice.options[0])
        if option not in choice.options:
            raise ConfigError(
                f"{choice.name!r} of {space.name!r} must allow {option!r}; it has "
                f"{list(choice.options)}."
            )
        options[choice.name] = option
    return Architecture(options)


def kept_within(
    space: SearchSpace, scores: Mapping[str, Tensor], cost: CostTable, limit: float, *, rest: str
) -> Architecture:
    """Return the architecture whose kept elements have the largest scores within a limit.

    Every activation that keeps k elements keeps those of its k largest scores. Among the shares
    that the space allows, the sum of the kept scores is the largest possible, to the grid of
    the dynamic program.

    Args:
        space: With choices such as those of `mpc_resnet`.
        scores: By slot, tensors of the sites' shapes.
        cost: A sum over slots: of activations, as published, or what they really cost.
        limit: In its unit.
        rest: What happens to the others.

    Raises:
        ConfigError: See `sites_of`.
        InfeasibleError: No share of anything is within the limit.
    """
    kept = {
        site: np.array([_count(site, float(share)) for share in _shares(space, site)])
        for site in sites_of(space)
    }
    worth = {}
    for site, counts in kept.items():
        ranked = scores[site.slot].detach().double().flatten().sort(descending=True).values
        sums = np.concatenate([[0.0], ranked.cumsum(0).cpu().numpy()])
        worth[site.kept] = sums[counts]
    others = everywhere(space, 0.0, rest)
    return best_within(space, worth, cost, limit, others=others, method="dynamic")


def _shares(space: SearchSpace, site: Site) -> tuple[Option, ...]:
    return next(choice.options for choice in space.choices if choice.name == site.kept)


def _count(site: Site, share: float) -> int:
    """Return how many elements or tokens a share of an activation is; see `mpc_resnet`."""
    return max(round(share * math.prod(site.shape)), 1 if share else 0)


def _limit(space: SearchSpace, relus: ReluConfig, costs: Costs) -> tuple[CostTable, float]:
    """Return the cost that says how much is kept, and its limit.

    Raises:
        ConfigError: The run does not know the cost, or it is no sum.
    """
    if relus.cost is None or relus.within is None:
        return compile_cost(space, ActivationCount()), float(relus.budget)
    cost = require_sum(costs(relus.cost), "train.relus.cost")
    return cost, parse_limit(cost.metric, relus.within).resolve(largest_cost(cost))


def three_phases(
    space: SearchSpace,
    config: TrainConfig,
    steps_per_epoch: int,
    masks: Masks,
    costs: Costs,
) -> Strategy:
    """Return the phases: everything activated, masks trained, the kept elements alone.

    Args:
        space: With choices such as those of `mpc_resnet`.
        config: The training section.
        steps_per_epoch: Whole batches in an epoch.
        masks: How the method trains what decides.
        costs: That the configuration may limit.
    """
    relus, sites, rest = config.relus, sites_of(space), masks.rest
    whole, nothing = everywhere(space, 1.0, rest), everywhere(space, 0.0, rest)
    # Gates act on a block that has both sides: one that keeps all names no rest, and where the
    # rest is no choice, one that keeps none names no activation.
    masked = nothing if any(c.name.startswith("rest_") for c in space.choices) else whole
    soft = label_and_soft_loss(config.label_smoothing, config.teacher_weight)
    alone = Member("whole", whole, label_loss(config.label_smoothing))
    full = round(relus.full_epochs * steps_per_epoch)
    trained = round(relus.mask_epochs * steps_per_epoch)
    kept = config.epochs * steps_per_epoch - full - trained
    gentle = relus.weights_learning_rate or config.learning_rate / 10

    @cache
    def limit() -> tuple[CostTable, float]:
        return _limit(space, relus, costs)

    def check(state: TrainState) -> None:
        """Notice before the first step a cost that is not there, or a limit that nothing meets."""
        kept_within(space, masks.start, *limit(), rest=rest)

    def begin(state: TrainState) -> None:
        device = next(state.supernet.parameters()).device
        state.gates = new_gates(masks.start, device)
        state.gates |= {name: value.to(device) for name, value in masks.memory.items()}

    def draw_masked(moment: Moment) -> tuple[Member, ...]:
        for site in sites:
            moment.gates[f"alpha/{site.slot}"].requires_grad_()
        rectified = masks.gates(moment.gates)

        def loss(logits: Tensor, targets: Targets) -> Tensor:
            return soft(logits, targets) + relus.weight * masks.penalty(rectified)

        return (Member("masked", masked, loss, rectified=rectified),)

    def adjust(
        state: TrainState, moment: Moment, held_out: Callable[[], Batch]
    ) -> list[tuple[str, float]]:
        learn_gates(state.gates, relus.gate_learning_rate)
        masks.settle(state.gates)
        return []

    def keep(state: TrainState) -> None:
        scores = {site.slot: state.gates[f"alpha/{site.slot}"] for site in sites}
        _keep_scores(state, scores)
        state.chosen = [kept_within(space, scores, *limit(), rest=rest)]

    def draw_kept(moment: Moment) -> tuple[Member, ...]:
        return (Member("kept", moment.chosen[0], soft),)

    warmup = config.warmup_epochs * steps_per_epoch
    return Strategy(
        (
            Phase(
                "full",
                full,
                lambda _: (alone,),
                cosine(config.learning_rate, warmup, full),
                (check,),
            ),
            Phase(
                "masks",
                trained,
                draw_masked,
                cosine(gentle, 0, trained, first=full),
                (check, begin, TrainState.keep_teacher, TrainState.restart_optimizer),
                adjust=adjust,
                fit=partial(_fit_parabolas, architecture=whole),
                taught=True,
                teacher=whole,
            ),
            Phase(
                "kept",
                kept,
                draw_kept,
                cosine(gentle, 0, kept, first=full + trained),
                (keep, TrainState.restart_optimizer),
                taught=True,
                teacher=whole,
            ),
        )
    )


def _activations(state: TrainState) -> dict[str, KeptUnits]:
    modules = state.supernet.named_modules()
    return {name: module for name, module in modules if isinstance(module, KeptUnits)}


@torch.no_grad()
def _fit_parabolas(state: TrainState, batch: Batch, *, architecture: Architecture) -> None:
    """Set every channel's polynomial to the nearest to its ReLU on the batch (DaPa)."""

    def fit(module: PartialRelu, inputs: tuple[Tensor, ...], *, name: str) -> None:
        if module.coefficients is None:
            return
        std, mean = torch.std_mean(inputs[0].float(), dim=(0, 2, 3))
        fitted = nearest_parabola(mean, std.clamp(min=1e-3))
        module.coefficients.copy_(fitted)
        if (key := f"{name}.coefficients") in state.ema:
            state.ema[key].copy_(fitted)

    hooks = [
        module.register_forward_pre_hook(partial(fit, name=name))
        for name, module in _activations(state).items()
        if isinstance(module, PartialRelu)
    ]
    state.supernet(batch.at(state.supernet.space.resolution_of(architecture)), architecture)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def _keep_scores(state: TrainState, scores: Mapping[str, Tensor]) -> None:
    """Write the trained scores where the supernet reads which elements a share keeps."""
    modules = {f"blocks.{slot.replace('.', '_')}.act": slot for slot in scores}
    for name, module in _activations(state).items():
        module.scores.copy_(scores[modules[name]])
