"""Search spaces between NNI's forms and ours: search-space JSON, and `nni.mutable`.

NNI knows choices only, no blocks. What is imported are the choices; a `SpaceBuilder` that says
what blocks they make turns them into a space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.errors import ConfigError
from nas.search.nni_bridge.package import nni_package
from search_spaces import Choice, SearchSpace
from search_spaces.errors import SpaceError

__all__ = [
    "check_search_space",
    "from_mutable",
    "from_search_space",
    "to_mutable",
    "to_search_space",
]

_CONTINUOUS = ("uniform", "loguniform", "normal", "lognormal")
_QUANTISED = ("quniform", "qloguniform")


def to_search_space(space: SearchSpace) -> dict[str, Any]:
    """Return a space as NNI's search-space JSON: one ``choice`` for each of its choices."""
    return {
        choice.name: {"_type": "choice", "_value": list(choice.options)}
        for choice in space.choices
    }


def from_search_space(document: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Return the choices of a search-space JSON.

    ``choice`` has its values, ``randint`` the whole numbers from the first up to but without
    the second, ``quniform`` and ``qloguniform`` the multiples of the step within the bounds.

    Raises:
        ConfigError: A parameter is continuous, nested, or of a kind that NNI does not have.
    """
    return tuple(_choice(name, entry) for name, entry in document.items())


def check_search_space(document: Mapping[str, Any]) -> None:
    """Check a search-space JSON that NNI's own tuners are to take, continuous parameters too.

    Raises:
        ConfigError: It is empty, or a parameter is nested or has not NNI's form.
    """
    if not document:
        raise ConfigError("NNI search space: it is empty, so there is nothing to choose.")
    for name, entry in document.items():
        kind = entry.get("_type") if isinstance(entry, Mapping) else None
        if kind not in _CONTINUOUS:
            _choice(name, entry)
            continue
        bounds = entry.get("_value")
        pair = isinstance(bounds, list) and len(bounds) == 2
        if not pair or not all(isinstance(bound, int | float) for bound in bounds):
            raise ConfigError(
                f"NNI search space: {name}: _value = {bounds!r} must be two numbers, as {kind} "
                "has them."
            )


def _choice(name: str, entry: Any) -> Choice:
    where = f"NNI search space: {name}"
    if not isinstance(entry, Mapping) or not {"_type", "_value"} <= entry.keys():
        raise ConfigError(f"{where} = {entry!r}: must have the keys _type and _value.")
    kind, value = entry["_type"], entry["_value"]
    if kind in _CONTINUOUS:
        raise ConfigError(
            f"{where} is continuous ({kind} {value}); choices are discrete. Give it a step, as "
            "quniform has one, or a list of values."
        )
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ConfigError(f"{where}: _value = {value!r} must be a list.")
    try:
        if kind == "choice":
            return Choice(name, tuple(value))
        if kind == "randint":
            low, high = value
            return Choice(name, tuple(range(low, high)))
        if kind in _QUANTISED:
            return Choice(name, _steps(*value))
    except (SpaceError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {kind} {value} is no choice: {error}") from error
    raise ConfigError(
        f"{where}: there is no kind {kind!r}. Known: choice, randint, {', '.join(_QUANTISED)}."
    )


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return the multiples of the step, clipped to the bounds as NNI does."""
    if step <= 0 or high < low:
        raise ValueError("the bounds must be ascending and the step above 0")
    multiples = np.arange(np.round(low / step), np.round(high / step) + 1) * step
    return tuple(dict.fromkeys(np.clip(multiples, low, high).tolist()))


def to_mutable(space: SearchSpace) -> Any:
    """Return a space as an `nni.mutable.MutableDict` with a `Categorical` for each choice.

    A frozen sample of it is an architecture as a dictionary.

    Raises:
        MissingExtraError: NNI is not installed.
    """
    mutable = nni_package().mutable
    return mutable.MutableDict(
        {c.name: mutable.Categorical(list(c.options), label=c.name) for c in space.choices}
    )


def from_mutable(mutable: Any) -> tuple[Choice, ...]:
    """Return the choices of an `nni.mutable` space, of an NNI ``ModelSpace`` too.

    They have the labels as names, in the order of ``simplify()``.

    Raises:
        ConfigError: A label is no `Categorical`, or its values are neither numbers nor texts.
        MissingExtraError: NNI is not installed.
    """
    categorical = nni_package().mutable.Categorical
    choices = []
    for label, leaf in mutable.simplify().items():
        if not isinstance(leaf, categorical):
            raise ConfigError(
                f"NNI space: {label} is a {type(leaf).__name__}; only Categorical is discrete "
                "and independent. Write it as one or several Categorical."
            )
        try:
            choices.append(Choice(label, tuple(leaf.values)))
        except SpaceError as error:
            raise ConfigError(f"NNI space: {label}: {error}") from error
    return tuple(choices)
