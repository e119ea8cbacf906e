"""Activations by the names that block specs use."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from search_spaces.errors import SpaceError, nearest

__all__ = ["activate", "make_activation"]

_FACTORIES: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "h_swish": nn.Hardswish,
    "swish": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "h_sigmoid": nn.Hardsigmoid,
}
_STATELESS = {name: make() for name, make in _FACTORIES.items()}


def make_activation(name: str) -> nn.Module:
    """Return a new activation module.

    Raises:
        SpaceError: No activation has the name.
    """
    if name not in _FACTORIES:
        raise SpaceError(f"Unknown activation {name!r}. {nearest(name, _FACTORIES)}")
    return _FACTORIES[name]()


def activate(x: Tensor, name: str | None) -> Tensor:
    """Apply an activation by name, perhaps in place; None returns the input.

    Raises:
        SpaceError: No activation has the name.
    """
    if name is None:
        return x
    if name not in _STATELESS:
        raise SpaceError(f"Unknown activation {name!r}. {nearest(name, _STATELESS)}")
    activated: Tensor = _STATELESS[name](x)
    return activated
