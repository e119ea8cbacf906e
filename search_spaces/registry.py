"""Spaces by name: the built-in ones, and third parties' through entry points.

A third party declares in its pyproject.toml:

    [project.entry-points."nas.search_spaces"]
    my_space = "my_package.my_space:my_space"
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

from search_spaces.errors import SpaceError, nearest
from search_spaces.space import SearchSpace

__all__ = ["described_space", "get_space", "list_spaces", "register_space", "space_factory"]

SpaceFactory: TypeAlias = Callable[..., SearchSpace]

_ENTRY_POINTS = "nas.search_spaces"
_BUILT_IN = (
    "attentive_nas",
    "autoformer",
    "bignas",
    "compofa",
    "darts",
    "efficientnet",
    "efficientnet_v2",
    "ensemble",
    "fasternet",
    "ghostnet",
    "gold_nas",
    "lsnet",
    "mcunet",
    "mobile_small",
    "mpc_resnet",
    "mpc_vit",
    "nasbench201",
    "nasnet",
    "ofa_mobilenet_v3",
    "ofa_proxyless",
    "ofa_resnet50",
    "proxyless",
    "spos_shufflenet_v2",
    "vit_resnas",
)
_factories: dict[str, SpaceFactory] = {}


def register_space(name: str) -> Callable[[SpaceFactory], SpaceFactory]:
    """Register a factory under a name; every argument of it needs a default.

    Raises:
        SpaceError: Another factory has the name, or an argument has no default.
    """

    def register(factory: SpaceFactory) -> SpaceFactory:
        known = _factories.get(name)
        if known is not None and _origin(known) != _origin(factory):
            raise SpaceError(
                f"The space name {name!r} is already registered by {_origin(known)}; "
                f"{_origin(factory)} needs another."
            )
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
        SpaceError: No space has the name, or a third party's cannot be loaded.
    """
    if name not in _factories and name in _BUILT_IN:
        importlib.import_module(f"search_spaces.{name}")
    if name not in _factories:
        for entry in entry_points(group=_ENTRY_POINTS, name=name):
            _load(entry)
    if name not in _factories:
        raise SpaceError(f"There is no search space {name!r}. {nearest(name, list_spaces())}")
    return _factories[name]


def get_space(name: str, **options: Any) -> SearchSpace:
    """Build a space by name.

    Args:
        name: One of `list_spaces`.
        options: Arguments of its factory, for example ``classes=10``.

    Raises:
        SpaceError: Unknown space or option, or a value of another type or that the factory
            refuses.
    """
    factory = space_factory(name)
    parameters = inspect.signature(factory).parameters
    for option, value in options.items():
        if option not in parameters:
            raise SpaceError(
                f"Space {name!r} has no option {option!r}. {nearest(option, parameters)}"
            )
        _check_type(f"Option {option!r} of space {name!r}", value, parameters[option].default)
    try:
        space = factory(**options)
    except (SpaceError, TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise SpaceError(f"Space {name!r} cannot be built with ({given}): {error}") from error
    if space.name != name:
        raise SpaceError(
            f"The factory of space {name!r} built one that is named {space.name!r}; "
            "files could not find it again. Give its builder the registered name."
        )
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    space.options = {key: _plain(value) for key, value in (defaults | options).items()}
    return space


def described_space(description: Mapping[str, Any]) -> SearchSpace:
    """Build the space that `SearchSpace.description` describes.

    Raises:
        SpaceError: There is no such space, option or choice here.
    """
    space = get_space(description["name"], **description["options"])
    keep = description.get("keep")
    return space.restrict(keep) if keep else space


def _origin(factory: SpaceFactory) -> str:
    """Return where a factory is defined."""
    return f"{factory.__module__}.{factory.__qualname__}"


def _load(entry: EntryPoint) -> None:
    """Import a third party's factory and register it under the name of its entry point."""
    try:
        factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise SpaceError(
            f"The space {entry.name!r} is announced by an installed package, but {entry.value} "
            f"cannot be loaded: {error}. Reinstall or remove that package."
        ) from error
    if not callable(factory):
        raise SpaceError(f"The space {entry.name!r} must be a function, {entry.value} is not.")
    register_space(entry.name)(factory)


def _check_type(what: str, value: object, default: object) -> None:
    """Refuse a value of another type than the default: whole number, number, text, list."""
    if isinstance(default, bool | str):
        fits, wanted = isinstance(value, type(default)), type(default).__name__
    elif isinstance(default, int | float):
        allowed = int if isinstance(default, int) else (int, float)
        fits = isinstance(value, allowed) and not isinstance(value, bool)
        wanted = "a whole number" if isinstance(default, int) else "a number"
    elif isinstance(default, Sequence):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise SpaceError(f"{what} must be a list, got {value!r}.")
        for item in value:
            _check_type(f"{what}: every item", item, next(iter(default), item))
        return
    else:
        return
    if not fits:
        raise SpaceError(f"{what} must be {wanted}, got {value!r}.")


def _plain(value: Any) -> Any:
    """Return ranges and tuples as lists, for JSON."""
    if isinstance(value, range | tuple | list):
        return [_plain(item) for item in value]
    return value
