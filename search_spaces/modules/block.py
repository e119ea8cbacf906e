"""From a block spec to torch: the plain module, and the elastic module of many specs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.blocks import BlockSpec
from search_spaces.errors import SpaceError, nearest
from search_spaces.modules.channels import ChannelGroup
from search_spaces.modules.elastic import Elastic, Part
from search_spaces.modules.initialise import initialise

__all__ = [
    "ElasticBlock",
    "ElasticChoice",
    "build_block",
    "build_elastic",
    "register_modules",
    "require_equal",
]


@dataclass(frozen=True, slots=True)
class _Twins:
    """The two torch forms of a block family."""

    plain: Callable[..., nn.Module]
    elastic: Callable[..., ElasticBlock]


_FAMILIES: dict[type[BlockSpec], _Twins] = {}


def register_modules(
    family: type[BlockSpec],
    *,
    plain: Callable[..., nn.Module],
    elastic: Callable[..., ElasticBlock],
) -> None:
    """Tell how a block family runs in torch.

    The module that calls it must be imported: along with the family, or when it is first
    needed, as the family's `BlockSpec.torch_module`.

    Args:
        family: The spec class.
        plain: Called with ``(spec,)``; a module with ``forward(*inputs)``. Made of the
            layers in `search_spaces.modules.layers` it draws nothing from global generators.
        elastic: Called with ``(blocks, generator)``; an `ElasticBlock` whose parts have the
            names of the plain module's state dict.
    """
    _FAMILIES[family] = _Twins(plain, elastic)


def _twins(family: type[BlockSpec]) -> _Twins:
    if family not in _FAMILIES and family.torch_module is not None:
        import_module(family.torch_module)
    if family not in _FAMILIES:
        known = [known.__name__ for known in _FAMILIES]
        raise SpaceError(
            f"Block family {family.__name__!r} has no torch modules; add them with "
            "`register_modules`, and name the module that does so in the family's "
            f"`torch_module`. {nearest(family.__name__, known)}"
        )
    return _FAMILIES[family]


def build_block(spec: BlockSpec, *, generator: torch.Generator | None = None) -> nn.Module:
    """Build the plain module of one block, freshly initialised.

    Args:
        spec: The block.
        generator: Draws the weights; by default one seeded with zero.

    Raises:
        SpaceError: The family has no torch modules, or the spec is impossible.
    """
    module = _twins(type(spec)).plain(spec)
    initialise(module, generator or torch.Generator().manual_seed(0))
    return module


class ElasticBlock(Elastic):
    """Shared weights of all blocks of one slot that have the same family.

    Subclasses give `parts` and `forward`, both with the spec as an argument:
    ``forward(*inputs, spec)``.
    """

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return the channels inside the block that may change places; by default none."""
        return ()

    def mixture(self, inputs: Sequence[Tensor], specs: Sequence[Any], shares: Tensor) -> Tensor:
        """Return the sum of what the block puts out at several specs, times their shares.

        Where a share is zero, its own gradient is all that the spec adds.

        Args:
            inputs: As of `forward`.
            specs: Different blocks with one shape of what they put out.
            shares: A tensor [specs].
        """
        terms = []
        for share, shut, spec in zip(shares, (shares == 0).tolist(), specs, strict=True):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not shut):
                output = self(*inputs, spec)
            terms.append(share * output)
        made: Tensor = sum(terms[1:], start=terms[0])
        return made

    def residual_scales(self, blocks: Sequence[Any]) -> Sequence[str]:
        """Return the scales of the batch norm in front of the sum with the input; by default none.

        Args:
            blocks: All that may run; a scale counts where all of them add their input.
        """
        return ()

    def static(self, spec: BlockSpec) -> nn.Module:
        """Return the plain module of one block with copies of its slice of the weights."""
        module = _twins(type(spec)).plain(spec)
        _assign_copies(module, self.weights(spec))
        return module


