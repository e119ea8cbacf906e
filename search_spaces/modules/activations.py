"""Activations by the names that block specs use."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from search_spaces.errors import SpaceError, nearest

__all__ = ["activate", "make_activation"]

_FACTORIES: dict[str, Callable[[bool], nn.Module]] = {
    "relu": lambda inplace: nn.ReLU(inplace=inplace),
    "relu6": lambda inplace: nn.ReLU6(inplace=inplace),
    "h_swish": lambda _: nn.Hardswish(),
    "swish": lambda _: nn.SiLU(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "gelu": lambda _: nn.GELU(),
    "h_sigmoid": lambda _: nn.Hardsigmoid(),
}
_STATELESS = {
    (name, inplace): make(inplace)
    for name, make in _FACTORIES.items()
    for inplace in (True, False)
}


def make_activation(name: str, *, inplace: bool = True) -> nn.Module:
    """Return a new activation module.

    Args:
        name: Of the activation.
        inplace: Whether it may overwrite its input; not where others read the input too.

    Raises:
        SpaceError: No activation has the name.
    """
    if name not in _FACTORIES:
        raise SpaceError(f"Unknown activation {name!r}. {nearest(name, _FACTORIES)}")
    return _FACTORIES[name](inplace)


def activate(x: Tensor, name: str | None, *, inplace: bool = True) -> Tensor:
    """Apply an activation by name; None returns the input.

    Args:
        x: Any shape.
        name: Of the activation.
        inplace: Whether it may overwrite `x`; not where others read it too.

    Raises:
        SpaceError: No activation has the name.
    """
    if name is None:
        return x
    if name not in _FACTORIES:
        raise SpaceError(f"Unknown activation {name!r}. {nearest(name, _FACTORIES)}")
    activated: Tensor = _STATELESS[name, inplace](x)
    return activated
