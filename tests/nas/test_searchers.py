"""From a configuration to the searcher and the objectives it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from nas.config import Config, SearchConfig, parse_config
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
from nas.search import (
    NSGA2,
    NSGA3,
    AgingEvolution,
    AssistedSearch,
    Evolution,
    Objective,
    RandomSearch,
)
from nas.searchers import build_searcher


@pytest.mark.parametrize(
    ("options", "searcher"),
    [
        ({}, Evolution()),
        ({"searcher": "random"}, RandomSearch()),
        ({"searcher": "evolution", "mutation_share": 0.25}, Evolution(mutation_share=0.25)),
        ({"searcher": "spos", "parents": 7}, Evolution(parents=7, patience=None)),
        ({"searcher": "ofa", "population": 80}, Evolution(parents=20, patience=None)),
        ({"searcher": "aging", "tournament": 9}, AgingEvolution(population=50, tournament=9)),
        ({"searcher": "assisted"}, AssistedSearch()),
        ({"searcher": "nsga2"}, NSGA2(population=50)),
        ({"searcher": "nsga3", "mutation_probability": 0.2}, NSGA3(50, 0.2)),
    ],
)
def test_each_searcher_gets_its_options(options: dict[str, Any], searcher: object) -> None:
    assert build_searcher(SearchConfig(**options)) == searcher


def test_several_objectives_are_searched_by_what_looks_for_fronts() -> None:
    assert build_searcher(SearchConfig(), objectives=2) == NSGA2(population=50)
    assert build_searcher(SearchConfig(searcher="nsga3"), objectives=2) == NSGA3(population=50)
    assert build_searcher(SearchConfig(searcher="random"), objectives=2) == RandomSearch()


def config_of(**search: Any) -> Config:
    data = {"format": "digits", "validation": 300}
    train = {"epochs": 1, "batch_size": 64, "learning_rate": 0.1}
    document = {"space": {"name": "mobile_small"}, "data": data, "train": train, "search": search}
    return parse_config(document, source="a test")


def test_costs_to_minimise_are_objectives() -> None:
    config = config_of(searcher="nsga2", minimize=["macs", "params"], limits={"macs": "60%"})
    problem = build_problem(config, space_of(config), None)
    wanted = (Objective(), Objective("macs", "minimize"), Objective("params", "minimize"))
    assert problem.objectives == wanted
    largest = problem.costs["macs"].maximum().value
    assert problem.limits[0].value == pytest.approx(0.6 * largest)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"objective": "acuracy"}, "neither the evaluation nor a cost.*accuracy"),
        ({"searcher": "nsga2", "minimize": ["mac"]}, "names 'mac': no such cost.*macs"),
        ({"searcher": "nsga2", "minimize": ["latency_ms"]}, "needs a section .latency."),
    ],
)
def test_objectives_that_nothing_gives_are_refused(search: dict[str, Any], message: str) -> None:
    config = config_of(**search)
    with pytest.raises(ConfigError, match=message):
        build_problem(config, space_of(config), None)
