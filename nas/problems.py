"""From a configuration to the search problem: its space, its costs, its limits in numbers."""

from __future__ import annotations

from nas.config import Config, Limit
from nas.errors import ConfigError, nearest
from nas.latency_tables import AnyTable
from nas.search.problem import Objective, Problem, UpperLimit
from predictors import CostTable, Macs, Params, PeakMemory, compile_cost
from predictors.latency import LatencyTable
from search_spaces import SearchSpace, get_space

__all__ = ["build_problem", "compiled_costs", "space_of"]


def space_of(config: Config) -> SearchSpace:
    """Return the space that a configuration names."""
    return get_space(config.space.name, **config.space.options)


def compiled_costs(space: SearchSpace, table: AnyTable | None) -> dict[str, CostTable]:
    """Return every cost a limit may name, compiled for the space."""
    costs = {m.metric: compile_cost(space, m) for m in (Macs(), Params(), PeakMemory())}
    if table is not None:
        costs["latency_ms"] = compile_cost(space, table.cost_model())
    return costs


def build_problem(config: Config, space: SearchSpace, table: AnyTable | None) -> Problem:
    """Return the search problem of a configuration, with shares resolved.

    A share such as ``"60%"`` is one of the largest subnet's cost, the one with most MACs.

    Args:
        config: What is asked.
        space: The space it names.
        table: The latency table; without one a limit on latency is left out.

    Raises:
        ConfigError: A limit names no cost, or asks for a confidence in what has no error.
        TableError: The table has too few held-out networks for the confidence.
    """
    costs = compiled_costs(space, table)
    largest = costs["macs"].maximum().architecture
    limits = []
    for limit in config.search.parsed_limits():
        if limit.metric == "latency_ms" and table is None:
            continue
        if limit.metric not in costs:
            raise ConfigError(
                f"search.limits.{limit.metric}: no such cost. "
                f"{nearest(limit.metric, [*costs, 'latency_ms'])}"
            )
        margin = _margin(limit, table)
        value = limit.resolve(costs[limit.metric].of(largest)) / (1 + margin)
        said = str(config.search.limits[limit.metric])
        limits.append(UpperLimit(limit.metric, value, said, margin))
    objective = Objective(config.search.objective)
    return Problem(space, objectives=(objective,), costs=costs, limits=tuple(limits))


def _margin(limit: Limit, table: AnyTable | None) -> float:
    """Return by how much a limit is lowered, relative to it, to be kept with its confidence."""
    if limit.confidence is None:
        return 0.0
    if limit.metric != "latency_ms":
        raise ConfigError(
            f"search.limits.{limit.metric}: {limit.metric} is counted exactly, so a confidence "
            'means nothing. Leave out what follows the "@".'
        )
    if not isinstance(table, LatencyTable):
        raise ConfigError(
            "search.limits.latency_ms: a published table has no measured networks to tell its "
            "error by, so no limit can be kept with a confidence. Build a table of your own."
        )
    return table.margin(limit.confidence)
