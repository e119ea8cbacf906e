"""From a configuration to the search problem: its space, its costs, its limits in numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from nas.config import Config, Limit, MpcConfig, Sweep
from nas.errors import ConfigError, nearest
from nas.latency_tables import AnyTable, latency_cost
from nas.metric_names import is_latency
from nas.search.problem import Objective, Problem, UpperLimit
from predictors import (
    INT8_PEAK_MEMORY,
    CostModel,
    CostTable,
    Macs,
    Params,
    PeakMemory,
    compile_cost,
    largest_cost,
)
from predictors.latency import LatencyTable
from predictors.mpc import (
    OperatorPrices,
    get_network,
    get_protocol,
    known_prices,
    load_mpc_table,
    private_costs,
)
from search_spaces import SearchSpace, get_space
from search_spaces.ensemble import EnsembleSpace

__all__ = [
    "build_problem",
    "compiled_costs",
    "network_space",
    "searched_space",
    "space_of",
    "sweep_values",
]

_EVALUATED = "accuracy"  # what `nas.evaluation` measures

_ON_REQUEST = (INT8_PEAK_MEMORY,)
"""Costs that are compiled and recorded only where a limit names them."""


def space_of(config: Config) -> SearchSpace:
    """Return the space whose supernet a configuration trains.

    Raises:
        SpaceError: There is no such space, option or choice.
    """
    space = get_space(config.space.name, **config.space.options)
    return space.restrict(config.space.keep) if config.space.keep else space


def network_space(config: Config) -> SearchSpace:
    """Return the space of the networks that are searched: of subnets, or of ensembles of them.

    Raises:
        SpaceError: As `space_of`, or the subnets cannot share layers as asked.
    """
    space, asked = space_of(config), config.search.ensemble
    if asked is None:
        return space
    return EnsembleSpace(space, asked.members, splits=asked.splits)


def searched_space(config: Config) -> SearchSpace:
    """Return the part of `network_space` that a search looks at.

    Raises:
        SpaceError: As `network_space`.
    """
    space, keep = network_space(config), config.search.keep
    return space.restrict(keep) if keep else space


def compiled_costs(
    space: SearchSpace,
    tables: Mapping[str, AnyTable],
    predicted: Sequence[CostTable] = (),
    *,
    limited: Collection[str] = (),
    mpc: Mapping[str, MpcConfig] | None = None,
) -> dict[str, CostTable]:
    """Return the costs of a problem, compiled for the space.

    Args:
        space: The space.
        tables: Latency tables by the cost that each gives.
        predicted: Costs that fitted predictors give.
        limited: Metrics that limits name; some costs are compiled for these only.
        mpc: Sections of private inference by name, each of which adds its costs.

    Raises:
        ConfigError: A predictor gives what is known without it, or a table is of another
            protocol than its section.
        TableError: A layer of the space has no private form.
    """
    models: list[CostModel] = [Macs(), Params(), PeakMemory()]
    models += [model for model in _ON_REQUEST if model.metric in limited]
    for name, section in (mpc or {}).items():
        network = get_network(
            section.network, rtt_ms=section.rtt_ms, mbit_per_s=section.mbit_per_s
        )
        models += private_costs(_private_prices(name, section), network, place=name)
    costs = {model.metric: compile_cost(space, model) for model in models}
    costs |= {metric: latency_cost(space, table, metric) for metric, table in tables.items()}
    for cost in predicted:
        if cost.metric in (*costs, *(model.metric for model in _ON_REQUEST)):
            raise ConfigError(
                f"predictors: {cost.metric} is known without a predictor. Leave that one out."
            )
        costs[cost.metric] = cost
    return costs


def _private_prices(name: str, section: MpcConfig) -> OperatorPrices:
    """Return where the prices of a section of private inference come from.

    Raises:
        ConfigError: The table is of another protocol.
        TableError: The protocol has no laws, or the table is damaged or of another engine.
    """
    if section.table is None:
        return known_prices(get_protocol(section.protocol))
    table = load_mpc_table(Path(section.table))
    if table.protocol.name != section.protocol:
        key = f"mpc.{name}.table" if name else "mpc.table"
        raise ConfigError(
            f"{key}: {section.table} is a table of {table.protocol.name}, and protocol is "
            f"{section.protocol!r}. Name the table's protocol, or another table."
        )
    return table


def build_problem(
    config: Config,
    space: SearchSpace,
    tables: Mapping[str, AnyTable] | None = None,
    predicted: Sequence[CostTable] = (),
) -> Problem:
    """Return the search problem of a configuration, with shares resolved.

    A share such as ``"60%"`` is one of the largest subnet's cost; see `largest_cost`.

    Args:
        config: What is asked.
        space: The space it names.
        tables: Latency tables by the cost that each gives; where one is asked for but not
            there yet, a limit on it is left out.
        predicted: Costs that fitted predictors give; see `nas.predicted`.

    Raises:
        ConfigError: A limit or an objective names no cost, two sources give one cost, or a
            limit asks for a confidence in what has no known error.
        TableError: The table has too few held-out networks for the confidence.
    """
    asked = config.search.parsed_limits()
    tables = tables or {}
    for cost in predicted:
        if cost.metric in config.latencies:
            raise ConfigError(
                f"predictors: {cost.metric} comes from the section latency. Leave out one of the "
                "two."
            )
    limited = [limit.metric for limit in asked]
    costs = compiled_costs(space, tables, predicted, limited=limited, mpc=config.mpcs)
    known = list(dict.fromkeys([*costs, *config.latencies]))
    limits = []
    for limit in asked:
        if limit.metric in config.latencies and limit.metric not in tables:
            continue
        if limit.metric not in costs:
            names = [*known, *(model.metric for model in _ON_REQUEST)]
            raise ConfigError(
                f"search.limits.{limit.metric}: no such cost. {nearest(limit.metric, names)}"
            )
        margin = _margin(limit, tables.get(limit.metric), costs[limit.metric])
        value = limit.resolve(largest_cost(costs[limit.metric])) / (1 + margin)
        said = str(config.search.limits[limit.metric])
        limits.append(UpperLimit(limit.metric, value, said, margin))
    first, *others = _objectives(config, known)
    objectives = (first, *(other for other in others if other.metric in costs))
    return Problem(space, objectives=objectives, costs=costs, limits=tuple(limits))


def sweep_values(problem: Problem, sweep: Sweep) -> tuple[float, ...]:
    """Return the limits of a sweep, shares resolved as those of `build_problem`.

    Raises:
        ConfigError: The problem has no such cost, or the sweep no limits.
    """
    if sweep.metric not in problem.costs:
        raise ConfigError(
            f"sweep over {sweep.metric}: no such cost. {nearest(sweep.metric, problem.costs)}"
        )
    return sweep.values(largest_cost(problem.costs[sweep.metric]))


def _objectives(config: Config, costs: Sequence[str]) -> tuple[Objective, ...]:
    """Return the objectives of a configuration.

    Raises:
        ConfigError: One is neither measured by the evaluation nor a cost.
    """
    search = config.search
    if search.objective not in (_EVALUATED, *costs):
        raise ConfigError(
            f"search.objective = {search.objective!r}: neither the evaluation nor a cost gives "
            f"it. {nearest(search.objective, [_EVALUATED, *costs])}"
        )
    for metric in search.minimize:
        if is_latency(metric) and metric not in costs:
            raise ConfigError(f"search.minimize names {metric}: {config.latency_missing(metric)}.")
        if metric not in costs:
            raise ConfigError(
                f"search.minimize names {metric!r}: no such cost. {nearest(metric, costs)}"
            )
    rest = tuple(Objective(metric, "minimize") for metric in search.minimize)
    return (Objective(search.objective), *rest)


def _margin(limit: Limit, table: AnyTable | None, cost: CostTable) -> float:
    """Return by how much a limit is lowered, relative to it, to be kept with its confidence."""
    if limit.confidence is None:
        return 0.0
    if cost.provenance.kind == "predicted":
        raise ConfigError(
            f"search.limits.{limit.metric}: a predictor keeps no errors of single networks, so no "
            'limit on it can be kept with a confidence. Leave out what follows the "@", and '
            "lower the limit by what `nas predictor show` says."
        )
    if not is_latency(limit.metric) and cost.provenance.kind == "table":
        raise ConfigError(
            f"search.limits.{limit.metric}: only limits on latency, by the table of a "
            'section latency, are kept with a confidence. Leave out what follows the "@", and '
            "lower the limit by what `nas lut show` says."
        )
    if not is_latency(limit.metric):
        raise ConfigError(
            f"search.limits.{limit.metric}: {limit.metric} is counted exactly, so a confidence "
            'means nothing. Leave out what follows the "@".'
        )
    if not isinstance(table, LatencyTable):
        raise ConfigError(
            f"search.limits.{limit.metric}: a published table has no measured networks to tell "
            "its error by, so no limit can be kept with a confidence. Build a table of your own."
        )
    return table.margin(limit.confidence)
