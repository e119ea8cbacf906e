"""NNI's tuners in this process, told a whole history at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from nas.errors import ConfigError, nearest
from nas.search.history import History
from nas.search.nni_bridge.package import tuner_module
from nas.search.nni_bridge.spaces import to_search_space
from search_spaces import Architecture

__all__ = ["TUNERS", "check_tuner", "own_randomness", "told_tuner", "tuner_arguments"]

TUNERS = {
    "Random": ("random_tuner", "RandomTuner"),
    "TPE": ("tpe_tuner", "TpeTuner"),
    "Evolution": ("evolution_tuner", "EvolutionTuner"),
    "GridSearch": ("gridsearch_tuner", "GridSearchTuner"),
    "Batch": ("batch_tuner", "BatchTuner"),
}
_NOT_OPTIONS = {
    "seed": "it comes from the seed of the run",
    "optimize_mode": "it comes from the objective",
}


def _class(name: str) -> Any:
    module, attribute = TUNERS[name]
    return getattr(tuner_module(module), attribute)


def _parameters(name: str) -> list[str]:
    own = [p for p in inspect.signature(_class(name).__init__).parameters if p != "self"]
    return [*own, "candidates"] if name == "Batch" else own


def check_tuner(name: str, options: Mapping[str, Any]) -> None:
    """Check a tuner and its options.

    Raises:
        ConfigError: There is no such tuner or option, or it cannot be set.
        MissingExtraError: NNI is not installed.
    """
    if name not in TUNERS:
        raise ConfigError(
            f"search.nni.tuner = {name!r}: there is no such tuner. {nearest(name, TUNERS)}"
        )
    known = _parameters(name)
    for option in options:
        key = f"search.nni.options.{option}"
        if option in _NOT_OPTIONS:
            raise ConfigError(f"{key} cannot be set: {_NOT_OPTIONS[option]}.")
        if option not in known:
            allowed = [p for p in known if p not in _NOT_OPTIONS]
            raise ConfigError(f"{key}: {name} has no such option. {nearest(option, allowed)}")
    if name == "Batch" and not options.get("candidates"):
        raise ConfigError(
            "search.nni.options.candidates is required: the architectures to evaluate, each as "
            "a table of choices and their options."
        )


def tuner_arguments(
    name: str, options: Mapping[str, Any], *, direction: str, seed: int
) -> dict[str, Any]:
    """Return what a tuner is made with: its options, and where it takes them seed and direction.

    NNI's own direction is to minimise.

    Args:
        name: One of `TUNERS`.
        options: As `check_tuner` accepts them.
        direction: ``maximize`` or ``minimize``.
        seed: Of its random numbers.
    """
    arguments = {key: value for key, value in options.items() if key != "candidates"}
    parameters = _parameters(name)
    if "seed" in parameters:
        arguments["seed"] = seed
    if "optimize_mode" in parameters:
        arguments["optimize_mode"] = direction
    return arguments


def told_tuner(name: str, options: Mapping[str, Any], history: History, *, seed: int) -> Any:
    """Return a tuner that knows the history.

    TPE, GridSearch and Batch import it. Evolution cannot: the best of the history become its
    population. Random has nothing to learn.

    Args:
        name: One of `TUNERS`.
        options: Arguments of its constructor; ``candidates`` of Batch are architectures.
        history: What was evaluated.
        seed: Of the tuner's random numbers, where it has any.

    Raises:
        ConfigError: NNI refuses the options.
        SpaceError: A candidate is no architecture of the space.
    """
    problem = history.problem
    direction = problem.objectives[0].direction
    arguments = tuner_arguments(name, options, direction=direction, seed=seed)
    try:
        tuner = _class(name)(**arguments)
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(f"search.nni.options: NNI's {name} refuses them: {error}") from error
    if name == "Batch":
        space = problem.space
        candidates = [dict(space.decode(space.encode(c))) for c in options["candidates"]]
        listed = {"_type": "choice", "_value": candidates}
        tuner.update_search_space({"candidates": listed})
    else:
        tuner.update_search_space(to_search_space(problem.space))
    if name == "Evolution":
        _populate(tuner, history, seed)
    elif name != "Random" and len(history):
        values = history.values[:, 0].tolist()
        rows = problem.space.decode_all(history.population)
        data = [
            {"parameter": dict(row), "value": value}
            for row, value in zip(rows, values, strict=True)
        ]
        tuner.import_data(data)
    return tuner


def _populate(tuner: Any, history: History, seed: int) -> None:
    """Make the best of the history the population, and the seed that of its random numbers."""
    module = tuner_module("evolution_tuner")
    gains = history.problem.gains(history.values)[:, 0]
    best = np.argsort(-gains, kind="stable")[: tuner.population_size]
    rows = history.problem.space.decode_all(history.population[best])
    tuner.random_state = np.random.RandomState(seed)
    tuner.population = [
        module.Individual(config=_indexed(history, row), result=gain)
        for row, gain in zip(rows, gains[best].tolist(), strict=True)
    ]


def _indexed(history: History, row: Architecture) -> dict[str, Any]:
    """Return an architecture as Evolution keeps it: with the index of each option."""
    return {
        choice.name: {"_index": choice.index(row[choice.name]), "_value": row[choice.name]}
        for choice in history.problem.space.choices
    }


class _Draws:
    """What Evolution calls of Python's module ``random``, from a generator of our own."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def shuffle(self, items: list[Any]) -> None:
        items[:] = [items[i] for i in self._rng.permutation(len(items)).tolist()]

    def randint(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))


@contextmanager
def own_randomness(rng: np.random.Generator) -> Iterator[None]:
    """Let Evolution draw from a generator: it asks Python's global one, which no seed holds."""
    module = tuner_module("evolution_tuner")
    original = module.random
    module.random = _Draws(rng)
    try:
        yield
    finally:
        module.random = original
