"""Optuna itself: the one module that imports it, late, and what every use of it needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from search_spaces.optional import import_optional

__all__ = ["optuna_package", "quiet"]


def optuna_package() -> ModuleType:
    """Return Optuna.

    Raises:
        MissingExtraError: It is not installed.
    """
    return import_optional("optuna", extra="optuna", purpose="The Optuna bridge")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's progress and its advice on samplers from the terminal."""
    package = optuna_package()
    level = package.logging.get_verbosity()
    package.logging.set_verbosity(package.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            package.logging.set_verbosity(level)
