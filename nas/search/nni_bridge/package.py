"""NNI itself: the one module that imports it, late. It is built for x86-64 only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from search_spaces.optional import import_optional

__all__ = ["experiment_module", "nni_package", "quiet", "tuner_module"]

_TUNERS = "nni.algorithms.hpo"


def nni_package() -> ModuleType:
    """Return NNI, with `nni.mutable`.

    Raises:
        MissingExtraError: It is not installed.
    """
    import_optional("nni.mutable", extra="nni", purpose="The NNI bridge")
    return import_optional("nni", extra="nni", purpose="The NNI bridge")


def tuner_module(name: str) -> Any:
    """Return a module of NNI's tuners, for example ``tpe_tuner``.

    Raises:
        MissingExtraError: NNI is not installed.
    """
    return import_optional(f"{_TUNERS}.{name}", extra="nni", purpose="The NNI bridge")


def experiment_module() -> Any:
    """Return NNI's module of experiments.

    Raises:
        MissingExtraError: NNI is not installed.
    """
    return import_optional("nni.experiment", extra="nni", purpose="An NNI experiment")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what NNI logs of every step from standard output."""
    logger = logging.getLogger("nni")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
