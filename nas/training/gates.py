"""Learnt gates of options: which choices have them, how they are updated, what they cost.

A gate's parameter is the alpha of the papers. Parameters belong to the training, not to the
supernet: a mixture of options is an argument of its forward (`search_spaces.mixture`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from nas.errors import ConfigError
from nas.training.largest import RESOLUTION
from nas.training.stages import choices_like
from predictors import CostTable, largest
from search_spaces import Architecture, SearchSpace, SpaceError
from search_spaces.choices import Choice
from search_spaces.mixture import mixed_slots

__all__ = [
    "expected_cost",
    "gated_choices",
    "learn_gates",
    "new_gates",
    "require_sum",
    "update_gates",
]

_BETAS, _EPS = (0.0, 0.999), 1e-8  # as ProxylessNAS's authors': what takes no part stays


def gated_choices(
    space: SearchSpace, strategy: str, patterns: Sequence[str] = ("*",)
) -> list[Choice]:
    """Return the choices that get gates: those that are named, but never the resolution.

    Raises:
        ConfigError: There is none, a pattern means none, or they cannot be mixed.
    """
    able = {c.name: c for c in space.choices if c.name != RESOLUTION and len(c.options) > 1}
    if not able:
        raise ConfigError(
            f"train.strategy = {strategy!r} learns which options to take, and {space.name!r} has "
            "no choice but the resolution."
        )
    where = f"train.{strategy}.choices"
    wanted = {column for pattern in patterns for column in choices_like(space, pattern, where)}
    chosen = [able[c.name] for i, c in enumerate(space.choices) if i in wanted and c.name in able]
    try:
        mixed_slots(space, largest(space), {c.name: range(len(c.options)) for c in chosen})
    except SpaceError as error:
        raise ConfigError(f"train.strategy = {strategy!r} does not go with it: {error}") from error
    return chosen


def new_gates(values: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return parameters and their optimizer's state, as `update_gates` keeps them.

    Args:
        values: First values of the parameters, by name.
        device: Where they are kept.
    """
    gates = {}
    for name, value in values.items():
        gates[f"alpha/{name}"] = value.detach().clone().to(device)
        gates[f"exp_avg/{name}"] = torch.zeros_like(value, device=device)
        gates[f"exp_avg_sq/{name}"] = torch.zeros_like(value, device=device)
        gates[f"step/{name}"] = torch.zeros(())
    return gates


@torch.no_grad()
def update_gates(
    gates: Mapping[str, Tensor], gradients: Mapping[str, Tensor], learning_rate: float
) -> None:
    """Do one step of Adam without momentum on some parameters.

    Args:
        gates: From `new_gates`; changed in place.
        gradients: By name, shaped as the parameters.
        learning_rate: Of the step.
    """
    adam(
        [gates[f"alpha/{name}"].detach() for name in gradients],
        list(gradients.values()),
        [gates[f"exp_avg/{name}"] for name in gradients],
        [gates[f"exp_avg_sq/{name}"] for name in gradients],
        [],
        [gates[f"step/{name}"] for name in gradients],
        amsgrad=False,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        lr=learning_rate,
        weight_decay=0.0,
        eps=_EPS,
        maximize=False,
    )


def learn_gates(gates: Mapping[str, Tensor], learning_rate: float) -> None:
    """Update all parameters by the gradients that a loss left in them, and forget these.

    Args:
        gates: From `new_gates`; changed in place.
        learning_rate: See `update_gates`.
    """
    start = "alpha/"
    alphas = {n.removeprefix(start): value for n, value in gates.items() if n.startswith(start)}
    gradients = {name: alpha.grad for name, alpha in alphas.items() if alpha.grad is not None}
    update_gates(gates, gradients, learning_rate)
    for alpha in alphas.values():
        alpha.requires_grad_(False).grad = None


def expected_cost(
    cost: CostTable, architecture: Architecture, probabilities: Mapping[str, Tensor]
) -> Tensor:
    """Return the mean of a compiled cost when the options of some choices are random.

    Choices are independent, so the mean is a sum over slots, in each of which the table is
    contracted with the probabilities of the choices that it reads. What options of one slot
    share, such as the rounds of one kind of attention, is counted as the table counts it.

    Args:
        cost: A sum over slots; see `require_sum`.
        architecture: Gives the options of all other choices.
        probabilities: float [options] by choice.

    Returns:
        A number in the unit of the cost that can be differentiated by the probabilities.

    Raises:
        ConfigError: A slot reads what is derived from a random choice.
    """
    space = cost.space
    column = {choice.name: position for position, choice in enumerate(space.choices)}
    random = {column[name]: probability for name, probability in probabilities.items()}
    row = space.variables(space.encode(architecture)[None])[0]
    for fold in space.folds:
        if set(fold.reads) & set(random):
            raise ConfigError(
                f"The mean of {cost.metric} is not known: {fold.name!r} is derived from choices "
                "that are not decided."
            )
    total: Tensor | float = cost.constant
    for table in cost.tables:
        values = table.values[tuple(slice(None) if v in random else row[v] for v in table.scope)]
        read = [random[variable] for variable in table.scope if variable in random]
        if not read:
            total = total + float(values)
            continue
        part = torch.as_tensor(values, dtype=read[0].dtype, device=read[0].device)
        for probability in reversed(read):
            part = part @ probability
        total = total + part
    return torch.as_tensor(total)


def require_sum(cost: CostTable, key: str) -> CostTable:
    """Return a cost whose mean can be part of a loss.

    Args:
        cost: The cost.
        key: Of the configuration that names it.

    Raises:
        ConfigError: It is no sum over slots.
    """
    if cost.reduce != "sum" or cost.canonical_only:
        raise ConfigError(
            f"{key} = {cost.metric!r} is no sum over blocks, so its mean cannot be part of a "
            "loss. Take one that is, such as macs or latency_ms."
        )
    return cost
