"""From a configuration to its searcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nas.config import SearchConfig
from nas.search import (
    NSGA2,
    NSGA3,
    AgingEvolution,
    AssistedSearch,
    Evolution,
    RandomSearch,
    Searcher,
    ofa_evolution,
    spos_evolution,
)

__all__ = ["build_searcher"]

_SEARCHERS: Mapping[str, tuple[Callable[..., Searcher], tuple[str, ...]]] = {
    "random": (RandomSearch, ()),
    "evolution": (Evolution, ("parents", "mutation_probability", "mutation_share")),
    "spos": (spos_evolution, ("parents", "mutation_probability", "mutation_share")),
    "ofa": (ofa_evolution, ("population", "mutation_probability", "mutation_share")),
    "aging": (AgingEvolution, ("population", "tournament", "mutation_probability")),
    "assisted": (AssistedSearch, ()),
    "nsga2": (NSGA2, ("population", "mutation_probability", "mutation_share")),
    "nsga3": (NSGA3, ("population", "mutation_probability", "mutation_share")),
}
_FRONTS = ("random", "nsga2", "nsga3")  # what looks for the front of several objectives


def build_searcher(config: SearchConfig, *, objectives: int = 1) -> Searcher:
    """Return the searcher that a configuration names, with the options that it has.

    Args:
        config: What is asked.
        objectives: Of the problem. For several, as a sweep has them, NSGA-II replaces a
            searcher that looks for one.

    Raises:
        ConfigError: An option is outside what the searcher allows.
    """
    name = config.searcher if objectives == 1 or config.searcher in _FRONTS else "nsga2"
    make, names = _SEARCHERS[name]
    options: dict[str, Any] = {name: getattr(config, name) for name in names}
    return make(**{name: value for name, value in options.items() if value is not None})
