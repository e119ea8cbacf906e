"""The search space of a traced model: one choice for each group of channels that can shrink."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from search_spaces.arguments import require_positive
from search_spaces.blocks import BlockSpec
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError, nearest
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.traced.plan import Draft, Plan, plan_of

__all__ = ["Widths", "space_of_module"]

_MAX_COMBINATIONS = 1 << 16


@dataclass(frozen=True)
class Widths:
    """How far channels shrink.

    Attributes:
        shares: Of the model's own channels, 1.0 among them.
        divisor: What smaller channels are rounded to a multiple of.
        keep: Paths of modules that keep their output channels, with all inside them.
    """

    shares: Sequence[float]
    divisor: int
    keep: Sequence[str]

    def __post_init__(self) -> None:
        require_positive(widths=self.shares, divisor=self.divisor)
        if isinstance(self.keep, str):
            raise SpaceError(f"keep must be a list of module names, got {self.keep!r}.")
        if 1.0 not in self.shares or max(self.shares) > 1:
            raise SpaceError(
                f"widths are shares of the model's channels: at most 1.0, and 1.0 itself, "
                f"got {list(self.shares)}."
            )

    def options(self, channels: int) -> tuple[int, ...]:
        """Return the widths of a group, ascending; the last one is its own."""
        shrunk = (make_divisible(channels * share, self.divisor) for share in self.shares)
        return tuple(sorted({channels, *(width for width in shrunk if width < channels)}))


def space_of_module(
    model: nn.Module, input_shape: Sequence[int], *, name: str, widths: Widths
) -> SearchSpace:
    """Return the space of a model's widths; see `SearchSpace.from_module`."""
    plan = plan_of(model, input_shape)
    _keep(plan, widths.keep, dict(model.named_modules()))
    builder = SpaceBuilder(name)
    choices: dict[int, str] = {}
    options: dict[int, tuple[int, ...]] = {}
    for group, channels in plan.groups.sizes().items():
        fixed = plan.groups.is_fixed(group)
        options[group] = (channels,) if fixed else widths.options(channels)
        if len(options[group]) > 1:
            choice = "width_" + plan.groups.label(group).replace(".", "_")
            choices[group] = builder.choice(choice, options[group])
    own = plan.groups.sizes()
    for draft in plan.drafts:
        read = [group for group in _groups_of(draft) if group in choices]
        _refuse_many(draft, math.prod(len(options[group]) for group in read))
        builder.slot(
            draft.name,
            reads=[choices[group] for group in read],
            inputs=draft.inputs,
            block=partial(_block, draft, tuple(read), own),
        )
    return builder.build()


def _block(draft: Draft, groups: Sequence[int], own: dict[int, int], *widths: int) -> BlockSpec:
    """Return the block of a slot, given the widths of the groups that it reads."""
    return draft.block(own | dict(zip(groups, widths, strict=True)))


def _groups_of(draft: Draft) -> list[int]:
    """Return the groups a slot depends on, each once."""
    pieces = [piece for tensor in (*draft.read, draft.made) for piece in tensor]
    return list(dict.fromkeys(group for group, _ in pieces))


def _refuse_many(draft: Draft, combinations: int) -> None:
    if combinations > _MAX_COMBINATIONS:
        raise SpaceError(
            f"{draft.name!r} reads so many groups of channels that they have {combinations:,} "
            f"combinations of widths; at most {_MAX_COMBINATIONS:,}. Give fewer widths, or keep "
            "some of the modules that it concatenates."
        )


def _keep(plan: Plan, keep: Sequence[str], modules: dict[str, nn.Module]) -> None:
    """Freeze what the named modules put out.

    Raises:
        SpaceError: The model has no such module.
    """
    for name in keep:
        if name not in modules:
            known = nearest(name, modules)
            raise SpaceError(f"keep names {name!r}, no module of the model. {known}")
        for draft in plan.drafts:
            paths = draft.modules.values()
            if any(path == name or path.startswith(f"{name}.") for path in paths):
                plan.groups.freeze(draft.made)