def _assign_copies(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Give a module contiguous copies of the tensors of its state dict.

    What ``load_state_dict(assign=True)`` does, in a fraction of its time. Buffers that are not
    persistent are the module's own.
    """
    for name, tensor in module.state_dict(keep_vars=True).items():
        tensor.data = state[name].clone(memory_format=torch.contiguous_format)


class ElasticChoice(ElasticBlock):
    """Blocks that do not share weights: one elastic block for each group.

    Args:
        groups: Blocks by the name of their group.
        separate_weights: Fields that, with the family, tell the group of a block.
        generator: Draws the initial weights.
    """

    def __init__(
        self,
        groups: dict[str, list[BlockSpec]],
        separate_weights: Sequence[str],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.separate_weights = tuple(separate_weights)
        self.groups = nn.ModuleDict(
            {name: _elastic_group(blocks, generator) for name, blocks in groups.items()}
        )

    def _of(self, spec: BlockSpec) -> tuple[str, ElasticBlock]:
        name = _group_name(spec, self.separate_weights)
        return f"groups.{name}", self._named(name)

    def _named(self, name: str) -> ElasticBlock:
        block = self.groups[name]
        assert isinstance(block, ElasticBlock)
        return block

    def forward(self, *inputs: Any) -> Tensor:
        """Run the group of the spec, which is the last argument."""
        result: Tensor = self._of(inputs[-1])[1](*inputs)
        return result

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return those of all groups; a block uses no channels of another group."""
        return [
            ChannelGroup(
                {f"groups.{name}.{key}": axis for key, axis in group.axes.items()},
                f"groups.{name}.{group.reader}",
                partial(self._used, name, group),
            )
            for name in self.groups
            for group in self._named(name).channel_groups()
        ]

    def residual_scales(self, blocks: Sequence[Any]) -> Sequence[str]:
        """Return those of all groups."""
        names: list[str] = []
        for group in self.groups:
            own = [b for b in blocks if _group_name(b, self.separate_weights) == group]
            scales = self._named(group).residual_scales(own)
            names += [f"groups.{group}.{scale}" for scale in scales]
        return names

    def _used(self, name: str, group: ChannelGroup, spec: BlockSpec) -> int:
        """Return how many channels of a group of channels a block uses."""
        return group.used(spec) if _group_name(spec, self.separate_weights) == name else 0

    def parts(self, spec: BlockSpec) -> Sequence[Part]:
        """Return the group of the spec."""
        return [(*self._of(spec), (spec,))]

    def weights(self, spec: BlockSpec) -> dict[str, Tensor]:
        """Return the state dict of the spec's plain module."""
        return self._of(spec)[1].weights(spec)


def build_elastic(
    blocks: Sequence[BlockSpec],
    separate_weights: Sequence[str] = (),
    *,
    generator: torch.Generator | None = None,
) -> ElasticBlock:
    """Build the elastic module of all blocks that one slot can hold.

    Blocks of the same family and with the same values of the fields in ``separate_weights``
    share weights by slicing.

    Args:
        blocks: At least one.
        separate_weights: Names of block fields; a family without the field ignores it.
        generator: Draws the initial weights; by default one seeded with zero.

    Raises:
        SpaceError: No blocks, a field that none of them has, or a family without modules.
    """
    if not blocks:
        raise SpaceError("An elastic module needs at least one block.")
    fields = {name for block in blocks for name in type(block).__dataclass_fields__}
    for name in separate_weights:
        if name not in fields:
            raise SpaceError(
                f"separate_weights names {name!r}, which no block of the slot has as a field. "
                f"{nearest(name, fields)}"
            )
    generator = generator or torch.Generator().manual_seed(0)
    groups: dict[str, list[BlockSpec]] = {}
    for block in blocks:
        groups.setdefault(_group_name(block, separate_weights), []).append(block)
    if len(groups) == 1:
        return _elastic_group(blocks, generator)
    return ElasticChoice(groups, separate_weights, generator)


def require_equal(blocks: Sequence[BlockSpec], *names: str) -> None:
    """Refuse blocks of one family that differ in a field that cannot be sliced.

    Raises:
        SpaceError: They do; the message names the field.
    """
    for name in names:
        if len(values := sorted({getattr(block, name) for block in blocks})) > 1:
            raise SpaceError(
                f"{type(blocks[0]).__name__} blocks of one slot cannot share weights with "
                f"different {name}: {values}. Put {name!r} in the slot's separate_weights."
            )


def _elastic_group(blocks: Sequence[BlockSpec], generator: torch.Generator) -> ElasticBlock:
    return _twins(type(blocks[0])).elastic(blocks, generator)


def _group_name(spec: BlockSpec, separate_weights: Sequence[str]) -> str:
    """Return a legal module name for the group of a block."""
    values = (f"{f}_{getattr(spec, f)}" for f in separate_weights if hasattr(spec, f))
    return "_".join([type(spec).__name__, *values]).replace(".", "p")
