"""Executors by name: the built-in ones, and third parties' through entry points.

A third party declares in its pyproject.toml a function that takes the number of workers and
returns a `concurrent.futures.Executor` (Dask's and submitit's are such executors):

    [project.entry-points."nas.executors"]
    my_cluster = "my_package.cluster:open_executor"
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor
from importlib.metadata import entry_points
from typing import TypeAlias

from nas.errors import ConfigError, nearest

__all__ = ["executor_factory", "list_executors"]

ExecutorFactory: TypeAlias = Callable[[int], Executor]

_ENTRY_POINTS = "nas.executors"
_BUILT_IN = {
    "processes": ("nas.search.processes", "ProcessExecutor"),
    "ray": ("nas.search.ray_executor", "RayExecutor"),
}


def list_executors() -> list[str]:
    """Return the names of all executors, sorted; one that is listed may not be installed."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=_ENTRY_POINTS))})


def executor_factory(name: str) -> ExecutorFactory:
    """Return what opens an executor, given the number of workers.

    Raises:
        ConfigError: There is no such executor, or a third party's cannot be loaded.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        factory: ExecutorFactory = getattr(importlib.import_module(module), attribute)
        return factory
    for entry in entry_points(group=_ENTRY_POINTS, name=name):
        try:
            loaded: ExecutorFactory = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"The executor {name!r} is announced by an installed package, but {entry.value} "
                f"cannot be loaded: {error}. Reinstall or remove that package."
            ) from error
        return loaded
    raise ConfigError(
        f"search.executor = {name!r}: there is no such executor. {nearest(name, list_executors())}"
    )
