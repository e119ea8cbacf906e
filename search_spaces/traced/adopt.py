"""A traced model's own weights in the supernet of its space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.errors import SpaceError
from search_spaces.modules.network import module_names
from search_spaces.modules.pieces import PiecedBatchNorm, PiecedWeights
from search_spaces.supernet import Supernet
from search_spaces.traced.plan import Plan, plan_of
from search_spaces.traced.tracing import evaluating

__all__ = ["adopt_module"]

_TENSORS = ("weight", "bias", "running_mean", "running_var")
_TOLERANCE = 1e-3


@torch.no_grad()
def adopt_module(supernet: Supernet, model: nn.Module) -> None:
    """Give a supernet of `SearchSpace.from_module` the weights and statistics of its model.

    The largest architecture then computes what the model does, which is checked on random
    images; smaller ones use leading channels.

    Args:
        supernet: Takes the weights.
        model: The one its space was made from, or another of the same structure; it is not
            changed.

    Raises:
        SpaceError: The space was made from another model, or the outputs differ, because the
            model does what tracing cannot see.
    """
    space = supernet.space
    largest = space.decode(space.option_counts - 1)
    shape = space.input_shape_of(largest)
    plan = plan_of(model, shape)
    own, given = space.blocks(largest), plan.widest()
    for slot in dict.fromkeys([*own, *given]):
        if own.get(slot) != given.get(slot):
            raise SpaceError(
                f"Space {space.name!r} was not made from this model: slot {slot!r} is "
                f"{own.get(slot)} in the space and {given.get(slot)} in the model."
            )
    _copy(supernet, model, plan)
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with evaluating(model), evaluating(supernet):
        wanted = model(_like(x, model)).double().cpu()
        made = supernet(_like(x, supernet), largest).double().cpu()
    if not (made - wanted).abs().max() <= _TOLERANCE * wanted.abs().max():
        raise SpaceError(
            f"The supernet of {space.name!r} does not compute what the model does, with the "
            "model's weights. Tracing follows modules and functions; a model that writes to a "
            "tensor it reads again, or that hooks change, must be rewritten."
        )


def _copy(supernet: Supernet, model: nn.Module, plan: Plan) -> None:
    names = module_names(draft.name for draft in plan.drafts)
    for draft in plan.drafts:
        for part, path in draft.modules.items():
            module = model.get_submodule(path)
            tensors = {name: getattr(module, name, None) for name in _TENSORS}
            plain = {name: tensor for name, tensor in tensors.items() if tensor is not None}
            own = supernet.blocks[names[draft.name]].get_submodule(part)
            assert isinstance(own, PiecedWeights | PiecedBatchNorm)
            own.load(plain)


def _like(x: Tensor, module: nn.Module) -> Tensor:
    """Return images on the device and of the type of a module's weights."""
    return x.to(next(module.parameters()))
