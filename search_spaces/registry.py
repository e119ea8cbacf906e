"""Spaces by name: the built-in ones, and third parties' through entry points.

A third party declares in its pyproject.toml:

    [project.entry-points."nas.search_spaces"]
    my_space = "my_package.my_space:my_space"
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from search_spaces.errors import SpaceError, nearest
from search_spaces.space import SearchSpace

__all__ = ["get_space", "list_spaces", "register_space", "space_factory"]

SpaceFactory = Callable[..., SearchSpace]

_ENTRY_POINTS = "nas.search_spaces"
_BUILT_IN = ("mobile_small", "ofa_mobilenet_v3", "spos_shufflenet_v2")
_factories: dict[str, SpaceFactory] = {}


def register_space(name: str) -> Callable[[SpaceFactory], SpaceFactory]:
    """Register a factory under a name; every argument of it needs a default.

    Raises:
        SpaceError: Another factory has the name, or an argument has no default.
    """

    def register(factory: SpaceFactory) -> SpaceFactory:
        known = _factories.get(name)
        if known is not None and known.__qualname__ != factory.__qualname__:
            raise SpaceError(f"The space name {name!r} is already registered by {known!r}.")
        for parameter in inspect.signature(factory).parameters.values():
            if parameter.default is inspect.Parameter.empty:
                raise SpaceError(
                    f"The factory of space {name!r} needs a default for {parameter.name!r}."
                )
        _factories[name] = factory
        return factory

    return register


def list_spaces() -> list[str]:
    """Return the names of all spaces, sorted."""
    found = {entry.name for entry in entry_points(group=_ENTRY_POINTS)}
    return sorted({*_BUILT_IN, *_factories, *found})


def space_factory(name: str) -> SpaceFactory:
    """Return the factory of a space.

    Raises:
        SpaceError: No space has the name.
    """
    if name not in _factories:
        if name in _BUILT_IN:
            importlib.import_module(f"search_spaces.{name}")
        for entry in entry_points(group=_ENTRY_POINTS, name=name):
            _factories.setdefault(name, entry.load())
    if name not in _factories:
        raise SpaceError(f"There is no search space {name!r}. {nearest(name, list_spaces())}")
    return _factories[name]


def get_space(name: str, **options: Any) -> SearchSpace:
    """Build a space by name.

    Args:
        name: One of `list_spaces`.
        options: Arguments of its factory, for example ``classes=10``.

    Raises:
        SpaceError: Unknown space or option, or a value the factory refuses.
    """
    factory = space_factory(name)
    signature = inspect.signature(factory)
    for option in options:
        if option not in signature.parameters:
            raise SpaceError(
                f"Space {name!r} has no option {option!r}. "
                f"{nearest(option, signature.parameters)}"
            )
    bound = signature.bind(**options)
    bound.apply_defaults()
    try:
        space = factory(**options)
    except (TypeError, ValueError) as error:
        raise SpaceError(f"Space {name!r} cannot be built with {options}: {error}") from error
    space.options = {key: _plain(value) for key, value in bound.arguments.items()}
    return space


def _plain(value: Any) -> Any:
    """Return ranges and tuples as lists, for JSON."""
    if isinstance(value, range | tuple | list):
        return [_plain(item) for item in value]
    return value
