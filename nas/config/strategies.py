"""Sections inside the training section: what belongs to one strategy alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from nas.config.limits import parse_limit
from nas.config.section import Count, NotNegative, Positive, Section, Share, refuse
from nas.errors import ConfigError

__all__ = [
    "GoldConfig",
    "MpcVitConfig",
    "NetAugConfig",
    "ProxylessConfig",
    "ReluConfig",
    "StageConfig",
    "StoredTeacherConfig",
]


class StageConfig(Section):
    """One stage of progressive shrinking."""

    name: Annotated[str, Field(min_length=1)]
    """What the stage is called in metrics and messages."""
    epochs: Count
    """Passes over the training images."""
    open: dict[
        str, Annotated[tuple[int | float | str, ...], Field(strict=False, min_length=1)]
    ] = Field(default_factory=dict)
    """Options that are drawn from this stage on, by name of a choice or by a pattern such as
    "kernel_*". A choice that no stage has opened keeps the option of the largest subnet."""
    subnets: Count = 1
    """Subnets in each step; they have one resolution."""
    learning_rate: Positive | None = None
    """The highest learning rate of the stage; none is that of the section train."""
    warmup_epochs: NotNegative = 0.0
    """Epochs in which the learning rate of the stage rises linearly from zero."""


class StoredTeacherConfig(Section):
    """A teacher's answers that ``nas teacher store`` has written."""

    path: Annotated[str, Field(min_length=1)]
    """The folder."""
    weight: Positive = 1.0
    """Weight of its soft labels beside the labels."""


class NetAugConfig(Section):
    """The tiny network, and the larger ones around it."""

    target: dict[str, int | float | str] = Field(default_factory=dict)
    """Options of the target by name of a choice or by a pattern such as "depth_*"; where nothing
    is said, those of the smallest subnet."""
    vary: Annotated[tuple[str, ...], Field(strict=False)] = ("expand_*",)
    """Choices, by name or pattern, of which larger options are drawn in every step."""
    vary_early: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Choices of which larger options are drawn in the first epochs only."""
    early_epochs: Annotated[int, Field(ge=0)] | None = None
    """How many these are; none is half of the epochs."""
    weight: Positive = 1.0
    """What the gradient of the larger network is multiplied by."""


class ProxylessConfig(Section):
    """How proxyless learns which operations to take."""

    weight_epochs: NotNegative | None = None
    """Epochs in which the weights are trained alone; none is a quarter of the epochs."""
    every: Count = 5
    """Steps between two updates of the gates."""
    gate_learning_rate: Positive = 1e-3
    """Learning rate of the gates (Adam without momentum)."""
    choices: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("*",)
    """Choices that get gates, by name or pattern; the others are as in the largest subnet."""
    cost: str = "macs"
    """The cost in the loss of the gates, for example latency_ms, which takes the table of the
    section latency, or mpc_online_s."""
    cost_weight: NotNegative = 0.1
    """Weight of the expected cost over its reference in the loss of the gates."""
    cost_reference: Positive | None = None
    """The cost that counts as one, in its unit; none is the mean of the smallest and the largest
    of the space."""


class MpcVitConfig(Section):
    """How mpcvit trains how much of each dear option is kept."""

    choices: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("attention_*",)
    """Choices of two options, the dear one first, by name or pattern; the others are drawn
    uniformly in every step."""
    gate_learning_rate: Positive = 1e-3
    """Learning rate of the alphas (Adam without momentum)."""
    cost: str | None = None
    """The cost whose mean is the penalty, for example mpc_online_s; none is the published sum of
    all alphas."""
    cost_weight: NotNegative = 0.1
    """What the mean cost over that of the largest subnet is multiplied by, or the sum of all
    alphas."""
    keep: Annotated[tuple[Share, ...], Field(strict=False)] = (0.5,)
    """Shares of these choices that keep the dear option: those of the largest alphas. One
    architecture for each."""
    within: Annotated[tuple[float | str, ...], Field(strict=False)] = ()
    """Limits on `cost`, such as 2.5 or "60%" of the largest subnet's: for each the architecture
    within it whose dear options have the largest sum of alphas."""

    @model_validator(mode="after")
    def _check(self) -> MpcVitConfig:
        refuse(_limit_problems(self.cost, self.within))
        return self


def _limit_problems(cost: str | None, within: Iterable[float | str]) -> dict[str, str]:
    """Return what is wrong with limits on a cost, by key."""
    problems = {}
    for said in within:
        if cost is None:
            problems["within"] = "limits a cost; name it by cost"
            continue
        try:
            parse_limit(cost, said)
        except ConfigError as error:
            problems["within"] = str(error)
    return problems


class ReluConfig(Section):
    """How autorep and snl choose the activations that stay."""

    budget: Count = 1000
    """ReLUs of one image that stay, or in mpc_vit elements of tokens that keep their GELU. With
    `within` it is what the penalty of autorep aims at, and no more."""
    cost: str | None = None
    """The cost that `within` limits, for example mpc_online_s."""
    within: float | str | None = None
    """Limit on `cost`, such as 2.5 or "60%" of the largest subnet's: what stays has the largest
    sum of scores within it. None keeps the budget."""
    full_epochs: NotNegative = 0.0
    """Epochs in which the network with all of them is trained first; it teaches afterwards."""
    mask_epochs: NotNegative = 1.0
    """Epochs in which it is learned which stay; the rest of the epochs trains what was kept."""
    weight: NotNegative = 1.0
    """Of the share of ReLUs above the budget (autorep), or of the mean alpha (snl)."""
    gate_learning_rate: Positive = 0.01
    """Learning rate of what decides which ReLUs stay (Adam without momentum)."""
    weights_learning_rate: Positive | None = None
    """Of the weights after the full epochs; none is a tenth of the section's."""
    hysteresis: NotNegative = 0.003
    """How far an indicator of autorep must pass zero before its ReLU changes."""

    @model_validator(mode="after")
    def _check(self) -> ReluConfig:
        problems = _limit_problems(self.cost, [] if self.within is None else [self.within])
        if self.cost is not None and self.within is None:
            problems["cost"] = "is what within limits; set within too"
        refuse(problems)
        return self


class GoldConfig(Section):
    """How gold_nas prunes; the defaults are the published program's."""

    gate_learning_rate: Positive = 1.0
    """Learning rate of the gates (SGD)."""
    penalty_step: Positive = 1e-5
    """By how much the weight of the penalty grows behind an epoch that pruned little; it doubles
    every such epoch."""
    cost_weight: NotNegative = 1.0
    """Weight of an operation's multiply-accumulates, over the mean, in its penalty beside 1."""
    prune_at_once: Count = 4
    """Of the gates below `weak_share` so many of the weakest are pruned behind an epoch; as many
    pruned ones halve the weight of the penalty."""
    weak_share: Share = 0.05
    """A gate is weak below this share of its node."""
    dead_share: Share = 0.01
    """A gate is pruned at this share of its node or below."""
    settled_epochs: Count = 3
    """Epochs without pruning behind which the architecture joins the series."""
    least_macs: Positive | None = None
    """At so many multiply-accumulates pruning ends; none prunes to the end of the training."""
