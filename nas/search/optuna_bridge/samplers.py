"""Optuna's samplers by name, with options that a TOML file can hold."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError, nearest
from nas.search.optuna_bridge.package import optuna_package, quiet
from nas.search.optuna_bridge.trials import Encoding
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["build_sampler", "check_sampler", "list_samplers"]

_MAX_GRID = 131_072
_SAMPLERS = ("base_sampler", "independent_sampler")  # options that are samplers themselves
_OPERATORS = ("crossover", "mutation")  # options that are objects of `optuna.samplers.nsgaii`
_OF_CHOICES = ("fixed_params", "x0")  # options that map choices to options of theirs
_NOT_OPTIONS = {
    "seed": "it comes from the seed of the run",
    "search_space": "it comes from the space",
    "constraints_func": "limits come from search.limits",
    "source_trials": "trials come from the archive",
}
_CMA_STARTS = {"x0", "sigma0", "use_separable_cma"}  # which Optuna takes without trials only
_DEFAULTS = {"QMCSampler": {"scramble": True}}  # without it every round has the same points


def list_samplers() -> list[str]:
    """Return the names of all samplers, sorted."""
    names = optuna_package().samplers.__all__
    return sorted(n for n in names if n.endswith("Sampler") and not n.startswith("Base"))


def check_sampler(name: str, options: Mapping[str, Any]) -> None:
    """Check what can be checked before the space is known.

    Raises:
        ConfigError: There is no such sampler or option, or the option cannot be set.
        MissingExtraError: Optuna is not installed.
    """
    known = list_samplers()
    if name not in known:
        raise ConfigError(
            f"search.optuna.sampler = {name!r}: Optuna has no such sampler. {nearest(name, known)}"
        )
    parameters = _parameters(name)
    for option, value in options.items():
        key = f"search.optuna.options.{option}"
        if option in _NOT_OPTIONS:
            raise ConfigError(f"{key} cannot be set: {_NOT_OPTIONS[option]}.")
        if option not in parameters:
            allowed = [p for p in parameters if p not in _NOT_OPTIONS]
            raise ConfigError(f"{key}: {name} has no such option. {nearest(option, allowed)}")
        if option in _SAMPLERS:
            check_sampler(_name(key, value), {})
        elif option in _OPERATORS:
            operators = _operators(option)
            if _name(key, value) not in operators:
                raise ConfigError(f"{key} = {value!r}: {nearest(value, operators)}")
        elif option in _OF_CHOICES and not isinstance(value, Mapping):
            raise ConfigError(f"{key} = {value!r}: must map choices to options.")


def build_sampler(
    name: str,
    options: Mapping[str, Any],
    space: SearchSpace,
    *,
    seed: int,
    trials: Sequence[FrozenTrial] = (),
) -> BaseSampler:
    """Return a sampler.

    Args:
        name: One of `list_samplers`.
        options: Arguments of its constructor. Samplers and genetic operators are given by
            name, ``fixed_params`` and ``x0`` by choices and their options.
        space: What is sampled.
        seed: Of the sampler's random numbers, where it has any.
        trials: The history, for a sampler that cannot take it from the study: CMA-ES starts
            from its best trials, unless options say where.

    Raises:
        ConfigError: Optuna refuses the options, or a grid would be too large.
        SpaceError: ``fixed_params`` or ``x0`` name a choice or option that there is not.
    """
    package, parameters = optuna_package(), _parameters(name)
    arguments: dict[str, Any] = {**_DEFAULTS.get(name, {}), **options}
    for option, value in options.items():
        if option in _SAMPLERS:
            arguments[option] = build_sampler(value, {}, space, seed=seed)
        elif option in _OPERATORS:
            arguments[option] = getattr(package.samplers.nsgaii, value)()
        elif option in _OF_CHOICES:
            arguments[option] = Encoding(space).indices(value)
    if "seed" in parameters:
        arguments["seed"] = seed
    if "search_space" in parameters:
        arguments["search_space"] = _grid(space)
    if "source_trials" in parameters and trials and not options.keys() & _CMA_STARTS:
        arguments["source_trials"] = list(trials)
    try:
        with quiet():
            sampler: BaseSampler = getattr(package.samplers, name)(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"search.optuna.options: Optuna's {name} refuses them: {error}"
        ) from error
    return sampler


def _parameters(name: str) -> list[str]:
    sampler = getattr(optuna_package().samplers, name)
    return [p for p in inspect.signature(sampler.__init__).parameters if p != "self"]


def _operators(option: str) -> list[str]:
    names = optuna_package().samplers.nsgaii.__all__
    return [n for n in names if n.lower().endswith(option) and not n.startswith("Base")]


def _name(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{key} = {value!r}: must be a name.")
    return value


def _grid(space: SearchSpace) -> dict[str, list[int]]:
    size = math.prod(space.option_counts.tolist())
    if size > _MAX_GRID:
        raise ConfigError(
            f"GridSampler: a grid over {space.name} has {size:,} points, at most {_MAX_GRID:,} "
            "can be listed. Use BruteForceSampler or QMCSampler, or a smaller space."
        )
    return {name: list(range(n)) for name, n in Encoding(space).sizes.items()}
